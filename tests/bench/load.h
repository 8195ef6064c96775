/* SPDX-License-Identifier: Apache-2.0 */
/* What the load programs share: options, the body of a job.
 *
 * Each mode prints one JSON object per line and judges nothing.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "samples.h"
#include "wire.h"

typedef struct LoadOptions {
    uint16_t port;
    size_t count;       /* jobs, or events */
    size_t first;       /* number of the first image */
    size_t connections; /* HTTP connections, or WebSockets */
    size_t group;       /* WebSockets per client id */
    size_t rate;        /* events per second; 0: as many as possible */
    size_t depth;       /* requests that wait for an answer at the same time */
    size_t ms;          /* how long */
    size_t area_min_px; /* a parameter, so that a round writes objects of its own */
    const char *client;
    const char *series; /* folder of the images: bench/<series>/<number>.dcm */
    const char *folder; /* on the disk under test */
} LoadOptions;

/** POST job `<client>-<prefix><number>` for image number of options->series. */
void load_post(Wire *wire, const LoadOptions *options, const char *client, const char *prefix,
               size_t number);

/** The number at the end of the job id of a frame; dies if there is none. */
size_t load_job_number(const char *frame, size_t size);

/** True for a numbered, final event. */
bool load_is_result(const char *frame, size_t size);

/* The modes. */
void load_jobs(const LoadOptions *options);
void load_latency(const LoadOptions *options);
void load_enqueue(const LoadOptions *options);
void load_push(const LoadOptions *options);
void load_floor(const LoadOptions *options);

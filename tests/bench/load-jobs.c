/* SPDX-License-Identifier: Apache-2.0 */
/* Jobs per second, and how long one takes: POST over HTTP, result over a WebSocket.
 *
 * The server says when it claimed the job and what it did since; what is before the claim and after
 * the store is told by our own clock.  Times of acceptance are whole milliseconds, so that a single
 * "queued" may be off by one, but not their mean.
 */
#include "load.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/time.h"
#include "floor.h"

enum { PATIENCE_MS = 120000 };

static const char *const stage_names[] = {"queued", "fetch", "compute", "store"};

typedef struct JobsRun {
    const LoadOptions *options;
    WireLoop loop;
    Wire *socket;
    bool is_open;
    size_t posted;
    size_t accepted;
    size_t finished;
    size_t found;
    size_t failed;
    int64_t first_us;
    int64_t last_accepted_us;
    int64_t last_us;
    int64_t posted_us; /* of the only one on its way */
    Samples accept;
    Samples total;
    Samples stages[COR_ARRAY_LEN(stage_names)];
    Samples rest;
} JobsRun;

static void post_next(JobsRun *run, Wire *wire)
{
    if (run->posted < run->options->count) {
        load_post(wire, run->options, run->options->client, "", run->posted++);
        run->posted_us = wire->sent_us;
    }
}

static void on_answer(Wire *wire, int status, const char *data, size_t size)
{
    JobsRun *run = wire->owner;

    if (status != 202) {
        wire_die("POST was answered %d: %.*s", status, (int) size, data);
    }
    run->accepted++;
    run->last_accepted_us = wire->received_us;
    samples_add(&run->accept, ms_between(wire->sent_us, wire->received_us));
    if (wire->index > 0) {
        post_next(run, wire);
    }
}

static void note_stages(JobsRun *run, const json_t *frame, double total)
{
    const json_t *timing = json_object_get(frame, "timing_ms");
    double sum = 0;

    for (size_t i = 0; i < COR_ARRAY_LEN(stage_names); i++) {
        double ms = json_number_value(json_object_get(timing, stage_names[i]));
        samples_add(&run->stages[i], ms);
        sum += ms;
    }
    samples_add(&run->rest, total - sum);
}

static void on_frame(Wire *wire, int status, const char *data, size_t size)
{
    JobsRun *run = wire->owner;

    if (status == WIRE_OPENED) {
        run->is_open = true;
        return;
    }
    if (status != WIRE_TEXT) {
        wire_die("the WebSocket was answered %d: %.*s", status, (int) size, data);
    }
    if (!load_is_result(data, size)) {
        return;
    }
    json_t *frame = json_loadb(data, size, 0, NULL);
    const char *state = json_string_value(json_object_get(frame, "status"));
    double total = ms_between(run->posted_us, wire->received_us);

    if (!state || strcmp(state, "succeeded") != 0) {
        run->failed++;
    }
    run->found += json_is_true(json_object_get(frame, "found"));
    samples_add(&run->total, total);
    note_stages(run, frame, total);
    json_decref(frame);
    run->finished++;
    run->last_us = wire->received_us;
}

static void turn(JobsRun *run)
{
    int64_t start_ms = cor_time_ms();

    wire_turn(&run->loop, PATIENCE_MS);
    if (cor_time_ms() - start_ms >= PATIENCE_MS) {
        wire_die("nothing came for %d s; %zu of %zu results are there", PATIENCE_MS / 1000,
                 run->finished, run->options->count);
    }
}

static void open_run(JobsRun *run, const LoadOptions *options)
{
    char path[300];

    *run = (JobsRun){.options = options};
    wire_loop_open(&run->loop, options->port);
    run->socket = wire_connect(&run->loop, on_frame, run);
    (void) snprintf(path, sizeof(path), "/ws?client_id=%s", options->client);
    wire_upgrade(run->socket, path);
    while (!run->is_open) {
        turn(run);
    }
}

static void close_run(JobsRun *run)
{
    wire_close(run->socket);
    wire_loop_close(&run->loop);
    samples_free(&run->accept);
    samples_free(&run->total);
    samples_free(&run->rest);
    for (size_t i = 0; i < COR_ARRAY_LEN(stage_names); i++) {
        samples_free(&run->stages[i]);
    }
}

static void print_stages(JobsRun *run)
{
    for (size_t i = 0; i < COR_ARRAY_LEN(stage_names); i++) {
        samples_print(stage_names[i], &run->stages[i]);
        (void) printf(",");
    }
}

void load_jobs(const LoadOptions *options)
{
    JobsRun run;
    Wire **wires = cor_new_array(Wire *, options->connections);

    open_run(&run, options);
    for (size_t i = 0; i < options->connections; i++) {
        wires[i] = wire_connect(&run.loop, on_answer, &run);
        wires[i]->index = i + 1;
    }
    run.first_us = cor_time_us();
    for (size_t i = 0; i < options->connections; i++) {
        post_next(&run, wires[i]);
    }
    while (run.finished < options->count || run.accepted < options->count) {
        turn(&run);
    }
    (void) printf("{\"seconds\":%.4f,\"accepted_seconds\":%.4f,\"jobs\":%zu,\"found\":%zu,"
                  "\"failed\":%zu,",
                  ms_between(run.first_us, run.last_us) / 1000,
                  ms_between(run.first_us, run.last_accepted_us) / 1000, run.finished, run.found,
                  run.failed);
    print_stages(&run);
    samples_print("accept", &run.accept);
    (void) printf("}\n");
    for (size_t i = 0; i < options->connections; i++) {
        wire_close(wires[i]);
    }
    free(wires);
    close_run(&run);
}

/* One job at a time; between two of them, the disk alone. */
void load_latency(const LoadOptions *options)
{
    JobsRun run;
    Floor floor;

    open_run(&run, options);
    floor_open(&floor, options->folder);
    Wire *wire = wire_connect(&run.loop, on_answer, &run);
    while (run.posted < options->count) {
        floor_sample(&floor);
        post_next(&run, wire);
        while (run.finished < run.posted || run.accepted < run.posted) {
            turn(&run);
        }
    }
    (void) printf("{\"jobs\":%zu,\"found\":%zu,\"failed\":%zu,", run.finished, run.found,
                  run.failed);
    samples_print("total", &run.total);
    (void) printf(",");
    samples_print("accept", &run.accept);
    (void) printf(",");
    print_stages(&run);
    samples_print("rest", &run.rest);
    (void) printf(",");
    floor_print(&floor);
    (void) printf("}\n");
    wire_close(wire);
    floor_close(&floor);
    close_run(&run);
}

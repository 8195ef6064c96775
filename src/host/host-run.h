/* SPDX-License-Identifier: Apache-2.0 */
/* One run of an algorithm in its host: what is shared by those who feed it (host-op-run.c) and
 * those who make objects of what comes out (host-renditions.c).
 *
 * Ownership  cor_host_priv_run_unload() and whoever set the run up free what is inside.
 * Threads    One thread at a time.
 * Units      Milliseconds, microseconds where the name says so.
 */
#pragma once

#include "algo/algo.h"
#include "host/host-slices.h"
#include "host/host-tally.h"

/* What can be made, in the words of the job's outputs. */
typedef struct CorHostWishes {
    bool overlay;
    bool image;
    bool segmentation;
    bool report;
    bool preview;
    bool measurements;
} CorHostWishes;

typedef struct CorHostRunning {
    CorHostContext *host;
    const CorAlgorithm *algorithm;
    const json_t *params;
    const char *scope;
    char *params_text; /* canonical */
    int64_t accepted_unix_ms;
    CorHostWishes wishes;
    CorHostSlices slices;
    /* The slice that is loaded. */
    size_t loaded;       /* index into slices; slices.len: none */
    size_t opened_input; /* that dicom is of */
    CorDicom *dicom;
    CorDicomFrame *values;
    CorDicomFrame **kept; /* by slice: decoded for an algorithm that comes back to them, or NULL */
    size_t kept_bytes;
    size_t decoded_len; /* frames that were decoded, again ones included */
    uint8_t *picture;   /* the overlay of the slice that was drawn last */
    size_t picture_bytes;
    uint8_t palette[256 * 3]; /* colours by label number */
    bool is_magenta;          /* every label is: 255, 0, 255 */
    CorHostTally tally;
    size_t found_len;      /* slices on which something was found */
    json_t *measurements;  /* of the slice that was emitted last */
    json_t *conclusion;    /* of the algorithm, NULL if it had none */
    json_t *slice_figures; /* array: what was measured of each slice, if anybody wants to know */
    json_t *summary;       /* the measurements of the run, when it is over */
    char (*uids)[COR_UID_SIZE]; /* of what was made so far: no two may be the same */
    size_t uid_len;
    size_t uid_room;
} CorHostRunning;

/** Load a slice, if it is not. */
COR_MUSTCHECK bool cor_host_priv_run_load(CorHostRunning *run, size_t slice, CorError *err);

/** Give back the slice that is loaded. */
void cor_host_priv_run_unload(CorHostRunning *run);

/* SPDX-License-Identifier: Apache-2.0 */
/* A run in parts: several hosts work on the slices of one job, and one of them joins what they
 * found.
 *
 * A part tells of each of its slices what the algorithm said, what was counted of every label, and
 * the masks, and which objects were made; as sealed memory from host to host, through whoever asked
 * for it.  What is joined is added slice by slice in their order, the same sums in the same order
 * as in a run that is whole, so that it gives the same to the last bit (invariant 5).
 *
 *     part   data, then JSON, then the size of the JSON in 8 bytes of the machine
 *     data   per slice and label that was found: a CorHostCount, then the mask if masks are kept
 *     JSON   {"slices": [{"uid", "frame", "found", "image", "said", "labels": [[label, offset]]}],
 *             "uids": [what was made]}
 *
 * Hosts are one program, so both sides agree on what a CorHostCount is; yet a part was made of
 * foreign bytes and is looked at like those.
 *
 * Ownership  Whoever begins or reads has to be done with it.
 * Threads    One thread at a time.
 * Errors     CORRUPT: parts that cannot be, or that lack a slice.  NOMEM, as host/host-op.h.
 * Units      Bytes.
 */
#pragma once

#include "host/host-run.h"

/* A part that is being written.  {.fd = -1} is none. */
typedef struct CorHostPart {
    int fd;         /* memory, not yet sealed */
    uint64_t size;  /* of the data so far */
    json_t *slices; /* array */
} CorHostPart;

/* One slice of a part. */
typedef struct CorHostPartSlice {
    bool is_there;
    bool is_found;
    bool is_image;      /* an image took its place: nothing was counted */
    const json_t *said; /* by the algorithm; NULL: nothing */
    CorHostCounted *labels;
    size_t label_len;
} CorHostPartSlice;

/* What was mapped of one part. */
typedef struct CorHostPartFile {
    const uint8_t *bytes;
    uint64_t data_size;
    uint64_t size;
    json_t *json;
} CorHostPartFile;

typedef struct CorHostParts {
    CorHostPartSlice *slices; /* one per slice of the run */
    size_t slice_len;
    CorHostPartFile *files;
    size_t file_len;
} CorHostParts;

/** Begin a part. */
COR_MUSTCHECK bool cor_host_priv_part_begin(CorHostPart *part, CorError *err);

/** Add the slice that was taken last; its masks move from the run's tally into the part. */
COR_MUSTCHECK bool cor_host_priv_part_add(CorHostPart *part, CorHostRunning *run,
                                          const CorAlgoResult *result, CorError *err);

/** Send the part, with the UIDs of what was made. */
COR_MUSTCHECK bool cor_host_priv_part_send(CorHostPart *part, CorHostRunning *run, CorError *err);

/** Free a part, sent or not. */
void cor_host_priv_part_done(CorHostPart *part);

/**
 * Read the parts of all slices of a run, and take over the UIDs of what was made.
 *
 * @param first  index of the descriptor of the first part; all behind it are parts, too
 */
COR_MUSTCHECK bool cor_host_priv_parts_read(CorHostRunning *run, size_t first,
                                            CorHostParts *ret_parts, CorError *err);

/** Free what was read.  All zero is ignored. */
void cor_host_priv_parts_done(CorHostParts *parts);

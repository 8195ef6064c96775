/* SPDX-License-Identifier: Apache-2.0 */
/* What the disk needs for the parts of one job, without anything of ours.
 *
 * Sizes are those of a 512 x 512 slice: 16 bits in, colours out.
 */
#pragma once

#include "load.h"

typedef struct Floor {
    int folder_fd;
    int page_fd;
    int slice_fd;
    unsigned turn;
    char *buffer;
    Samples fdatasync; /* 4 KiB overwritten and fdatasync */
    Samples write;     /* 787 KB created, written and fsynced */
    Samples rename;    /* that file renamed, and its folder fsynced */
    Samples read;      /* 526 KB read that are in memory */
} Floor;

/** Make the files in an existing folder. */
void floor_open(Floor *floor, const char *folder);

/** Take one sample of each. */
void floor_sample(Floor *floor);

/** Print `"floor":{...}`. */
void floor_print(Floor *floor);

/** Remove the files. */
void floor_close(Floor *floor);

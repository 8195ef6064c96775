/* SPDX-License-Identifier: Apache-2.0 */
/* What fuzz targets share.
 *
 * A target is a file fuzz-<name>.c with LLVMFuzzerTestOneInput(), a line in the table of
 * meson.build and a folder corpus/<name>.  It states properties with FUZZ_CHECK(); crashing is only
 * the last of them.
 *
 * Threads  One thread at a time.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

/* Abort in every build type, unlike assert(). */
#define FUZZ_CHECK(condition)                                                                \
    do {                                                                                     \
        if (!(condition)) {                                                                  \
            fprintf(stderr, "%s:%d: property broken: %s\n", __FILE__, __LINE__, #condition); \
            abort();                                                                         \
        }                                                                                    \
    } while (0)

/* A point in time, for measuring what was allocated since. */
typedef struct FuzzMemory {
    size_t bytes;
} FuzzMemory;

/** Remember what is allocated now, and start to look for a new peak. */
FuzzMemory fuzz_memory_now(void);

/** Bytes that were allocated at most at one time since, beyond what was then.  Counts malloc() and
 * its kin in code that is linked statically, so ours and not that of shared libraries. */
size_t fuzz_memory_peak_since(const FuzzMemory *before);

/** The target; always returns 0. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

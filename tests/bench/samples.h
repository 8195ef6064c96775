/* SPDX-License-Identifier: Apache-2.0 */
/* Figures of one kind, in milliseconds, and what is printed of them.
 *
 * Ownership   samples_free() what was added to.
 * Threads     One thread at a time.
 * Blocking    Never.
 * Errors      None: wire_die().
 * Units       Milliseconds.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

typedef struct Samples {
    double *values;
    size_t len;
    size_t capacity;
} Samples;

void samples_add(Samples *samples, double value);

/** Add all of more, which stays as it is. */
void samples_join(Samples *samples, const Samples *more);
void samples_free(Samples *samples);

/** Sorts; 0 if there is none. */
double samples_at(Samples *samples, double share);

/** Print `"name":{"p50":...,"p90":...,"p99":...,"max":...,"mean":...,"len":...}`. */
void samples_print(const char *name, Samples *samples);

static inline double ms_between(int64_t from_us, int64_t to_us)
{
    return (double) (to_us - from_us) / 1000.0;
}

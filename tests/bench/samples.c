/* SPDX-License-Identifier: Apache-2.0 */
#include "samples.h"

#include <stdio.h>
#include <stdlib.h>

#include "wire.h"

void samples_add(Samples *samples, double value)
{
    if (samples->len == samples->capacity) {
        samples->capacity = samples->capacity ? 2 * samples->capacity : 1024;
        samples->values = reallocarray(samples->values, samples->capacity, sizeof(double));
        if (!samples->values) {
            wire_die("out of memory");
        }
    }
    samples->values[samples->len++] = value;
}

void samples_join(Samples *samples, const Samples *more)
{
    for (size_t i = 0; i < more->len; i++) {
        samples_add(samples, more->values[i]);
    }
}

void samples_free(Samples *samples)
{
    free(samples->values);
    *samples = (Samples){0};
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *) a;
    double y = *(const double *) b;

    return (x > y) - (x < y);
}

double samples_at(Samples *samples, double share)
{
    if (samples->len == 0) {
        return 0;
    }
    qsort(samples->values, samples->len, sizeof(double), compare);
    return samples->values[(size_t) ((double) (samples->len - 1) * share + 0.5)];
}

void samples_print(const char *name, Samples *samples)
{
    double sum = 0;

    for (size_t i = 0; i < samples->len; i++) {
        sum += samples->values[i];
    }
    (void) printf("\"%s\":{\"p50\":%.3f,\"p90\":%.3f,\"p99\":%.3f,\"max\":%.3f,\"mean\":%.3f,"
                  "\"len\":%zu}",
                  name, samples_at(samples, 0.5), samples_at(samples, 0.9),
                  samples_at(samples, 0.99), samples_at(samples, 1),
                  samples->len ? sum / (double) samples->len : 0, samples->len);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Each metric has a push-front list of series, one per set of label values, which only grows: so
 * readers and adders walk it without a lock, and two threads that meet a new set at once may both
 * make it, of which the loser's is thrown away.
 *
 * A counter is an integer, a gauge the bits of a double, a histogram a count per bucket and a sum
 * in nanoseconds (an integer can be added to atomically; 292 years fit).
 */
#include "program/metrics.h"

#include <inttypes.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"

enum { LABEL_BYTES_MAX = 128 };

/* Upper bounds in seconds, from one short commit to the longest job. */
static const double bounds[] = {0.0005, 0.001, 0.002, 0.003, 0.005, 0.0075, 0.01,
                                0.015,  0.025, 0.05,  0.1,   0.25,  0.5,    1,
                                2.5,    5,     10,    30,    60,    300,    900};
static const char *const no_labels[COR_METRIC_LABELS_MAX] = {"", "", ""};

#define BUCKETS (COR_ARRAY_LEN(bounds) + 1)

struct CorMetricSeries {
    CorMetricSeries *next;
    char *values[COR_METRIC_LABELS_MAX]; /* NULL beyond the metric's labels */
    _Atomic int64_t integer;
    _Atomic double real;       /* gauge */
    _Atomic uint64_t *buckets; /* histogram: BUCKETS counts, the last one beyond all bounds */
    _Atomic int64_t sum_ns;    /* histogram */
};

static pthread_mutex_t registry_mutex = PTHREAD_MUTEX_INITIALIZER;
static CorMetric *registry; /* guarded by registry_mutex; sorted by name */

static size_t label_len(const CorMetric *metric)
{
    size_t len = 0;

    while (len < COR_METRIC_LABELS_MAX && metric->label_names[len]) {
        len++;
    }
    return len;
}

static void series_free(CorMetricSeries *series)
{
    if (series) {
        for (size_t i = 0; i < COR_METRIC_LABELS_MAX; i++) {
            free(series->values[i]);
        }
        free((void *) series->buckets);
        free(series);
    }
}

static CorMetricSeries *series_new(const CorMetric *metric, const char *const *labels)
{
    CorMetricSeries *series = cor_new(CorMetricSeries);
    size_t len = label_len(metric);

    if (!series) {
        return NULL;
    }
    for (size_t i = 0; i < len; i++) {
        series->values[i] = strndup(labels[i] ? labels[i] : "", LABEL_BYTES_MAX);
        if (!series->values[i]) {
            series_free(series);
            return NULL;
        }
    }
    if (metric->kind == COR_METRIC_KIND_HISTOGRAM) {
        series->buckets = cor_new_array(_Atomic uint64_t, BUCKETS);
        if (!series->buckets) {
            series_free(series);
            return NULL;
        }
    }
    return series;
}

static CorMetricSeries *series_find(const CorMetric *metric, CorMetricSeries *head,
                                    const char *const *labels)
{
    size_t len = label_len(metric);

    for (CorMetricSeries *series = head; series; series = series->next) {
        size_t same = 0;
        while (same < len && strncmp(series->values[same], labels[same] ? labels[same] : "",
                                     LABEL_BYTES_MAX) == 0) {
            same++;
        }
        if (same == len) {
            return series;
        }
    }
    return NULL;
}

/* The series of a set of labels, made when it is new; NULL without memory.  A new one is pushed
 * only onto the very list in which it was looked for, so that no set is there twice. */
static CorMetricSeries *series_get(CorMetric *metric, const char *const *labels)
{
    static const char *const others[COR_METRIC_LABELS_MAX] = {"other", "other", "other"};
    CorMetricSeries *made = NULL;

    cor_metric_register(metric);
    labels = labels ? labels : no_labels;
    for (;;) {
        CorMetricSeries *head = atomic_load(&metric->series);
        CorMetricSeries *found = series_find(metric, head, labels);
        if (found) {
            series_free(made);
            return found;
        }
        if (labels != others && atomic_load(&metric->series_len) >= COR_METRIC_SERIES_MAX) {
            series_free(made);
            made = NULL;
            labels = others;
            continue;
        }
        made = made ? made : series_new(metric, labels);
        if (!made) {
            return NULL;
        }
        made->next = head;
        if (atomic_compare_exchange_strong(&metric->series, &head, made)) {
            atomic_fetch_add(&metric->series_len, 1);
            return made;
        }
    }
}

void cor_metric_register(CorMetric *metric)
{
    if (atomic_load_explicit(&metric->is_registered, memory_order_acquire)) {
        return;
    }
    (void) pthread_mutex_lock(&registry_mutex);
    bool is_new = !atomic_load(&metric->is_registered);
    if (is_new) {
        CorMetric **slot = &registry;
        while (*slot && strcmp((*slot)->name, metric->name) < 0) {
            slot = &(*slot)->next;
        }
        metric->next = *slot;
        *slot = metric;
        atomic_store_explicit(&metric->is_registered, true, memory_order_release);
    }
    (void) pthread_mutex_unlock(&registry_mutex);
    if (is_new && !metric->label_names[0]) {
        (void) series_get(metric, NULL);
    }
}

void cor_metric_add(CorMetric *metric, const char *const *labels, int64_t count)
{
    CorMetricSeries *series = series_get(metric, labels);

    if (!series) {
        return;
    }
    if (metric->kind == COR_METRIC_KIND_GAUGE) {
        double old = atomic_load_explicit(&series->real, memory_order_relaxed);
        while (!atomic_compare_exchange_weak(&series->real, &old, old + (double) count)) {
        }
    } else {
        atomic_fetch_add_explicit(&series->integer, count, memory_order_relaxed);
    }
}

void cor_metric_count_to(CorMetric *metric, const char *const *labels, int64_t total)
{
    CorMetricSeries *series = series_get(metric, labels);

    if (series) {
        int64_t old = atomic_load_explicit(&series->integer, memory_order_relaxed);
        while (old < total && !atomic_compare_exchange_weak(&series->integer, &old, total)) {
        }
    }
}

void cor_metric_set(CorMetric *metric, const char *const *labels, double value)
{
    CorMetricSeries *series = series_get(metric, labels);

    if (series) {
        atomic_store_explicit(&series->real, value, memory_order_relaxed);
    }
}

void cor_metric_observe(CorMetric *metric, const char *const *labels, double seconds)
{
    CorMetricSeries *series = series_get(metric, labels);
    size_t bucket = 0;

    if (!series || !series->buckets || !isfinite(seconds)) {
        return;
    }
    seconds = COR_MIN(COR_MAX(seconds, 0.0), 1e9);
    while (bucket < COR_ARRAY_LEN(bounds) && seconds > bounds[bucket]) {
        bucket++;
    }
    atomic_fetch_add_explicit(&series->buckets[bucket], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&series->sum_ns, (int64_t) (seconds * 1e9), memory_order_relaxed);
}

static uint64_t bucket_total(const CorMetricSeries *series)
{
    uint64_t total = 0;

    for (size_t i = 0; i < BUCKETS; i++) {
        total += atomic_load_explicit(&series->buckets[i], memory_order_relaxed);
    }
    return total;
}

double cor_metric_value(CorMetric *metric, const char *const *labels)
{
    const CorMetricSeries *series =
        series_find(metric, atomic_load(&metric->series), labels ? labels : no_labels);

    if (!series) {
        return 0;
    }
    switch (metric->kind) {
    case COR_METRIC_KIND_HISTOGRAM:
        return (double) bucket_total(series);
    case COR_METRIC_KIND_GAUGE:
        return atomic_load(&series->real);
    case COR_METRIC_KIND_COUNTER:
        break;
    }
    return (double) atomic_load(&series->integer);
}

/* {algo="processing_1",stage="compute",le="0.1"} with the values escaped; nothing without labels.
 */
static void put_labels(CorString *out, const CorMetric *metric, const CorMetricSeries *series,
                       const char *bound)
{
    const char *separator = "{";

    for (size_t i = 0; i < label_len(metric); i++) {
        cor_string_printf(out, "%s%s=\"", separator, metric->label_names[i]);
        for (const char *c = series->values[i]; *c; c++) {
            if (*c == '\n') {
                cor_string_append_text(out, "\\n");
            } else {
                cor_string_printf(out, *c == '"' || *c == '\\' ? "\\%c" : "%c", *c);
            }
        }
        cor_string_append_text(out, "\"");
        separator = ",";
    }
    if (bound) {
        cor_string_printf(out, "%sle=\"%s\"", separator, bound);
        separator = ",";
    }
    if (separator[0] == ',') {
        cor_string_append_text(out, "}");
    }
}

static void put_histogram(CorString *out, const CorMetric *metric, const CorMetricSeries *series)
{
    uint64_t total = 0;

    for (size_t i = 0; i < BUCKETS; i++) {
        char bound[24] = "+Inf";
        if (i < COR_ARRAY_LEN(bounds)) {
            (void) snprintf(bound, sizeof(bound), "%g", bounds[i]);
        }
        total += atomic_load_explicit(&series->buckets[i], memory_order_relaxed);
        cor_string_printf(out, "%s_bucket", metric->name);
        put_labels(out, metric, series, bound);
        cor_string_printf(out, " %" PRIu64 "\n", total);
    }
    cor_string_printf(out, "%s_sum", metric->name);
    put_labels(out, metric, series, NULL);
    cor_string_printf(out, " %.9g\n", (double) atomic_load(&series->sum_ns) / 1e9);
    cor_string_printf(out, "%s_count", metric->name);
    put_labels(out, metric, series, NULL);
    cor_string_printf(out, " %" PRIu64 "\n", total);
}

static void put_series(CorString *out, const CorMetric *metric, const CorMetricSeries *series)
{
    if (metric->kind == COR_METRIC_KIND_HISTOGRAM) {
        put_histogram(out, metric, series);
        return;
    }
    cor_string_append_text(out, metric->name);
    put_labels(out, metric, series, NULL);
    if (metric->kind == COR_METRIC_KIND_COUNTER) {
        cor_string_printf(out, " %" PRId64 "\n", atomic_load(&series->integer));
    } else {
        cor_string_printf(out, " %.17g\n", atomic_load(&series->real));
    }
}

void cor_metrics_text(CorString *out)
{
    static const char *const kinds[] = {
        [COR_METRIC_KIND_COUNTER] = "counter",
        [COR_METRIC_KIND_GAUGE] = "gauge",
        [COR_METRIC_KIND_HISTOGRAM] = "histogram",
    };

    (void) pthread_mutex_lock(&registry_mutex);
    for (CorMetric *metric = registry; metric; metric = metric->next) {
        cor_string_printf(out, "# HELP %s %s\n# TYPE %s %s\n", metric->name, metric->help,
                          metric->name, kinds[metric->kind]);
        for (const CorMetricSeries *series = atomic_load(&metric->series); series;
             series = series->next) {
            put_series(out, metric, series);
        }
    }
    (void) pthread_mutex_unlock(&registry_mutex);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Counters, gauges and histograms of this process, in Prometheus' words.
 *
 *     static CorMetric pushed = COR_METRIC_COUNTER("corsia_messages_pushed_total", "Frames sent.");
 *     static CorMetric seconds = COR_METRIC_HISTOGRAM("corsia_job_seconds", "...", "algo",
 * "stage");
 *
 *     cor_metric_add(&pushed, NULL, 1);
 *     cor_metric_observe(&seconds, COR_LABELS("processing_1", "compute"), 0.0021);
 *
 * A metric is a static object of the room that owns it.  It shows up from its first use on, or from
 * cor_metric_register(), which rooms call at start so that a counter is seen at 0.
 *
 * Labels     At most 3 names per metric and 200 different sets of values; what comes after that is
 *            counted under "other", so that nothing from outside makes memory grow.
 * Ownership  Label values are copied the first time they are seen.
 * Threads    Thread-safe: adding takes no lock.
 * Blocking   Never, but for cor_metrics_text(), and for the first use of a set of labels.
 * Errors     None: without memory a value is counted under no label, or dropped.
 * Units      Seconds and bytes, as Prometheus wants.
 */
#pragma once

#include "base/string.h"

#include <stdatomic.h>
#include <stdint.h>

#define COR_METRIC_LABELS_MAX 3
#define COR_METRIC_SERIES_MAX 200

typedef enum CorMetricKind {
    COR_METRIC_KIND_COUNTER,
    COR_METRIC_KIND_GAUGE,
    COR_METRIC_KIND_HISTOGRAM
} CorMetricKind;

typedef struct CorMetricSeries CorMetricSeries; /* one set of label values */

typedef struct CorMetric {
    const char *name;
    const char *help;
    CorMetricKind kind;
    const char *label_names[COR_METRIC_LABELS_MAX + 1]; /* ends with NULL */
    /* Below is the business of metrics.c. */
    _Atomic(CorMetricSeries *) series; /* push-front list, never shrinks */
    atomic_int series_len;
    atomic_bool is_registered;
    struct CorMetric *next; /* guarded by the registry's mutex */
} CorMetric;

#define COR_METRIC_INIT_(metric_kind, metric_name, metric_help, ...)         \
    {                                                                        \
        .name = (metric_name), .help = (metric_help), .kind = (metric_kind), \
        .label_names = {__VA_ARGS__},                                        \
    }
#define COR_METRIC_COUNTER(name, help, ...) \
    COR_METRIC_INIT_(COR_METRIC_KIND_COUNTER, name, help __VA_OPT__(, ) __VA_ARGS__)
#define COR_METRIC_GAUGE(name, help, ...) \
    COR_METRIC_INIT_(COR_METRIC_KIND_GAUGE, name, help __VA_OPT__(, ) __VA_ARGS__)
#define COR_METRIC_HISTOGRAM(name, help, ...) \
    COR_METRIC_INIT_(COR_METRIC_KIND_HISTOGRAM, name, help __VA_OPT__(, ) __VA_ARGS__)

/* The values of a metric's labels in the order of its names. */
#define COR_LABELS(...) ((const char *const[COR_METRIC_LABELS_MAX]){__VA_ARGS__})

/** Show a metric from now on; one without labels at 0.  Calling it again does nothing. */
void cor_metric_register(CorMetric *metric);

/** Add to a counter (count >= 0) or a gauge.  labels: COR_LABELS(...), or NULL without labels. */
void cor_metric_add(CorMetric *metric, const char *const *labels, int64_t count);

/** Bring a counter to a total that is counted elsewhere; it never falls. */
void cor_metric_count_to(CorMetric *metric, const char *const *labels, int64_t total);

/** Set a gauge. */
void cor_metric_set(CorMetric *metric, const char *const *labels, double value);

/** Put a duration in seconds into a histogram (buckets from 0.5 ms to 15 min). */
void cor_metric_observe(CorMetric *metric, const char *const *labels, double seconds);

/** The present value of a counter or gauge, or a histogram's count; 0 if it was never used. */
double cor_metric_value(CorMetric *metric, const char *const *labels);

/** Append all metrics, sorted by name, in the text format of Prometheus, version 0.0.4. */
void cor_metrics_text(CorString *out);

#define COR_METRICS_MEDIA_TYPE "text/plain; version=0.0.4; charset=utf-8"

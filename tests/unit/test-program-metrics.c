/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <stdio.h>
#include <string.h>

#include "base/array.h"
#include "program/metrics.h"
#include "program/thread.h"

static CorMetric plain = COR_METRIC_COUNTER("t_plain_total", "Without labels.");
static CorMetric depth = COR_METRIC_GAUGE("t_depth", "Two labels.", "queue", "state");
static CorMetric seconds = COR_METRIC_HISTOGRAM("t_seconds", "Durations.", "stage");
static CorMetric many = COR_METRIC_COUNTER("t_many_total", "Too many.", "id");
static CorMetric raced = COR_METRIC_COUNTER("t_raced_total", "From threads.", "id");

static void assert_text_has(const char *line)
{
    COR_CLEANUP(cor_string_freep) CorString *text = cor_string_new(1 << 20);
    CorError err = {0};

    cor_metrics_text(text);
    assert_true(cor_string_check(text, &err));
    if (!strstr(cor_string_text(text), line)) {
        fail_msg("'%s' is not in\n%s", line, cor_string_text(text));
    }
}

static void a_registered_counter_is_seen_at_zero(void **state)
{
    (void) state;
    cor_metric_register(&plain);
    assert_text_has("# HELP t_plain_total Without labels.\n# TYPE t_plain_total counter\n"
                    "t_plain_total 0\n");
    cor_metric_add(&plain, NULL, 2);
    cor_metric_add(&plain, NULL, 1);
    assert_text_has("\nt_plain_total 3\n");
    cor_metric_count_to(&plain, NULL, 7);
    cor_metric_count_to(&plain, NULL, 5);
    assert_text_has("\nt_plain_total 7\n");
}

static void labels_are_escaped(void **state)
{
    (void) state;
    cor_metric_set(&depth, COR_LABELS("a\"b\\c\nd", "visible"), 4.5);
    assert_text_has("t_depth{queue=\"a\\\"b\\\\c\\nd\",state=\"visible\"} 4.5\n");
    cor_metric_add(&depth, COR_LABELS("q", "delayed"), 2);
    cor_metric_add(&depth, COR_LABELS("q", "delayed"), -1);
    assert_true(cor_metric_value(&depth, COR_LABELS("q", "delayed")) == 1.0);
}

static void a_histogram_counts_upwards_and_ends_with_infinity(void **state)
{
    (void) state;
    cor_metric_observe(&seconds, COR_LABELS("compute"), 0.0004);
    cor_metric_observe(&seconds, COR_LABELS("compute"), 0.001);
    cor_metric_observe(&seconds, COR_LABELS("compute"), 2);
    cor_metric_observe(&seconds, COR_LABELS("compute"), 5000);
    assert_text_has("t_seconds_bucket{stage=\"compute\",le=\"0.0005\"} 1\n"
                    "t_seconds_bucket{stage=\"compute\",le=\"0.001\"} 2\n");
    assert_text_has("t_seconds_bucket{stage=\"compute\",le=\"2.5\"} 3\n");
    assert_text_has("t_seconds_bucket{stage=\"compute\",le=\"900\"} 3\n"
                    "t_seconds_bucket{stage=\"compute\",le=\"+Inf\"} 4\n"
                    "t_seconds_sum{stage=\"compute\"} 5002.0014\n"
                    "t_seconds_count{stage=\"compute\"} 4\n");
}

static void labels_from_outside_cannot_make_memory_grow(void **state)
{
    char id[16];
    (void) state;

    for (int i = 0; i < 1000; i++) {
        (void) snprintf(id, sizeof(id), "%d", i);
        cor_metric_add(&many, COR_LABELS(id), 1);
    }
    assert_true(cor_metric_value(&many, COR_LABELS("199")) == 1.0);
    assert_true(cor_metric_value(&many, COR_LABELS("200")) == 0.0);
    assert_true(cor_metric_value(&many, COR_LABELS("other")) == 800.0);
}

static void add_often(void *context)
{
    char id[16];
    (void) context;

    for (int i = 0; i < 20000; i++) {
        (void) snprintf(id, sizeof(id), "%d", i % 50);
        cor_metric_add(&raced, COR_LABELS(id), 1);
    }
}

static void threads_that_meet_a_new_label_at_once_lose_nothing(void **state)
{
    CorThread *threads[4] = {0};
    double total = 0;
    CorError err = {0};
    (void) state;

    for (size_t i = 0; i < COR_ARRAY_LEN(threads); i++) {
        assert_true(cor_thread_start("adder", 0, add_often, NULL, &threads[i], &err));
    }
    for (size_t i = 0; i < COR_ARRAY_LEN(threads); i++) {
        cor_thread_join(threads[i]);
    }
    for (int i = 0; i < 50; i++) {
        char id[16];
        (void) snprintf(id, sizeof(id), "%d", i);
        total += cor_metric_value(&raced, COR_LABELS(id));
    }
    assert_true(total == 80000.0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_registered_counter_is_seen_at_zero),
        cmocka_unit_test(labels_are_escaped),
        cmocka_unit_test(a_histogram_counts_upwards_and_ends_with_infinity),
        cmocka_unit_test(labels_from_outside_cannot_make_memory_grow),
        cmocka_unit_test(threads_that_meet_a_new_label_at_once_lose_nothing),
    };

    return cmocka_run_group_tests_name("program-metrics", tests, NULL, NULL);
}

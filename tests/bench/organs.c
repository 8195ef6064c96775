/* SPDX-License-Identifier: Apache-2.0 */
/* How well the algorithms on volumes work and how long they take, as JSON lines.
 *
 *     bench-organs [repeats]
 *
 * The real series of the shared data are needed.  Agreement with the label map is told as Dice, for
 * the series as it is and changed in ways that should not matter.  Times are those of 275 slices of
 * 512 x 512 made of the real ones, from decoded slices to masks, and so is the memory that a run
 * takes beyond what the slices need.
 */
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "base/array.h"
#include "ct-dicom.h"

enum { SLICES = 275, REPEATS_MAX = 99 };

static const char *const organs[] = {"liver", "lungs", "bone", "body"};

static double now_ms(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double) time.tv_sec * 1e3 + (double) time.tv_nsec / 1e6;
}

/* A line of /proc/self/status in MB. */
static double status_mb(const char *name)
{
    FILE *file = fopen("/proc/self/status", "re");
    char line[256];
    double value = 0;

    while (file && fgets(line, sizeof(line), file)) {
        if (strncmp(line, name, strlen(name)) == 0) {
            (void) sscanf(line + strlen(name), ": %lf", &value);
        }
    }
    if (file) {
        fclose(file);
    }
    return value / 1024;
}

static void forget_peak(void)
{
    FILE *file = fopen("/proc/self/clear_refs", "we");

    if (file) {
        fputs("5", file);
        fclose(file);
    }
}

static void print_dice(const char *change, const CtSeries *series)
{
    CtRun run = {.series = series};

    if (!ct_run(&run, "liver")) {
        printf("{\"dice\": \"liver\", \"change\": \"%s\", \"error\": \"%s\"}\n", change,
               run.err.text);
    } else {
        printf("{\"dice\": \"liver\", \"change\": \"%s\", \"value\": %.4f, \"ml\": %.0f, "
               "\"slices\": %zu}\n",
               change, ct_dice(&run, CT_LABEL_LIVER, 1), ct_volume_ml(&run, "liver"),
               series->depth);
    }
    ct_run_done(&run);
}

static void none(CtSeries *series)
{
    (void) series;
}

static void brighter(CtSeries *series)
{
    ct_add(series, 40);
}

static void darker(CtSeries *series)
{
    ct_add(series, -40);
}

static void mirrored(CtSeries *series)
{
    ct_mirror(series, true);
}

static void mirrored_patient(CtSeries *series)
{
    ct_mirror(series, false);
}

static void shifted(CtSeries *series)
{
    ct_shift(series, 45, -35);
}

static void second(CtSeries *series)
{
    ct_thin(series, 2);
}

static void fifth(CtSeries *series)
{
    ct_thin(series, 5);
}

static void noise_20(CtSeries *series)
{
    ct_noise(series, 20);
}

static void noise_40(CtSeries *series)
{
    ct_noise(series, 40);
}

static void noise_70(CtSeries *series)
{
    ct_noise(series, 70);
}

static void noise_100(CtSeries *series)
{
    ct_noise(series, 100);
}

static void print_quality(const CtSeries *contrast)
{
    static const struct {
        const char *name;
        void (*change)(CtSeries *series);
    } changes[] = {
        {"as it is", none},
        {"+40 HU", brighter},
        {"-40 HU", darker},
        {"mirrored", mirrored},
        {"mirrored patient", mirrored_patient},
        {"shifted by 45, -35 px", shifted},
        {"every second slice", second},
        {"every fifth slice", fifth},
        {"noise of 20 HU", noise_20},
        {"noise of 40 HU", noise_40},
        {"noise of 70 HU", noise_70},
        {"noise of 100 HU", noise_100},
    };

    for (size_t i = 0; i < COR_ARRAY_LEN(changes); i++) {
        CtSeries series = ct_copy(contrast);

        changes[i].change(&series);
        print_dice(changes[i].name, &series);
        ct_free(&series);
    }
}

/* What the process has used: on a machine with other work, less than what passes. */
static double processor_ms(void)
{
    struct timespec time = {0};

    (void) clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return (double) time.tv_sec * 1e3 + (double) time.tv_nsec / 1e6;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *) a;
    double y = *(const double *) b;

    return (x > y) - (x < y);
}

static void print_time(const char *algo_id, const char *name, const CtSeries *from, int repeats)
{
    CtSeries series = ct_copy(from);
    double times_ms[REPEATS_MAX];
    double cpu_ms[REPEATS_MAX];
    double peak_mb = 0;

    ct_extend(&series, SLICES);
    for (int i = 0; i < repeats; i++) {
        CtRun run = {.series = &series};
        double before_mb = status_mb("VmRSS");

        forget_peak();
        double start_ms = now_ms();
        double start_cpu_ms = processor_ms();
        bool ok = ct_run(&run, algo_id);
        times_ms[i] = now_ms() - start_ms;
        cpu_ms[i] = processor_ms() - start_cpu_ms;
        peak_mb = COR_MAX(peak_mb, status_mb("VmHWM") - before_mb);
        if (!ok) {
            printf("{\"time\": \"%s\", \"series\": \"%s\", \"error\": \"%s\"}\n", algo_id, name,
                   run.err.text);
        }
        ct_run_done(&run);
    }
    qsort(times_ms, (size_t) repeats, sizeof(times_ms[0]), compare);
    qsort(cpu_ms, (size_t) repeats, sizeof(cpu_ms[0]), compare);
    printf("{\"time\": \"%s\", \"series\": \"%s\", \"slices\": %d, \"median_ms\": %.0f, "
           "\"min_ms\": %.0f, \"processor_ms\": %.0f, \"peak_mb\": %.0f, \"volume_mb\": %.0f}\n",
           algo_id, name, SLICES, times_ms[repeats / 2], times_ms[0], cpu_ms[repeats / 2], peak_mb,
           (double) ct_len(&series) * 2 / 1048576);
    ct_free(&series);
}

int main(int argc, char **argv)
{
    CtSeries contrast = ct_read_contrast();
    CtSeries plain = ct_read_plain();
    int repeats = argc > 1 && argv[1][0] >= '1' && argv[1][0] <= '9' ? argv[1][0] - '0' : 5;

    if (!contrast.values || !plain.values) {
        printf("{\"error\": \"the shared data is not there\"}\n");
        return 0;
    }
    print_quality(&contrast);
    for (size_t i = 0; i < COR_ARRAY_LEN(organs); i++) {
        print_time(organs[i], "contrast", &contrast, repeats);
        print_time(organs[i], "plain", &plain, repeats);
    }
    ct_free(&contrast);
    ct_free(&plain);
    return 0;
}

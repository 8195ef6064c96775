/* SPDX-License-Identifier: Apache-2.0 */
/* How long the stages of the two algorithms take on one thread: medians, as JSON lines.
 *
 *     bench-kernels [input.npy.gz]
 *
 * Without a file: oracle/real_contrast_first of the shared data, or else a made-up slice.
 */
#include <math.h>
#include <stdio.h>
#include <time.h>

#include "algo/algo-priv.h"
#include "base/array.h"
#include "image/encode.h"
#include "image/overlay.h"
#include "image/window.h"
#include "npy.h"

#define REPEATS 301

/* Masks that are kept from one run of each algorithm, for the steps behind them. */
enum {
    FIRST_ABOVE,
    FIRST_CLOSED,
    FIRST_FILLED,
    FIRST_OPENED,
    FIRST_LAST,
    SECOND_MAJORITY,
    SECOND_CLOSED,
    SECOND_FILLED,
    SECOND_OPENED,
    SECOND_CLOSED_2,
    SECOND_LAST,
    STEP_LEN
};

static const char *const step_names[STEP_LEN] = {
    "thresh", "closed", "filled", "opened",  "noholes", "median_gt",
    "closed", "filled", "opened", "closed2", "filled2",
};

typedef struct Bench {
    CorPlane plane;
    double *doubles;
    CorProcessing1 first;
    CorProcessing6 second;
    CorAlgoWorkspace workspace;
    CorAlgoOutcome outcome;
    CorBits steps[STEP_LEN]; /* what a step of the run before it left */
    CorBits filled;
    CorBits to;
    void *median_scratch;
    uint8_t *grey;
    uint8_t *rgb;
    double copy_ns_per_byte;
} Bench;

typedef struct Kept {
    Bench *bench;
    int next;
    int end;
} Kept;

typedef void (*Stage)(Bench *bench);

static int64_t now_ns(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t) time.tv_sec * 1000000000 + time.tv_nsec;
}

static int compare(const void *a, const void *b)
{
    int64_t x = *(const int64_t *) a;
    int64_t y = *(const int64_t *) b;

    return (x > y) - (x < y);
}

/* One line: the median, and beside it the floor: how long it takes to move the bytes that a stage
 * has to read and write at least, as fast as a copy of a plane moves them. */
static void measure(Bench *bench, const char *name, Stage stage, int repeats, double bytes_per_px)
{
    static int64_t times[REPEATS];
    double pixels = (double) (bench->plane.width_px * bench->plane.height_px);

    for (int i = 0; i < repeats; i++) {
        int64_t start = now_ns();

        stage(bench);
        times[i] = now_ns() - start;
    }
    qsort(times, (size_t) repeats, sizeof(times[0]), compare);
    if (bytes_per_px < 0) { /* the copy itself */
        bench->copy_ns_per_byte = (double) times[repeats / 2] / (-bytes_per_px * pixels);
    }
    printf("{\"bench\":\"%s\",\"isa\":\"%s\",\"width\":%zu,\"height\":%zu,\"median_ns\":%lld,"
           "\"p10_ns\":%lld,\"floor_ns\":%.0f}\n",
           name, cor_kernel_isa(), bench->plane.width_px, bench->plane.height_px,
           (long long) times[repeats / 2], (long long) times[repeats / 10],
           fabs(bytes_per_px) * pixels * bench->copy_ns_per_byte);
}

static CorPlane doubles_of(const Bench *bench)
{
    CorPlane plane = bench->plane;

    plane.data = bench->doubles;
    plane.type = COR_PIXEL_F64;
    plane.row_bytes = plane.width_px * sizeof(double);
    return plane;
}

static void expect(bool is_good)
{
    if (!is_good) {
        fprintf(stderr, "a stage failed\n");
        exit(1);
    }
}

static void copy(Bench *bench)
{
    memcpy(bench->rgb, bench->plane.data,
           bench->plane.width_px * bench->plane.height_px * sizeof(int16_t));
}

static void clip(Bench *bench)
{
    cor_kernel_clip_s16(&bench->first.clip, bench->plane.data,
                        bench->plane.width_px * bench->plane.height_px, bench->workspace.bytes[0]);
}

static void gauss_above(Bench *bench)
{
    cor_kernel_gauss_above(&bench->first.gauss, bench->workspace.bytes[0], 110,
                           bench->workspace.bytes[1], &bench->to, bench->workspace.scratch);
}

static void close_7(Bench *bench)
{
    cor_kernel_dilate_disk(&bench->steps[FIRST_ABOVE], 7, &bench->filled,
                           bench->workspace.morphology);
    cor_kernel_erode_disk(&bench->filled, 7, false, &bench->to, bench->workspace.morphology);
}

static void open_9(Bench *bench)
{
    cor_kernel_erode_disk(&bench->steps[FIRST_FILLED], 9, true, &bench->filled,
                          bench->workspace.morphology);
    cor_kernel_dilate_disk(&bench->filled, 9, &bench->to, bench->workspace.morphology);
}

static void fill_first(Bench *bench)
{
    cor_kernel_bits_copy(&bench->steps[FIRST_CLOSED], &bench->filled);
    expect(cor_algo_priv_fill_holes(&bench->workspace, &bench->filled, NULL));
}

static void fill_small(Bench *bench)
{
    cor_kernel_bits_copy(&bench->steps[FIRST_OPENED], &bench->filled);
    expect(cor_algo_priv_fill_small(&bench->workspace, 5000, &bench->filled, NULL));
}

static void choose_first(Bench *bench)
{
    expect(cor_algo_priv_choose(&bench->workspace, &bench->steps[FIRST_LAST], &bench->first.choice,
                                NULL, &bench->outcome, NULL));
}

static void close_9_twice(Bench *bench)
{
    uint64_t *scratch = bench->workspace.morphology;

    cor_kernel_dilate_disk(&bench->steps[SECOND_MAJORITY], 9, &bench->filled, scratch);
    cor_kernel_dilate_disk(&bench->filled, 9, &bench->to, scratch);
    cor_kernel_erode_disk(&bench->to, 9, false, &bench->filled, scratch);
    cor_kernel_erode_disk(&bench->filled, 9, false, &bench->to, scratch);
}

static void fill_second(Bench *bench)
{
    cor_kernel_bits_copy(&bench->steps[SECOND_CLOSED], &bench->filled);
    expect(cor_algo_priv_fill_holes(&bench->workspace, &bench->filled, NULL));
}

static void cross_open_2(Bench *bench)
{
    uint64_t *scratch = bench->workspace.morphology;

    cor_kernel_erode_diamond(&bench->steps[SECOND_FILLED], 2, &bench->filled, scratch);
    cor_kernel_dilate_diamond(&bench->filled, 2, &bench->to, scratch);
}

static void cross_close_9(Bench *bench)
{
    uint64_t *scratch = bench->workspace.morphology;

    cor_kernel_dilate_diamond(&bench->steps[SECOND_OPENED], 9, &bench->filled, scratch);
    cor_kernel_erode_diamond(&bench->filled, 9, &bench->to, scratch);
}

static void fill_second_again(Bench *bench)
{
    cor_kernel_bits_copy(&bench->steps[SECOND_CLOSED_2], &bench->filled);
    expect(cor_algo_priv_fill_holes(&bench->workspace, &bench->filled, NULL));
}

static void choose_second(Bench *bench)
{
    expect(cor_algo_priv_choose(&bench->workspace, &bench->steps[SECOND_LAST],
                                &bench->second.choice, NULL, &bench->outcome, NULL));
}

static void above(Bench *bench)
{
    cor_kernel_above_s16(bench->plane.data, bench->plane.width_px * bench->plane.height_px, 120,
                         bench->workspace.bytes[0]);
}

static void majority(Bench *bench)
{
    cor_kernel_majority(bench->workspace.bytes[0], 11, &bench->to, bench->workspace.scratch);
}

static void median_11(Bench *bench)
{
    const size_t size_px[2] = {bench->plane.width_px, bench->plane.height_px};

    cor_kernel_median_s16(bench->plane.data, size_px, 11, (int16_t *) (void *) bench->rgb,
                          bench->median_scratch);
}

static void mean_11(Bench *bench)
{
    const size_t size_px[2] = {bench->plane.width_px, bench->plane.height_px};
    CorMean mean = {.radius_px = 5, .low = -1024, .high = 1500};

    cor_kernel_mean_s16(&mean, bench->plane.data, size_px, (float *) (void *) bench->doubles,
                        bench->median_scratch);
}

static void find_1(Bench *bench)
{
    expect(cor_algo_priv_processing_1_find(&bench->first, &bench->plane, &bench->workspace, NULL,
                                           &bench->outcome, NULL));
}

static void find_6(Bench *bench)
{
    expect(cor_algo_priv_processing_6_find(&bench->second, &bench->plane, &bench->workspace, NULL,
                                           &bench->outcome, NULL));
}

static void find_1_f64(Bench *bench)
{
    CorPlane plane = doubles_of(bench);

    expect(cor_algo_priv_processing_1_find(&bench->first, &plane, &bench->workspace, NULL,
                                           &bench->outcome, NULL));
}

static void find_6_f64(Bench *bench)
{
    CorPlane plane = doubles_of(bench);

    expect(cor_algo_priv_processing_6_find(&bench->second, &plane, &bench->workspace, NULL,
                                           &bench->outcome, NULL));
}

static void draw_mask(Bench *bench)
{
    cor_algo_priv_draw_mask(&bench->workspace, &bench->outcome);
}

static void measurements(Bench *bench)
{
    CorAlgoSlice slice = {.plane = bench->plane, .row_spacing_mm = 1, .column_spacing_mm = 1};

    json_decref(cor_algo_priv_measure(&bench->workspace, &slice, &bench->outcome));
}

static void overlay(Bench *bench)
{
    expect(cor_image_overlay(&bench->plane, bench->workspace.mask, bench->rgb, NULL, NULL));
}

static void overlay_f64(Bench *bench)
{
    CorPlane plane = doubles_of(bench);

    expect(cor_image_overlay(&plane, bench->workspace.mask, bench->rgb, NULL, NULL));
}

static void window(Bench *bench)
{
    CorWindow window = {.center = 50, .width = 400};

    expect(cor_image_window(&bench->plane, &window, bench->grey, NULL));
}

static void encode(Bench *bench, bool is_png)
{
    CorString *file = cor_string_new((size_t) 64 << 20);
    CorPlane plane = {.data = bench->rgb,
                      .width_px = bench->plane.width_px,
                      .height_px = bench->plane.height_px,
                      .row_bytes = 3 * bench->plane.width_px,
                      .type = COR_PIXEL_RGB8};

    expect(is_png ? cor_image_append_png(&plane, file, NULL)
                  : cor_image_append_jpeg(&plane, 90, file, NULL));
    cor_string_free(file);
}

static void png(Bench *bench)
{
    encode(bench, true);
}

static void jpeg(Bench *bench)
{
    encode(bench, false);
}

static bool no_load(void *context, size_t slice, CorAlgoSlice *ret_slice, CorError *err)
{
    (void) slice;
    (void) err;
    *ret_slice = (CorAlgoSlice){.plane = ((Bench *) context)->plane};
    return true;
}

static bool no_emit(void *context, const CorAlgoResult *result, CorError *err)
{
    (void) context;
    (void) result;
    (void) err;
    return true;
}

static bool no_progress(void *context, double fraction, CorError *err)
{
    (void) context;
    (void) fraction;
    (void) err;
    return true;
}

/* A whole job as a host runs it, memory and measurements included. */
static void run(Bench *bench, const char *id)
{
    json_t *params = json_object();
    CorAlgoJob job = {.params = params,
                      .slice_len = 1,
                      .load = no_load,
                      .emit = no_emit,
                      .progress = no_progress,
                      .context = bench};

    expect(cor_algo_find(id)->run(&job, NULL));
    json_decref(params);
}

static void run_1(Bench *bench)
{
    run(bench, "processing_1");
}

static void run_6(Bench *bench)
{
    run(bench, "processing_6");
}

/* Rings of different brightness with noise: something for every stage to do. */
static void make_up(Npy *npy)
{
    uint32_t random = 1;
    int16_t *values = calloc(512 * 512, sizeof(int16_t));

    *npy = (Npy){.type = 'h', .dims = {1, 512, 512}, .len = 512 * 512, .data = values};
    for (int i = 0; i < 512 * 512; i++) {
        double x = i % 512 - 256;
        double y = i / 512 - 256;
        double radius = sqrt(x * x + y * y);

        random = random * 1664525 + 1013904223;
        values[i] = (int16_t) ((radius > 220   ? -1000
                                : radius > 180 ? -100
                                               : 100) +
                               (int) (random >> 26) - 32);
    }
}

static void keep_step(void *context, const char *name, const CorBits *bits)
{
    Kept *kept = context;

    if (kept->next < kept->end && strcmp(name, step_names[kept->next]) == 0) {
        cor_kernel_bits_copy(bits, &kept->bench->steps[kept->next++]);
    }
}

static void keep_steps(Bench *bench)
{
    Kept kept = {.bench = bench, .next = 0, .end = SECOND_MAJORITY};
    CorAlgoTrace trace = {.bits = keep_step, .context = &kept};

    expect(cor_algo_priv_processing_1_find(&bench->first, &bench->plane, &bench->workspace, &trace,
                                           &bench->outcome, NULL));
    kept.end = STEP_LEN;
    expect(cor_algo_priv_processing_6_find(&bench->second, &bench->plane, &bench->workspace, &trace,
                                           &bench->outcome, NULL));
    expect(kept.next == STEP_LEN);
}

static void prepare(Bench *bench, const Npy *npy)
{
    size_t width = npy->dims[2];
    size_t height = npy->dims[1];
    size_t words = cor_kernel_bits_size_words(width, height);
    size_t size = width * height;
    size_t rgb_size = 3 * size;
    json_t *defaults = json_object();

    bench->plane = (CorPlane){.data = npy->data,
                              .width_px = width,
                              .height_px = height,
                              .row_bytes = width * sizeof(int16_t),
                              .type = COR_PIXEL_S16};
    bench->doubles = cor_new_array(double, size);
    for (size_t i = 0; i < size; i++) {
        bench->doubles[i] = ((const int16_t *) npy->data)[i];
    }
    bench->median_scratch = malloc(cor_kernel_median_scratch_size(11));
    bench->grey = cor_new_array(uint8_t, size);
    bench->rgb = cor_new_array(uint8_t, rgb_size);
    for (size_t i = 0; i < STEP_LEN; i++) {
        bench->steps[i] = cor_kernel_bits_at(cor_new_array(uint64_t, words), width, height);
    }
    bench->filled = cor_kernel_bits_at(cor_new_array(uint64_t, words), width, height);
    bench->to = cor_kernel_bits_at(cor_new_array(uint64_t, words), width, height);
    expect(cor_algo_priv_processing_1_read(defaults, &bench->first, NULL) &&
           cor_algo_priv_processing_6_read(defaults, &bench->second, NULL));
    json_decref(defaults);
}

/* What is measured: its name, how often, and bytes per pixel that it has to read and write. */
static const struct {
    const char *name;
    Stage stage;
    int repeats;
    double bytes_per_px;
} stages[] = {
    {"floor/copy", copy, REPEATS, -4},
    {"processing_6/whole", find_6, REPEATS, 2.125},
    {"processing_6/threshold", above, REPEATS, 3},
    {"processing_6/majority_11", majority, REPEATS, 1.125},
    {"processing_6/close_9_twice", close_9_twice, REPEATS, 0.25},
    {"processing_6/fill", fill_second, REPEATS, 0.25},
    {"processing_6/cross_open_2", cross_open_2, REPEATS, 0.25},
    {"processing_6/cross_close_9", cross_close_9, REPEATS, 0.25},
    {"processing_6/fill_again", fill_second_again, REPEATS, 0.25},
    {"processing_6/choose", choose_second, REPEATS, 0.125},
    {"processing_6/whole_f64", find_6_f64, REPEATS, 8.125},
    {"processing_1/whole_f64", find_1_f64, REPEATS, 8.125},
    {"processing_1/whole", find_1, REPEATS, 2.125},
    {"processing_1/window", clip, REPEATS, 3},
    {"processing_1/gauss_above", gauss_above, REPEATS, 1.125},
    {"processing_1/close_7", close_7, REPEATS, 0.25},
    {"processing_1/fill", fill_first, REPEATS, 0.25},
    {"processing_1/open_9", open_9, REPEATS, 0.25},
    {"processing_1/small_holes", fill_small, REPEATS, 0.25},
    {"processing_1/choose", choose_first, REPEATS, 0.125},
    {"result/mask", draw_mask, REPEATS, 1},
    {"result/measurements", measurements, REPEATS, 2},
    {"result/overlay", overlay, REPEATS, 6},
    {"result/overlay_f64", overlay_f64, REPEATS, 12},
    {"filter/median_11", median_11, 31, 4},
    {"filter/mean_11", mean_11, REPEATS, 6},
    {"image/window", window, REPEATS, 3},
    {"image/png", png, 31, 3},
    {"image/jpeg", jpeg, 31, 3},
    {"processing_1/run", run_1, REPEATS, 3.125},
    {"processing_6/run", run_6, REPEATS, 3.125},
};

int main(int argc, char **argv)
{
    static Bench bench;
    Npy npy;
    char path[600];
    bool is_there = npy_shared_path(path, sizeof(path), "oracle/real_contrast_first/input.npy.gz");

    if (argc > 1 ? !npy_read(argv[1], &npy) : !is_there || !npy_read(path, &npy)) {
        make_up(&npy);
    }
    expect(npy.type == 'h');
    prepare(&bench, &npy);

    keep_steps(&bench);
    for (size_t i = 0; i < COR_ARRAY_LEN(stages); i++) {
        measure(&bench, stages[i].name, stages[i].stage, stages[i].repeats, stages[i].bytes_per_px);
    }
    return 0;
}

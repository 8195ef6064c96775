/* SPDX-License-Identifier: Apache-2.0 */
/* The algorithms beyond the reference's defaults: any parameters on any size against the
 * definition, the course of a run, measurements, and what is refused.
 */
#include "test.h"

#include <math.h>
#include <string.h>

#include "algo/algo-priv.h"
#include "base/array.h"
#include "base/json-schema.h"
#include "naive.h"

/* A job over one stack of slices. */
typedef struct Job {
    const void *data;
    CorPixelType type;
    size_t width;
    size_t height;
    double spacing_mm;
    uint8_t *mask; /* of the last result */
    json_t *measurements;
    size_t emitted;
    size_t reported;
    double fraction;
    size_t stop_after;
    CorAlgoJob job;
} Job;

static bool load(void *context, size_t slice, CorAlgoSlice *ret_slice, CorError *err)
{
    Job *job = context;
    size_t row_bytes = job->width * cor_pixel_size(job->type);

    (void) err;
    *ret_slice = (CorAlgoSlice){
        .plane = {.data = (const uint8_t *) job->data + slice * job->height * row_bytes,
                  .width_px = job->width,
                  .height_px = job->height,
                  .row_bytes = row_bytes,
                  .type = job->type},
        .row_spacing_mm = job->spacing_mm,
        .column_spacing_mm = job->spacing_mm / 2,
    };
    return true;
}

static bool emit(void *context, const CorAlgoResult *result, CorError *err)
{
    Job *job = context;

    (void) err;
    assert_int_equal(result->slice, job->emitted);
    job->emitted++;
    if (job->mask) {
        memcpy(job->mask, result->mask, job->width * job->height);
    }
    json_decref(job->measurements);
    job->measurements = json_deep_copy(result->measurements);
    return true;
}

static bool progress(void *context, double fraction, CorError *err)
{
    Job *job = context;

    (void) err;
    assert_true(fraction > job->fraction);
    job->reported++;
    job->fraction = fraction;
    return job->reported != job->stop_after;
}

static void start(Job *job, const void *data, CorPixelType type, size_t width, size_t height)
{
    *job = (Job){.data = data, .type = type, .width = width, .height = height};
    job->job = (CorAlgoJob){.params = json_object(),
                            .slice_len = 1,
                            .load = load,
                            .emit = emit,
                            .progress = progress,
                            .context = job};
}

static void set(Job *job, const char *name, json_t *value)
{
    json_object_set_new((json_t *) (uintptr_t) job->job.params, name, value);
}

static void stop(Job *job)
{
    json_decref((json_t *) (uintptr_t) job->job.params);
    json_decref(job->measurements);
}

/* Everything after the threshold, and before the choice, by definition. */
static void naive_close(uint8_t *mask, long width, long height, long radius, bool is_disk,
                        uint8_t *spare)
{
    naive_morphology(mask, width, height, radius, is_disk, true, false, spare);
    naive_morphology(spare, width, height, radius, is_disk, false, false, mask);
}

static void naive_choose(uint8_t *mask, long width, long height, const CorAlgoChoice *choice)
{
    size_t size = (size_t) (width * height);
    uint32_t *labels = cor_new_array(uint32_t, size);
    uint32_t count = naive_label(mask, width, height, 1, labels);
    uint32_t best = 0;
    uint64_t best_area = 0;

    for (uint32_t label = 1; label <= count; label++) {
        uint64_t area = 0;
        double sum_x = 0;
        double sum_y = 0;

        for (long i = 0; i < width * height; i++) {
            if (labels[i] == label) {
                long x = i % width;

                area++;
                sum_x += (double) (choice->side == COR_ALGO_SIDE_RIGHT ? width - 1 - x : x);
                sum_y += (double) (i / width);
            }
        }
        if (area < choice->area_min_px || area <= best_area ||
            sum_y / (double) area / (double) height > choice->centroid_y_max ||
            (choice->side != COR_ALGO_SIDE_ANY &&
             sum_x / (double) area / (double) width > choice->centroid_x_max)) {
            continue;
        }
        best = label;
        best_area = area;
    }
    for (size_t i = 0; i < size; i++) {
        mask[i] = best && labels[i] == best;
    }
    free(labels);
}

static void naive_processing_1(const CorProcessing1 *params, const double *values, long width,
                               long height, uint8_t *mask)
{
    size_t size = (size_t) (width * height);
    uint8_t *spare = cor_new_array(uint8_t, size);
    long radius = (long) params->gauss.radius_px;

    for (size_t i = 0; i < size; i++) {
        float value = (float) fmin(fmax(values[i], params->hu_min), params->hu_max);
        float share = (value - (float) params->hu_min) / (float) (params->hu_max - params->hu_min);

        mask[i] = (uint8_t) (int) (share * 255);
    }
    naive_gauss_pass(mask, width, height, params->gauss.weights, radius, true, spare);
    naive_gauss_pass(spare, width, height, params->gauss.weights, radius, false, mask);
    for (size_t i = 0; i < size; i++) {
        mask[i] = mask[i] > params->threshold;
    }
    naive_close(mask, width, height, params->closing_radius_px, true, spare);
    naive_fill(mask, width, height, true, 0);
    naive_morphology(mask, width, height, params->opening_radius_px, true, false, true, spare);
    naive_morphology(spare, width, height, params->opening_radius_px, true, true, false, mask);
    naive_fill(mask, width, height, false, (uint32_t) params->small_hole_px);
    naive_choose(mask, width, height, &params->choice);
    free(spare);
}

/* n times dilated, then n times eroded, or the other way round. */
static void naive_repeat(uint8_t *mask, long width, long height, long radius, int n,
                         bool dilate_first)
{
    size_t size = (size_t) (width * height);
    uint8_t *spare = cor_new_array(uint8_t, size);

    for (int i = 0; i < 2 * n; i++) {
        naive_morphology(mask, width, height, radius, true, (i < n) == dilate_first, false, spare);
        memcpy(mask, spare, size);
    }
    free(spare);
}

static void naive_processing_6(const CorProcessing6 *params, const double *values, long width,
                               long height, uint8_t *mask)
{
    for (long i = 0; i < width * height; i++) {
        mask[i] = naive_median(values, width, height, (long) params->median_size_px, i % width,
                               i / width) > params->threshold_hu;
    }
    naive_repeat(mask, width, height, params->closing_radius_px, params->closing_iterations, true);
    naive_fill(mask, width, height, true, 0);
    naive_repeat(mask, width, height, 1, params->cross_opening_iterations, false);
    naive_repeat(mask, width, height, 1, params->cross_closing_iterations, true);
    naive_fill(mask, width, height, true, 0);
    naive_choose(mask, width, height, &params->choice);
}

/* Soft blobs in noise, in the range in which thresholds lie; halves if they may not be integers. */
static void make_values(double *values, long width, long height, bool is_integer, uint64_t *seed)
{
    double period = 3 + naive_random(seed) % 40;

    for (long i = 0; i < width * height; i++) {
        double wave = sin((double) (i % width) / period) * cos((double) (i / width) / period);
        double value = 90 + 90 * wave + naive_random(seed) % 40;

        values[i] = is_integer ? floor(value) : value;
    }
}

static double random_number(const CorAlgoNumber *number, uint64_t *seed)
{
    double value = number->minimum + (number->maximum - number->minimum) *
                                         (double) naive_random(seed) / (double) UINT32_MAX;
    bool is_area = number->maximum > 10000;

    if (is_area) { /* of the size of the test's images */
        value = naive_random(seed) % 60 + 1;
    } else if (number->maximum > 3000) { /* HU: where the test's images have something */
        value = naive_random(seed) % 200;
    } else if (number->maximum >= 30 && number->maximum <= 50) { /* a radius or a count */
        value = naive_random(seed) % (naive_random(seed) % 4 ? 6 : 20);
    } else if (number->maximum <= 1) { /* a share: seldom so small that nothing passes */
        value = 0.3 + 0.7 * value;
    } else if (strcmp(number->name, "sigma") == 0) {
        value = naive_random(seed) % 30 / 10.0;
    }
    return number->is_integer ? floor(value) : value;
}

static void set_random_params(Job *job, const CorAlgoNumber *numbers, size_t len, uint64_t *seed)
{
    static const char *const sides[] = {"left", "right", "any"};

    for (size_t i = 0; i < len; i++) {
        double value = random_number(&numbers[i], seed);

        if (strcmp(numbers[i].name, "median_size_px") == 0) {
            value = 1 + 2 * (naive_random(seed) % 8);
        } else if (strcmp(numbers[i].name, "hu_max") == 0) {
            value += 201;
        }
        set(job, numbers[i].name,
            numbers[i].is_integer ? json_integer((json_int_t) value) : json_real(value));
    }
    set(job, "side", json_string(sides[naive_random(seed) % 3]));
}

static void run_one_against_definition(bool is_first, uint64_t *seed, size_t *found)
{
    long width = 1 + naive_random(seed) % 90;
    long height = 1 + naive_random(seed) % 60;
    size_t size = (size_t) (width * height);
    bool is_integer = naive_random(seed) % 2;
    double *values = cor_new_array(double, size);
    int16_t *integers = cor_new_array(int16_t, size);
    uint8_t *expected = cor_new_array(uint8_t, size);
    uint8_t *mask = cor_new_array(uint8_t, size);
    CorProcessing1 *first = cor_new(CorProcessing1);
    CorProcessing6 second = {0};
    const CorAlgoNumber *numbers = NULL;
    size_t len = 0;
    Job job;
    CorError err = {0};

    make_values(values, width, height, is_integer, seed);
    for (size_t i = 0; i < size; i++) {
        integers[i] = (int16_t) values[i];
    }
    start(&job, is_integer ? (const void *) integers : values,
          is_integer ? COR_PIXEL_S16 : COR_PIXEL_F64, (size_t) width, (size_t) height);
    job.mask = mask;
    numbers = is_first ? cor_algo_priv_processing_1_numbers(&len)
                       : cor_algo_priv_processing_6_numbers(&len);
    set_random_params(&job, numbers, len, seed);
    assert_true(cor_algo_find(is_first ? "processing_1" : "processing_6")->run(&job.job, &err));
    if (is_first) {
        assert_true(cor_algo_priv_processing_1_read(job.job.params, first, &err));
        naive_processing_1(first, values, width, height, expected);
    } else {
        assert_true(cor_algo_priv_processing_6_read(job.job.params, &second, &err));
        naive_processing_6(&second, values, width, height, expected);
    }
    assert_memory_equal(mask, expected, size);
    *found += json_is_true(json_object_get(job.measurements, "found"));
    stop(&job);
    free(values);
    free(integers);
    free(expected);
    free(mask);
    free(first);
}

static void any_parameters_on_any_size_give_what_the_definition_gives(void **state)
{
    (void) state;

    for (int is_first = 0; is_first <= 1; is_first++) {
        uint64_t seed = 20 + (uint64_t) is_first;
        size_t found = 0;

        for (int round = 0; round < 150; round++) {
            run_one_against_definition(is_first, &seed, &found);
        }
        assert_in_range(found, 20, 130); /* both outcomes were tried */
    }
}

/* The largest figures of the schema on the smallest and on awkward sizes. */
static void extreme_parameters_run_on_every_size(void **state)
{
    static const size_t sides[] = {1, 2, 7, 63, 64, 65, 130};
    static int16_t values[130 * 130];
    (void) state;

    for (size_t i = 0; i < COR_ARRAY_LEN(values); i++) {
        values[i] = (int16_t) (i * 31 % 4000 - 1000);
    }
    for (size_t i = 0; i < COR_ARRAY_LEN(sides) * COR_ARRAY_LEN(sides) * 4; i++) {
        size_t len = 0;
        bool is_first = i % 2;
        bool is_largest = i / 2 % 2;
        const CorAlgoNumber *numbers = is_first ? cor_algo_priv_processing_1_numbers(&len)
                                                : cor_algo_priv_processing_6_numbers(&len);
        Job job;
        CorError err = {0};

        start(&job, values, COR_PIXEL_S16, sides[i / 4 % COR_ARRAY_LEN(sides)],
              sides[i / 4 / COR_ARRAY_LEN(sides)]);
        for (size_t k = 0; k < len; k++) {
            bool is_low = strcmp(numbers[k].name, "hu_min") == 0 ||
                          (!is_largest && strcmp(numbers[k].name, "hu_max") != 0);

            set(&job, numbers[k].name, json_real(is_low ? numbers[k].minimum : numbers[k].maximum));
        }
        assert_true(cor_algo_find(is_first ? "processing_1" : "processing_6")->run(&job.job, &err));
        assert_int_equal(job.emitted, 1);
        stop(&job);
    }
}

/* A bright square on dark ground, small enough parameters to keep it as it is. */
static int16_t square[80 * 100];

static void start_square(Job *job)
{
    for (int i = 0; i < 80 * 100; i++) {
        int x = i % 100;
        int y = i / 100;
        int value = x >= 20 && x < 50 && y >= 10 && y < 40 ? 190 + x % 2 * 20 : 0;

        square[i] = (int16_t) value;
    }
    start(job, square, COR_PIXEL_S16, 100, 80);
    set(job, "median_size_px", json_integer(1));
    set(job, "closing_radius_px", json_integer(0));
    set(job, "cross_opening_iterations", json_integer(0));
    set(job, "cross_closing_iterations", json_integer(0));
    set(job, "area_min_px", json_integer(900));
}

static void measurements_are_those_of_the_masked_pixels(void **state)
{
    static double doubles[80 * 100];
    (void) state;

    for (int is_double = 0; is_double <= 1; is_double++) {
        Job job;
        CorError err = {0};
        const json_t *centroid = NULL;

        start_square(&job);
        for (int i = 0; i < 80 * 100; i++) {
            doubles[i] = square[i];
        }
        job.data = is_double ? (const void *) doubles : square;
        job.type = is_double ? COR_PIXEL_F64 : COR_PIXEL_S16;
        job.spacing_mm = 0.5;
        assert_true(cor_algo_find("processing_6")->run(&job.job, &err));
        assert_true(cor_json_boolean(job.measurements, "found", false));
        assert_int_equal(cor_json_integer(job.measurements, "area_px", 0), 900);
        assert_int_equal(cor_json_integer(job.measurements, "components", 0), 1);
        assert_true(fabs(cor_json_number(job.measurements, "area_mm2", 0) - 112.5) < 1e-12);
        assert_true(fabs(cor_json_number(job.measurements, "mean_hu", 0) - 200) < 1e-12);
        assert_true(fabs(cor_json_number(job.measurements, "sd_hu", 0) - 10) < 1e-12);
        centroid = json_object_get(job.measurements, "centroid");
        assert_true(fabs(json_real_value(json_array_get(centroid, 0)) - 34.5) < 1e-12);
        assert_true(fabs(json_real_value(json_array_get(centroid, 1)) - 24.5) < 1e-12);
        stop(&job);
    }
}

static void nothing_found_is_a_result_without_mean(void **state)
{
    Job job;
    CorError err = {0};
    uint8_t mask[80 * 100];
    (void) state;

    start_square(&job);
    set(&job, "area_min_px", json_integer(901));
    memset(mask, 1, sizeof(mask));
    job.mask = mask;
    assert_true(cor_algo_find("processing_6")->run(&job.job, &err));
    assert_false(cor_json_boolean(job.measurements, "found", true));
    assert_int_equal(cor_json_integer(job.measurements, "area_px", -1), 0);
    assert_int_equal(cor_json_integer(job.measurements, "components", -1), 1);
    assert_null(json_object_get(job.measurements, "mean_hu"));
    assert_null(json_object_get(job.measurements, "centroid"));
    assert_null(json_object_get(job.measurements, "area_mm2")); /* no spacing was given */
    assert_null(memchr(mask, 1, sizeof(mask)));
    stop(&job);
}

static void the_right_side_is_the_left_side_of_the_mirrored_image(void **state)
{
    static const char *const sides[] = {"left", "right", "any"};
    static const bool is_found[] = {true, false, true};
    (void) state;

    for (size_t i = 0; i < 6; i++) {
        bool is_mirrored = i >= 3;
        Job job;
        CorError err = {0};

        start_square(&job);
        for (int y = 0; is_mirrored && y < 80; y++) {
            for (int x = 0; x < 50; x++) {
                int16_t swap = square[y * 100 + x];

                square[y * 100 + x] = square[y * 100 + 99 - x];
                square[y * 100 + 99 - x] = swap;
            }
        }
        /* The limit is exactly where the square's centre is. */
        set(&job, "centroid_x_max", json_real(0.345));
        set(&job, "side", json_string(sides[i % 3]));
        assert_true(cor_algo_find("processing_6")->run(&job.job, &err));
        assert_int_equal(cor_json_boolean(job.measurements, "found", false),
                         is_found[is_mirrored && i % 3 < 2 ? 1 - i % 3 : i % 3]);
        stop(&job);
    }
}

static void progress_is_reported_after_every_slice_and_may_stop_the_run(void **state)
{
    static int16_t values[5 * 40 * 30];
    (void) state;

    for (size_t stop_after = 0; stop_after <= 5; stop_after++) {
        Job job;
        CorError err = {0};

        start(&job, values, COR_PIXEL_S16, 40, 30);
        job.job.slice_len = 5;
        job.stop_after = stop_after;
        assert_int_equal(cor_algo_find("processing_1")->run(&job.job, &err), stop_after == 0);
        assert_int_equal(err.code, stop_after == 0 ? COR_OK : COR_ERR_CANCELLED);
        assert_int_equal(job.emitted, stop_after == 0 ? 5 : stop_after);
        assert_int_equal(job.reported, job.emitted);
        if (stop_after == 0) {
            assert_true(fabs(job.fraction - 1) <= 0);
        }
        stop(&job);
    }
}

static void values_that_are_not_finite_are_refused_with_the_slice(void **state)
{
    static double values[3 * 40 * 30];
    static const double wrong[] = {NAN, INFINITY, -INFINITY};
    (void) state;

    for (size_t i = 0; i < COR_ARRAY_LEN(wrong); i++) {
        Job job;
        CorError err = {0};

        values[40 * 30 + 17] = wrong[i];
        start(&job, values, COR_PIXEL_F64, 40, 30);
        job.job.slice_len = 3;
        assert_false(cor_algo_find("processing_6")->run(&job.job, &err));
        assert_int_equal(err.code, COR_ERR_INVALID);
        assert_non_null(strstr(err.text, "slice 2 of 3"));
        assert_non_null(strstr(err.text, "not finite"));
        assert_int_equal(job.emitted, 1);
        stop(&job);
    }
}

static void contradicting_or_illegal_parameters_are_named(void **state)
{
    static const struct {
        const char *algorithm;
        const char *name;
        double value;
    } wrong[] = {
        {"processing_1", "hu_min", 150},
        {"processing_1", "hu_min", 1e9},
        {"processing_1", "sigma", -0.1},
        {"processing_1", "closing_radius_px", 51},
        {"processing_1", "closing_radius_px", 2.5},
        {"processing_6", "median_size_px", 4},
        {"processing_6", "median_size_px", 33},
        {"processing_6", "cross_closing_iterations", 64},
    };
    (void) state;

    for (size_t i = 0; i < COR_ARRAY_LEN(wrong); i++) {
        Job job;
        CorError err = {0};

        start_square(&job);
        json_object_clear((json_t *) (uintptr_t) job.job.params);
        set(&job, wrong[i].name, json_real(wrong[i].value));
        assert_false(cor_algo_find(wrong[i].algorithm)->run(&job.job, &err));
        assert_int_equal(err.code, COR_ERR_INVALID);
        assert_non_null(strstr(err.text, wrong[i].name));
        assert_int_equal(job.emitted, 0);
        stop(&job);
    }
}

static void slices_that_are_too_large_are_refused(void **state)
{
    static int16_t row[COR_ALGO_SIDE_MAX_PX + 1];
    Job job;
    CorError err = {0};
    (void) state;

    start(&job, row, COR_PIXEL_S16, COR_ALGO_SIDE_MAX_PX + 1, 1);
    assert_false(cor_algo_find("processing_1")->run(&job.job, &err));
    assert_int_equal(err.code, COR_ERR_LIMIT);
    stop(&job);

    start(&job, row, COR_PIXEL_S16, COR_ALGO_SIDE_MAX_PX, 1);
    assert_true(cor_algo_find("processing_1")->run(&job.job, &err));
    stop(&job);
}

/* The figures in C, which kernels rely on, and those of the schema, which users see. */
static void the_schema_says_what_the_code_checks(void **state)
{
    size_t algo_len = 0;
    const CorAlgorithm *const *all = cor_algo_all(&algo_len);
    static const struct {
        const CorAlgoNumber *(*numbers)(size_t *);
        size_t others; /* parameters that are no numbers: the side */
    } tables[] = {
        {cor_algo_priv_processing_1_numbers, 1}, {cor_algo_priv_processing_6_numbers, 1},
        {cor_algo_priv_liver_numbers, 1},        {cor_algo_priv_lungs_numbers, 0},
        {cor_algo_priv_body_numbers, 0},         {cor_algo_priv_bone_numbers, 0},
        {cor_algo_priv_denoise_numbers, 0},      {cor_algo_priv_projection_numbers, 1},
    };
    (void) state;

    assert_int_equal(algo_len, COR_ARRAY_LEN(tables));
    for (size_t i = 0; i < algo_len; i++) {
        size_t len = 0;
        const CorAlgoNumber *numbers = tables[i].numbers(&len);
        json_t *schema = json_loads(all[i]->params_schema, JSON_REJECT_DUPLICATES, NULL);
        const json_t *properties = json_object_get(schema, "properties");
        CorJsonSchema *compiled = NULL;
        json_t *defaults = json_object();
        CorError err = {0};

        assert_non_null(schema);
        assert_true(json_is_false(json_object_get(schema, "additionalProperties")));
        assert_int_equal(json_object_size(properties), len + tables[i].others);
        for (size_t k = 0; k < len; k++) {
            const json_t *property = json_object_get(properties, numbers[k].name);

            assert_non_null(property);
            assert_non_null(cor_json_string(property, "title", NULL));
            assert_non_null(cor_json_string(property, "description", NULL));
            assert_non_null(json_object_get(property, "x-order"));
            assert_string_equal(cor_json_string(property, "type", ""),
                                numbers[k].is_integer ? "integer" : "number");
            assert_true(fabs(cor_json_number(property, "default", NAN) - numbers[k].fallback) <= 0);
            assert_true(fabs(cor_json_number(property, "minimum", NAN) - numbers[k].minimum) <= 0);
            assert_true(fabs(cor_json_number(property, "maximum", NAN) - numbers[k].maximum) <= 0);
        }
        /* Nothing in it that the one interpreter does not know, and the defaults are valid. */
        assert_true(cor_json_schema_compile(schema, NULL, &compiled, &err));
        assert_true(cor_json_schema_fill_defaults(compiled, defaults, &err));
        assert_int_equal(json_object_size(defaults), len + tables[i].others);
        assert_true(cor_json_schema_validate(compiled, defaults, NULL, &err));
        cor_json_schema_free(compiled);
        json_decref(defaults);
        json_decref(schema);
    }
}

static void algorithms_are_found_by_id(void **state)
{
    (void) state;

    assert_string_equal(cor_algo_find("processing_1")->id, "processing_1");
    assert_string_equal(cor_algo_find("processing_6")->defaults[0], "overlay");
    assert_null(cor_algo_find("processing_6")->defaults[1]);
    assert_null(cor_algo_find("processing_2"));
    assert_null(cor_algo_find(""));
}

static void check_code(const CorAlgoCode *code, bool is_required)
{
    if (!code->value) {
        assert_false(is_required);
        return;
    }
    assert_in_range(strlen(code->value), 1, 16);
    assert_in_range(strlen(code->scheme), 1, 16);
    assert_in_range(strlen(code->meaning), 1, 64);
}

static void every_label_has_a_number_a_name_and_codes(void **state)
{
    size_t len = 0;
    const CorAlgorithm *const *all = cor_algo_all(&len);
    (void) state;

    for (size_t i = 0; i < len; i++) {
        assert_in_range(all[i]->label_len, 0, COR_ALGO_LABELS_MAX);
        check_code(&all[i]->family, true);
        for (size_t n = 0; n < all[i]->label_len; n++) {
            const CorAlgoLabel *label = &all[i]->labels[n];

            assert_true(label->number > (n > 0 ? label[-1].number : 0));
            assert_in_range(strlen(label->id), 1, 64);
            assert_in_range(strlen(label->name), 1, 64);
            check_code(&label->category, true);
            check_code(&label->type, true);
            check_code(&label->side, false);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_parameters_on_any_size_give_what_the_definition_gives),
        cmocka_unit_test(extreme_parameters_run_on_every_size),
        cmocka_unit_test(every_label_has_a_number_a_name_and_codes),
        cmocka_unit_test(measurements_are_those_of_the_masked_pixels),
        cmocka_unit_test(nothing_found_is_a_result_without_mean),
        cmocka_unit_test(the_right_side_is_the_left_side_of_the_mirrored_image),
        cmocka_unit_test(progress_is_reported_after_every_slice_and_may_stop_the_run),
        cmocka_unit_test(values_that_are_not_finite_are_refused_with_the_slice),
        cmocka_unit_test(contradicting_or_illegal_parameters_are_named),
        cmocka_unit_test(slices_that_are_too_large_are_refused),
        cmocka_unit_test(the_schema_says_what_the_code_checks),
        cmocka_unit_test(algorithms_are_found_by_id),
    };

    return cmocka_run_group_tests_name("algo-run", tests, NULL, NULL);
}

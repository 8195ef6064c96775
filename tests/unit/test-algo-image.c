/* SPDX-License-Identifier: Apache-2.0 */
/* The algorithms that give images: what they promise of values, edges and places. */
#include "test.h"

#include "algo/algo-priv.h"
#include "base/array.h"
#include "ct-phantom.h"

/* A step of 300 HU, flat on both sides. */
static CtSeries make_step(double noise_hu)
{
    CtSeries series = ct_make(96, 64, 2, 1, 2);

    for (size_t i = 0; i < ct_len(&series); i++) {
        series.values[i] = i % 96 < 48 ? -100 : 200;
    }
    if (noise_hu > 0) {
        ct_noise(&series, noise_hu);
    }
    return series;
}

/* Root of the mean squared difference from the clean step, in columns from x_begin to x_end. */
static double step_error(const CtSeries *series, const double *image, size_t x_begin, size_t x_end)
{
    double squares = 0;
    size_t count = 0;

    for (size_t i = 0; i < ct_len(series); i++) {
        size_t x = i % series->width;
        double value = image ? image[i] : series->values[i];
        double difference = value - (x < 48 ? -100 : 200);

        if (x >= x_begin && x < x_end) {
            squares += difference * difference;
            count++;
        }
    }
    return sqrt(squares / (double) count);
}

static void noise_goes_and_edges_stay(void **state)
{
    static const double deviations[] = {5, 20, 40};
    (void) state;

    for (size_t i = 0; i < COR_ARRAY_LEN(deviations); i++) {
        CtSeries series = make_step(deviations[i]);
        CtRun run = {.series = &series};

        assert_true(ct_run(&run, "denoise"));
        assert_false(run.is_bad);
        print_message("  noise %g: flat %.2f, edge %.2f\n", deviations[i],
                      step_error(&series, run.images, 4, 40),
                      step_error(&series, run.images, 47, 49));
        assert_true(step_error(&series, run.images, 4, 40) < deviations[i] / 3);
        assert_true(step_error(&series, run.images, 47, 49) < deviations[i]);
        assert_int_equal(run.emitted, series.depth);
        assert_int_equal(run.emitted_images[1].source_begin, 1);
        assert_int_equal(run.emitted_images[1].source_len, 1);
        assert_int_equal(run.emitted_images[1].plane.type, COR_PIXEL_S16);
        ct_run_done(&run);
        ct_free(&series);
    }
}

static void what_has_no_noise_is_left_as_it_is(void **state)
{
    CtSeries series = make_step(0);
    CtRun run = {.series = &series};
    (void) state;

    assert_true(ct_run(&run, "denoise"));
    for (size_t i = 0; i < ct_len(&series); i++) {
        assert_int_equal((int) run.images[i], series.values[i]);
    }
    ct_run_done(&run);
    ct_free(&series);
}

static void the_mean_of_a_real_anatomy_stays(void **state)
{
    CtSeries series = phantom_make(95);
    CtRun run = {.series = &series};
    double before = 0;
    double after = 0;
    (void) state;

    ct_thin(&series, 8);
    assert_true(ct_run(&run, "denoise"));
    for (size_t i = 0; i < ct_len(&series); i++) {
        before += series.values[i];
        after += run.images[i];
    }
    assert_true(fabs(before - after) < 0.1 * (double) ct_len(&series));
    ct_run_done(&run);
    ct_free(&series);
}

static void fractions_stay_fractions(CorAlgoSlice *slice, size_t i)
{
    static double values[32 * 32];

    for (size_t k = 0; k < COR_ARRAY_LEN(values); k++) {
        values[k] = 0.25 + (double) ((k * 7919 + i) % 101) / 1000;
    }
    slice->plane.data = values;
    slice->plane.type = COR_PIXEL_F64;
    slice->plane.row_bytes = 32 * sizeof(double);
}

static void the_type_of_values_is_kept(void **state)
{
    static const char *const ids[] = {"denoise", "projection"};
    (void) state;

    for (size_t i = 0; i < COR_ARRAY_LEN(ids); i++) {
        CtSeries series = ct_make(32, 32, 3, 1, 2);
        CtRun run = {.series = &series, .spoil = fractions_stay_fractions};

        assert_true(ct_run(&run, ids[i]));
        assert_false(run.is_bad);
        assert_int_equal(run.emitted_images[1].plane.type, COR_PIXEL_F64);
        assert_true(run.images[32 * 32 + 40] > 0.2 && run.images[32 * 32 + 40] < 0.4);
        ct_run_done(&run);
        ct_free(&series);
    }
}

static double naive_project(const CtSeries *series, const CorAlgoImage *image, const char *mode,
                            size_t pixel)
{
    size_t slice = series->width * series->height;
    double value = series->values[image->source_begin * slice + pixel];

    for (size_t z = 1; z < image->source_len; z++) {
        double next = series->values[(image->source_begin + z) * slice + pixel];

        value = strcmp(mode, "mean") == 0      ? value + next
                : strcmp(mode, "maximum") == 0 ? COR_MAX(value, next)
                                               : COR_MIN(value, next);
    }
    return strcmp(mode, "mean") == 0 ? rint(value / (double) image->source_len) : value;
}

static void assert_projection(const CtSeries *series, const CtRun *run, size_t z, const char *mode)
{
    const CorAlgoImage *image = &run->emitted_images[z];
    size_t slice = series->width * series->height;

    assert_int_equal(image->plane.type, COR_PIXEL_S16);
    assert_true(image->source_begin <= z && z < image->source_begin + image->source_len);
    assert_true(image->source_begin + image->source_len <= series->depth);
    assert_true(fabs(image->thickness_mm - (double) image->source_len * series->spacing_mm[2]) <
                1e-9);
    for (size_t pixel = 0; pixel < slice; pixel += 7) {
        assert_true(fabs(run->images[z * slice + pixel] -
                         naive_project(series, image, mode, pixel)) < 1e-9);
    }
}

static void projections_are_those_of_their_slices(void **state)
{
    static const char *const modes[] = {"maximum", "minimum", "mean"};
    static const double slabs[][2] = {{10, 5}, {3, 1}, {0.1, 0.1}, {200, 100}, {64, 1}, {17, 40}};
    static const size_t depths[] = {2, 3, 23, 90};
    uint64_t seed = 0x51;
    (void) state;

    for (size_t i = 0; i < 3 * COR_ARRAY_LEN(slabs) * COR_ARRAY_LEN(depths); i++) {
        const double *slab = slabs[i / 3 % COR_ARRAY_LEN(slabs)];
        CtSeries series = ct_make(17, 9, depths[i / 3 / COR_ARRAY_LEN(slabs)], 1, 1.3);
        CtRun run = {.series = &series,
                     .params = json_pack("{s:s, s:f, s:f}", "mode", modes[i % 3], "slab_mm",
                                         slab[0], "step_mm", slab[1])};
        size_t found = 0;

        for (size_t k = 0; k < ct_len(&series); k++) {
            series.values[k] = (int16_t) (naive_random(&seed) % 60000) - 30000;
        }
        assert_true(ct_run(&run, "projection"));
        assert_false(run.is_bad);
        for (size_t z = 0; z < series.depth; z++) {
            if (run.emitted_images[z].source_len > 0) {
                assert_projection(&series, &run, z, modes[i % 3]);
                found++;
            }
        }
        assert_int_equal(found, run.emitted);
        assert_true(found >= 1 && found <= series.depth);
        json_decref(run.params);
        ct_run_done(&run);
        ct_free(&series);
    }
}

enum { ODD_SLICE = 4, ODD_SIDE = 8 };

static double odd_value(size_t pixel)
{
    return (double) pixel * 3.5 - 100.25;
}

static void one_slice_has_fractions(CorAlgoSlice *slice, size_t i)
{
    static double values[ODD_SIDE * ODD_SIDE];

    if (i != ODD_SLICE) {
        return;
    }
    for (size_t k = 0; k < COR_ARRAY_LEN(values); k++) {
        values[k] = odd_value(k);
    }
    slice->plane.data = values;
    slice->plane.type = COR_PIXEL_F64;
    slice->plane.row_bytes = ODD_SIDE * sizeof(double);
}

static double project_odd(const CtSeries *series, const CorAlgoImage *image, const char *mode,
                          size_t pixel)
{
    double result = 0;

    for (size_t z = image->source_begin; z < image->source_begin + image->source_len; z++) {
        double value =
            z == ODD_SLICE ? odd_value(pixel) : series->values[z * ODD_SIDE * ODD_SIDE + pixel];
        bool is_first = z == image->source_begin;

        result = is_first || (strcmp(mode, "maximum") == 0 && value > result) ||
                         (strcmp(mode, "minimum") == 0 && value < result)
                     ? value
                 : strcmp(mode, "mean") == 0 ? result + value
                                             : result;
    }
    return strcmp(mode, "mean") == 0 ? result * (1 / (double) image->source_len) : result;
}

/* The first slab holds integers when the slice comes; those behind it hold integers again. */
static void a_slice_with_fractions_makes_its_slabs_fractions(void **state)
{
    static const char *const modes[] = {"maximum", "minimum", "mean"};
    uint64_t seed = 0x0D;
    (void) state;

    for (size_t i = 0; i < 2 * COR_ARRAY_LEN(modes); i++) {
        CtSeries series = ct_make(ODD_SIDE, ODD_SIDE, 30, 1, 1);
        CtRun run = {.series = &series,
                     .spoil = one_slice_has_fractions,
                     .params = json_pack("{s:s, s:f, s:f}", "mode", modes[i / 2], "slab_mm",
                                         i % 2 ? 5.0 : 64.0, "step_mm", i % 2 ? 2.0 : 32.0)};

        for (size_t k = 0; k < ct_len(&series); k++) {
            series.values[k] = (int16_t) (naive_random(&seed) % 400) - 200;
        }
        assert_true(ct_run(&run, "projection"));
        assert_false(run.is_bad);
        for (size_t z = 0; z < series.depth; z++) {
            const CorAlgoImage *image = &run.emitted_images[z];
            bool is_odd = image->source_begin <= ODD_SLICE &&
                          ODD_SLICE < image->source_begin + image->source_len;

            for (size_t k = 0; image->source_len > 0 && k < ODD_SIDE * ODD_SIDE; k++) {
                double wanted = project_odd(&series, image, modes[i / 2], k);

                assert_int_equal(image->plane.type, is_odd ? COR_PIXEL_F64 : COR_PIXEL_S16);
                assert_true(fabs(run.images[z * ODD_SIDE * ODD_SIDE + k] -
                                 (is_odd ? wanted : rint(wanted))) < 1e-9);
            }
        }
        json_decref(run.params);
        ct_run_done(&run);
        ct_free(&series);
    }
}

static void slabs_cover_the_series_in_steps(void **state)
{
    CtSeries series = ct_make(4, 4, 50, 1, 1);
    CtRun run = {.series = &series};
    (void) state;

    assert_true(ct_run(&run, "projection")); /* 10 mm every 5 mm: eleven slices or nine */
    assert_int_equal(run.emitted, 10);
    assert_int_equal(run.emitted_images[2].source_begin, 0);
    assert_in_range(run.emitted_images[22].source_len, 9, 11);
    ct_run_done(&run);
    ct_free(&series);
}

static void contradicting_parameters_are_named(void **state)
{
    CtSeries series = ct_make(4, 4, 5, 1, 1);
    json_t *params[] = {json_pack("{s:f, s:f}", "slab_mm", 65.0, "step_mm", 1.0),
                        json_pack("{s:s}", "mode", "median"), json_pack("{s:f}", "slab_mm", 0.0)};
    static const char *const says[] = {"slab_mm", "mode", "slab_mm"};
    (void) state;

    for (size_t i = 0; i < COR_ARRAY_LEN(params); i++) {
        CtRun run = {.series = &series, .params = params[i]};

        assert_false(ct_run(&run, "projection"));
        assert_int_equal(run.err.code, COR_ERR_INVALID);
        assert_non_null(strstr(run.err.text, says[i]));
        json_decref(params[i]);
        ct_run_done(&run);
    }
    ct_free(&series);
}

static void every_size_runs(void **state)
{
    static const size_t sizes[][3] = {{1, 1, 2}, {1, 99, 2}, {2, 2, 2}, {8192, 2, 2}, {3, 700, 3}};
    static const char *const ids[] = {"denoise", "projection"};
    uint64_t seed = 0x99;
    (void) state;

    for (size_t i = 0; i < 2 * COR_ARRAY_LEN(sizes); i++) {
        const size_t *size = sizes[i / 2];
        CtSeries series = ct_make(size[0], size[1], size[2], 0.4, 2);
        CtRun run = {.series = &series};

        for (size_t k = 0; k < ct_len(&series); k++) {
            series.values[k] = (int16_t) naive_random(&seed);
        }
        assert_true(ct_run(&run, ids[i % 2]));
        assert_false(run.is_bad);
        assert_true(run.emitted > 0);
        ct_run_done(&run);
        ct_free(&series);
    }
}

/* Those that give images, and those that look at one slice after the other. */
static void a_run_can_be_stopped_at_every_report(void **state)
{
    static const char *const ids[] = {"denoise", "projection", "processing_1", "processing_6"};
    (void) state;

    for (size_t i = 0; i < COR_ARRAY_LEN(ids); i++) {
        CtSeries series = ct_make(48, 40, 6, 1, 2);
        const char *algo_id = ids[i];
        CtRun whole = {.series = &series};

        assert_true(ct_run(&whole, algo_id));
        assert_false(whole.is_bad); /* each report is more than the one before */
        assert_true(whole.fraction > 0.999);
        assert_true(whole.reported >= 6);
        for (size_t stop = 1; stop <= whole.reported; stop++) {
            CtRun run = {.series = &series, .stop_after = stop};

            assert_false(ct_run(&run, algo_id));
            assert_int_equal(run.err.code, COR_ERR_CANCELLED);
            assert_int_equal(run.reported, stop);
            ct_run_done(&run);
        }
        ct_run_done(&whole);
        ct_free(&series);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_run_can_be_stopped_at_every_report),
        cmocka_unit_test(noise_goes_and_edges_stay),
        cmocka_unit_test(what_has_no_noise_is_left_as_it_is),
        cmocka_unit_test(the_mean_of_a_real_anatomy_stays),
        cmocka_unit_test(the_type_of_values_is_kept),
        cmocka_unit_test(projections_are_those_of_their_slices),
        cmocka_unit_test(a_slice_with_fractions_makes_its_slabs_fractions),
        cmocka_unit_test(slabs_cover_the_series_in_steps),
        cmocka_unit_test(contradicting_parameters_are_named),
        cmocka_unit_test(every_size_runs),
    };

    return cmocka_run_group_tests_name("algo-image", tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The algorithms on volumes over a phantom: what they find, and what they say to bad input. */
#include "test.h"

#include "algo/algo-priv.h"
#include "base/array.h"
#include "ct-phantom.h"

static const char *const organs[] = {"liver", "lungs", "bone", "body"};

static size_t count_label(const CtSeries *series, int label)
{
    size_t count = 0;

    for (size_t i = 0; i < ct_len(series); i++) {
        count += series->labels[i] == label;
    }
    return count;
}

static double label_ml(const CtSeries *series, int label)
{
    return (double) count_label(series, label) * series->spacing_mm[0] * series->spacing_mm[1] *
           series->spacing_mm[2] / 1000;
}

static void assert_near(double value, double expected, double share)
{
    if (!(fabs(value - expected) <= share * expected)) {
        print_error("%g is not near %g\n", value, expected);
    }
    assert_true(fabs(value - expected) <= share * expected);
}

static void the_liver_is_found_at_any_level_of_hu(void **state)
{
    static const int levels[] = {20, 45, 60, 95, 130, 170};
    (void) state;

    for (size_t i = 0; i < COR_ARRAY_LEN(levels); i++) {
        CtSeries series = phantom_make(levels[i]);
        CtRun run = {.series = &series};

        assert_true(ct_run(&run, "liver"));
        assert_false(run.is_bad);
        assert_int_equal(run.emitted, series.depth);
        assert_true(ct_dice(&run, PHANTOM_LIVER, 1) > 0.93);
        assert_near(ct_volume_ml(&run, "liver"), label_ml(&series, PHANTOM_LIVER), 0.1);
        assert_near(cor_json_number(run.conclusion, "mean_hu", NAN), levels[i], 0.15);
        assert_true(json_is_true(json_object_get(run.conclusion, "found")));
        ct_run_done(&run);
        ct_free(&series);
    }
}

static void sides_are_the_patients(void **state)
{
    (void) state;

    for (int is_told = 0; is_told < 2; is_told++) {
        CtSeries series = phantom_make(95);
        CtRun lungs = {.series = &series};
        CtRun liver = {.series = &series};

        ct_mirror(&series, is_told);
        assert_true(ct_run(&lungs, "lungs"));
        assert_true(ct_dice(&lungs, PHANTOM_LUNG_LEFT, is_told ? 1 : 2) > 0.97);
        assert_true(ct_dice(&lungs, PHANTOM_LUNG_RIGHT, is_told ? 2 : 1) > 0.97);
        assert_true(ct_run(&liver, "liver")); /* also in a mirrored patient */
        assert_true(ct_dice(&liver, PHANTOM_LIVER, 1) > 0.93);
        ct_run_done(&lungs);
        ct_run_done(&liver);
        ct_free(&series);
    }
}

static void a_wanted_side_without_liver_is_a_liver_not_found(void **state)
{
    CtSeries series = phantom_make(95);
    CtRun run = {.series = &series,
                 .params = json_pack("{s:s, s:i}", "side", "left", "volume_min_ml", 500)};
    (void) state;

    assert_true(ct_run(&run, "liver"));
    assert_true(json_is_false(json_object_get(run.conclusion, "found")));
    assert_non_null(cor_json_string(run.conclusion, "reason", NULL));
    assert_int_equal(run.emitted, series.depth);
    for (size_t i = 0; i < ct_len(&series); i++) {
        assert_int_equal(run.mask[i], 0);
    }
    json_decref(run.params);
    ct_run_done(&run);
    ct_free(&series);
}

static void lungs_bone_and_body_have_the_volumes_of_the_phantom(void **state)
{
    CtSeries series = phantom_make(95);
    CtRun lungs = {.series = &series};
    CtRun bone = {.series = &series};
    CtRun body = {.series = &series};
    double all_ml = (double) ct_len(&series) * 2.5 * 2.5 * 5 / 1000;
    (void) state;

    assert_true(ct_run(&lungs, "lungs"));
    assert_near(ct_volume_ml(&lungs, "lung_left"), label_ml(&series, PHANTOM_LUNG_LEFT), 0.03);
    assert_near(ct_volume_ml(&lungs, "lung_right"), label_ml(&series, PHANTOM_LUNG_RIGHT), 0.03);
    assert_true(ct_run(&bone, "bone"));
    assert_near(ct_volume_ml(&bone, "bone"),
                label_ml(&series, PHANTOM_BONE) + label_ml(&series, PHANTOM_MARROW), 0.15);
    assert_true(ct_run(&body, "body"));
    assert_near(ct_volume_ml(&body, "body"), all_ml - label_ml(&series, PHANTOM_OUTSIDE), 0.02);
    assert_false(lungs.is_bad || bone.is_bad || body.is_bad);
    ct_run_done(&lungs);
    ct_run_done(&bone);
    ct_run_done(&body);
    ct_free(&series);
}

static void a_series_of_one_value_has_no_organs(void **state)
{
    static const int values[] = {-2000, -1024, 0, 50, 3071};
    (void) state;

    for (size_t i = 0; i < COR_ARRAY_LEN(values); i++) {
        CtSeries series = ct_make(64, 48, 5, 1, 2);

        ct_add(&series, values[i]);
        for (size_t k = 0; k < 3; k++) { /* all of it is a body if it is no air */
            CtRun run = {.series = &series};

            assert_true(ct_run(&run, organs[k]));
            assert_true(json_is_false(json_object_get(run.conclusion, "found")) ||
                        (k == 2 && values[i] > 1000));
            ct_run_done(&run);
        }
        ct_free(&series);
    }
}

static void noise_has_no_liver_and_no_lungs(void **state)
{
    static const int means[] = {-1000, -400, 0, 50};
    static const double deviations[] = {15, 100, 600};
    (void) state;

    for (size_t i = 0; i < COR_ARRAY_LEN(means) * COR_ARRAY_LEN(deviations); i++) {
        CtSeries series = ct_make(128, 128, 10, 2, 3);

        ct_add(&series, means[i / COR_ARRAY_LEN(deviations)]);
        ct_noise(&series, deviations[i % COR_ARRAY_LEN(deviations)]);
        for (size_t k = 0; k < 2; k++) {
            CtRun run = {.series = &series};

            assert_true(ct_run(&run, organs[k]));
            assert_true(json_is_false(json_object_get(run.conclusion, "found")));
            ct_run_done(&run);
        }
        ct_free(&series);
    }
}

static void padding_slices_hold_nothing_and_do_no_harm(void **state)
{
    CtSeries series = phantom_make(95);
    CtRun run = {.series = &series};
    size_t slice = series.width * series.height;
    (void) state;

    for (size_t i = 0; i < 4 * slice; i++) { /* below the liver and above */
        series.values[i] = -2000;
        series.values[ct_len(&series) - 1 - i] = -2000;
    }
    assert_true(ct_run(&run, "liver"));
    assert_true(ct_dice(&run, PHANTOM_LIVER, 1) > 0.9);
    ct_run_done(&run);
    ct_free(&series);
}

static void turned(CorAlgoSlice *slice, size_t i)
{
    if (i == 3) {
        slice->orientation[0] = 0.98;
        slice->orientation[1] = 0.198997;
    }
}

static void placeless(CorAlgoSlice *slice, size_t i)
{
    slice->has_place = i == 0;
}

static void unscaled(CorAlgoSlice *slice, size_t i)
{
    (void) i;
    slice->row_spacing_mm = slice->column_spacing_mm = 0;
}

static void other_scale(CorAlgoSlice *slice, size_t i)
{
    slice->row_spacing_mm *= i == 2 ? 1.5 : 1;
}

static void doubled(CorAlgoSlice *slice, size_t i)
{
    slice->position_mm[2] -= i == 2 ? 5 : 0;
}

static void gap(CorAlgoSlice *slice, size_t i)
{
    slice->position_mm[2] += i >= 3 ? 40 : 0;
}

static void one_place(CorAlgoSlice *slice, size_t i)
{
    (void) i;
    slice->position_mm[2] = 10;
}

static void far_apart(CorAlgoSlice *slice, size_t i)
{
    slice->position_mm[2] = 10 + 200.0 * (double) i;
}

static void other_size(CorAlgoSlice *slice, size_t i)
{
    slice->plane.width_px -= i == 4;
}

static void not_a_number(CorAlgoSlice *slice, size_t i)
{
    static double values[32 * 32];

    for (size_t k = 0; k < COR_ARRAY_LEN(values); k++) {
        values[k] = i == 4 && k == 77 ? (double) NAN : 50;
    }
    slice->plane.data = values;
    slice->plane.type = COR_PIXEL_F64;
    slice->plane.row_bytes = 32 * sizeof(double);
}

static void colour(CorAlgoSlice *slice, size_t i)
{
    static const uint8_t rgb[32 * 32 * 3];
    (void) i;

    slice->plane.data = rgb;
    slice->plane.type = COR_PIXEL_RGB8;
    slice->plane.row_bytes = sizeof(rgb) / 32;
}

static void what_is_no_volume_is_refused_with_the_reason(void **state)
{
    static const struct {
        void (*spoil)(CorAlgoSlice *slice, size_t i);
        const char *says;
    } cases[] = {
        {turned, "not parallel"},
        {placeless, "where they lie"},
        {unscaled, "how large a pixel is"},
        {other_scale, "pixel spacing"},
        {doubled, "same place"},
        {gap, "evenly"},
        {one_place, "one place"},
        {far_apart, "mm apart"},
        {other_size, "differ in size"},
        {not_a_number, "NaN"},
        {colour, "S16 or F64"},
    };
    (void) state;

    for (size_t i = 0; i < COR_ARRAY_LEN(cases) * COR_ARRAY_LEN(organs); i++) {
        size_t k = i / COR_ARRAY_LEN(organs);
        CtSeries series = ct_make(32, 32, 6, 3, 5);
        CtRun run = {.series = &series, .spoil = cases[k].spoil};

        assert_false(ct_run(&run, organs[i % COR_ARRAY_LEN(organs)]));
        assert_int_equal(run.err.code, COR_ERR_INVALID);
        if (!strstr(run.err.text, cases[k].says)) {
            print_error("'%s' does not say '%s'\n", run.err.text, cases[k].says);
            fail();
        }
        assert_int_equal(run.emitted, 0);
        ct_run_done(&run);
        ct_free(&series);
    }
}

static void too_few_slices_are_refused(void **state)
{
    CtSeries series = ct_make(32, 32, 1, 3, 5);
    (void) state;

    for (size_t i = 0; i < COR_ARRAY_LEN(organs); i++) {
        CtRun run = {.series = &series};

        assert_false(ct_run(&run, organs[i]));
        assert_int_equal(run.err.code, COR_ERR_INVALID);
        assert_non_null(strstr(run.err.text, "there are 1"));
        ct_run_done(&run);
    }
    ct_free(&series);
}

static void every_size_runs(void **state)
{
    static const size_t sizes[][3] = {{1, 1, 3},   {1, 200, 4}, {300, 1, 3},  {7, 5, 3},
                                      {64, 64, 3}, {33, 77, 9}, {8192, 3, 3}, {2, 8192, 3}};
    uint64_t seed = 0x77;
    (void) state;

    for (size_t i = 0; i < COR_ARRAY_LEN(sizes) * COR_ARRAY_LEN(organs); i++) {
        const size_t *size = sizes[i / COR_ARRAY_LEN(organs)];
        CtSeries series = ct_make(size[0], size[1], size[2], 0.7, 1.3);
        CtRun run = {.series = &series};

        for (size_t k = 0; k < ct_len(&series); k++) {
            series.values[k] = (int16_t) ((int) (naive_random(&seed) % 1400) - 1024);
        }
        assert_true(ct_run(&run, organs[i % COR_ARRAY_LEN(organs)]));
        assert_int_equal(run.emitted, series.depth);
        assert_false(run.is_bad);
        ct_run_done(&run);
        ct_free(&series);
    }
}

/* A disk of tissue with a bright ring, in slices that have more rows than the grid has. */
static void slices_of_many_rows_are_drawn(void **state)
{
    CtSeries series = ct_make(900, 900, 3, 0.3, 3);
    (void) state;

    for (size_t i = 0; i < ct_len(&series); i++) {
        double x = (double) (i % 900) - 450;
        double y = (double) (i / 900 % 900) - 450;
        double r = sqrt(x * x + y * y);

        series.values[i] = (int16_t) (r > 400 ? -1000 : r > 380 ? 900 : 100);
    }
    ct_noise(&series, 10);
    for (size_t i = 1; i < COR_ARRAY_LEN(organs); i++) {
        CtRun run = {.series = &series};

        assert_true(ct_run(&run, organs[i]));
        assert_int_equal(run.emitted, 3);
        assert_true(i == 1 || json_is_true(json_object_get(run.conclusion, "found")));
        ct_run_done(&run);
    }
    ct_free(&series);
}

static void parameters_at_their_limits_run(void **state)
{
    static const struct {
        const char *algo_id;
        const CorAlgoNumber *(*numbers)(size_t *);
    } tables[] = {
        {"liver", cor_algo_priv_liver_numbers},
        {"lungs", cor_algo_priv_lungs_numbers},
        {"bone", cor_algo_priv_bone_numbers},
        {"body", cor_algo_priv_body_numbers},
    };
    CtSeries series = phantom_make(95);
    (void) state;

    ct_thin(&series, 2);
    for (size_t i = 0; i < COR_ARRAY_LEN(tables); i++) {
        size_t len = 0;
        const CorAlgoNumber *numbers = tables[i].numbers(&len);

        for (size_t k = 0; k < 4 * len; k++) {
            const CorAlgoNumber *number = &numbers[k / 4];
            double values[] = {number->minimum, number->maximum, number->minimum - 1,
                               number->maximum + 1};
            CtRun run = {.series = &series,
                         .params = json_pack("{s:f}", number->name, values[k % 4])};
            bool ok = ct_run(&run, tables[i].algo_id);

            if (k % 4 < 2 && !(strcmp(tables[i].algo_id, "bone") == 0 && !ok)) {
                assert_true(ok);
                assert_int_equal(run.emitted, series.depth);
            } else { /* beyond the limits, or the two of bone cross */
                assert_false(ok);
                assert_int_equal(run.err.code, COR_ERR_INVALID);
                assert_non_null(strstr(run.err.text, number->name));
            }
            json_decref(run.params);
            ct_run_done(&run);
        }
    }
    ct_free(&series);
}

static void a_run_can_be_stopped_at_every_report(void **state)
{
    CtSeries series = phantom_make(95);
    (void) state;

    ct_thin(&series, 4);
    for (size_t i = 0; i < COR_ARRAY_LEN(organs); i++) {
        CtRun whole = {.series = &series};

        assert_true(ct_run(&whole, organs[i]));
        assert_true(whole.fraction > 0.999);
        for (size_t stop = 1; stop < whole.reported; stop += 3) {
            CtRun run = {.series = &series, .stop_after = stop};

            assert_false(ct_run(&run, organs[i]));
            assert_int_equal(run.err.code, COR_ERR_CANCELLED);
            assert_int_equal(run.reported, stop);
            assert_null(run.conclusion);
            ct_run_done(&run);
        }
        ct_run_done(&whole);
    }
    ct_free(&series);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_liver_is_found_at_any_level_of_hu),
        cmocka_unit_test(sides_are_the_patients),
        cmocka_unit_test(a_wanted_side_without_liver_is_a_liver_not_found),
        cmocka_unit_test(lungs_bone_and_body_have_the_volumes_of_the_phantom),
        cmocka_unit_test(a_series_of_one_value_has_no_organs),
        cmocka_unit_test(noise_has_no_liver_and_no_lungs),
        cmocka_unit_test(padding_slices_hold_nothing_and_do_no_harm),
        cmocka_unit_test(what_is_no_volume_is_refused_with_the_reason),
        cmocka_unit_test(too_few_slices_are_refused),
        cmocka_unit_test(every_size_runs),
        cmocka_unit_test(slices_of_many_rows_are_drawn),
        cmocka_unit_test(parameters_at_their_limits_run),
        cmocka_unit_test(a_run_can_be_stopped_at_every_report),
    };

    return cmocka_run_group_tests_name("algo-volume", tests, NULL, NULL);
}

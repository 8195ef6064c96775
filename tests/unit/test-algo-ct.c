/* SPDX-License-Identifier: Apache-2.0 */
/* The algorithms on volumes over the real series of the shared data; skipped where they are not. */
#include "test.h"

#include "base/array.h"
#include "ct-dicom.h"

static CtSeries contrast; /* 20 slices, 2 mm, with labels */
static CtSeries plain;    /* 50 slices, 1 mm, unenhanced, pleural effusion on the right */

static int read_series(void **state)
{
    (void) state;
    contrast = ct_read_contrast();
    plain = ct_read_plain();
    return 0;
}

static int free_series(void **state)
{
    (void) state;
    ct_free(&contrast);
    ct_free(&plain);
    return 0;
}

static void need(const CtSeries *series)
{
    if (!series->values) {
        skip();
    }
}

static double dice_after(void (*change)(CtSeries *series))
{
    CtSeries series = ct_copy(&contrast);
    CtRun run = {.series = &series};

    if (change) {
        change(&series);
    }
    assert_true(ct_run(&run, "liver"));
    assert_false(run.is_bad);
    double dice = ct_dice(&run, CT_LABEL_LIVER, 1);
    print_message("  Dice %.4f\n", dice);
    ct_run_done(&run);
    ct_free(&series);
    return dice;
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
    ct_mirror(series, false);
}

static void shifted(CtSeries *series)
{
    ct_shift(series, -50, 37);
}

static void thinned(CtSeries *series)
{
    ct_thin(series, 2);
}

static void noisy(CtSeries *series)
{
    ct_noise(series, 40);
}

static void very_noisy(CtSeries *series)
{
    ct_noise(series, 100);
}

static void the_liver_is_that_of_the_label_map(void **state)
{
    (void) state;
    need(&contrast);
    assert_true(dice_after(NULL) >= 0.95);
}

static void the_liver_is_found_in_changed_series_as_well(void **state)
{
    void (*const changes[])(CtSeries *) = {brighter, darker, mirrored,  shifted,
                                           thinned,  noisy,  very_noisy};
    (void) state;
    need(&contrast);
    for (size_t i = 0; i < COR_ARRAY_LEN(changes); i++) {
        assert_true(dice_after(changes[i]) >= (changes[i] == very_noisy ? 0.90 : 0.94));
    }
}

/* Nobody drew this liver; the volumes below were inspected as pictures (docs/algorithms). */
static void the_liver_beside_an_effusion_is_plausible(void **state)
{
    CtRun run = {.series = &plain};
    (void) state;

    need(&plain);
    assert_true(ct_run(&run, "liver"));
    assert_in_range((int) ct_volume_ml(&run, "liver"), 560, 680);
    assert_in_range((int) cor_json_number(run.conclusion, "mean_hu", 0), 56, 62); /* no effusion */
    assert_int_equal(json_integer_value(json_object_get(run.conclusion, "found_slices")), 50);
    ct_run_done(&run);
}

static void lungs_are_found_beside_an_effusion_and_not_in_the_bowel(void **state)
{
    CtRun run = {.series = &plain};
    CtRun abdomen = {.series = &contrast};
    (void) state;

    need(&plain);
    need(&contrast);
    assert_true(ct_run(&run, "lungs"));
    assert_in_range((int) ct_volume_ml(&run, "lung_left"), 360, 400);
    assert_in_range((int) ct_volume_ml(&run, "lung_right"), 9, 18);
    assert_true(ct_run(&abdomen, "lungs")); /* the label map has no lung either */
    assert_true(json_is_false(json_object_get(abdomen.conclusion, "found")));
    ct_run_done(&run);
    ct_run_done(&abdomen);
}

/* The label map tells vertebrae, humeri and ribs; the model that drew it leaves out much. */
static void bone_covers_the_bones_of_the_label_map(void **state)
{
    CtRun run = {.series = &contrast};
    size_t bones = 0;
    size_t covered = 0;
    (void) state;

    need(&contrast);
    assert_true(ct_run(&run, "bone"));
    for (size_t i = 0; i < ct_len(&contrast); i++) {
        uint8_t label = contrast.labels[i];
        bool is_bone = label == 32 || label == 33 || label == 69 || label == 70 ||
                       (label >= 92 && label <= 115);

        bones += is_bone;
        covered += is_bone && run.mask[i];
        /* and no liver, spleen, stomach */
        assert_false(run.mask[i] && label == CT_LABEL_LIVER);
    }
    print_message("  covered %.3f\n", (double) covered / (double) bones);
    assert_true((double) covered >= 0.82 * (double) bones);
    ct_run_done(&run);
}

/* Body volume by counting what is above -300 HU within the hull is what pictures confirm. */
static void the_body_holds_every_label(void **state)
{
    CtRun run = {.series = &contrast};
    size_t outside = 0;
    size_t labelled = 0;
    (void) state;

    need(&contrast);
    assert_true(ct_run(&run, "body"));
    for (size_t i = 0; i < ct_len(&contrast); i++) {
        labelled += contrast.labels[i] != 0;
        outside += contrast.labels[i] && !run.mask[i];
    }
    assert_true((double) outside <= 0.001 * (double) labelled);
    assert_in_range((int) ct_volume_ml(&run, "body"), 3200, 3400);
    ct_run_done(&run);
}

static void there_is_no_liver_in_a_head_or_a_chest(void **state)
{
    static const char *const files[] = {
        "data/misc/693_J2KI.dcm",           /* head */
        "data/transfer_syntax/CT2_J2KR",    /* head */
        "data/transfer_syntax/CTImage.dcm", /* apex of the chest */
        "data/transfer_syntax/CT1_J2KR",    /* chest with contrast medium */
    };
    (void) state;

    for (size_t i = 0; i < COR_ARRAY_LEN(files); i++) {
        CtSeries series = ct_read(files[i]);
        CtRun run = {.series = &series};

        need(&series);
        ct_extend(&series, 24);
        assert_true(ct_run(&run, "liver"));
        assert_true(json_is_false(json_object_get(run.conclusion, "found")));
        print_message("  %s: %s\n", files[i], cor_json_string(run.conclusion, "reason", ""));
        ct_run_done(&run);
        ct_free(&series);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_liver_is_that_of_the_label_map),
        cmocka_unit_test(the_liver_is_found_in_changed_series_as_well),
        cmocka_unit_test(the_liver_beside_an_effusion_is_plausible),
        cmocka_unit_test(lungs_are_found_beside_an_effusion_and_not_in_the_bowel),
        cmocka_unit_test(bone_covers_the_bones_of_the_label_map),
        cmocka_unit_test(the_body_holds_every_label),
        cmocka_unit_test(there_is_no_liver_in_a_head_or_a_chest),
    };

    return cmocka_run_group_tests_name("algo-ct", tests, read_series, free_series);
}

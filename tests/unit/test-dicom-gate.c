/* SPDX-License-Identifier: Apache-2.0 */
/* The gate lets through what our writers make, and finds each thing that may be wrong with it. */
#include "test.h"

#include "dicom/dicom-gate.h"

#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "dicom-builder.h"
#include "dicom/dicom-capture.h"
#include "dicom/dicom-report.h"

enum { ROWS = 3, COLUMNS = 5, SLICES = 2 };

typedef struct Objects {
    Builder files[SLICES];
    CorDicom *dicoms[SLICES];
    CorDicomSource sources[SLICES];
    uint8_t *segmentation;
    size_t segmentation_size;
    uint8_t *report;
    size_t report_size;
    uint8_t *capture; /* of the first slice */
    size_t capture_size;
} Objects;

static const uint8_t mask[2] = {0x21, 0x04};
static const char *const segmentation_uid = "2.25.500";

static void open_slice(Objects *objects, size_t i)
{
    Builder *file = &objects->files[i];
    CorError err = {0};

    builder_init(file, "1.2.840.10008.1.2.1");
    add_text(file, 0x00080016, "UI", "1.2.840.10008.5.1.4.1.1.2");
    add_text(file, 0x00080018, "UI", i == 0 ? "2.25.30" : "2.25.31");
    add_text(file, 0x00080060, "CS", "CT");
    add_study_and_series(file);
    add_text(file, 0x00200013, "IS", i == 0 ? "1" : "2");
    add_text(file, 0x00200032, "DS", i == 0 ? "-10.5\\20\\100" : "-10.5\\20\\105");
    add_text(file, 0x00200037, "DS", "1\\0\\0\\0\\1\\0");
    add_text(file, 0x00200052, "UI", "2.25.40");
    add_us(file, 0x00280002, 1);
    add_text(file, 0x00280004, "CS", "MONOCHROME2");
    add_us(file, 0x00280010, ROWS);
    add_us(file, 0x00280011, COLUMNS);
    add_text(file, 0x00280030, "DS", "0.75\\0.5");
    add_us(file, 0x00280100, 8);
    add_us(file, 0x00280101, 8);
    add_us(file, 0x00280102, 7);
    add_us(file, 0x00280103, 0);
    add_value(file, 0x7FE00010, "OB", "abcdefghijklmno", ROWS * COLUMNS);
    if (!cor_dicom_open_memory(file->data, file->size, NULL, &objects->dicoms[i], &err) ||
        !cor_dicom_source(objects->dicoms[i], 0, &objects->sources[i], &err)) {
        fail_msg("%s", err.text);
    }
}

static const CorDicomAlgorithm algorithm = {
    .id = "processing_1",
    .version = "1.0.0",
    .title = "A test",
    .family = {"123104", "DCM", "Morphological Operations"},
    .params_text = "{}",
};

static const CorDicomSegment segment = {
    .label = "Liver",
    .category = {"123037004", "SCT", "Anatomical Structure"},
    .type = {"10200004", "SCT", "Liver"},
    .tracking_id = "liver",
    .tracking_uid = "2.25.501",
};

static void write_segmentation(Objects *objects)
{
    const CorDicomMask masks[] = {{0, 0, mask}, {0, 1, mask}};
    const CorDicomSegmentation segmentation = {
        .algorithm = algorithm,
        .sop_instance_uid = segmentation_uid,
        .series_instance_uid = "2.25.510",
        .dimension_organization_uid = "2.25.520",
        .sources = objects->sources,
        .source_len = SLICES,
        .segments = &segment,
        .segment_len = 1,
        .masks = masks,
        .mask_len = COR_ARRAY_LEN(masks),
    };
    CorError err = {0};

    if (!cor_dicom_write_segmentation(objects->dicoms[0], &segmentation, &objects->segmentation,
                                      &objects->segmentation_size, &err)) {
        fail_msg("%s", err.text);
    }
}

static void write_report(Objects *objects)
{
    const CorDicomMeasure measure = {
        {"118565006", "SCT", "Volume"}, {0}, {"ml", "UCUM", "milliliter"}, 1.5};
    const CorDicomMeasureGroup group = {
        .segment = &segment, .segment_number = 1, .measures = &measure, .measure_len = 1};
    const CorDicomReport report = {
        .algorithm = algorithm,
        .sop_instance_uid = "2.25.600",
        .series_instance_uid = "2.25.610",
        .observer_uid = "2.25.620",
        .sources = objects->sources,
        .source_len = SLICES,
        .segmentation_sop_instance_uid = segmentation_uid,
        .segmentation_series_instance_uid = "2.25.510",
        .groups = &group,
        .group_len = 1,
    };
    CorError err = {0};

    if (!cor_dicom_write_report(objects->dicoms[0], &report, &objects->report,
                                &objects->report_size, &err)) {
        fail_msg("%s", err.text);
    }
}

static void write_capture(Objects *objects)
{
    static const uint8_t picture[ROWS * COLUMNS * 3];
    const CorDicomCapture capture = {
        .algo_id = "processing_1",
        .algo_version = "1.0.0",
        .sop_instance_uid = "2.25.700",
        .series_instance_uid = "2.25.710",
        .plane = {picture, COLUMNS, ROWS, COLUMNS * 3, COR_PIXEL_RGB8},
    };
    CorError err = {0};

    if (!cor_dicom_write_secondary_capture(objects->dicoms[0], 0, &capture, &objects->capture,
                                           &objects->capture_size, &err)) {
        fail_msg("%s", err.text);
    }
}

static int make(void **state)
{
    Objects *objects = calloc(1, sizeof(*objects));

    for (size_t i = 0; i < SLICES; i++) {
        open_slice(objects, i);
    }
    write_segmentation(objects);
    write_report(objects);
    write_capture(objects);
    *state = objects;
    return 0;
}

static int done(void **state)
{
    Objects *objects = *state;

    for (size_t i = 0; i < SLICES; i++) {
        cor_dicom_free(objects->dicoms[i]);
    }
    free(objects->segmentation);
    free(objects->report);
    free(objects->capture);
    free(objects);
    return 0;
}

static bool pass(const Objects *objects, size_t source_len, const void *file, size_t size,
                 CorError *err)
{
    const CorDicomGate gate = {.sources = objects->sources,
                               .source_len = source_len,
                               .sibling_uids = &segmentation_uid,
                               .sibling_len = 1};

    *err = (CorError){0};
    return cor_dicom_gate(&gate, file, size, err);
}

/* A segmentation is no sibling of itself. */
static bool pass_segmentation(const Objects *objects, size_t source_len, CorError *err)
{
    const CorDicomGate gate = {.sources = objects->sources, .source_len = source_len};

    *err = (CorError){0};
    return cor_dicom_gate(&gate, objects->segmentation, objects->segmentation_size, err);
}

static void what_our_writers_make_passes(void **state)
{
    const Objects *objects = *state;
    CorError err;

    if (!pass_segmentation(objects, SLICES, &err) ||
        !pass(objects, SLICES, objects->report, objects->report_size, &err) ||
        !pass(objects, 1, objects->capture, objects->capture_size, &err)) {
        fail_msg("%s", err.text);
    }
}

/* Where the n-th occurrence of some bytes begins. */
static uint8_t *find(uint8_t *file, size_t size, const void *bytes, size_t len, int n)
{
    uint8_t *at = file;

    for (;;) {
        at = memmem(at, size - (size_t) (at - file), bytes, len);
        assert_non_null(at);
        if (n-- == 0) {
            return at;
        }
        at++;
    }
}

typedef struct Damage {
    const char *what; /* text in the file */
    int n;            /* which of them */
    size_t at;        /* the character that is changed */
    char to;
    const char *words; /* of the refusal */
} Damage;

static void expect_refusals(const Objects *objects, uint8_t *file, size_t size, bool is_sibling,
                            const Damage *damages, size_t len)
{
    CorError err;

    for (size_t i = 0; i < len; i++) {
        const Damage *damage = &damages[i];
        uint8_t *at = find(file, size, damage->what, strlen(damage->what), damage->n) + damage->at;
        uint8_t before = *at;

        *at = (uint8_t) damage->to;
        bool ok = is_sibling ? pass(objects, SLICES, file, size, &err)
                             : pass_segmentation(objects, SLICES, &err);
        *at = before;
        assert_false(ok);
        assert_int_equal(err.code, COR_ERR_DENIED);
        if (!strstr(err.text, damage->words)) {
            fail_msg("%zu: '%s' does not say '%s'", i, err.text, damage->words);
        }
    }
}

static void everything_that_may_be_wrong_with_a_segmentation_is_found(void **state)
{
    static const Damage damages[] = {
        {"2.25.500", 1, 5, 'x', "UID"},                       /* its own */
        {"2.25.40", 0, 6, '1', "frame of reference"},         /* of another patient's position */
        {"2.25.31", 0, 6, '9', "not among the job's inputs"}, /* in the list of its sources */
        {"2.25.30", 1, 6, '1', "does not lie on its source"}, /* frame 1 says it is of slice 2 */
        {"-10.5\\20\\105", 0, 11, '6', "frame 2: it does not lie on its source"},
        {"1\\0\\0\\0\\1\\0", 0, 2, '1', "oriented"},
        {"0.75\\0.5", 0, 3, '6', "spacing"},
    };
    Objects *objects = *state;

    expect_refusals(objects, objects->segmentation, objects->segmentation_size, false, damages,
                    COR_ARRAY_LEN(damages));
}

/* Change bytes that are no text. */
static void expect_refused(Objects *objects, const void *bytes, size_t len, size_t at, uint8_t to,
                           const char *words)
{
    uint8_t *byte = find(objects->segmentation, objects->segmentation_size, bytes, len, 0) + at;
    uint8_t before = *byte;
    CorError err;

    *byte = to;
    assert_false(pass_segmentation(objects, SLICES, &err));
    *byte = before;
    assert_int_equal(err.code, COR_ERR_DENIED);
    if (!strstr(err.text, words)) {
        fail_msg("'%s' does not say '%s'", err.text, words);
    }
}

static void numbers_of_a_segmentation_are_checked(void **state)
{
    static const uint8_t rows[] = {0x28, 0, 0x10, 0, 'U', 'S', 2, 0};
    static const uint8_t segment_number[] = {0x62, 0, 0x0B, 0, 'U', 'S', 2, 0};
    static const uint8_t index[] = {0x20, 0, 0x57, 0x91, 'U', 'L', 8, 0};
    Objects *objects = *state;

    expect_refused(objects, rows, sizeof(rows), 8, ROWS - 1, "as large as its source");
    expect_refused(objects, segment_number, sizeof(segment_number), 8, 2, "no segment");
    expect_refused(objects, index, sizeof(index), 8, 2, "dimension index");
    expect_refused(objects, index, sizeof(index), 12, 2, "same index");
}

static void an_empty_or_cut_off_mask_is_refused(void **state)
{
    Objects *objects = *state;
    /* 15 bits per frame: the second begins in the last bit of byte 1. */
    uint8_t *pixels = objects->segmentation + objects->segmentation_size - 4;
    uint8_t before[4];
    CorError err;

    memcpy(before, pixels, sizeof(before));
    pixels[0] = 0;
    pixels[1] &= 0x80;
    assert_false(pass_segmentation(objects, SLICES, &err));
    assert_non_null(strstr(err.text, "frame 1: its mask is empty"));
    memcpy(pixels, before, sizeof(before));

    objects->segmentation_size -= 2;
    assert_false(pass_segmentation(objects, SLICES, &err));
    assert_int_equal(err.code, COR_ERR_DENIED);
    objects->segmentation_size += 2;
}

static void a_source_that_the_job_does_not_have_is_refused(void **state)
{
    const Objects *objects = *state;
    CorError err;

    assert_false(pass_segmentation(objects, 1, &err));
    assert_non_null(strstr(err.text, "not among the job's inputs"));
    assert_false(pass_segmentation(objects, 0, &err));
    assert_int_equal(err.code, COR_ERR_DENIED);
}

static void a_report_may_refer_to_its_segmentation_only(void **state)
{
    static const Damage damages[] = {
        {"2.25.500", 0, 7, '1', "not among the job's inputs"},
        {"2.25.30", 0, 6, '9', "not among the job's inputs"},
        {"2.25.610", 0, 5, 'x', "UID"},
    };
    Objects *objects = *state;

    expect_refusals(objects, objects->report, objects->report_size, true, damages,
                    COR_ARRAY_LEN(damages));
}

static void a_capture_lies_on_its_source(void **state)
{
    static const Damage damages[] = {
        {"2.25.30", 0, 6, '1', "does not lie on its source"},
        {"-10.5\\20\\100", 0, 9, '9', "does not lie on its source"},
        {"2.25.40", 0, 6, '1', "frame of reference"},
    };
    Objects *objects = *state;

    expect_refusals(objects, objects->capture, objects->capture_size, true, damages,
                    COR_ARRAY_LEN(damages));
}

static void what_is_no_dicom_is_refused(void **state)
{
    const Objects *objects = *state;
    CorError err;

    assert_false(pass(objects, SLICES, "no DICOM at all", 15, &err));
    assert_int_equal(err.code, COR_ERR_DENIED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_our_writers_make_passes),
        cmocka_unit_test(everything_that_may_be_wrong_with_a_segmentation_is_found),
        cmocka_unit_test(numbers_of_a_segmentation_are_checked),
        cmocka_unit_test(an_empty_or_cut_off_mask_is_refused),
        cmocka_unit_test(a_source_that_the_job_does_not_have_is_refused),
        cmocka_unit_test(a_report_may_refer_to_its_segmentation_only),
        cmocka_unit_test(a_capture_lies_on_its_source),
        cmocka_unit_test(what_is_no_dicom_is_refused),
    };

    return cmocka_run_group_tests_name("dicom-gate", tests, make, done);
}

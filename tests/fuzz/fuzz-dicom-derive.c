/* SPDX-License-Identifier: Apache-2.0 */
/* Properties, for any bytes:
 *   1. whatever is refused says why;
 *   2. a Segmentation and a report that were made of an accepted image are the same every time;
 *   3. both pass the gate: what the image says of itself never makes an object that is refused.
 */
#include <stdlib.h>
#include <string.h>

#include "dicom/dicom-gate.h"
#include "dicom/dicom-report.h"
#include "fuzz.h"

enum { INPUT_MAX = 64 * 1024, PIXELS_MAX = 64 * 1024 };

static const CorDicomLimits limits = {
    .depth_max = 16,
    .elements_max = 4096,
    .inflated_bytes_max = 1 << 20,
    .frame_bytes_max = 1 << 20,
    .json_bytes_max = 4 << 20,
};

static const CorDicomAlgorithm algorithm = {
    .id = "processing_1",
    .version = "1.0.0",
    .title = "Liver",
    .family = {"123104", "DCM", "Morphological Operations"},
    .params_text = "{}",
};

static const CorDicomSegment segment = {
    .label = "Liver",
    .rgb = {255, 0, 255},
    .category = {"123037004", "SCT", "Anatomical Structure"},
    .type = {"10200004", "SCT", "Liver"},
    .tracking_id = "liver",
    .tracking_uid = "2.25.101",
};

static const char *const segmentation_uid = "2.25.102";

typedef bool (*Write)(const CorDicom *dicom, const CorDicomSource *source, uint8_t **ret_file,
                      size_t *ret_size, CorError *err);

static bool write_segmentation(const CorDicom *dicom, const CorDicomSource *source,
                               uint8_t **ret_file, size_t *ret_size, CorError *err)
{
    static const uint8_t bits[PIXELS_MAX / 8 + 1] = {1};
    const CorDicomMask mask = {0, 0, bits};
    const CorDicomSegmentation segmentation = {
        .algorithm = algorithm,
        .sop_instance_uid = segmentation_uid,
        .series_instance_uid = "2.25.103",
        .dimension_organization_uid = "2.25.104",
        .content_unix_ms = 1767225599123,
        .sources = source,
        .source_len = 1,
        .segments = &segment,
        .segment_len = 1,
        .masks = &mask,
        .mask_len = 1,
    };

    return cor_dicom_write_segmentation(dicom, &segmentation, ret_file, ret_size, err);
}

static bool write_report(const CorDicom *dicom, const CorDicomSource *source, uint8_t **ret_file,
                         size_t *ret_size, CorError *err)
{
    const CorDicomMeasure measure = {
        {"42798000", "SCT", "Area"}, {0}, {"mm2", "UCUM", "square millimeter"}, 1.5};
    const CorDicomMeasureGroup group = {.segment = &segment,
                                        .segment_number = 1,
                                        .frame_number = 1,
                                        .measures = &measure,
                                        .measure_len = 1};
    const CorDicomReport report = {
        .algorithm = algorithm,
        .sop_instance_uid = "2.25.105",
        .series_instance_uid = "2.25.106",
        .observer_uid = "2.25.107",
        .content_unix_ms = 1767225599123,
        .sources = source,
        .source_len = 1,
        .segmentation_sop_instance_uid = segmentation_uid,
        .segmentation_series_instance_uid = "2.25.103",
        .groups = &group,
        .group_len = 1,
    };

    return cor_dicom_write_report(dicom, &report, ret_file, ret_size, err);
}

static void check(const CorDicom *dicom, const CorDicomSource *source, Write write,
                  size_t sibling_len)
{
    const CorDicomGate gate = {.sources = source,
                               .source_len = 1,
                               .sibling_uids = &segmentation_uid,
                               .sibling_len = sibling_len};
    uint8_t *first = NULL;
    uint8_t *second = NULL;
    size_t first_size = 0;
    size_t second_size = 0;
    CorError err = {0};

    if (!write(dicom, source, &first, &first_size, &err)) {
        FUZZ_CHECK(err.code != COR_OK && err.code != COR_ERR_BUG && err.text[0] != '\0');
        return;
    }
    FUZZ_CHECK(write(dicom, source, &second, &second_size, &err));
    FUZZ_CHECK(first_size == second_size && memcmp(first, second, first_size) == 0);
    FUZZ_CHECK(cor_dicom_gate(&gate, first, first_size, &err));
    free(first);
    free(second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    COR_CLEANUP(cor_dicom_freep) CorDicom *dicom = NULL;
    CorDicomSource source = {.frames = 1};
    CorError err = {0};

    if (size > INPUT_MAX) {
        return 0;
    }
    FUZZ_CHECK(cor_dicom_init(&err));
    if (!cor_dicom_open_memory(data, size, &limits, &dicom, &err)) {
        return 0;
    }
    for (uint32_t frame = 0; frame < source.frames && frame < 3; frame++) {
        if (!cor_dicom_source(dicom, frame, &source, &err)) {
            FUZZ_CHECK(err.code != COR_OK && err.text[0] != '\0');
            return 0;
        }
        if ((uint64_t) source.rows * source.columns <= PIXELS_MAX &&
            strncmp(source.sop_instance_uid, "2.25.10", 7) != 0 &&
            strncmp(source.series_instance_uid, "2.25.10", 7) != 0) {
            check(dicom, &source, write_segmentation, 0);
            check(dicom, &source, write_report, 1);
        }
    }
    return 0;
}

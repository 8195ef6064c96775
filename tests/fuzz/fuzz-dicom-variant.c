/* SPDX-License-Identifier: Apache-2.0 */
/* Properties, for any file whose first frame gives modality values:
 *   1. a variant with the same values is written, or refused with a reason;
 *   2. what is written can be opened, and has these values.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "dicom/dicom-variant.h"
#include "fuzz.h"

enum { INPUT_MAX = 64 * 1024, FRAME_MAX = 1 << 20 };

static const CorDicomLimits limits = {
    .depth_max = 16,
    .elements_max = 4096,
    .inflated_bytes_max = 8 << 20,
    .frame_bytes_max = FRAME_MAX,
    .json_bytes_max = 4 << 20,
};

/* Whole values come back as they are. */
static void check_values(const CorDicom *written, const CorPlane *plane)
{
    COR_CLEANUP(cor_dicom_frame_freep) CorDicomFrame *frame = NULL;
    CorError err = {0};

    FUZZ_CHECK(cor_dicom_modality_plane(written, 0, &frame, &err));
    const CorPlane *again = cor_dicom_frame_plane(frame);
    FUZZ_CHECK(again->width_px == plane->width_px && again->height_px == plane->height_px);
    for (size_t y = 0; plane->type == COR_PIXEL_S16 && y < plane->height_px; y++) {
        FUZZ_CHECK(again->type == COR_PIXEL_S16);
        FUZZ_CHECK(memcmp(cor_plane_row(plane, y), cor_plane_row(again, y), 2 * plane->width_px) ==
                   0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const CorDicomAlgorithm algorithm = {.id = "denoise", .version = "1", .title = "Fuzz"};
    static const CorDicomSource source = {.sop_class_uid = "1.2", .sop_instance_uid = "1.2.3"};
    COR_CLEANUP(cor_dicom_freep) CorDicom *dicom = NULL;
    COR_CLEANUP(cor_dicom_freep) CorDicom *written = NULL;
    COR_CLEANUP(cor_dicom_frame_freep) CorDicomFrame *frame = NULL;
    CorDicomVariant variant = {.algorithm = &algorithm,
                               .derivation = {"113087", "DCM", "Smoothing"},
                               .sop_instance_uid = "2.25.1",
                               .series_instance_uid = "2.25.2",
                               .content_unix_ms = 1,
                               .sources = &source,
                               .source_len = 1};
    uint8_t *file = NULL;
    size_t file_size = 0;
    CorError err = {0};

    if (size > INPUT_MAX) {
        return 0;
    }
    FUZZ_CHECK(cor_dicom_init(&err));
    if (!cor_dicom_open_memory(data, size, &limits, &dicom, &err) ||
        !cor_dicom_modality_plane(dicom, 0, &frame, &err)) {
        return 0;
    }
    variant.plane = *cor_dicom_frame_plane(frame);
    variant.thickness_mm = size & 1 ? 2.5 : 0;
    err = (CorError){0};
    if (!cor_dicom_write_variant(dicom, &variant, &file, &file_size, &err)) {
        FUZZ_CHECK(err.code != COR_OK && err.code != COR_ERR_BUG && err.text[0] != '\0');
        return 0;
    }
    FUZZ_CHECK(cor_dicom_open_memory(file, file_size, &limits, &written, &err));
    check_values(written, &variant.plane);
    free(file);
    return 0;
}

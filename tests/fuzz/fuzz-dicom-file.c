/* SPDX-License-Identifier: Apache-2.0 */
/* Properties, for any bytes:
 *   1. whatever is refused says why, and leaves nothing behind;
 *   2. opening allocates at most 16 KiB and 32 bytes per byte of input (a length field cannot lie
 * us into a large allocation);
 *   3. the JSON of an accepted file is JSON;
 *   4. a decoded frame has the size that its plane states, and at most what the limit allows;
 *   5. an object derived from an accepted file is a readable file, the same every time.
 */
#include <string.h>

#include "base/json.h"
#include "dicom/dicom-capture.h"
#include "dicom/dicom-image.h"
#include "fuzz.h"

enum { INPUT_MAX = 64 * 1024, FRAME_MAX = 1 << 20, FRAMES_TRIED = 3 };

static const CorDicomLimits limits = {
    .depth_max = 16,
    .elements_max = 4096,
    .inflated_bytes_max = 1 << 20,
    .frame_bytes_max = FRAME_MAX,
    .json_bytes_max = 4 << 20,
};

static void check_error(const CorError *err)
{
    FUZZ_CHECK(err->code != COR_OK && err->code != COR_ERR_BUG && err->text[0] != '\0');
}

static void check_json(bool is_made, char *text, size_t size, const CorError *err)
{
    CorError why = {0};
    json_t *json = NULL;

    if (!is_made) {
        check_error(err);
        FUZZ_CHECK(text == NULL);
        return;
    }
    FUZZ_CHECK(strlen(text) == size);
    FUZZ_CHECK(cor_json_parse(text, size, &json, &why));
    json_decref(json);
    free(text);
}

static void check_texts(const CorDicom *dicom)
{
    CorError err = {0};
    char *text = NULL;
    size_t size = 0;
    char name[16];

    bool is_made = cor_dicom_index_json(dicom, &text, &size, &err);
    check_json(is_made, text, size, &err);
    text = NULL;
    is_made = cor_dicom_attributes_json(dicom, &text, &size, &err);
    check_json(is_made, text, size, &err);

    (void) cor_dicom_text(dicom, 0x00100010, name, sizeof(name));
    FUZZ_CHECK(strlen(name) < sizeof(name));
    text = cor_dicom_describe(dicom, 100000);
    FUZZ_CHECK(text != NULL);
    free(text);
}

static void check_frame(bool is_decoded, const CorDicomFrame *frame, size_t factor,
                        const CorError *err)
{
    if (!is_decoded) {
        check_error(err);
        FUZZ_CHECK(frame == NULL);
        return;
    }
    const CorPlane *plane = cor_dicom_frame_plane(frame);
    FUZZ_CHECK(plane->data && plane->width_px > 0 && plane->height_px > 0);
    FUZZ_CHECK(plane->row_bytes * plane->height_px == cor_dicom_frame_bytes(frame));
    FUZZ_CHECK(cor_dicom_frame_bytes(frame) <= factor * FRAME_MAX);
}

static void check_frames(const CorDicom *dicom)
{
    CorDicomImage image = {0};
    CorError err = {0};

    if (!cor_dicom_image(dicom, &image, &err)) {
        check_error(&err);
        return;
    }
    for (uint32_t n = 0; n < FRAMES_TRIED; n++) {
        COR_CLEANUP(cor_dicom_frame_freep) CorDicomFrame *stored = NULL;
        COR_CLEANUP(cor_dicom_frame_freep) CorDicomFrame *shown = NULL;
        COR_CLEANUP(cor_dicom_frame_freep) CorDicomFrame *modality = NULL;
        CorDicomFrameInfo info = {0};
        double center = 0;
        double width = 0;

        bool is_there = cor_dicom_frame_info(dicom, n, &info, &err);
        FUZZ_CHECK(is_there == (n < image.frames));
        bool is_decoded = cor_dicom_decode_frame(dicom, n, COR_DICOM_KEEP_SAMPLES, &stored, &err);
        check_frame(is_decoded, stored, 4, &err);
        is_decoded = cor_dicom_decode_frame(dicom, n, COR_DICOM_PALETTE_TO_RGB, &shown, &err);
        check_frame(is_decoded, shown, 3, &err);
        is_decoded = cor_dicom_modality_plane(dicom, n, &modality, &err);
        check_frame(is_decoded, modality, 1, &err);
        if (is_decoded) {
            cor_dicom_frame_window(modality, &info, &center, &width);
            FUZZ_CHECK(width > 0);
        }
    }
}

static void check_capture(const CorDicom *dicom)
{
    static const uint8_t pixels[4 * 3 * 3];
    const CorDicomCapture capture = {
        .algo_id = "processing_1",
        .algo_version = "1.0.0",
        .params_text = "{}",
        .sop_instance_uid = "2.25.1",
        .series_instance_uid = "2.25.2",
        .content_unix_ms = 1767225599123,
        .plane = {pixels, 4, 3, 12, COR_PIXEL_RGB8},
    };
    COR_CLEANUP(cor_dicom_freep) CorDicom *derived = NULL;
    uint8_t *first = NULL;
    uint8_t *second = NULL;
    size_t first_size = 0;
    size_t second_size = 0;
    CorError err = {0};

    if (!cor_dicom_write_secondary_capture(dicom, 0, &capture, &first, &first_size, &err)) {
        check_error(&err);
        return;
    }
    FUZZ_CHECK(cor_dicom_write_secondary_capture(dicom, 0, &capture, &second, &second_size, &err));
    FUZZ_CHECK(first_size == second_size && memcmp(first, second, first_size) == 0);
    FUZZ_CHECK(cor_dicom_open_memory(first, first_size, NULL, &derived, &err));
    check_texts(derived);
    check_frames(derived);
    free(first);
    free(second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    COR_CLEANUP(cor_dicom_freep) CorDicom *dicom = NULL;
    CorError err = {0};

    if (size > INPUT_MAX) {
        return 0;
    }
    FUZZ_CHECK(cor_dicom_init(&err));

    FuzzMemory before = fuzz_memory_now();
    bool is_open = cor_dicom_open_memory(data, size, &limits, &dicom, &err);
    FUZZ_CHECK(fuzz_memory_peak_since(&before) <= 16 * 1024 + 32 * size);
    if (!is_open) {
        check_error(&err);
        FUZZ_CHECK(dicom == NULL);
        return 0;
    }
    check_texts(dicom);
    check_frames(dicom);
    check_capture(dicom);
    return 0;
}

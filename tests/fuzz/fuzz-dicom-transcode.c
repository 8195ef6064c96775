/* SPDX-License-Identifier: Apache-2.0 */
/* Properties, for any file that can be opened and any transfer syntax that we write:
 *   1. what cannot be written is refused with a reason;
 *   2. what is written can be opened, and every frame that the source gives has the same values;
 *   3. explicit VR little endian made from explicit VR little endian is the same bytes;
 *   4. single frames and values are written or refused, nothing else.
 */
#include <stdlib.h>
#include <string.h>

#include "dicom/dicom-image.h"
#include "dicom/dicom-transcode.h"
#include "fuzz.h"

enum { INPUT_MAX = 64 * 1024, FRAME_MAX = 1 << 20, FRAMES_TRIED = 3, OUTPUT_MAX = 8 << 20 };

static const CorDicomLimits limits = {
    .depth_max = 16,
    .elements_max = 4096,
    .inflated_bytes_max = OUTPUT_MAX,
    .frame_bytes_max = FRAME_MAX,
    .json_bytes_max = 4 << 20,
};

typedef struct Memory {
    uint8_t *bytes;
    size_t size;
} Memory;

static bool append(void *context, const void *bytes, size_t size, CorError *err)
{
    Memory *memory = context;

    if (size > OUTPUT_MAX - memory->size) {
        return cor_fail(err, COR_ERR_LIMIT, "too much output");
    }
    memcpy(memory->bytes + memory->size, bytes, size);
    memory->size += size;
    return true;
}

static bool replace(void *context, uint64_t offset, const void *bytes, size_t size, CorError *err)
{
    Memory *memory = context;

    (void) err;
    FUZZ_CHECK(offset <= memory->size && size <= memory->size - offset);
    memcpy(memory->bytes + offset, bytes, size);
    return true;
}

static void check_error(const CorError *err)
{
    FUZZ_CHECK(err->code != COR_OK && err->code != COR_ERR_BUG && err->text[0] != '\0');
}

static void check_frame(const CorDicom *a, const CorDicom *b, uint32_t n)
{
    COR_CLEANUP(cor_dicom_frame_freep) CorDicomFrame *first = NULL;
    COR_CLEANUP(cor_dicom_frame_freep) CorDicomFrame *second = NULL;
    CorError err = {0};

    if (!cor_dicom_decode_frame(a, n, COR_DICOM_KEEP_SAMPLES, &first, &err)) {
        return;
    }
    FUZZ_CHECK(cor_dicom_decode_frame(b, n, COR_DICOM_KEEP_SAMPLES, &second, &err));
    FUZZ_CHECK(cor_dicom_frame_bytes(first) == cor_dicom_frame_bytes(second));
    FUZZ_CHECK(memcmp(cor_dicom_frame_plane(first)->data, cor_dicom_frame_plane(second)->data,
                      cor_dicom_frame_bytes(first)) == 0);
}

static void check_transcoding(const CorDicom *dicom, const char *uid, Memory *memory, Memory *again)
{
    COR_CLEANUP(cor_dicom_freep) CorDicom *written = NULL;
    CorDicomSink sink = {.write = append, .write_at = replace, .context = memory};
    CorError err = {0};

    memory->size = 0;
    if (!cor_dicom_transcode(dicom, uid, &sink, &err)) {
        check_error(&err);
        return;
    }
    /* Limits that the source kept can be passed by what was deflated or compressed before. */
    if (!cor_dicom_open_memory(memory->bytes, memory->size, &limits, &written, &err)) {
        FUZZ_CHECK(err.code == COR_ERR_LIMIT);
        return;
    }
    for (uint32_t n = 0; n < FRAMES_TRIED; n++) {
        check_frame(dicom, written, n);
    }
    if (strcmp(uid, COR_DICOM_EXPLICIT) == 0) {
        again->size = 0;
        sink.context = again;
        FUZZ_CHECK(cor_dicom_transcode(written, uid, &sink, &err));
        FUZZ_CHECK(again->size == memory->size &&
                   memcmp(again->bytes, memory->bytes, memory->size) == 0);
    }
}

static void check_pieces(const CorDicom *dicom, const char *uid, Memory *memory)
{
    static const char *const paths[] = {"7FE00010", "00880200/1/7FE00010",
                                        "52009230", "00281201",
                                        "00081140", "0040A730/1/00081199/1/00081150"};
    CorDicomSink sink = {.write = append, .write_at = replace, .context = memory};
    CorDicomWritten written;
    CorError err = {0};

    for (uint32_t n = 0; n < FRAMES_TRIED; n++) {
        memory->size = 0;
        if (!cor_dicom_write_frame(dicom, n, uid, &sink, &written, &err)) {
            check_error(&err);
        }
    }
    for (size_t i = 0; !uid && i < sizeof(paths) / sizeof(paths[0]); i++) {
        memory->size = 0;
        if (!cor_dicom_write_bulk(dicom, paths[i], &sink, &written, &err)) {
            check_error(&err);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const targets[] = {
        COR_DICOM_EXPLICIT,
        COR_DICOM_DEFLATED,
        COR_DICOM_RLE,
        COR_DICOM_JPEG_LOSSLESS,
        COR_DICOM_JPEG_LOSSLESS_SV1,
        COR_DICOM_JPEG_LS,
        COR_DICOM_JPEG_2000,
        NULL,
    };
    static uint8_t bytes[2][OUTPUT_MAX];
    COR_CLEANUP(cor_dicom_freep) CorDicom *dicom = NULL;
    Memory memory = {.bytes = bytes[0]};
    Memory again = {.bytes = bytes[1]};
    CorError err = {0};

    if (size > INPUT_MAX) {
        return 0;
    }
    FUZZ_CHECK(cor_dicom_init(&err));
    if (!cor_dicom_open_memory(data, size, &limits, &dicom, &err)) {
        return 0;
    }
    for (size_t i = 0; i < sizeof(targets) / sizeof(targets[0]); i++) {
        if (targets[i]) {
            check_transcoding(dicom, targets[i], &memory, &again);
        }
        check_pieces(dicom, targets[i], &memory);
    }
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Where every frame's bytes stand in the file, for those who send them without looking at them.
 *
 * Only what holds for the file itself is told: nothing of a deflated data set, no frame that is cut
 * off, no uncompressed frame that would have to be swapped or shifted first, and none of a value
 * that has more in it than its frames.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "dicom/dicom-pixels.h"

enum { NUMBERS_MAX = 65536 };

/* Video is one stream over all frames, however many fragments it has (PS3.5 sections 8.2.5 to
 * 8.2.9). */
static bool is_video(const CorDicom *dicom)
{
    static const char prefix[] = "1.2.840.10008.1.2.4.10";

    return strncmp(dicom->syntax_uid, prefix, sizeof(prefix) - 1) == 0;
}

static bool append_plain(const CorDicom *dicom, const CorDicomElement *pixels, CorString *text)
{
    CorDicomImage image;
    uint64_t all_bits = 0;

    if (!cor_dicom_image(dicom, &image, NULL)) {
        return false;
    }
    uint64_t bits = cor_dicom_priv_native_bits(&image);
    bool is_swapped = (pixels->flags & COR_DICOM_IS_BIG_ENDIAN) &&
                      (image.bits_allocated > 8 || pixels->vr != COR_DICOM_VR('O', 'B'));
    bool is_shifted = image.frames > 1 && bits % 8 != 0;

    if (is_swapped || is_shifted || __builtin_mul_overflow(bits, image.frames, &all_bits) ||
        all_bits > 8 * pixels->size || pixels->size - (all_bits + 7) / 8 > 1) {
        return false; /* with more than a byte of padding the frames are not the value */
    }
    cor_string_printf(text, "{\"offset\":%" PRIu64 ",\"frame_bytes\":%" PRIu64 "}", pixels->offset,
                      (bits + 7) / 8);
    return true;
}

uint32_t cor_dicom_priv_frames(const CorDicom *dicom)
{
    int64_t frames = 1;

    (void) cor_dicom_priv_integer(
        dicom, cor_dicom_priv_find(dicom, cor_dicom_priv_root(dicom), 0x00280008), 0, &frames);
    return frames < 1 || frames > INT32_MAX ? 1 : (uint32_t) frames;
}

static void append_frame(const CorDicom *dicom, CorDicomFragments range, CorString *text)
{
    for (uint32_t i = range.begin; i < range.end; i++) {
        const CorDicomElement *fragment = &dicom->elements[i];

        cor_string_printf(text, "%c%" PRIu64 ",%" PRIu64, i == range.begin ? '[' : ',',
                          fragment->offset, fragment->size);
    }
    cor_string_append(text, "]", 1);
}

static bool append_fragments(const CorDicom *dicom, const CorDicomElement *pixels, CorString *text)
{
    uint32_t items = pixels->end - (uint32_t) (pixels - dicom->elements);
    uint32_t frames = cor_dicom_priv_frames(dicom);
    CorDicomFragments *ranges = NULL;

    if (items > NUMBERS_MAX / 2 || is_video(dicom) ||
        !cor_dicom_priv_fragments(dicom, frames, &ranges, NULL)) {
        return false;
    }
    cor_string_append_text(text, "{\"frames\":[");
    for (uint32_t i = 0; i < frames; i++) {
        cor_string_append(text, ",", i == 0 ? 0 : 1);
        append_frame(dicom, ranges[i], text);
    }
    cor_string_append_text(text, "]}");
    free(ranges);
    return true;
}

void cor_dicom_priv_append_layout(const CorDicom *dicom, CorString *text)
{
    const CorDicomElement *pixels = cor_dicom_priv_pixel_element(dicom);
    bool is_told = false;

    if (pixels && !dicom->syntax.is_deflated && !dicom->is_truncated) {
        bool is_native = dicom->syntax.codec == COR_CODEC_NATIVE;
        bool is_fragmented = pixels->flags & COR_DICOM_IS_FRAGMENTED;

        is_told = is_native != is_fragmented && (is_native ? append_plain(dicom, pixels, text)
                                                           : append_fragments(dicom, pixels, text));
    }
    if (!is_told) {
        cor_string_append_text(text, "null");
    }
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Lookup tables: their descriptors, palettes, and segmented palettes. */
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "dicom/dicom-pixels.h"

#define TAG_RED_DESCRIPTOR 0x00281101u
#define TAG_RED_TABLE 0x00281201u
#define TAG_RED_SEGMENTS 0x00281221u

/* Kinds of segments. */
enum { DISCRETE, LINEAR, INDIRECT };

static bool read_descriptor(const CorDicom *dicom, const CorDicomElement *descriptor,
                            bool is_signed, CorDicomLut *ret_lut)
{
    CorDicomLut lut = {0};

    if (!descriptor || descriptor->size < 6 || descriptor->vr == COR_DICOM_VR('S', 'Q')) {
        return false;
    }
    const uint8_t *words = cor_dicom_priv_bytes(dicom, descriptor);
    bool is_big = descriptor->flags & COR_DICOM_IS_BIG_ENDIAN;
    lut.len = cor_dicom_priv_u16(words, is_big);
    lut.len = lut.len == 0 ? 65536 : lut.len;
    uint16_t first = cor_dicom_priv_u16(words + 2, is_big);
    lut.first = is_signed ? (int16_t) first : first;
    lut.bits = cor_dicom_priv_u16(words + 4, is_big);
    *ret_lut = lut;
    return lut.bits >= 1 && lut.bits <= 16;
}

bool cor_dicom_priv_lut(const CorDicom *dicom, const CorDicomElement *descriptor,
                        const CorDicomElement *data, bool is_signed, CorDicomLut *ret_lut)
{
    CorDicomLut lut = {0};

    if (!read_descriptor(dicom, descriptor, is_signed, &lut) || !data || data->size < lut.len ||
        (data->flags & COR_DICOM_IS_FRAGMENTED) || data->vr == COR_DICOM_VR('S', 'Q')) {
        return false;
    }
    lut.is_wide = data->size >= 2 * (uint64_t) lut.len;
    lut.is_big_endian = data->flags & COR_DICOM_IS_BIG_ENDIAN;
    lut.entries = cor_dicom_priv_bytes(dicom, data);
    *ret_lut = lut;
    return true;
}

/* --- segmented palettes --- */

typedef struct Expansion {
    const uint8_t *words; /* the segments */
    size_t words_len;
    bool is_big;
    uint16_t *entries;
    size_t done;
    size_t len; /* entries wanted */
} Expansion;

static uint16_t word_at(const Expansion *expansion, size_t at)
{
    return cor_dicom_priv_u16(expansion->words + 2 * at, expansion->is_big);
}

/* Write a straight line from the last entry to y1. */
static void expand_line(Expansion *expansion, size_t len, int y1)
{
    int y0 = expansion->done > 0 ? expansion->entries[expansion->done - 1] : 0;

    for (size_t i = 1; i <= len && expansion->done < expansion->len; i++) {
        double y = y0 + (double) (y1 - y0) * (double) i / (double) len;

        expansion->entries[expansion->done++] = (uint16_t) (y + 0.5);
    }
}

/* Write one segment that is not indirect; returns the words that it takes, 0 if it is damaged. */
static size_t expand_segment(Expansion *expansion, size_t at)
{
    if (at + 3 > expansion->words_len) {
        return 0;
    }
    size_t len = word_at(expansion, at + 1);
    if (word_at(expansion, at) == LINEAR) {
        expand_line(expansion, len, word_at(expansion, at + 2));
        return 3;
    }
    if (word_at(expansion, at) != DISCRETE || len > expansion->words_len - at - 2) {
        return 0;
    }
    for (size_t i = 0; i < len && expansion->done < expansion->len; i++) {
        expansion->entries[expansion->done++] = word_at(expansion, at + 2 + i);
    }
    return 2 + len;
}

/* Write again the segments that an indirect one points to by a byte offset; these may not be
 * indirect themselves, so that nothing goes round in circles. */
static bool expand_indirect(Expansion *expansion, size_t at)
{
    if (at + 4 > expansion->words_len) {
        return false;
    }
    size_t segments = word_at(expansion, at + 1);
    size_t place =
        (word_at(expansion, at + 2) | (size_t) word_at(expansion, at + 3) << 16) / sizeof(uint16_t);

    for (size_t i = 0; i < segments && expansion->done < expansion->len; i++) {
        size_t taken = place < expansion->words_len ? expand_segment(expansion, place) : 0;

        if (taken == 0) {
            return false;
        }
        place += taken;
    }
    return true;
}

static bool expand_all(Expansion *expansion)
{
    size_t at = 0;

    while (at < expansion->words_len && expansion->done < expansion->len) {
        if (word_at(expansion, at) == INDIRECT) {
            if (!expand_indirect(expansion, at)) {
                return false;
            }
            at += 4;
            continue;
        }
        size_t taken = expand_segment(expansion, at);
        if (taken == 0) {
            return false;
        }
        at += taken;
    }
    return expansion->done == expansion->len;
}

bool cor_dicom_priv_expand_segments(const CorDicom *dicom, const CorDicomElement *data,
                                    CorDicomLut *lut, uint16_t **ret_entries, CorError *err)
{
    Expansion expansion = {.words = cor_dicom_priv_bytes(dicom, data),
                           .words_len = data->size / 2,
                           .is_big = data->flags & COR_DICOM_IS_BIG_ENDIAN,
                           .len = lut->len};

    if (lut->bits <= 8) {
        return cor_fail(err, COR_ERR_UNSUPPORTED, "segmented palette of 8 bits");
    }
    expansion.entries = cor_new_array(uint16_t, lut->len);
    if (!expansion.entries) {
        return cor_fail(err, COR_ERR_NOMEM, "out of memory for a palette");
    }
    if ((data->flags & COR_DICOM_IS_FRAGMENTED) || !expand_all(&expansion)) {
        free(expansion.entries);
        return cor_fail(err, COR_ERR_CORRUPT, "the segmented palette is damaged");
    }
    lut->is_wide = true;
    lut->is_big_endian = false;
    lut->entries = (const uint8_t *) expansion.entries;
    *ret_entries = expansion.entries;
    return true;
}

/* --- palettes --- */

static int64_t stored_at(const CorDicomFrame *frame, size_t i)
{
    switch (frame->plane.type) {
    case COR_PIXEL_U8:
        return frame->pixels[i];
    case COR_PIXEL_S8:
        return (int8_t) frame->pixels[i];
    case COR_PIXEL_U16:
        return ((const uint16_t *) (const void *) frame->pixels)[i];
    case COR_PIXEL_S16:
        return ((const int16_t *) (const void *) frame->pixels)[i];
    default:
        return 0; /* palettes have at most 16 bits */
    }
}

/* Read the table of one colour; *ret_entries is to be freed if it is set. */
static bool read_colour(const CorDicom *dicom, uint32_t colour, bool is_signed, CorDicomLut *lut,
                        uint16_t **ret_entries, CorError *err)
{
    CorDicomScope root = cor_dicom_priv_root(dicom);
    const CorDicomElement *descriptor =
        cor_dicom_priv_find(dicom, root, TAG_RED_DESCRIPTOR + colour);
    const CorDicomElement *table = cor_dicom_priv_find(dicom, root, TAG_RED_TABLE + colour);
    const CorDicomElement *segments = cor_dicom_priv_find(dicom, root, TAG_RED_SEGMENTS + colour);

    if (!table && segments && read_descriptor(dicom, descriptor, is_signed, lut)) {
        return cor_dicom_priv_expand_segments(dicom, segments, lut, ret_entries, err);
    }
    return cor_dicom_priv_lut(dicom, descriptor, table, is_signed, lut) ||
           cor_fail(err, COR_ERR_CORRUPT, "the palette is missing or damaged");
}

static void apply_palette(const CorDicomFrame *indices, size_t pixels, const CorDicomLut luts[3],
                          uint8_t *rgb)
{
    for (size_t i = 0; i < pixels; i++) {
        int64_t index = stored_at(indices, i);

        for (size_t c = 0; c < 3; c++) {
            unsigned value = cor_dicom_priv_lut_at(&luts[c], index);
            unsigned drop = luts[c].bits > 8 ? luts[c].bits - 8 : 0;

            rgb[3 * i + c] = (uint8_t) (value >> drop);
        }
    }
}

bool cor_dicom_priv_palette(const CorDicom *dicom, const CorDicomImage *image, CorDicomFrame *frame,
                            CorError *err)
{
    uint16_t *entries[3] = {NULL, NULL, NULL};
    CorDicomLut luts[3];
    CorDicomFrame *rgb = NULL;
    bool is_done = true;

    for (uint32_t c = 0; c < 3 && is_done; c++) {
        is_done = read_colour(dicom, c, image->is_signed, &luts[c], &entries[c], err);
    }
    is_done = is_done && cor_dicom_priv_frame_new(image, image->columns, COR_PIXEL_RGB8, &rgb, err);
    if (is_done) {
        apply_palette(frame, (size_t) image->rows * image->columns, luts, rgb->pixels);
        free(frame->pixels);
        *frame = *rgb;
        free(rgb);
    }
    for (size_t c = 0; c < 3; c++) {
        free(entries[c]);
    }
    return is_done;
}

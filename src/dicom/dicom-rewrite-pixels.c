/* SPDX-License-Identifier: Apache-2.0 */
/* Pixel Data in another encoding (PS3.5 section A.4).  Nothing is kept but one frame: lengths and
 * tables of offsets are written empty and filled in afterwards. */
#include "dicom/dicom-rewrite.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"

/* Native pixels to native pixels: words are as long as samples, whatever the VR says, and more than
 * 8 bits are OW (PS3.5 section A.2). */
static bool carry_over_pixels(const CorDicomRewriter *rewriter, const CorDicomElement *element,
                              CorError *err)
{
    const CorDicom *dicom = rewriter->dicom;
    CorDicomElement pixels = *element;
    int64_t bits = 0;

    (void) cor_dicom_priv_integer(
        dicom, cor_dicom_priv_find(dicom, cor_dicom_priv_root(dicom), 0x00280100), 0, &bits);
    if (element->tag == COR_DICOM_TAG_PIXELS && bits > 8) {
        pixels.vr = COR_DICOM_VR('O', 'W');
    }
    return cor_dicom_priv_put_element(rewriter, &pixels,
                                      bits == 16 || bits == 32 ? (unsigned) bits / 8 : 0, err);
}

static bool write_native_pixels(CorDicomRewriter *rewriter, CorError *err)
{
    CorDicomRecoding *recoding = &rewriter->recoding;
    uint32_t frames = recoding->image.frames;
    CorDicomBits bits = {0};
    uint64_t size = 0;

    if (__builtin_mul_overflow(recoding->frame_bits, frames, &size) ||
        (size + 7) / 8 > 0xFFFFFFFE) {
        return cor_fail(err, COR_ERR_LIMIT, "the uncompressed pixels have more than 4 GiB");
    }
    size = (size + 7) / 8;
    cor_dicom_priv_put_head(rewriter->output, COR_DICOM_TAG_PIXELS,
                            recoding->image.bits_allocated > 8 ? COR_DICOM_VR('O', 'W')
                                                               : COR_DICOM_VR('O', 'B'),
                            (uint32_t) (size + (size & 1)));
    for (uint32_t i = 0; i < frames && cor_dicom_priv_output_ok(rewriter->output); i++) {
        if (!cor_dicom_priv_recode(recoding, i, rewriter->output, &bits, err)) {
            return false;
        }
    }
    cor_dicom_priv_put_bits_end(rewriter->output, &bits);
    cor_dicom_priv_put_padding(rewriter->output, COR_DICOM_VR('O', 'B'), size);
    return true;
}

static void set_number(uint8_t *bytes, uint64_t value, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        bytes[i] = (uint8_t) (value >> (8 * i));
    }
}

static void put_zeros(CorDicomOutput *output, uint64_t size)
{
    static const uint8_t zeros[4096];

    for (; size > 0 && cor_dicom_priv_output_ok(output);) {
        size_t part = COR_MIN(size, sizeof(zeros));

        cor_dicom_priv_put(output, zeros, part);
        size -= part;
    }
}

/* Where the tables of offsets are, and the numbers of one frame for them. */
typedef struct Tables {
    bool is_extended;
    uint64_t offsets_at;
    uint64_t lengths_at; /* extended only */
    uint64_t first_item; /* what offsets count from */
} Tables;

/* The Basic Offset Table has 32 bits for a place, the extended one 64 (PS3.3 section C.7.6.3.1.8);
 * which it is has to be known before the frames are. */
static bool begin_fragments(CorDicomRewriter *rewriter, Tables *ret_tables, CorError *err)
{
    CorDicomOutput *output = rewriter->output;
    CorDicomRecoding *recoding = &rewriter->recoding;
    uint64_t frames = recoding->image.frames;
    /* Lossless frames are smaller than native ones; noise grows a little. */
    uint64_t expected = frames * (recoding->frame_bits / 8 + recoding->frame_bits / 64 + 1024);
    Tables tables = {.is_extended = expected > UINT32_MAX};

    if (frames > (tables.is_extended ? 0xFFFFFFFE / 8 : 0xFFFFFFFE / 4)) {
        return cor_fail(err, COR_ERR_LIMIT, "%" PRIu64 " frames are too many", frames);
    }
    if (tables.is_extended) {
        cor_dicom_priv_put_head(output, COR_DICOM_TAG_EXTENDED_OFFSETS, COR_DICOM_VR('O', 'V'),
                                (uint32_t) (8 * frames));
        tables.offsets_at = output->written;
        put_zeros(output, 8 * frames);
        cor_dicom_priv_put_head(output, COR_DICOM_TAG_EXTENDED_LENGTHS, COR_DICOM_VR('O', 'V'),
                                (uint32_t) (8 * frames));
        tables.lengths_at = output->written;
        put_zeros(output, 8 * frames);
    }
    cor_dicom_priv_put_head(output, COR_DICOM_TAG_PIXELS, COR_DICOM_VR('O', 'B'),
                            COR_DICOM_UNDEFINED_LENGTH);
    cor_dicom_priv_put_item(output, COR_DICOM_TAG_ITEM,
                            tables.is_extended ? 0 : (uint32_t) (4 * frames));
    if (!tables.is_extended) {
        tables.offsets_at = output->written;
        put_zeros(output, 4 * frames);
    }
    tables.first_item = output->written;
    *ret_tables = tables;
    return true;
}

static bool set_table_entry(const CorDicomRewriter *rewriter, const Tables *tables, uint32_t frame,
                            uint64_t place, uint64_t size, CorError *err)
{
    size_t width = tables->is_extended ? 8 : 4;
    uint8_t bytes[8];

    if (!tables->is_extended && place - tables->first_item > UINT32_MAX) {
        return cor_fail(err, COR_ERR_LIMIT, "frames of more than 4 GiB for a Basic Offset Table");
    }
    set_number(bytes, place - tables->first_item, width);
    cor_dicom_priv_put_at(rewriter->output, tables->offsets_at + frame * width, bytes, width);
    if (tables->is_extended) {
        set_number(bytes, size, 8);
        cor_dicom_priv_put_at(rewriter->output, tables->lengths_at + frame * width, bytes, 8);
    }
    return true;
}

/* A fragment for each frame; its length is filled in when it is known. */
static bool write_fragments(CorDicomRewriter *rewriter, CorError *err)
{
    CorDicomOutput *output = rewriter->output;
    CorDicomBits bits = {0};
    Tables tables = {0};

    if (!begin_fragments(rewriter, &tables, err)) {
        return false;
    }
    for (uint32_t i = 0; i < rewriter->recoding.image.frames && cor_dicom_priv_output_ok(output);
         i++) {
        uint64_t place = output->written;
        uint8_t length[4];

        cor_dicom_priv_put_item(output, COR_DICOM_TAG_ITEM, 0);
        if (!cor_dicom_priv_recode(&rewriter->recoding, i, output, &bits, err)) {
            return false;
        }
        uint64_t size = output->written - place - 8;
        cor_dicom_priv_put_padding(output, COR_DICOM_VR('O', 'B'), size);
        set_number(length, size + (size & 1), sizeof(length));
        cor_dicom_priv_put_at(output, place + 4, length, sizeof(length));
        if (!set_table_entry(rewriter, &tables, i, place, size, err)) {
            return false;
        }
    }
    cor_dicom_priv_put_item(output, COR_DICOM_TAG_SEQUENCE_END, 0);
    return true;
}

bool cor_dicom_priv_put_pixels(CorDicomRewriter *rewriter, const CorDicomElement *element,
                               CorError *err)
{
    if (!rewriter->is_recoding) {
        return carry_over_pixels(rewriter, element, err);
    }
    return rewriter->recoding.is_native ? write_native_pixels(rewriter, err)
                                        : write_fragments(rewriter, err);
}

/* Fragments as they are: of pixels that are already in the target syntax, and of others' private
 * elements.  Offsets hold as long as no fragment has to be padded. */
void cor_dicom_priv_put_fragments(const CorDicomRewriter *rewriter, const CorDicomElement *element)
{
    const CorDicom *dicom = rewriter->dicom;
    uint32_t table = (uint32_t) (element - dicom->elements) + 1;
    bool is_even = true;

    cor_dicom_priv_put_head(rewriter->output, element->tag, COR_DICOM_VR('O', 'B'),
                            COR_DICOM_UNDEFINED_LENGTH);
    for (uint32_t i = table; i < element->end; i++) {
        is_even = is_even && dicom->elements[i].size % 2 == 0;
    }
    for (uint32_t i = table; i < element->end; i++) {
        const CorDicomElement *fragment = &dicom->elements[i];
        uint64_t size = i == table && !is_even ? 0 : fragment->size;

        cor_dicom_priv_put_item(rewriter->output, COR_DICOM_TAG_ITEM,
                                (uint32_t) (size + (size & 1)));
        cor_dicom_priv_put(rewriter->output, cor_dicom_priv_bytes(dicom, fragment), size);
        cor_dicom_priv_put_padding(rewriter->output, COR_DICOM_VR('O', 'B'), size);
    }
    cor_dicom_priv_put_item(rewriter->output, COR_DICOM_TAG_SEQUENCE_END, 0);
}

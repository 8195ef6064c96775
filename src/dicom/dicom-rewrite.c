/* SPDX-License-Identifier: Apache-2.0 */
/* One walk over the table of elements, in the order of the file, that writes each one in explicit
 * VR little endian (PS3.5 section 7.1.2).
 *
 * Elements that describe the encoding are replaced where they stand, or inserted before the first
 * one behind them.  Like the scan, the walk keeps open sequences on a stack of fixed size; only an
 * image within an item, an icon that is encapsulated, makes it call itself: its item then is a data
 * set of its own with native pixels as the target.  So it is never deeper than items are.
 */
#include "dicom/dicom-rewrite.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"

enum {
    STACK_MAX = 2 * 64 + 2, /* sequences and items of a scan */
    SHORT_MAX = 0xFFFE,     /* the longest even value with a length of two bytes */
};

bool cor_dicom_priv_is_native_uid(const char *target_uid)
{
    return strcmp(target_uid, COR_DICOM_EXPLICIT) == 0 ||
           strcmp(target_uid, COR_DICOM_DEFLATED) == 0;
}

/* --- plain elements --- */

void cor_dicom_priv_put_padding(CorDicomOutput *output, uint16_t vr, uint64_t size)
{
    bool is_spaced = cor_dicom_priv_vr_is_text(vr) && vr != COR_DICOM_VR('U', 'I');

    if (size & 1) {
        cor_dicom_priv_put(output, is_spaced ? " " : "", 1);
    }
}

/* What implicit encoding allows and explicit does not is UN (PS3.5 section 6.2.2). */
static uint16_t vr_to_write(const CorDicomElement *element)
{
    bool is_too_long = !cor_dicom_priv_vr_is_long(element->vr) && element->size > SHORT_MAX;

    return is_too_long || !cor_dicom_priv_vr_is_known(element->vr) ? COR_DICOM_VR('U', 'N')
                                                                   : element->vr;
}

bool cor_dicom_priv_put_element(const CorDicomRewriter *rewriter, const CorDicomElement *element,
                                unsigned word, CorError *err)
{
    uint16_t vr = vr_to_write(element);
    uint64_t even = element->size + (element->size & 1);

    if (even > 0xFFFFFFFE) {
        return cor_fail(err, COR_ERR_LIMIT, "an element has %" PRIu64 " bytes", element->size);
    }
    cor_dicom_priv_put_head(rewriter->output, element->tag, vr, (uint32_t) even);
    cor_dicom_priv_put_value(rewriter->output, rewriter->dicom, element, word);
    cor_dicom_priv_put_padding(rewriter->output, vr, element->size);
    return true;
}

/* --- replacements --- */

static CorDicomReplacement *add_replacement(CorDicomRewriter *rewriter, uint32_t tag, uint16_t vr)
{
    const CorDicom *dicom = rewriter->dicom;
    CorDicomReplacement *to = &rewriter->replacements[rewriter->replacement_len++];

    *to = (CorDicomReplacement){.tag = tag,
                                .vr = vr,
                                .is_missing =
                                    !cor_dicom_priv_find(dicom, cor_dicom_priv_root(dicom), tag)};
    return to;
}

static void replace_text(CorDicomRewriter *rewriter, uint32_t tag, const char *text)
{
    CorDicomReplacement *to = add_replacement(rewriter, tag, COR_DICOM_VR('C', 'S'));

    to->size = (uint16_t) snprintf(to->value, sizeof(to->value), "%s", text);
}

static void replace_number(CorDicomRewriter *rewriter, uint32_t tag, uint16_t value)
{
    CorDicomReplacement *to = add_replacement(rewriter, tag, COR_DICOM_VR('U', 'S'));

    to->size = 2;
    to->value[0] = (char) (value & 0xFF);
    to->value[1] = (char) (value >> 8);
}

/* Say how the pixels will be. */
static void plan_replacements(CorDicomRewriter *rewriter)
{
    const CorDicomRecoding *recoding = &rewriter->recoding;
    const CorDicomImage *image = &recoding->image;

    if (rewriter->is_recoding) {
        if (strcmp(recoding->photometric, image->photometric) != 0) {
            replace_text(rewriter, 0x00280004, recoding->photometric);
        }
        if (image->is_colour) {
            replace_number(rewriter, 0x00280006, 0);
        }
        if (!recoding->has_all_bits && image->high_bit + 1 != image->bits_stored) {
            replace_number(rewriter, 0x00280102, (uint16_t) (image->bits_stored - 1));
        }
    }
    if (rewriter->dicom->syntax.is_lossy) { /* it is, whatever the data set says (C.7.6.1.1.5) */
        replace_text(rewriter, 0x00282110, "01");
    }
}

static void put_replacement(const CorDicomRewriter *rewriter, CorDicomReplacement *replacement)
{
    uint32_t even = replacement->size + (replacement->size & 1u);

    cor_dicom_priv_put_head(rewriter->output, replacement->tag, replacement->vr, even);
    cor_dicom_priv_put(rewriter->output, replacement->value, replacement->size);
    cor_dicom_priv_put_padding(rewriter->output, replacement->vr, replacement->size);
    replacement->is_written = true;
}

/* Write what belongs before a tag and is not among the elements; tells whether the tag's own
 * element is replaced. */
static bool put_replacements(CorDicomRewriter *rewriter, uint32_t tag)
{
    for (size_t i = 0; i < rewriter->replacement_len; i++) {
        CorDicomReplacement *replacement = &rewriter->replacements[i];

        if (replacement->tag == tag) {
            if (!replacement->is_written) {
                put_replacement(rewriter, replacement);
            }
            return true; /* also instead of one that comes twice */
        }
        if (replacement->tag < tag && replacement->is_missing && !replacement->is_written) {
            put_replacement(rewriter, replacement);
        }
    }
    return false;
}

/* --- the walk --- */

/* Group lengths and the meta header are not carried over; offset tables have a new sense. */
static bool is_dropped(const CorDicomRewriter *rewriter, const CorDicomElement *element,
                       bool is_top)
{
    bool is_table = element->tag == COR_DICOM_TAG_EXTENDED_OFFSETS ||
                    element->tag == COR_DICOM_TAG_EXTENDED_LENGTHS;

    return ((element->tag & 0xFFFF) == 0 && element->vr != COR_DICOM_VR_NONE) ||
           (is_top && (element->tag >> 16 == 0x0002 || (is_table && rewriter->is_recoding)));
}

/* An image inside an item whose pixels are encapsulated. */
static bool is_icon(const CorDicom *dicom, const CorDicomElement *item)
{
    const CorDicomElement *pixels =
        cor_dicom_priv_find(dicom, cor_dicom_priv_inside(dicom, item), COR_DICOM_TAG_PIXELS);

    return pixels && (pixels->flags & COR_DICOM_IS_FRAGMENTED);
}

/* Write an item's elements as a data set of its own. */
static bool write_icon(const CorDicomRewriter *rewriter, const CorDicomElement *item, CorError *err)
{
    CorDicomScope inside = cor_dicom_priv_inside(rewriter->dicom, item);
    CorDicom view = *rewriter->dicom;

    view.elements_len = inside.end - inside.begin;
    view.elements = cor_new_array(CorDicomElement, view.elements_len);
    view.is_truncated = false;
    if (!view.elements) {
        return cor_fail(err, COR_ERR_NOMEM, "out of memory for an icon");
    }
    for (uint32_t i = 0; i < view.elements_len; i++) {
        view.elements[i] = rewriter->dicom->elements[inside.begin + i];
        view.elements[i].end -= inside.begin;
    }
    bool is_done = cor_dicom_priv_rewrite(&view, COR_DICOM_EXPLICIT, rewriter->output, err);
    if (!is_done) {
        cor_error_wrap(err, "image in a sequence");
    }
    free(view.elements);
    return is_done;
}

/* Open sequences and items: where each ends, and what it is. */
typedef struct Walk {
    struct {
        uint32_t end;
        bool is_item;
    } stack[STACK_MAX];
    size_t stack_len;
} Walk;

static void open_container(const CorDicomRewriter *rewriter, Walk *walk,
                           const CorDicomElement *element)
{
    bool is_item = element->vr == COR_DICOM_VR_NONE;

    if (is_item) {
        cor_dicom_priv_put_item(rewriter->output, COR_DICOM_TAG_ITEM, COR_DICOM_UNDEFINED_LENGTH);
    } else {
        cor_dicom_priv_put_head(rewriter->output, element->tag, COR_DICOM_VR('S', 'Q'),
                                COR_DICOM_UNDEFINED_LENGTH);
    }
    walk->stack[walk->stack_len].end = element->end;
    walk->stack[walk->stack_len++].is_item = is_item;
}

static void close_containers(const CorDicomRewriter *rewriter, Walk *walk, uint32_t at)
{
    while (walk->stack_len > 0 && walk->stack[walk->stack_len - 1].end <= at) {
        cor_dicom_priv_put_item(rewriter->output,
                                walk->stack[--walk->stack_len].is_item ? COR_DICOM_TAG_ITEM_END
                                                                       : COR_DICOM_TAG_SEQUENCE_END,
                                0);
    }
}

/* Write one element, or begin it; *next is where to go on. */
static bool write_element(CorDicomRewriter *rewriter, Walk *walk, const CorDicomElement *element,
                          uint32_t *next, CorError *err)
{
    bool is_top = walk->stack_len == 0;
    bool is_fragmented = element->flags & COR_DICOM_IS_FRAGMENTED;

    *next = element->end;
    if (is_dropped(rewriter, element, is_top) ||
        (is_top && put_replacements(rewriter, element->tag))) {
        return true;
    }
    if (is_top && element == rewriter->pixels && (rewriter->is_recoding || !is_fragmented)) {
        return cor_dicom_priv_put_pixels(rewriter, element, err);
    }
    if (is_fragmented) {
        cor_dicom_priv_put_fragments(rewriter, element);
        return true;
    }
    bool is_item = element->vr == COR_DICOM_VR_NONE;
    if (is_item && is_icon(rewriter->dicom, element)) {
        open_container(rewriter, walk, element);
        return write_icon(rewriter, element, err);
    }
    if (is_item || element->vr == COR_DICOM_VR('S', 'Q')) {
        open_container(rewriter, walk, element);
        *next = (uint32_t) (element - rewriter->dicom->elements) + 1;
        return true;
    }
    return cor_dicom_priv_put_element(rewriter, element, 0, err);
}

static bool write_elements(CorDicomRewriter *rewriter, CorError *err)
{
    const CorDicom *dicom = rewriter->dicom;
    Walk walk = {.stack_len = 0};

    for (uint32_t i = 0; i < dicom->elements_len && cor_dicom_priv_output_ok(rewriter->output);) {
        close_containers(rewriter, &walk, i);
        if (!write_element(rewriter, &walk, &dicom->elements[i], &i, err)) {
            return false;
        }
    }
    close_containers(rewriter, &walk, UINT32_MAX);
    (void) put_replacements(rewriter, UINT32_MAX);
    return true;
}

/* Native and native, or no pixels at all, need no decision; neither do fragments that stay. */
static bool needs_recoding(const CorDicom *dicom, const char *target_uid)
{
    const CorDicomElement *pixels = cor_dicom_priv_pixel_element(dicom);
    bool is_native = pixels && !(pixels->flags & COR_DICOM_IS_FRAGMENTED) &&
                     dicom->syntax.codec == COR_CODEC_NATIVE;
    bool is_there = pixels && (pixels->flags & COR_DICOM_IS_FRAGMENTED) &&
                    strcmp(dicom->syntax_uid, target_uid) == 0;

    return pixels && !is_there && !(is_native && cor_dicom_priv_is_native_uid(target_uid));
}

bool cor_dicom_priv_rewrite(const CorDicom *dicom, const char *target_uid, CorDicomOutput *output,
                            CorError *err)
{
    CorDicomRewriter rewriter = {
        .dicom = dicom, .pixels = cor_dicom_priv_pixel_element(dicom), .output = output};

    rewriter.is_recoding = needs_recoding(dicom, target_uid);
    if (rewriter.is_recoding &&
        !cor_dicom_priv_recoding_begin(dicom, target_uid, &rewriter.recoding, err)) {
        return false;
    }
    plan_replacements(&rewriter);
    bool is_done = write_elements(&rewriter, err);
    cor_dicom_priv_recoding_done(&rewriter.recoding);
    return is_done;
}

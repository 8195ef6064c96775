/* SPDX-License-Identifier: Apache-2.0 */
/* Single values, by the paths that cor_dicom_index_json() gives for what it leaves out. */
#include <inttypes.h>
#include <string.h>

#include "dicom/dicom-json.h"
#include "dicom/dicom-output.h"
#include "dicom/dicom-pixels.h"

enum { DEPTH_MAX = 64 };

static const size_t json_max_bytes = (size_t) 256 << 20;

/* A place in the data set, while a path is followed. */
typedef struct Place {
    CorDicomScope scope;
    CorDicomCharset charset;
    const CorDicomElement *element;
} Place;

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c = (char) (c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Read eight hexadecimal digits and move past them. */
static bool read_tag(const char **path, uint32_t *ret_tag)
{
    uint32_t tag = 0;

    for (int i = 0; i < 8; i++) {
        int digit = hex_digit(**path);

        if (digit < 0) {
            return false;
        }
        tag = tag << 4 | (uint32_t) digit;
        (*path)++;
    }
    *ret_tag = tag;
    return true;
}

/* Read "/<item>/" and move past it; items count from 1. */
static bool read_item(const char **path, uint32_t *ret_item)
{
    const char *at = *path;
    uint32_t item = 0;

    if (*at++ != '/') {
        return false;
    }
    for (int i = 0; i < 9 && *at >= '0' && *at <= '9'; i++) {
        item = 10 * item + (uint32_t) (*at++ - '0');
    }
    if (item == 0 || *at++ != '/') {
        return false;
    }
    *path = at;
    *ret_item = item;
    return true;
}

static bool enter_item(const CorDicom *dicom, uint32_t item, Place *place, CorError *err)
{
    const CorDicomElement *found = NULL;

    if (place->element->vr == COR_DICOM_VR('S', 'Q')) {
        found = cor_dicom_priv_item(dicom, place->element, item - 1);
    }
    if (!found) {
        return cor_fail(err, COR_ERR_NOT_FOUND, "there is no such item");
    }
    place->scope = cor_dicom_priv_inside(dicom, found);
    place->charset = cor_dicom_priv_charset_of(dicom, place->scope, &place->charset);
    return true;
}

/* Follow a path; *ret_prefix_size is how much of it stands before the last tag. */
static bool find_place(const CorDicom *dicom, const char *path, Place *ret_place,
                       size_t *ret_prefix_size, CorError *err)
{
    Place place = {.scope = cor_dicom_priv_root(dicom), .charset = dicom->charset};
    const char *at = path;

    for (int depth = 0; depth <= DEPTH_MAX; depth++) {
        size_t prefix_size = (size_t) (at - path);
        uint32_t tag = 0;
        uint32_t item = 0;

        if (!read_tag(&at, &tag)) {
            break;
        }
        place.element = cor_dicom_priv_find(dicom, place.scope, tag);
        if (!place.element) {
            return cor_fail(err, COR_ERR_NOT_FOUND, "there is no such element");
        }
        if (*at == '\0') {
            *ret_place = place;
            *ret_prefix_size = prefix_size;
            return true;
        }
        if (!read_item(&at, &item)) {
            break;
        }
        if (!enter_item(dicom, item, &place, err)) {
            return false;
        }
    }
    return cor_fail(err, COR_ERR_INVALID, "a path is <tag> or <tag>/<item>/<tag> and so on");
}

/* Samples are words of Bits Allocated bits, whatever the VR of the pixel data says. */
static unsigned word_size(const CorDicom *dicom, const CorDicomElement *element)
{
    int64_t bits = 0;

    if (element == cor_dicom_priv_pixel_element(dicom)) {
        (void) cor_dicom_priv_integer(
            dicom, cor_dicom_priv_find(dicom, cor_dicom_priv_root(dicom), 0x00280100), 0, &bits);
    }
    return bits == 16 || bits == 32 ? (unsigned) bits / 8 : 0;
}

static bool write_value(const CorDicom *dicom, const CorDicomElement *element,
                        CorDicomOutput *output, CorError *err)
{
    if (element->flags & COR_DICOM_IS_FRAGMENTED) {
        return cor_fail(err, COR_ERR_UNSUPPORTED, "encapsulated pixel data as one value");
    }
    cor_dicom_priv_put_value(output, dicom, element, word_size(dicom, element));
    return true;
}

static bool write_json(const CorDicom *dicom, const Place *place, const char *path,
                       size_t prefix_size, CorDicomOutput *output, CorError *err)
{
    COR_CLEANUP(cor_string_freep) CorString *text = cor_string_new(json_max_bytes);

    if (!text) {
        return cor_fail(err, COR_ERR_NOMEM, "out of memory for DICOM JSON");
    }
    const CorDicomJsonItems items = {.sequence = place->element,
                                     .charset = place->charset,
                                     .path = path,
                                     .prefix_size = prefix_size};
    if (!cor_dicom_priv_json_items(dicom, &items, text, err)) {
        return false;
    }
    cor_dicom_priv_put(output, cor_string_text(text), cor_string_size(text));
    return true;
}

bool cor_dicom_write_bulk(const CorDicom *dicom, const char *path, const CorDicomSink *sink,
                          CorDicomWritten *ret_written, CorError *err)
{
    CorDicomOutput output = {0};
    Place place = {0};
    size_t prefix_size = 0;

    if (!find_place(dicom, path, &place, &prefix_size, err) ||
        !cor_dicom_priv_output_init(&output, sink, err)) {
        return false;
    }
    uint16_t vr = place.element->vr;
    bool is_done =
        (vr == COR_DICOM_VR('S', 'Q') ? write_json(dicom, &place, path, prefix_size, &output, err)
                                      : write_value(dicom, place.element, &output, err)) &&
        cor_dicom_priv_output_end(&output, err);
    cor_dicom_priv_output_done(&output);
    if (is_done) {
        vr = cor_dicom_priv_vr_is_known(vr) ? vr : COR_DICOM_VR('U', 'N');
        *ret_written = (CorDicomWritten){.vr = {(char) (vr >> 8), (char) vr}};
    }
    return is_done;
}

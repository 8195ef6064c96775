/* SPDX-License-Identifier: Apache-2.0 */
/* Finding elements in the table and reading their values.  The scan has checked every place; here
 * only counts within a value need checking. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "dicom/dicom-priv.h"

CorDicomScope cor_dicom_priv_root(const CorDicom *dicom)
{
    return (CorDicomScope){0, dicom->elements_len};
}

CorDicomScope cor_dicom_priv_inside(const CorDicom *dicom, const CorDicomElement *item)
{
    return (CorDicomScope){(uint32_t) (item - dicom->elements) + 1, item->end};
}

const CorDicomElement *cor_dicom_priv_find(const CorDicom *dicom, CorDicomScope scope, uint32_t tag)
{
    for (uint32_t i = scope.begin; i < scope.end; i = dicom->elements[i].end) {
        if (dicom->elements[i].tag == tag) {
            return &dicom->elements[i];
        }
    }
    return NULL;
}

const CorDicomElement *cor_dicom_priv_item(const CorDicom *dicom, const CorDicomElement *sequence,
                                           uint32_t n)
{
    CorDicomScope scope = cor_dicom_priv_inside(dicom, sequence);

    for (uint32_t i = scope.begin; i < scope.end; i = dicom->elements[i].end) {
        if (n-- == 0) {
            return &dicom->elements[i];
        }
    }
    return NULL;
}

bool cor_dicom_priv_first_item(const CorDicom *dicom, CorDicomScope scope, uint32_t sequence_tag,
                               CorDicomScope *ret_scope)
{
    const CorDicomElement *sequence = cor_dicom_priv_find(dicom, scope, sequence_tag);
    const CorDicomElement *item = NULL;

    if (sequence && sequence->vr == COR_DICOM_VR('S', 'Q')) {
        item = cor_dicom_priv_item(dicom, sequence, 0);
    }
    if (!item) {
        return false;
    }
    *ret_scope = cor_dicom_priv_inside(dicom, item);
    return true;
}

const uint8_t *cor_dicom_priv_bytes(const CorDicom *dicom, const CorDicomElement *element)
{
    return dicom->data + element->offset;
}

static double float_of_bits(uint32_t bits)
{
    float value = 0;

    memcpy(&value, &bits, sizeof(value));
    return (double) value;
}

static double double_of_bits(uint64_t bits)
{
    double value = 0;

    memcpy(&value, &bits, sizeof(value));
    return value;
}

bool cor_dicom_priv_binary(const CorDicom *dicom, const CorDicomElement *element, size_t n,
                           double *ret_value)
{
    unsigned size = cor_dicom_priv_vr_number_size(element->vr);
    bool is_big = element->flags & COR_DICOM_IS_BIG_ENDIAN;

    if (size == 0 || n >= element->size / size) {
        return false;
    }
    const uint8_t *bytes = cor_dicom_priv_bytes(dicom, element) + n * size;
    switch (element->vr) {
    case COR_DICOM_VR('U', 'S'):
        *ret_value = cor_dicom_priv_u16(bytes, is_big);
        return true;
    case COR_DICOM_VR('S', 'S'):
        *ret_value = (int16_t) cor_dicom_priv_u16(bytes, is_big);
        return true;
    case COR_DICOM_VR('U', 'L'):
        *ret_value = cor_dicom_priv_u32(bytes, is_big);
        return true;
    case COR_DICOM_VR('S', 'L'):
        *ret_value = (int32_t) cor_dicom_priv_u32(bytes, is_big);
        return true;
    case COR_DICOM_VR('F', 'L'):
        *ret_value = float_of_bits(cor_dicom_priv_u32(bytes, is_big));
        return true;
    case COR_DICOM_VR('F', 'D'):
        *ret_value = double_of_bits(cor_dicom_priv_u64(bytes, is_big));
        return true;
    case COR_DICOM_VR('S', 'V'):
        *ret_value = (double) (int64_t) cor_dicom_priv_u64(bytes, is_big);
        return true;
    default:
        *ret_value = (double) cor_dicom_priv_u64(bytes, is_big);
        return true;
    }
}

bool cor_dicom_priv_value(const CorDicom *dicom, const CorDicomElement *element, size_t n,
                          const char **ret_text, size_t *ret_size)
{
    if (!element || !cor_dicom_priv_vr_is_text(element->vr)) {
        return false;
    }
    const char *text = (const char *) cor_dicom_priv_bytes(dicom, element);
    const char *end = text + element->size;

    for (;;) {
        const char *stop = memchr(text, '\\', (size_t) (end - text));

        if (!stop || !cor_dicom_priv_vr_is_multiple(element->vr)) {
            stop = end;
        }
        if (n-- == 0) {
            while (stop > text && (stop[-1] == ' ' || stop[-1] == '\0')) {
                stop--;
            }
            while (text < stop && *text == ' ') {
                text++;
            }
            *ret_text = text;
            *ret_size = (size_t) (stop - text);
            return true;
        }
        if (stop == end) {
            return false;
        }
        text = stop + 1;
    }
}

bool cor_dicom_priv_number(const CorDicom *dicom, const CorDicomElement *element, size_t n,
                           double *ret_value)
{
    char text[64];
    char *end = NULL;
    const char *value = NULL;
    size_t size = 0;

    if (!element) {
        return false;
    }
    if (cor_dicom_priv_vr_number_size(element->vr) > 0) {
        return cor_dicom_priv_binary(dicom, element, n, ret_value);
    }
    /* DS has 16 characters; those who write more write at most a double's. */
    if (!cor_dicom_priv_value(dicom, element, n, &value, &size) || size == 0 ||
        size >= sizeof(text)) {
        return false;
    }
    memcpy(text, value, size);
    text[size] = '\0';
    if (strspn(text, "0123456789+-.eE") != size) {
        return false; /* strtod() also knows hexadecimal, "inf" and "nan" */
    }
    double number = strtod(text, &end); // style-ok: its characters are checked above
    if (end != text + size || !isfinite(number)) {
        return false;
    }
    *ret_value = number;
    return true;
}

bool cor_dicom_priv_integer(const CorDicom *dicom, const CorDicomElement *element, size_t n,
                            int64_t *ret_value)
{
    double number = 0;

    if (!cor_dicom_priv_number(dicom, element, n, &number) ||
        !(fabs(number) <= 9007199254740992.0) || number != trunc(number)) {
        return false;
    }
    *ret_value = (int64_t) number;
    return true;
}

bool cor_dicom_priv_code(const CorDicom *dicom, const CorDicomElement *element, size_t n,
                         char *text, size_t size)
{
    const char *value = NULL;
    size_t value_size = 0;

    text[0] = '\0';
    if (!cor_dicom_priv_value(dicom, element, n, &value, &value_size) || value_size == 0 ||
        value_size >= size) {
        return false;
    }
    for (size_t i = 0; i < value_size; i++) {
        if (value[i] < 0x20 || value[i] > 0x7E) {
            return false;
        }
    }
    memcpy(text, value, value_size);
    text[value_size] = '\0';
    return true;
}

CorDicomCharset cor_dicom_priv_charset_of(const CorDicom *dicom, CorDicomScope scope,
                                          const CorDicomCharset *outer)
{
    const CorDicomElement *element = cor_dicom_priv_find(dicom, scope, COR_DICOM_TAG_CHARSET);
    const char *value = NULL;
    size_t size = 0;

    if (!element) {
        return outer ? *outer : COR_CHARSET_DEFAULT;
    }
    if (!cor_dicom_priv_value(dicom, element, 0, &value, &size)) {
        return COR_CHARSET_DEFAULT;
    }
    return cor_dicom_priv_charset_parse(value, size);
}

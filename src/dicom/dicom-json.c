/* SPDX-License-Identifier: Apache-2.0 */
/* Written straight into text: a tree of JSON values would cost twenty times the memory, and what
 * goes into a catalogue is text.
 *
 * What a strict JSON reader would refuse is avoided: members come sorted by tag and a tag that
 * comes twice is written once (the first), numbers that JSON cannot hold are strings, NUL
 * characters become U+FFFD.
 */
#include "dicom/dicom-json.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "dicom/dicom-output.h"

enum { INLINE_MAX = 4096, NUMBERS_MAX_BYTES = 65536, LEVELS_MAX = 16, PATH_SIZE = 2048 };

#define TAG_PER_FRAME 0x52009230u

typedef struct Writer {
    const CorDicom *dicom;
    CorString *text;
    CorString *scratch; /* one element's text */
    bool without_per_frame;
    char path[PATH_SIZE]; /* of the item that is being written, with a slash at its end */
} Writer;

static bool write_data_set(Writer *writer, CorDicomScope scope, CorDicomCharset charset,
                           unsigned level, CorError *err);

void cor_dicom_priv_json_string(const char *utf8, size_t size, CorString *text)
{
    size_t done = 0;

    cor_string_append(text, "\"", 1);
    for (size_t i = 0; i < size; i++) {
        unsigned char byte = (unsigned char) utf8[i];

        if (byte >= 0x20 && byte != '"' && byte != '\\') {
            continue;
        }
        cor_string_append(text, utf8 + done, i - done);
        if (byte == '"' || byte == '\\') {
            cor_string_printf(text, "\\%c", byte);
        } else {
            cor_string_printf(text, "\\u%04x", byte == 0 ? 0xFFFDu : byte);
        }
        done = i + 1;
    }
    cor_string_append(text, utf8 + done, size - done);
    cor_string_append(text, "\"", 1);
}

void cor_dicom_priv_utf8(const CorDicom *dicom, const CorDicomElement *element,
                         CorDicomCharset charset, CorString *text)
{
    const uint8_t *bytes = cor_dicom_priv_bytes(dicom, element);
    size_t size = element->size;

    while (size > 0 && (bytes[size - 1] == ' ' || bytes[size - 1] == '\0')) {
        size--;
    }
    cor_dicom_priv_charset_append(
        cor_dicom_priv_vr_has_charset(element->vr) ? charset : COR_CHARSET_DEFAULT, bytes, size,
        element->vr == COR_DICOM_VR('P', 'N'), cor_dicom_priv_vr_is_multiple(element->vr), text);
}

static size_t trimmed(const char *text, size_t size)
{
    while (size > 0 && (text[size - 1] == ' ' || text[size - 1] == '\0')) {
        size--;
    }
    return size;
}

/* --- values --- */

/* These two take half of the time when they go through printf(). */
static void write_tag(uint32_t tag, CorString *text)
{
    static const char digits[] = "0123456789ABCDEF";
    char hex[8];

    for (int i = 0; i < 8; i++) {
        hex[i] = digits[tag >> (28 - 4 * i) & 15];
    }
    cor_string_append(text, hex, sizeof(hex));
}

static void write_whole(int64_t value, CorString *text)
{
    char digits[24];
    size_t at = sizeof(digits);
    uint64_t rest = value < 0 ? 0 - (uint64_t) value : (uint64_t) value;

    do {
        digits[--at] = (char) ('0' + rest % 10);
        rest /= 10;
    } while (rest > 0);
    if (value < 0) {
        digits[--at] = '-';
    }
    cor_string_append(text, digits + at, sizeof(digits) - at);
}

/* Component groups of a person's name (PS3.5 section 6.2.1.1). */
static void write_name(Writer *writer, const char *value, size_t size)
{
    static const char *const groups[] = {"Alphabetic", "Ideographic", "Phonetic"};
    const char *end = value + size;
    bool is_first = true;

    cor_string_append(writer->text, "{", 1);
    for (size_t i = 0; i < COR_ARRAY_LEN(groups); i++) {
        const char *stop = memchr(value, '=', (size_t) (end - value));
        size_t len = trimmed(value, (size_t) ((stop ? stop : end) - value));

        if (len > 0) {
            cor_string_printf(writer->text, "%s\"%s\":", is_first ? "" : ",", groups[i]);
            cor_dicom_priv_json_string(value, len, writer->text);
            is_first = false;
        }
        if (!stop) {
            break;
        }
        value = stop + 1;
    }
    cor_string_append(writer->text, "}", 1);
}

/* Rewrite a decimal or integer string as a JSON number: no plus, no leading zeros, digits on both
 * sides of a point.  False if it is none or if readers would overflow. */
static bool json_number(const char *value, size_t size, char *number, size_t number_size)
{
    const char *end = value + size;
    size_t digits = 0;
    size_t len = 0;
    bool is_real = false;

    if (size == 0 || size + 4 > number_size) {
        return false;
    }
    if (*value == '-' || *value == '+') {
        len = *value == '-' ? 1 : 0;
        number[0] = '-';
        value++;
    }
    while (value + 1 < end && value[0] == '0' && value[1] >= '0' && value[1] <= '9') {
        value++;
    }
    if (value < end && *value == '.') {
        number[len++] = '0';
    }
    for (; value < end; value++) {
        bool is_digit = *value >= '0' && *value <= '9';

        if (*value == '.' && (value + 1 == end || value[1] < '0' || value[1] > '9')) {
            continue; /* "5." */
        }
        is_real = is_real || !is_digit;
        digits += is_digit ? 1 : 0;
        if (!is_digit && (*value == '\0' || !strchr(".eE+-", *value))) {
            return false; /* strchr() also finds the final NUL */
        }
        number[len++] = *value;
    }
    number[len] = '\0';
    char *stop = NULL;
    double parsed = strtod(number, &stop); // style-ok: its characters are checked above
    return digits > 0 && *stop == '\0' && isfinite(parsed) && (is_real || digits <= 18) &&
           number[len - 1] >= '0' && number[len - 1] <= '9';
}

static void write_text_value(Writer *writer, uint16_t vr, const char *value, size_t size)
{
    bool is_number = vr == COR_DICOM_VR('D', 'S') || vr == COR_DICOM_VR('I', 'S');
    char number[80];

    while (is_number && size > 0 && *value == ' ') {
        value++;
        size--;
    }
    if (size == 0) {
        cor_string_append_text(writer->text, "null");
    } else if (vr == COR_DICOM_VR('P', 'N')) {
        write_name(writer, value, size);
    } else if (is_number && json_number(value, size, number, sizeof(number))) {
        cor_string_append_text(writer->text, number);
    } else {
        cor_dicom_priv_json_string(value, size, writer->text);
    }
}

static void write_texts(Writer *writer, const CorDicomElement *element, CorDicomCharset charset)
{
    cor_string_truncate(writer->scratch, 0);
    cor_dicom_priv_utf8(writer->dicom, element, charset, writer->scratch);

    const char *value = cor_string_text(writer->scratch);
    const char *end = value + cor_string_size(writer->scratch);
    if (value == end) {
        return;
    }
    cor_string_append_text(writer->text, ",\"Value\":[");
    for (;;) {
        const char *stop = memchr(value, '\\', (size_t) (end - value));

        if (!stop || !cor_dicom_priv_vr_is_multiple(element->vr)) {
            stop = end;
        }
        write_text_value(writer, element->vr, value, trimmed(value, (size_t) (stop - value)));
        if (stop == end) {
            break;
        }
        cor_string_append(writer->text, ",", 1);
        value = stop + 1;
    }
    cor_string_append(writer->text, "]", 1);
}

/* The shortest decimal that reads back as the same number. */
static void write_real(Writer *writer, double value, bool is_single)
{
    char text[40];

    if (!isfinite(value)) {
        cor_string_append_text(writer->text, isnan(value) ? "\"NaN\""
                                             : value > 0  ? "\"inf\""
                                                          : "\"-inf\"");
        return;
    }
    if (fabs(value) < 1e15 && value == trunc(value)) {
        write_whole((int64_t) value, writer->text);
        return;
    }
    for (int digits = is_single ? 6 : 15; digits <= 17; digits++) {
        snprintf(text, sizeof(text), "%.*g", digits, value);
        double read = strtod(text, NULL); // style-ok: what snprintf() wrote
        if (read == value || (is_single && (float) read == (float) value)) {
            break;
        }
    }
    cor_string_append_text(writer->text, text);
}

static void write_number(Writer *writer, const CorDicomElement *element, size_t n)
{
    bool is_big = element->flags & COR_DICOM_IS_BIG_ENDIAN;
    const uint8_t *bytes = cor_dicom_priv_bytes(writer->dicom, element);
    double value = 0;

    if (element->vr == COR_DICOM_VR('U', 'V')) { /* strings, since readers stop at 2^53 */
        cor_string_printf(writer->text, "\"%" PRIu64 "\"",
                          cor_dicom_priv_u64(bytes + 8 * n, is_big));
        return;
    }
    if (element->vr == COR_DICOM_VR('S', 'V')) {
        cor_string_printf(writer->text, "\"%" PRId64 "\"",
                          (int64_t) cor_dicom_priv_u64(bytes + 8 * n, is_big));
        return;
    }
    (void) cor_dicom_priv_binary(writer->dicom, element, n, &value); /* n is in range */
    write_real(writer, value, element->vr == COR_DICOM_VR('F', 'L'));
}

static void write_numbers(Writer *writer, const CorDicomElement *element, unsigned number_size)
{
    size_t count = element->size / number_size;

    for (size_t i = 0; i < count; i++) {
        cor_string_append_text(writer->text, i == 0 ? ",\"Value\":[" : ",");
        write_number(writer, element, i);
    }
    if (count > 0) {
        cor_string_append(writer->text, "]", 1);
    }
}

static void write_tags(Writer *writer, const CorDicomElement *element)
{
    const uint8_t *bytes = cor_dicom_priv_bytes(writer->dicom, element);
    bool is_big = element->flags & COR_DICOM_IS_BIG_ENDIAN;
    size_t count = element->size / 4;

    for (size_t i = 0; i < count; i++) {
        cor_string_printf(writer->text, "%s\"%04X%04X\"", i == 0 ? ",\"Value\":[" : ",",
                          cor_dicom_priv_u16(bytes + 4 * i, is_big),
                          cor_dicom_priv_u16(bytes + 4 * i + 2, is_big));
    }
    if (count > 0) {
        cor_string_append(writer->text, "]", 1);
    }
}

/* --- binary values --- */

/* Base64 (RFC 4648 section 4) of little-endian words, whatever the file has. */
static void write_inline(Writer *writer, const CorDicomElement *element)
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const uint8_t *bytes = cor_dicom_priv_bytes(writer->dicom, element);
    size_t size = element->size;
    size_t flip =
        element->flags & COR_DICOM_IS_BIG_ENDIAN ? cor_dicom_priv_word_size(element->vr) - 1 : 0;

    if (size % (flip + 1) != 0) {
        flip = 0;
    }
    cor_string_append_text(writer->text, ",\"InlineBinary\":\"");
    for (size_t i = 0; i < size; i += 3) {
        uint32_t group = 0;
        char out[4];

        for (size_t j = i; j < i + 3; j++) {
            group = group << 8 | (j < size ? bytes[j ^ flip] : 0u);
        }
        for (int j = 0; j < 4; j++) {
            out[j] = alphabet[group >> (18 - 6 * j) & 63];
        }
        out[3] = i + 2 < size ? out[3] : '=';
        out[2] = i + 1 < size ? out[2] : '=';
        cor_string_append(writer->text, out, sizeof(out));
    }
    cor_string_append(writer->text, "\"", 1);
}

static void write_bulk_uri(Writer *writer, const CorDicomElement *element)
{
    cor_string_printf(writer->text, ",\"BulkDataURI\":\"bulkdata/%s%08" PRIX32 "\"", writer->path,
                      element->tag);
}

static void write_binary(Writer *writer, const CorDicomElement *element)
{
    bool is_pixels = element->tag >= 0x7FE00001u && element->tag <= COR_DICOM_TAG_PIXELS;

    if (is_pixels || element->size > INLINE_MAX || (element->flags & COR_DICOM_IS_FRAGMENTED)) {
        write_bulk_uri(writer, element);
    } else if (element->size > 0) {
        write_inline(writer, element);
    }
}

/* --- structure --- */

/* Write items as an array.  Their paths fit: depth is bounded, and so are tags and item numbers. */
static bool write_items(Writer *writer, const CorDicomElement *sequence, CorDicomCharset charset,
                        unsigned level, CorError *err)
{
    const CorDicom *dicom = writer->dicom;
    CorDicomScope items = cor_dicom_priv_inside(dicom, sequence);
    size_t path_len = strlen(writer->path);
    unsigned n = 0;

    cor_string_append(writer->text, "[", 1);
    for (uint32_t i = items.begin; i < items.end; i = dicom->elements[i].end) {
        CorDicomScope inside = cor_dicom_priv_inside(dicom, &dicom->elements[i]);

        snprintf(writer->path + path_len, PATH_SIZE - path_len, "%08" PRIX32 "/%u/", sequence->tag,
                 ++n);
        if (n > 1) {
            cor_string_append(writer->text, ",", 1);
        }
        if (!write_data_set(writer, inside, cor_dicom_priv_charset_of(dicom, inside, &charset),
                            level + 1, err)) {
            return false;
        }
        writer->path[path_len] = '\0';
    }
    cor_string_append(writer->text, "]", 1);
    return true;
}

static bool write_sequence(Writer *writer, const CorDicomElement *element, CorDicomCharset charset,
                           unsigned level, CorError *err)
{
    CorDicomScope items = cor_dicom_priv_inside(writer->dicom, element);

    if (items.begin == items.end) {
        return true;
    }
    if (level >= LEVELS_MAX || (writer->without_per_frame && element->tag == TAG_PER_FRAME)) {
        write_bulk_uri(writer, element);
        return true;
    }
    cor_string_append_text(writer->text, ",\"Value\":");
    return write_items(writer, element, charset, level, err);
}

static bool write_element(Writer *writer, const CorDicomElement *element, CorDicomCharset charset,
                          unsigned level, CorError *err)
{
    uint16_t vr = cor_dicom_priv_vr_is_known(element->vr) ? element->vr : COR_DICOM_VR('U', 'N');
    unsigned number_size = cor_dicom_priv_vr_number_size(vr);

    const char letters[2] = {(char) (vr >> 8), (char) vr};

    cor_string_append(writer->text, "\"", 1);
    write_tag(element->tag, writer->text);
    cor_string_append_text(writer->text, "\":{\"vr\":\"");
    cor_string_append(writer->text, letters, sizeof(letters));
    cor_string_append(writer->text, "\"", 1);
    if (vr == COR_DICOM_VR('S', 'Q')) {
        if (!write_sequence(writer, element, charset, level, err)) {
            return false;
        }
    } else if (cor_dicom_priv_vr_is_text(vr)) {
        write_texts(writer, element, charset);
    } else if (element->size > NUMBERS_MAX_BYTES &&
               (number_size > 0 || vr == COR_DICOM_VR('A', 'T'))) {
        write_bulk_uri(writer, element);
    } else if (vr == COR_DICOM_VR('A', 'T')) {
        write_tags(writer, element);
    } else if (number_size > 0) {
        write_numbers(writer, element, number_size);
    } else {
        write_binary(writer, element);
    }
    cor_string_append(writer->text, "}", 1);
    /* Stop early when a ceiling is reached. */
    return cor_string_check(writer->text, err) && cor_string_check(writer->scratch, err);
}

typedef struct Sibling {
    uint32_t tag;
    uint32_t index;
} Sibling;

static int compare_siblings(const void *a, const void *b)
{
    const Sibling *first = a;
    const Sibling *second = b;

    if (first->tag != second->tag) {
        return first->tag < second->tag ? -1 : 1;
    }
    return first->index < second->index ? -1 : 1;
}

/* Group lengths, the meta header, and delimiters that went astray have no place in the JSON Model.
 */
static bool belongs_in_json(uint32_t tag)
{
    return (tag & 0xFFFF) != 0 && tag >> 16 >= 0x0004 && tag >> 16 != 0xFFFE;
}

/* List the siblings in the order of their tags, each tag once. */
static bool list_siblings(const CorDicom *dicom, CorDicomScope scope, Sibling **ret_siblings,
                          size_t *ret_len, CorError *err)
{
    size_t len = 0;
    bool is_sorted = true;

    for (uint32_t i = scope.begin; i < scope.end; i = dicom->elements[i].end) {
        len++;
    }
    Sibling *siblings = cor_new_array(Sibling, len);
    if (!siblings) {
        return cor_fail(err, COR_ERR_NOMEM, "out of memory for %zu elements", len);
    }
    len = 0;
    for (uint32_t i = scope.begin; i < scope.end; i = dicom->elements[i].end) {
        uint32_t tag = dicom->elements[i].tag;

        if (belongs_in_json(tag)) {
            is_sorted = is_sorted && (len == 0 || siblings[len - 1].tag < tag);
            siblings[len++] = (Sibling){tag, i};
        }
    }
    if (!is_sorted) {
        size_t kept = 0;

        qsort(siblings, len, sizeof(*siblings), compare_siblings);
        for (size_t i = 0; i < len; i++) {
            if (kept == 0 || siblings[kept - 1].tag != siblings[i].tag) {
                siblings[kept++] = siblings[i];
            }
        }
        len = kept;
    }
    *ret_siblings = siblings;
    *ret_len = len;
    return true;
}

static bool write_data_set(Writer *writer, CorDicomScope scope, CorDicomCharset charset,
                           unsigned level, CorError *err)
{
    Sibling *siblings = NULL;
    size_t len = 0;
    bool is_done = true;

    if (!list_siblings(writer->dicom, scope, &siblings, &len, err)) {
        return false;
    }
    cor_string_append(writer->text, "{", 1);
    for (size_t i = 0; i < len && is_done; i++) {
        if (i > 0) {
            cor_string_append(writer->text, ",", 1);
        }
        is_done =
            write_element(writer, &writer->dicom->elements[siblings[i].index], charset, level, err);
    }
    cor_string_append(writer->text, "}", 1);
    free(siblings);
    return is_done;
}

bool cor_dicom_priv_json_attributes(const CorDicom *dicom, bool without_per_frame, CorString *text,
                                    CorError *err)
{
    COR_CLEANUP(cor_string_freep) CorString *scratch = cor_string_new(dicom->limits.json_bytes_max);
    Writer writer = {
        .dicom = dicom, .text = text, .scratch = scratch, .without_per_frame = without_per_frame};

    if (!scratch) {
        return cor_fail(err, COR_ERR_NOMEM, "out of memory for DICOM JSON");
    }
    return write_data_set(&writer, cor_dicom_priv_root(dicom), dicom->charset, 0, err);
}

bool cor_dicom_priv_json_items(const CorDicom *dicom, const CorDicomJsonItems *items,
                               CorString *text, CorError *err)
{
    COR_CLEANUP(cor_string_freep) CorString *scratch = cor_string_new(dicom->limits.json_bytes_max);
    Writer writer = {.dicom = dicom, .text = text, .scratch = scratch};

    if (!scratch) {
        return cor_fail(err, COR_ERR_NOMEM, "out of memory for DICOM JSON");
    }
    if (items->prefix_size >= PATH_SIZE / 2) {
        return cor_fail(err, COR_ERR_LIMIT, "the path is too long");
    }
    memcpy(writer.path, items->path, items->prefix_size);
    return write_items(&writer, items->sequence, items->charset, 0, err) &&
           cor_string_check(text, err);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Text is taken apart by its ISO 2022 escape sequences here (PS3.5 section 6.1.2.5) and handed to
 * iconv in runs of one character set.  iconv's own ISO-2022 converters do not fit: DICOM begins
 * with whatever set the data set names, mixes sets that no ISO-2022-xx has together, and falls back
 * at every delimiter.
 *
 * Double-byte sets are given to iconv in their EUC form: JIS X 0208 in G0 is EUC-JP with the eighth
 * bits cleared, JIS X 0212 the same behind 0x8F.
 *
 * glibc loads converters from shared objects on first use.  One descriptor of each stays open for
 * the life of the process, which keeps them loaded; after that iconv_open() touches no file.
 */
#include "dicom/dicom-charset.h"

#include <errno.h>
#include <iconv.h>
#include <string.h>

#include "base/array.h"

enum { ESCAPE = 0x1B };

typedef enum DoubleSet { DOUBLE_NONE, DOUBLE_JIS_0208, DOUBLE_JIS_0212 } DoubleSet;

/* What the two halves of the code table stand for at the moment. */
typedef struct Shift {
    DoubleSet g0; /* DOUBLE_NONE is ASCII */
    CorDicomCharset g1;
} Shift;

static const char *const iconv_names[] = {
    [COR_CHARSET_DEFAULT] = "ISO-8859-1",
    [COR_CHARSET_LATIN1] = "ISO-8859-1",
    [COR_CHARSET_LATIN2] = "ISO-8859-2",
    [COR_CHARSET_LATIN3] = "ISO-8859-3",
    [COR_CHARSET_LATIN4] = "ISO-8859-4",
    [COR_CHARSET_LATIN5] = "ISO-8859-9",
    [COR_CHARSET_LATIN9] = "ISO-8859-15",
    [COR_CHARSET_CYRILLIC] = "ISO-8859-5",
    [COR_CHARSET_ARABIC] = "ISO-8859-6",
    [COR_CHARSET_GREEK] = "ISO-8859-7",
    [COR_CHARSET_HEBREW] = "ISO-8859-8",
    [COR_CHARSET_THAI] = "TIS-620",
    [COR_CHARSET_KATAKANA] = "SHIFT_JIS",
    [COR_CHARSET_KOREAN] = "EUC-KR",
    [COR_CHARSET_CHINESE] = "EUC-CN",
    [COR_CHARSET_UTF8] = "UTF-8",
    [COR_CHARSET_GBK] = "GBK",
    [COR_CHARSET_GB18030] = "GB18030",
    [COR_CHARSET_COUNT_] = "EUC-JP", /* only reached through escape sequences */
};

static const struct {
    const char *term; /* without "ISO_IR " or "ISO 2022 IR " */
    CorDicomCharset charset;
} terms[] = {
    {"6", COR_CHARSET_DEFAULT},   {"100", COR_CHARSET_LATIN1},   {"101", COR_CHARSET_LATIN2},
    {"109", COR_CHARSET_LATIN3},  {"110", COR_CHARSET_LATIN4},   {"148", COR_CHARSET_LATIN5},
    {"203", COR_CHARSET_LATIN9},  {"144", COR_CHARSET_CYRILLIC}, {"127", COR_CHARSET_ARABIC},
    {"126", COR_CHARSET_GREEK},   {"138", COR_CHARSET_HEBREW},   {"166", COR_CHARSET_THAI},
    {"13", COR_CHARSET_KATAKANA}, {"149", COR_CHARSET_KOREAN},   {"58", COR_CHARSET_CHINESE},
    {"192", COR_CHARSET_UTF8},
};

/* Escape sequences by what follows ESC (PS3.3 tables C.12-3 and C.12-4). */
static const struct {
    const char *code;
    bool is_g0;
    DoubleSet g0;
    CorDicomCharset g1;
} escapes[] = {
    {"(B", true, DOUBLE_NONE, 0},
    {"(J", true, DOUBLE_NONE, 0}, /* JIS X 0201 romaji, read as ASCII */
    {"$B", true, DOUBLE_JIS_0208, 0},
    {"$@", true, DOUBLE_JIS_0208, 0},
    {"$(D", true, DOUBLE_JIS_0212, 0},
    {")I", false, 0, COR_CHARSET_KATAKANA},
    {"$)C", false, 0, COR_CHARSET_KOREAN},
    {"$)A", false, 0, COR_CHARSET_CHINESE},
    {"-A", false, 0, COR_CHARSET_LATIN1},
    {"-B", false, 0, COR_CHARSET_LATIN2},
    {"-C", false, 0, COR_CHARSET_LATIN3},
    {"-D", false, 0, COR_CHARSET_LATIN4},
    {"-F", false, 0, COR_CHARSET_GREEK},
    {"-G", false, 0, COR_CHARSET_ARABIC},
    {"-H", false, 0, COR_CHARSET_HEBREW},
    {"-L", false, 0, COR_CHARSET_CYRILLIC},
    {"-M", false, 0, COR_CHARSET_LATIN5},
    {"-T", false, 0, COR_CHARSET_THAI},
    {"-b", false, 0, COR_CHARSET_LATIN9},
};

static iconv_t kept[COR_ARRAY_LEN(iconv_names)]; /* open until the process ends */

bool cor_dicom_priv_charset_load(CorError *err)
{
    for (size_t i = 0; i < COR_ARRAY_LEN(iconv_names); i++) {
        iconv_t converter = iconv_open("UTF-8", iconv_names[i]);
        if (converter == (iconv_t) -1) {
            return cor_fail(err, COR_ERR_UNAVAILABLE, "no converter from %s to UTF-8 is installed",
                            iconv_names[i]);
        }
        kept[i] = converter;
    }
    return true;
}

static bool is_term(const char *value, size_t size, const char *prefix, const char *term)
{
    size_t prefix_len = strlen(prefix);
    size_t term_len = strlen(term);

    return size == prefix_len + term_len && memcmp(value, prefix, prefix_len) == 0 &&
           memcmp(value + prefix_len, term, term_len) == 0;
}

CorDicomCharset cor_dicom_priv_charset_parse(const char *value, size_t size)
{
    while (size > 0 && (value[size - 1] == ' ' || value[size - 1] == '\0')) {
        size--;
    }
    for (size_t i = 0; i < COR_ARRAY_LEN(terms); i++) {
        if (is_term(value, size, "ISO_IR ", terms[i].term) ||
            is_term(value, size, "ISO 2022 IR ", terms[i].term) ||
            is_term(value, size, "ISO-IR ", terms[i].term)) { /* a frequent slip */
            return terms[i].charset;
        }
    }
    if (is_term(value, size, "", "GB18030")) {
        return COR_CHARSET_GB18030;
    }
    if (is_term(value, size, "", "GBK") || is_term(value, size, "", "ISO 2022 GBK")) {
        return COR_CHARSET_GBK;
    }
    if (is_term(value, size, "", "ISO 2022 58")) {
        return COR_CHARSET_CHINESE;
    }
    return COR_CHARSET_DEFAULT;
}

static void append_code_point(uint32_t code, CorString *text)
{
    char bytes[3] = {(char) (0xE0 | code >> 12), (char) (0x80 | (code >> 6 & 0x3F)),
                     (char) (0x80 | (code & 0x3F))}; /* only used above U+07FF */

    cor_string_append(text, bytes, sizeof(bytes));
}

static void append_replacement(CorString *text)
{
    append_code_point(0xFFFD, text);
}

/* Append a run in one character set. */
static void append_run(const char *iconv_name, const uint8_t *bytes, size_t size, CorString *text)
{
    iconv_t converter = iconv_open("UTF-8", iconv_name);
    char *in = (char *) (uintptr_t) bytes; /* iconv does not write to its input */
    size_t in_left = size;

    if (converter == (iconv_t) -1) {
        append_replacement(text);
        return;
    }
    while (in_left > 0) {
        char buffer[512];
        char *out = buffer;
        size_t out_left = sizeof(buffer);
        size_t result = iconv(converter, &in, &in_left, &out, &out_left);

        cor_string_append(text, buffer, sizeof(buffer) - out_left);
        if (result == (size_t) -1 && errno != E2BIG) {
            append_replacement(text);
            in++;
            in_left--;
        }
    }
    (void) iconv_close(converter);
}

/* Append pairs of 7-bit bytes of a Japanese set in G0; returns how many bytes were taken. */
static size_t append_japanese(DoubleSet set, const uint8_t *bytes, size_t size, CorString *text)
{
    uint8_t euc[3 * 64];
    size_t euc_size = 0;
    size_t taken = 0;

    while (taken + 1 < size && bytes[taken] > 0x20 && bytes[taken] < 0x7F &&
           bytes[taken + 1] > 0x20 && bytes[taken + 1] < 0x7F && euc_size + 3 <= sizeof(euc)) {
        if (set == DOUBLE_JIS_0212) {
            euc[euc_size++] = 0x8F;
        }
        euc[euc_size++] = bytes[taken] | 0x80;
        euc[euc_size++] = bytes[taken + 1] | 0x80;
        taken += 2;
    }
    append_run(iconv_names[COR_CHARSET_COUNT_], euc, euc_size, text);
    return taken;
}

/* Append half-width katakana.  Bytes that have no meaning there are read as Shift JIS, which some
 * devices write under the name of ISO_IR 13. */
static size_t append_katakana(const uint8_t *bytes, size_t size, CorString *text)
{
    if (bytes[0] >= 0xA1 && bytes[0] <= 0xDF) {
        append_code_point(0xFF61u + bytes[0] - 0xA1u, text);
        return 1;
    }
    if (size > 1 && bytes[1] >= 0x40 && bytes[1] != 0x7F) {
        append_run(iconv_names[COR_CHARSET_KATAKANA], bytes, 2, text);
        return 2;
    }
    append_replacement(text);
    return 1;
}

/* Append bytes from 0x80 on; returns how many were taken. */
static size_t append_upper(CorDicomCharset charset, const uint8_t *bytes, size_t size,
                           CorString *text)
{
    size_t taken = 1;

    if (charset == COR_CHARSET_KATAKANA) {
        return append_katakana(bytes, size, text);
    }
    while (taken < size && bytes[taken] >= 0x80) {
        taken++;
    }
    append_run(iconv_names[charset], bytes, taken, text);
    return taken;
}

/* Obey the escape sequence at bytes; returns its bytes, or 0 if nobody knows it. */
static size_t obey_escape(const uint8_t *bytes, size_t size, Shift *shift)
{
    for (size_t i = 0; i < COR_ARRAY_LEN(escapes); i++) {
        size_t len = strlen(escapes[i].code);

        if (size < 1 + len || memcmp(bytes + 1, escapes[i].code, len) != 0) {
            continue;
        }
        if (escapes[i].is_g0) {
            shift->g0 = escapes[i].g0;
        } else {
            shift->g1 = escapes[i].g1;
        }
        return 1 + len;
    }
    return 0;
}

static bool is_delimiter(uint8_t byte, bool is_name, bool is_multiple)
{
    return byte == '\t' || byte == '\n' || byte == '\f' || byte == '\r' ||
           (is_name && (byte == '^' || byte == '=')) || (is_multiple && byte == '\\');
}

static bool is_plain(const uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (bytes[i] >= 0x80 || bytes[i] == ESCAPE) {
            return false;
        }
    }
    return true;
}

void cor_dicom_priv_charset_append(CorDicomCharset charset, const uint8_t *bytes, size_t size,
                                   bool is_name, bool is_multiple, CorString *text)
{
    const Shift initial = {DOUBLE_NONE, charset};
    Shift shift = initial;
    size_t at = 0;

    if (is_plain(bytes, size)) {
        cor_string_append(text, bytes, size);
        return;
    }
    if (charset == COR_CHARSET_UTF8 || charset == COR_CHARSET_GBK ||
        charset == COR_CHARSET_GB18030) { /* no escape sequences with these (PS3.3 table C.12-5) */
        append_run(iconv_names[charset], bytes, size, text);
        return;
    }
    while (at < size) {
        size_t taken = 0;

        if (bytes[at] >= 0x80) {
            taken = append_upper(shift.g1, bytes + at, size - at, text);
        } else if (bytes[at] == ESCAPE) {
            taken = obey_escape(bytes + at, size - at, &shift);
        } else if (shift.g0 != DOUBLE_NONE) {
            taken = append_japanese(shift.g0, bytes + at, size - at, text);
        }
        if (taken == 0) {
            if (is_delimiter(bytes[at], is_name, is_multiple)) {
                shift = initial;
            }
            cor_string_append(text, bytes + at, 1);
            taken = 1;
        }
        at += taken;
    }
}

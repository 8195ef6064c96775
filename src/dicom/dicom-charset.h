/* SPDX-License-Identifier: Apache-2.0 */
/* Specific Character Set (PS3.3 section C.12.1.1.2) to UTF-8.
 *
 * Private to this room.
 *
 * Threads  cor_dicom_priv_charset_load(): once.  The rest: Thread-safe.
 */
#pragma once

#include "base/string.h"

#include <stdint.h>

/* What text begins with; the rest is in the escape sequences.  A plain value. */
typedef enum CorDicomCharset {
    COR_CHARSET_DEFAULT, /* ASCII; bytes beyond it are read as Latin-1, as everybody does */
    COR_CHARSET_LATIN1,
    COR_CHARSET_LATIN2,
    COR_CHARSET_LATIN3,
    COR_CHARSET_LATIN4,
    COR_CHARSET_LATIN5,
    COR_CHARSET_LATIN9,
    COR_CHARSET_CYRILLIC,
    COR_CHARSET_ARABIC,
    COR_CHARSET_GREEK,
    COR_CHARSET_HEBREW,
    COR_CHARSET_THAI,
    COR_CHARSET_KATAKANA, /* JIS X 0201 */
    COR_CHARSET_KOREAN,   /* KS X 1001 in G1 */
    COR_CHARSET_CHINESE,  /* GB 2312 in G1 */
    COR_CHARSET_UTF8,
    COR_CHARSET_GBK,
    COR_CHARSET_GB18030,
    COR_CHARSET_COUNT_
} CorDicomCharset;

/** Load every converter that we may need, and keep it loaded. */
COR_MUSTCHECK bool cor_dicom_priv_charset_load(CorError *err);

/** The character set that a value of Specific Character Set begins with; DEFAULT if unknown. */
CorDicomCharset cor_dicom_priv_charset_parse(const char *value, size_t size);

/**
 * Append text as UTF-8.  What cannot be read becomes U+FFFD.
 *
 * @param is_name      a person's name: '^' and '=' end what an escape sequence began
 * @param is_multiple  backslashes separate values and do the same
 */
void cor_dicom_priv_charset_append(CorDicomCharset charset, const uint8_t *bytes, size_t size,
                                   bool is_name, bool is_multiple, CorString *text);

/* SPDX-License-Identifier: Apache-2.0 */
#include "catalog/catalog-moment.h"

#include <string.h>

#include "base/array.h"

#define DIGITS (COR_CATALOG_MOMENT_SIZE - 1)
#define TIME_AT 8      /* where the hours begin */
#define FRACTION_AT 14 /* where the fraction of a second begins */

/* Two digits that stand for something: where, and from what to what. */
typedef struct Field {
    size_t at;
    int min;
    int max;
} Field;

static const Field fields[] = {{4, 1, 12}, {6, 1, 31}, {8, 0, 23}, {10, 0, 59}, {12, 0, 60}};

static size_t count_digits(const char *text, size_t size)
{
    size_t len = 0;

    while (len < size && text[len] >= '0' && text[len] <= '9') {
        len++;
    }
    return len;
}

static bool are_fields_sound(const char *digits, size_t from, size_t len)
{
    for (size_t i = 0; i < COR_ARRAY_LEN(fields); i++) {
        const Field *field = &fields[i];
        if (field->at >= from && field->at + 2 <= len) {
            int number = (digits[field->at] - '0') * 10 + digits[field->at + 1] - '0';
            if (number < field->min || number > field->max) {
                return false;
            }
        }
    }
    return true;
}

/* "+0100" or "-0500" at the end (VR DT). */
static size_t offset_size(const char *text, size_t size)
{
    size_t at = size >= 5 ? size - 5 : 0;

    if (size < 9 || (text[at] != '+' && text[at] != '-') || count_digits(text + at + 1, 4) != 4) {
        return 0;
    }
    return memcmp(text + at + 1, text[at] == '-' ? "1200" : "1400", 4) <= 0 ? 5 : 0;
}

/* Fill up what was not written: low with what comes first, high with what comes last. */
static void fill(char *digits, size_t len, const char *with)
{
    memcpy(digits + len, with + len, DIGITS - len);
    digits[DIGITS] = '\0';
}

bool cor_catalog_priv_moment(const char *vr, const char *text, size_t size,
                             char ret_low[COR_CATALOG_MOMENT_SIZE],
                             char ret_high[COR_CATALOG_MOMENT_SIZE])
{
    static const char first[] = "00000101000000000000";
    static const char last[] = "99991231235959999999";
    char digits[COR_CATALOG_MOMENT_SIZE] = "00000000";
    bool is_time = vr[0] == 'T';
    size_t from = is_time ? TIME_AT : 0;

    size -= vr[1] == 'T' ? offset_size(text, size) : 0;
    size_t whole = count_digits(text, size);
    size_t len = from + whole;
    bool is_even = whole % 2 == 0 && whole >= (is_time ? 2 : 4) && len <= FRACTION_AT;
    if (!is_even || (vr[1] == 'A' && whole != TIME_AT)) {
        return false;
    }
    memcpy(digits + from, text, whole);
    if (!are_fields_sound(digits, from, len)) {
        return false;
    }
    if (whole < size) { /* a fraction of a second */
        size_t fraction = count_digits(text + whole + 1, size - whole - 1);
        if (text[whole] != '.' || len != FRACTION_AT || fraction < 1 || fraction > 6 ||
            whole + 1 + fraction != size) {
            return false;
        }
        memcpy(digits + len, text + whole + 1, fraction);
        len += fraction;
    }
    memcpy(ret_low, digits, len);
    memcpy(ret_high, digits, len);
    fill(ret_low, len, first);
    fill(ret_high, len, last);
    return true;
}

bool cor_catalog_priv_moment_range(const char *vr, const char *text,
                                   char ret_low[COR_CATALOG_MOMENT_SIZE],
                                   char ret_high[COR_CATALOG_MOMENT_SIZE])
{
    size_t size = strlen(text);
    char unused[COR_CATALOG_MOMENT_SIZE];

    if (cor_catalog_priv_moment(vr, text, size, ret_low, ret_high)) {
        return true;
    }
    for (const char *dash = strchr(text, '-'); dash; dash = strchr(dash + 1, '-')) {
        size_t before = (size_t) (dash - text);
        size_t after = size - before - 1;
        bool is_low = before == 0 || cor_catalog_priv_moment(vr, text, before, ret_low, unused);
        bool is_high = after == 0 || cor_catalog_priv_moment(vr, dash + 1, after, unused, ret_high);

        if (!is_low || !is_high || before + after == 0) {
            continue;
        }
        if (before == 0) {
            memcpy(ret_low, "00000000000000000000", COR_CATALOG_MOMENT_SIZE);
        }
        if (after == 0) {
            memcpy(ret_high, "99999999999999999999", COR_CATALOG_MOMENT_SIZE);
        }
        return true;
    }
    return false;
}

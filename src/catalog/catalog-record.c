/* SPDX-License-Identifier: Apache-2.0 */
/* Taking columns out of the record of a file: its UIDs and numbers, and attributes in the DICOM
 * JSON Model (PS3.18 annex F): {"00100020": {"vr": "LO", "Value": ["..."]}, ...}.
 *
 * Records come from a child process that has read bytes from outside, so nothing in them is
 * trusted: UIDs are checked, numbers bounded and texts cut.
 */
#include <limits.h>
#include <locale.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <wctype.h>

#include "base/array.h"
#include "base/json.h"
#include "catalog/catalog-attributes.h"
#include "catalog/catalog-priv.h"

static const json_t *value_of(const json_t *attributes, const char *tag, size_t i)
{
    return json_array_get(json_object_get(json_object_get(attributes, tag), "Value"), i);
}

const char *cor_catalog_priv_attribute(const json_t *attributes, const char *tag)
{
    const char *text = json_string_value(value_of(attributes, tag, 0));

    return text && text[0] ? text : NULL;
}

/* A number, or text that is one: DS and IS may come as either (PS3.18 section F.2.3). */
static bool number_of(const json_t *value, double *ret_number)
{
    static const char of_ds[] = "0123456789+-.eE "; /* PS3.5 section 6.2 */
    const char *text = json_string_value(value);
    double number = 0;

    if (json_is_number(value)) {
        number = json_number_value(value);
    } else if (text && text[0] && text[strspn(text, of_ds)] == '\0') {
        char *end = NULL;
        number = strtod(text, &end); // style-ok: only the characters of a decimal string get here
        if (end == text || end[strspn(end, " ")]) {
            return false;
        }
    } else {
        return false;
    }
    if (!isfinite(number)) {
        return false;
    }
    *ret_number = number;
    return true;
}

bool cor_catalog_priv_attribute_int(const json_t *attributes, const char *tag, int64_t *ret_value)
{
    double number = 0;

    if (!number_of(value_of(attributes, tag, 0), &number) || fabs(number) > INT_MAX) {
        return false; /* an IS has 32 bits (PS3.5 section 6.2) */
    }
    *ret_value = (int64_t) number;
    return true;
}

size_t cor_catalog_priv_text_size(const char *text, size_t max)
{
    size_t size = strnlen(text, max + 1);

    if (size <= max) {
        return size;
    }
    size = max;
    while (size > 0 && ((unsigned char) text[size] & 0xC0) == 0x80) {
        size--;
    }
    return size;
}

void cor_catalog_priv_join_name(const json_t *value, char name[COR_CATALOG_TEXT_MAX + 1])
{
    static const char *const groups[] = {"Alphabetic", "Ideographic", "Phonetic"};
    size_t len = 0;

    for (size_t i = 0; i < COR_ARRAY_LEN(groups); i++) {
        const char *text = json_is_string(value) && i == 0 ? json_string_value(value)
                                                           : cor_json_string(value, groups[i], "");
        size_t room = COR_CATALOG_TEXT_MAX - len;

        if (i > 0 && room > 0) {
            name[len++] = '=';
            room--;
        }
        size_t size = cor_catalog_priv_text_size(text, room);
        memcpy(name + len, text, size);
        len += size;
    }
    while (len > 0 && name[len - 1] == '=') {
        len--;
    }
    name[len] = '\0';
}

void cor_catalog_priv_person_name(const json_t *attributes, const char *tag,
                                  char name[COR_CATALOG_TEXT_MAX + 1])
{
    cor_catalog_priv_join_name(value_of(attributes, tag, 0), name);
}

/* --- Folding names. --- */

enum { FINAL_SIGMA = 0x3C2, SIGMA = 0x3C3 };

static locale_t fold_locale; /* letters of all scripts, whatever the process's locale */

static void make_fold_locale(void)
{
    fold_locale = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t) 0);
}

static wint_t lower(wint_t letter)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    (void) pthread_once(&once, make_fold_locale);
    if (letter == FINAL_SIGMA) {
        return SIGMA; /* both are the same capital */
    }
    if (fold_locale) {
        return towlower_l(letter, fold_locale);
    }
    return letter >= 'A' && letter <= 'Z' ? letter + ('a' - 'A') : letter;
}

/* Decode one character of valid UTF-8; returns its bytes. */
static size_t decode(const unsigned char *at, wint_t *ret_letter)
{
    size_t size = at[0] < 0x80 ? 1 : at[0] < 0xE0 ? 2 : at[0] < 0xF0 ? 3 : 4;
    wint_t letter = size == 1 ? at[0] : at[0] & (0x7Fu >> size);

    for (size_t i = 1; i < size; i++) {
        letter = letter << 6 | (at[i] & 0x3Fu);
    }
    *ret_letter = letter;
    return size;
}

static size_t encode(wint_t letter, char *out)
{
    if (letter < 0x80) {
        out[0] = (char) letter;
        return 1;
    }
    size_t size = letter < 0x800 ? 2 : letter < 0x10000 ? 3 : 4;
    for (size_t i = size - 1; i > 0; i--) {
        out[i] = (char) (0x80 | (letter & 0x3F));
        letter >>= 6;
    }
    out[0] = (char) ((0xF00u >> size) | letter);
    return size;
}

void cor_catalog_priv_fold_name(const char *name, char folded[COR_CATALOG_TEXT_MAX + 1])
{
    const unsigned char *at = (const unsigned char *) name;
    size_t len = 0;
    bool is_space_due = false;

    while (*at && len + 5 <= COR_CATALOG_TEXT_MAX) {
        wint_t letter = 0;

        at += decode(at, &letter);
        if (letter == '^' || letter == ' ') {
            is_space_due = len > 0;
            continue;
        }
        if (is_space_due) {
            folded[len++] = ' ';
            is_space_due = false;
        }
        len += encode(lower(letter), folded + len);
    }
    folded[len] = '\0';
}

/* --- The record. --- */

static bool take_uid(const json_t *index, const char *member, const char **ret_uid, CorError *err)
{
    const char *uid = cor_json_string(index, member, NULL);

    if (!uid || !cor_uid_is_legal(uid)) {
        return cor_fail(err, COR_ERR_INVALID, "%s is missing or no UID", member);
    }
    *ret_uid = uid;
    return true;
}

static int take_count(const json_t *index, const char *member)
{
    int64_t count = cor_json_integer(index, member, 0);

    return count > 0 && count <= INT_MAX ? (int) count : 0;
}

static bool take_vector(const json_t *attributes, const char *tag, double *values, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (!number_of(value_of(attributes, tag, i), &values[i])) {
            return false;
        }
    }
    return true;
}

/* Image Position (Patient) projected on the normal of the image plane (PS3.3 section C.7.6.2.1.1).
 */
static bool take_position(const json_t *attributes, double *ret_position_mm)
{
    double at[3];
    double axes[6];

    if (!take_vector(attributes, "00200032", at, COR_ARRAY_LEN(at)) ||
        !take_vector(attributes, "00200037", axes, COR_ARRAY_LEN(axes))) {
        return false;
    }
    const double *row = axes;
    const double *column = axes + 3;
    double position = at[0] * (row[1] * column[2] - row[2] * column[1]) +
                      at[1] * (row[2] * column[0] - row[0] * column[2]) +
                      at[2] * (row[0] * column[1] - row[1] * column[0]);
    if (!isfinite(position)) {
        return false;
    }
    *ret_position_mm = position;
    return true;
}

bool cor_catalog_priv_record(const json_t *index, CorCatalogRecord *ret_record, CorError *err)
{
    CorCatalogRecord record = {0};
    const json_t *number = json_object_get(index, "instance_number");
    const char *modality = cor_json_string(index, "modality", "");

    if (!take_uid(index, "sop_instance_uid", &record.sop_instance_uid, err) ||
        !take_uid(index, "sop_class_uid", &record.sop_class_uid, err) ||
        !take_uid(index, "study_instance_uid", &record.study_instance_uid, err) ||
        !take_uid(index, "series_instance_uid", &record.series_instance_uid, err) ||
        !take_uid(index, "transfer_syntax_uid", &record.transfer_syntax_uid, err)) {
        return false;
    }
    if (!json_is_string(json_object_get(index, "attributes_text")) &&
        !json_is_object(json_object_get(index, "attributes"))) {
        return cor_fail(err, COR_ERR_INVALID, "attributes is missing or no object");
    }
    record.modality = modality[0] && strlen(modality) <= 16 ? modality : NULL;
    record.rows = take_count(index, "rows");
    record.columns = take_count(index, "columns");
    record.frames = take_count(index, "frames");
    record.has_pixels = cor_json_boolean(index, "has_pixels", false);
    if (json_is_integer(number)) {
        record.has_instance_number = true;
        record.instance_number = json_integer_value(number);
    }
    cor_catalog_priv_layout(index, &record);
    *ret_record = record;
    return true;
}

bool cor_catalog_priv_record_attributes(CorSqlTxn *txn, const json_t *index,
                                        CorCatalogRecord *record, CorError *err)
{
    static const char *const tags[] = {"00200032", "00200037", "00200052", "00280100"};

    if (!cor_catalog_priv_attributes(txn, index, &record->attributes, &record->made, err) ||
        !cor_catalog_priv_pick(record->attributes, tags, COR_ARRAY_LEN(tags), &record->picked,
                               err)) {
        return false;
    }
    record->has_slice_position = take_position(record->picked, &record->slice_position_mm);
    return true;
}

void cor_catalog_priv_record_done(CorCatalogRecord *record)
{
    free(record->made);
    json_decref(record->picked);
    record->attributes = NULL;
    record->made = NULL;
    record->picked = NULL;
}

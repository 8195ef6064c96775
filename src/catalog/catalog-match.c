/* SPDX-License-Identifier: Apache-2.0 */
/* Which matching a key means follows from its VR and from what stands in its value (PS3.4 section
 * C.2.2.2).  Beyond the standard: several values of VR CS and other texts without backslash may be
 * given as a list, and numbers match by value, so that "7" finds "007".
 */
#include "catalog/catalog-match.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/id.h"
#include "base/json.h"
#include "catalog/catalog-lines.h"
#include "catalog/catalog-moment.h"
#include "catalog/catalog-priv.h"

/* --- Making. --- */

static bool is_one_of(const char *vr, const char *list)
{
    for (; *list; list += 3) {
        if (list[0] == vr[0] && list[1] == vr[1]) {
            return true;
        }
    }
    return false;
}

void cor_catalog_priv_key_free(CorCatalogKey *key)
{
    if (key) {
        for (size_t i = 0; i < key->values_len; i++) {
            free(key->values[i]);
        }
        free(key->values);
        free(key);
    }
}

static bool add_value(CorCatalogKey *key, const char *text, size_t size, CorError *err)
{
    if (key->values_len == COR_CATALOG_VALUES_MAX) {
        return cor_fail(err, COR_ERR_LIMIT, "more than %zu values", COR_CATALOG_VALUES_MAX);
    }
    char **more = reallocarray(key->values, key->values_len + 1, sizeof(*more));

    if (!more) {
        return cor_fail(err, COR_ERR_NOMEM, "out of memory for a key");
    }
    key->values = more;
    key->values[key->values_len] = strndup(text, size);
    if (!key->values[key->values_len]) {
        return cor_fail(err, COR_ERR_NOMEM, "out of memory for a key");
    }
    key->values_len++;
    return true;
}

/* Without blanks around it, which mean nothing. */
static CorCatalogSpan trim(const char *text, size_t size)
{
    while (size > 0 && *text == ' ') {
        text++;
        size--;
    }
    while (size > 0 && text[size - 1] == ' ') {
        size--;
    }
    return (CorCatalogSpan){.text = text, .size = size};
}

static bool take_list(CorCatalogKey *key, const char *value, const char *separators, CorError *err)
{
    for (const char *at = value;; at++) {
        size_t len = strcspn(at, separators);
        CorCatalogSpan part = trim(at, len);

        if (!add_value(key, part.text, part.size, err)) {
            return false;
        }
        at += len;
        if (!*at) {
            return true;
        }
    }
}

static bool take_uids(CorCatalogKey *key, const char *value, CorError *err)
{
    key->kind = COR_KEY_EXACT;
    if (!take_list(key, value, ",\\", err)) {
        return false;
    }
    for (size_t i = 0; i < key->values_len; i++) {
        if (!cor_uid_is_legal(key->values[i])) {
            return cor_fail(err, COR_ERR_INVALID, "no UID or list of UIDs");
        }
    }
    return true;
}

/* JSON knows what a number is. */
static bool read_number(const char *text, size_t size, double *ret_number)
{
    CorCatalogSpan part = trim(text, size);
    COR_CLEANUP(cor_json_freep) json_t *json = NULL;

    if (part.size > 0 && part.text[0] == '+') {
        part.text++;
        part.size--;
    }
    while (part.size > 1 && part.text[0] == '0' && part.text[1] >= '0' && part.text[1] <= '9') {
        part.text++;
        part.size--;
    }
    json = json_loadb(part.text, part.size, JSON_DECODE_ANY | JSON_DECODE_INT_AS_REAL, NULL);
    if (!json_is_number(json) || !isfinite(json_number_value(json))) {
        return false;
    }
    *ret_number = json_number_value(json);
    return true;
}

static bool take_name(CorCatalogKey *key, const char *value, CorError *err)
{
    char folded[COR_CATALOG_TEXT_MAX + 1];

    if (strlen(value) > COR_CATALOG_TEXT_MAX / 4) {
        return cor_fail(err, COR_ERR_INVALID, "the name is too long");
    }
    cor_catalog_priv_fold_name(value, folded);
    key->kind = COR_KEY_NAME;
    return add_value(key, folded, strlen(folded), err);
}

static bool take_text(CorCatalogKey *key, const char *value, CorError *err)
{
    const char *separators = is_one_of(key->path.vr, "CS ")            ? ",\\"
                             : is_one_of(key->path.vr, "LT ST UT UR ") ? ""
                                                                       : "\\";

    key->kind = strpbrk(value, "*?") ? COR_KEY_WILD : COR_KEY_EXACT;
    return take_list(key, value, separators, err);
}

static bool take_value(CorCatalogKey *key, const char *value, CorError *err)
{
    const char *vr = key->path.vr;

    if (is_one_of(vr, "SQ OB OD OF OL OV OW UN ")) {
        return cor_fail(err, COR_ERR_UNSUPPORTED, "nothing is matched with VR %s", vr);
    }
    if (!value[0] || strcmp(value, "*") == 0) {
        return true; /* universal */
    }
    if (is_one_of(vr, "UI ")) {
        return take_uids(key, value, err);
    }
    if (is_one_of(vr, "PN ")) {
        return take_name(key, value, err);
    }
    if (is_one_of(vr, "DA TM DT ")) {
        key->kind = COR_KEY_MOMENT;
        return cor_catalog_priv_moment_range(vr, value, key->low, key->high) ||
               cor_fail(err, COR_ERR_INVALID, "no value or range of VR %s", vr);
    }
    if (is_one_of(vr, "DS IS FD FL SL SS SV UL US UV ")) {
        key->kind = COR_KEY_NUMBER;
        return read_number(value, strlen(value), &key->number) ||
               cor_fail(err, COR_ERR_INVALID, "no number");
    }
    return take_text(key, value, err);
}

bool cor_catalog_priv_key_new(const CorCatalogPath *path, const char *value,
                              CorCatalogKey **ret_key, CorError *err)
{
    COR_CLEANUP(cor_catalog_priv_key_freep) CorCatalogKey *key = cor_new(CorCatalogKey);

    if (!key) {
        return cor_fail(err, COR_ERR_NOMEM, "out of memory for a key");
    }
    key->path = *path;
    if (!take_value(key, value, err)) {
        return false;
    }
    *ret_key = COR_TAKE(key);
    return true;
}

bool cor_catalog_priv_key_join(CorCatalogKey *key, const CorCatalogKey *more, CorError *err)
{
    for (size_t i = 0; i < more->values_len; i++) {
        if (!add_value(key, more->values[i], strlen(more->values[i]), err)) {
            return false;
        }
    }
    return true;
}

/* --- Matching. --- */

/* Bytes of the character that begins here. */
static size_t character_size(const char *text, size_t size)
{
    size_t len = 1;

    while (len < size && ((unsigned char) text[len] & 0xC0) == 0x80) {
        len++;
    }
    return len;
}

/* "*" is any run of characters, "?" a single one, everything else itself.  Only the last "*" is
 * ever tried again, so the work is at most the product of both lengths. */
static bool match_wild(const char *pattern, size_t pattern_size, const char *text, size_t size)
{
    size_t at = 0;
    size_t p = 0;
    size_t star = SIZE_MAX;
    size_t retry = 0;

    while (at < size) {
        if (p < pattern_size && pattern[p] == '*') {
            star = ++p;
            retry = at;
        } else if (p < pattern_size && pattern[p] == '?') {
            at += character_size(text + at, size - at);
            p++;
        } else if (p < pattern_size && pattern[p] == text[at]) {
            at++;
            p++;
        } else if (star != SIZE_MAX) {
            retry += character_size(text + retry, size - retry);
            at = retry;
            p = star;
        } else {
            return false;
        }
    }
    while (p < pattern_size && pattern[p] == '*') {
        p++;
    }
    return p == pattern_size;
}

static bool match_values(const CorCatalogKey *key, const char *text, size_t size)
{
    CorCatalogSpan part = trim(text, size);

    for (size_t i = 0; i < key->values_len; i++) {
        const char *value = key->values[i];
        size_t value_size = strlen(value);

        if (key->kind == COR_KEY_WILD
                ? match_wild(value, value_size, part.text, part.size)
                : value_size == part.size && memcmp(value, part.text, part.size) == 0) {
            return true;
        }
    }
    return false;
}

/* A pattern without '=' may match any component group, one with '=' has to match group by group
 * (PS3.5 section 6.2.1). */
static bool match_name(const char *pattern, const char *text, size_t size)
{
    char name[COR_CATALOG_TEXT_MAX + 1];
    char folded[COR_CATALOG_TEXT_MAX + 1];
    bool is_any = !strchr(pattern, '=');
    size_t len = cor_catalog_priv_text_size(text, COR_MIN(size, COR_CATALOG_TEXT_MAX));

    memcpy(name, text, len);
    name[len] = '\0';
    cor_catalog_priv_fold_name(name, folded);
    for (const char *group = folded;; group++) {
        size_t pattern_len = strcspn(pattern, "=");
        size_t group_len = strcspn(group, "=");
        bool is_match = pattern_len == 0 || match_wild(pattern, pattern_len, group, group_len);

        if (is_match == is_any) {
            return is_any;
        }
        group += group_len;
        pattern += is_any ? 0 : pattern_len;
        if (!*group || (!is_any && !*pattern)) {
            /* groups that the pattern still asks for are not there */
            return !is_any && (!*pattern || strspn(pattern, "=*") == strlen(pattern));
        }
        pattern += is_any ? 0 : 1;
    }
}

bool cor_catalog_priv_match_text(const void *context, const char *text, size_t size)
{
    const CorCatalogKey *key = context;
    char low[COR_CATALOG_MOMENT_SIZE];
    char high[COR_CATALOG_MOMENT_SIZE];
    double number = 0;

    switch (key->kind) {
    case COR_KEY_UNIVERSAL:
        return true;
    case COR_KEY_EXACT:
    case COR_KEY_WILD:
        return match_values(key, text ? text : "", size);
    case COR_KEY_NAME:
        return match_name(key->values[0], text ? text : "", size);
    case COR_KEY_NUMBER:
        return read_number(text ? text : "", size, &number) && number == key->number;
    case COR_KEY_MOMENT: {
        CorCatalogSpan part = trim(text ? text : "", size);
        return cor_catalog_priv_moment(key->path.vr, part.text, part.size, low, high) &&
               strcmp(key->low, low) <= 0 && strcmp(low, key->high) <= 0;
    }
    }
    return false;
}

/* --- In a header. --- */

static bool match_value(const CorCatalogKey *key, const json_t *value)
{
    const char *text = json_string_value(value);

    if (json_is_number(value)) {
        return key->kind == COR_KEY_NUMBER && json_number_value(value) == key->number;
    }
    if (json_is_object(value) && key->kind == COR_KEY_NAME) {
        char name[COR_CATALOG_TEXT_MAX + 1];
        cor_catalog_priv_join_name(value, name);
        return cor_catalog_priv_match_text(key, name, strlen(name));
    }
    return cor_catalog_priv_match_text(key, text ? text : "", text ? strlen(text) : 0);
}

/* Look for the values of path[depth] and what follows in an attribute: {"vr": .., "Value": ..}. */
static bool match_attribute(const CorCatalogKey *key, const json_t *attribute, size_t depth)
{
    const json_t *values = json_object_get(attribute, "Value");
    bool is_last = depth + 1 == key->path.len;

    if (json_array_size(values) == 0) {
        return is_last && match_value(key, NULL);
    }
    for (size_t i = 0; i < json_array_size(values); i++) {
        const json_t *value = json_array_get(values, i);

        if (is_last ? match_value(key, value)
                    : match_attribute(key, json_object_get(value, key->path.tags[depth + 1]),
                                      depth + 1)) {
            return true;
        }
    }
    return false;
}

bool cor_catalog_priv_match_header(const void *context, const char *text, size_t size)
{
    const CorCatalogKey *key = context;
    COR_CLEANUP(cor_json_freep) json_t *attribute = NULL;
    CorCatalogSpan value = {0};

    (void) size;
    if (key->kind == COR_KEY_UNIVERSAL) {
        return true;
    }
    if (text) {
        value = cor_catalog_priv_member(text, key->path.tags[0]);
    }
    if (value.size > 0 && !cor_json_parse(value.text, value.size, &attribute, NULL)) {
        return false;
    }
    return match_attribute(key, attribute, 0);
}

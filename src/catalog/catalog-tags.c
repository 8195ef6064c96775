/* SPDX-License-Identifier: Apache-2.0 */
#include "catalog/catalog-tags.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"

enum { KEYWORD_MAX = 64 };

typedef struct Attribute {
    char keyword[KEYWORD_MAX];
    uint32_t tag;
    char vr[3];
} Attribute;

static const Attribute attributes[] = {
#include "catalog-dictionary.inc"
};

/* Modules Patient, General Study, Patient Study, Clinical Trial Subject and Study (PS3.3 sections
 * C.7.1 and C.7.2); group 0010 is all theirs. */
static const uint32_t of_study[] = {
    0x00080020, 0x00080030, 0x00080050, 0x00080051, 0x00080061, 0x00080062, 0x00080090,
    0x00080096, 0x0008009C, 0x0008009D, 0x00081030, 0x00081032, 0x00081048, 0x00081049,
    0x00081060, 0x00081062, 0x00081080, 0x00081084, 0x00081110, 0x00081120, 0x00120010,
    0x00120020, 0x00120021, 0x00120030, 0x00120031, 0x00120040, 0x00120042, 0x00120050,
    0x00120051, 0x00120052, 0x00120053, 0x00120062, 0x00120063, 0x00120064, 0x00120081,
    0x00120082, 0x00120083, 0x0020000D, 0x00200010, 0x00201206, 0x00201208, 0x00321034,
    0x00380010, 0x00380014, 0x00380060, 0x00380062, 0x00380064, 0x00380500, 0x00401012,
};

/* Modules General Series, Clinical Trial Series, Frame of Reference and General Equipment (PS3.3
 * sections C.7.3 to C.7.5). */
static const uint32_t of_series[] = {
    0x00080021, 0x00080031, 0x00080060, 0x00080070, 0x00080080, 0x00080081, 0x00081010,
    0x0008103E, 0x0008103F, 0x00081040, 0x00081041, 0x00081050, 0x00081052, 0x00081070,
    0x00081072, 0x00081090, 0x00081111, 0x00081250, 0x00120060, 0x00120071, 0x00120072,
    0x00180015, 0x00181000, 0x00181002, 0x00181008, 0x00181020, 0x00181030, 0x00181050,
    0x00181200, 0x00181201, 0x00185100, 0x0020000E, 0x00200011, 0x00200052, 0x00200060,
    0x00201040, 0x00201209, 0x00280108, 0x00280109, 0x00280120, 0x00400244, 0x00400245,
    0x00400250, 0x00400251, 0x00400253, 0x00400254, 0x00400260, 0x00400275, 0x00400280,
};

/* Specific Character Set, Instance Availability, Timezone Offset From UTC, Retrieve URL. */
static const uint32_t of_each[] = {0x00080005, 0x00080056, 0x00080201, 0x00081190};

static bool is_among(const uint32_t *tags, size_t len, uint32_t tag)
{
    for (size_t i = 0; i < len; i++) {
        if (tags[i] == tag) {
            return true;
        }
    }
    return false;
}

static uint32_t number_of(const char *digits)
{
    uint32_t number = 0;

    for (size_t i = 0; i < 8; i++) {
        char digit = digits[i];
        number = number << 4 | (uint32_t) (digit <= '9' ? digit - '0' : (digit | 0x20) - 'a' + 10);
    }
    return number;
}

CorCatalogLevel cor_catalog_priv_level_of(const char tag[COR_CATALOG_TAG_SIZE], CorCatalogLevel at)
{
    uint32_t number = number_of(tag);

    if (is_among(of_each, COR_ARRAY_LEN(of_each), number)) {
        return at;
    }
    if (number >> 16 == 0x0010 || is_among(of_study, COR_ARRAY_LEN(of_study), number)) {
        return COR_CATALOG_STUDIES;
    }
    return is_among(of_series, COR_ARRAY_LEN(of_series), number) ? COR_CATALOG_SERIES
                                                                 : COR_CATALOG_INSTANCES;
}

/* --- Names. --- */

static int compare_keyword(const void *name, const void *attribute)
{
    return strcmp(name, ((const Attribute *) attribute)->keyword);
}

/* Each key asks once, so the table needs no second order. */
static const char *vr_of(uint32_t tag)
{
    for (size_t i = 0; i < COR_ARRAY_LEN(attributes); i++) {
        if (attributes[i].tag == tag) {
            return attributes[i].vr;
        }
    }
    return "UN";
}

static bool parse_one(const char *name, CorCatalogPath *path)
{
    const Attribute *attribute = NULL;
    char *tag = path->tags[path->len];
    uint32_t number = 0;

    if (strlen(name) == 8 && strspn(name, "0123456789abcdefABCDEF") == 8) {
        number = number_of(name);
        memcpy(path->vr, vr_of(number), sizeof(path->vr));
    } else {
        attribute = bsearch(name, attributes, COR_ARRAY_LEN(attributes), sizeof(attributes[0]),
                            compare_keyword);
        if (!attribute) {
            return false;
        }
        number = attribute->tag;
        memcpy(path->vr, attribute->vr, sizeof(path->vr));
    }
    (void) snprintf(tag, COR_CATALOG_TAG_SIZE, "%08X", number);
    path->len++;
    return true;
}

bool cor_catalog_priv_path_parse(const char *name, CorCatalogPath *ret_path)
{
    CorCatalogPath path = {.len = 0};
    const char *at = name;

    while (path.len < COR_CATALOG_PATH_MAX) {
        char part[KEYWORD_MAX + 1];
        size_t len = strcspn(at, ".");

        if (len == 0 || len > KEYWORD_MAX) {
            return false;
        }
        memcpy(part, at, len);
        part[len] = '\0';
        if (!parse_one(part, &path)) {
            return false;
        }
        if (!at[len]) {
            *ret_path = path;
            return true;
        }
        if (strcmp(path.vr, "SQ") != 0 && strcmp(path.vr, "UN") != 0) {
            return false; /* there is nothing in it */
        }
        at += len + 1;
    }
    return false;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "catalog/catalog-lines.h"

#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/json.h"

#define SOURCES_MAX ((size_t) 8)
#define TAG_AT ((size_t) 1) /* of a line: behind the first quote */
#define TAG_LEN ((size_t) 8)
#define VALUE_AT ((size_t) 11) /* behind "00100020": */

/* An attribute of a level's answers, and its VR if it is there without value when the file has
 * none: those of type 2 in their modules (PS3.3 sections C.7.1.1, C.7.2.1, C.7.3.1, C.7.6.1). */
typedef struct Ready {
    char tag[TAG_LEN + 1];
    char empty_vr[3];
} Ready;

enum { READY_MAX = 13 };

/* PS3.18 tables 10.6.3-3 to 10.6.3-5, Study Description, and the UIDs of the levels above, each in
 * the order of tags; "" ends. */
static const Ready ready[][READY_MAX + 1] = {
    [COR_CATALOG_STUDIES] = {{"00080005", ""},
                             {"00080020", "DA"},
                             {"00080030", "TM"},
                             {"00080050", "SH"},
                             {"00080090", "PN"},
                             {"00080201", ""},
                             {"00081030", ""},
                             {"00100010", "PN"},
                             {"00100020", "LO"},
                             {"00100030", "DA"},
                             {"00100040", "CS"},
                             {"0020000D", ""},
                             {"00200010", "SH"}},
    [COR_CATALOG_SERIES] = {{"00080005", ""},
                            {"00080060", ""},
                            {"00080201", ""},
                            {"0008103E", ""},
                            {"0020000D", ""},
                            {"0020000E", ""},
                            {"00200011", "IS"},
                            {"00400244", ""},
                            {"00400245", ""},
                            {"00400275", ""}},
    [COR_CATALOG_INSTANCES] = {{"00080005", ""},
                               {"00080016", ""},
                               {"00080018", ""},
                               {"00080201", ""},
                               {"0020000D", ""},
                               {"0020000E", ""},
                               {"00200013", "IS"},
                               {"00280008", ""},
                               {"00280010", ""},
                               {"00280011", ""},
                               {"00280100", ""}},
};

bool cor_catalog_priv_is_ready(CorCatalogLevel level, const char *tag)
{
    for (const Ready *item = ready[level]; item->tag[0]; item++) {
        if (strcmp(item->tag, tag) == 0) {
            return true;
        }
    }
    return false;
}

/* --- Members of compact JSON. --- */

/* Behind a string that begins here. */
static const char *skip_string(const char *at)
{
    for (at++; *at && *at != '"'; at++) {
        if (*at == '\\' && at[1]) {
            at++;
        }
    }
    return *at ? at + 1 : at;
}

/* Behind a value that begins here: at the ',' or bracket that ends it. */
static const char *skip_value(const char *at)
{
    size_t depth = 0;

    while (*at) {
        switch (*at) {
        case '"':
            at = skip_string(at);
            continue;
        case '{':
        case '[':
            depth++;
            break;
        case '}':
        case ']':
            if (depth == 0) {
                return at;
            }
            depth--;
            break;
        case ',':
            if (depth == 0) {
                return at;
            }
            break;
        default:
            break;
        }
        at++;
    }
    return at;
}

bool cor_catalog_priv_next_member(const char **at, CorCatalogSpan *ret_member)
{
    const char *start = **at == '{' || **at == ',' ? *at + 1 : *at;

    if (*start != '"') {
        return false;
    }
    const char *end = skip_string(start);
    if (*end != ':') {
        return false;
    }
    end = skip_value(end + 1);
    *ret_member = (CorCatalogSpan){.text = start, .size = (size_t) (end - start)};
    *at = end;
    return true;
}

static bool has_tag(CorCatalogSpan member)
{
    return member.size > VALUE_AT && member.text[TAG_AT + TAG_LEN] == '"';
}

static int compare_tags(CorCatalogSpan a, CorCatalogSpan b)
{
    return memcmp(a.text + TAG_AT, b.text + TAG_AT, TAG_LEN);
}

static CorCatalogSpan value_of(CorCatalogSpan member)
{
    return (CorCatalogSpan){.text = member.text + VALUE_AT, .size = member.size - VALUE_AT};
}

CorCatalogSpan cor_catalog_priv_member(const char *object, const char *tag)
{
    CorCatalogSpan member;

    while (cor_catalog_priv_next_member(&object, &member)) {
        if (has_tag(member) && memcmp(member.text + TAG_AT, tag, TAG_LEN) == 0) {
            return value_of(member);
        }
    }
    return (CorCatalogSpan){0};
}

/* Other names may be longer or shorter, so this is known before anything is compared. */
static bool is_named_by_tag(CorCatalogSpan member)
{
    bool is_tag = has_tag(member);

    for (size_t i = TAG_AT; i < TAG_AT + TAG_LEN && is_tag; i++) {
        char c = member.text[i];
        is_tag = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'F');
    }
    return is_tag;
}

bool cor_catalog_priv_is_sorted(const char *object)
{
    CorCatalogSpan member;
    CorCatalogSpan last = {0};

    while (cor_catalog_priv_next_member(&object, &member)) {
        if (!is_named_by_tag(member) || (last.size > 0 && compare_tags(last, member) >= 0)) {
            return false;
        }
        last = member;
    }
    return true;
}

bool cor_catalog_priv_seek(CorCatalogWalk *walk, const char *tag, CorCatalogSpan *ret_value)
{
    CorCatalogSpan *member = &walk->member;

    while (member->size == 0 || !is_named_by_tag(*member) ||
           memcmp(member->text + TAG_AT, tag, TAG_LEN) < 0) {
        if (!cor_catalog_priv_next_member(&walk->at, member)) {
            *member = (CorCatalogSpan){0};
            return false;
        }
    }
    if (memcmp(member->text + TAG_AT, tag, TAG_LEN) != 0) {
        return false;
    }
    *ret_value = value_of(*member);
    return true;
}

/* --- Lines. --- */

/* True if compact JSON would be the same if it were parsed and written: it has no escapes, and no
 * numbers but whole ones.  May be false for nothing. */
static bool is_plain(CorCatalogSpan value)
{
    bool is_string = false;

    for (size_t i = 0; i < value.size; i++) {
        char c = value.text[i];

        if (c == '"') {
            is_string = !is_string;
        } else if (c == '\\') {
            return false;
        } else if (!is_string &&
                   (c == '.' || c == 'e' || c == 'E' || (c == '-' && value.text[i + 1] == '0'))) {
            return false;
        }
    }
    return true;
}

/* Append an attribute, written the way in which all answers are. */
static void append_line(const char *tag, CorCatalogSpan value, CorString *lines)
{
    COR_CLEANUP(cor_json_freep) json_t *json = NULL;
    COR_CLEANUP(cor_freep) char *text = NULL;

    if (value.text[0] != '{' || value.size > COR_CATALOG_VALUE_MAX) {
        return;
    }
    if (!is_plain(value)) {
        text = cor_json_parse(value.text, value.size, &json, NULL) ? cor_json_text(json) : NULL;
        value = (CorCatalogSpan){.text = text, .size = text ? strlen(text) : 0};
    }
    if (value.size > 0) {
        cor_string_printf(lines, "\"%s\":", tag);
        cor_string_append(lines, value.text, value.size);
        cor_string_append(lines, "\n", 1);
    }
}

void cor_catalog_priv_ready(CorCatalogLevel level, const char *attributes, CorString *lines)
{
    CorCatalogWalk walk = {.at = attributes ? attributes : ""};
    CorCatalogSpan value;

    for (const Ready *item = ready[level]; item->tag[0]; item++) {
        if (cor_catalog_priv_seek(&walk, item->tag, &value)) {
            append_line(item->tag, value, lines);
        } else if (item->empty_vr[0]) {
            cor_string_printf(lines, "\"%s\":{\"vr\":\"%s\"}\n", item->tag, item->empty_vr);
        }
    }
}

/* --- Merging. --- */

/* The first line of a text, without its newline; size 0 at the end, or if it is none of ours. */
static CorCatalogSpan line_of(CorCatalogSpan text)
{
    const char *end = text.size ? memchr(text.text, '\n', text.size) : NULL;
    CorCatalogSpan line = {.text = text.text, .size = end ? (size_t) (end - text.text) : text.size};

    return has_tag(line) ? line : (CorCatalogSpan){0};
}

/* The text whose first line comes first, among equals the first text; len if none has one left. */
static size_t find_first(const CorCatalogSpan *lines, size_t len)
{
    size_t best = len;

    for (size_t i = 0; i < len; i++) {
        if (lines[i].size > 0 && (best == len || compare_tags(lines[i], lines[best]) < 0)) {
            best = i;
        }
    }
    return best;
}

void cor_catalog_priv_merge(const CorCatalogSpan *texts, size_t len, CorString *object)
{
    CorCatalogSpan rest[SOURCES_MAX] = {0};
    CorCatalogSpan lines[SOURCES_MAX] = {0};
    CorCatalogSpan last = {0};

    len = COR_MIN(len, SOURCES_MAX);
    for (size_t i = 0; i < len; i++) {
        rest[i] = texts[i];
        lines[i] = line_of(texts[i]);
    }
    for (size_t i = find_first(lines, len); i < len; i = find_first(lines, len)) {
        if (last.size == 0 || compare_tags(lines[i], last) > 0) {
            cor_string_append(object, last.size == 0 ? "{" : ",", 1);
            last = lines[i];
            cor_string_append(object, last.text, last.size);
        }
        size_t size = COR_MIN(lines[i].size + 1, rest[i].size);
        rest[i].text += size;
        rest[i].size -= size;
        lines[i] = line_of(rest[i]);
    }
    cor_string_append_text(object, last.size == 0 ? "{}" : "}");
}

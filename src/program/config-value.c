/* SPDX-License-Identifier: Apache-2.0 */
/* Texts into values: each type of the table has its reader here, which checks range and words. */
#include "program/config-table.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/array.h"

enum { LIST_LEN_MAX = 64 };

typedef struct Unit {
    const char *name;
    int64_t factor;
} Unit;

static const Unit size_units[] = {
    {"", 1},
    {"B", 1},
    {"KiB", (int64_t) 1 << 10},
    {"MiB", (int64_t) 1 << 20},
    {"GiB", (int64_t) 1 << 30},
    {"TiB", (int64_t) 1 << 40},
};
static const Unit duration_units[] = {
    {"ms", 1}, {"s", 1000}, {"min", 60000}, {"h", 3600000}, {"d", 86400000},
};

bool cor_config_priv_parse_integer(const char *text, int64_t *ret_value, const char **ret_rest)
{
    int64_t value = 0;
    const char *c = text;

    for (; *c >= '0' && *c <= '9'; c++) {
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, *c - '0', &value)) {
            return false;
        }
    }
    *ret_value = value;
    *ret_rest = c;
    return c != text;
}

static bool parse_with_unit(const char *text, const Unit *units, size_t unit_len,
                            int64_t *ret_value)
{
    int64_t value = 0;
    const char *rest = NULL;

    if (!cor_config_priv_parse_integer(text, &value, &rest)) {
        return false;
    }
    while (*rest == ' ') {
        rest++;
    }
    for (size_t i = 0; i < unit_len; i++) {
        if (strcasecmp(rest, units[i].name) == 0) {
            return !__builtin_mul_overflow(value, units[i].factor, ret_value);
        }
    }
    return false;
}

bool cor_config_parse_size(const char *text, int64_t *ret_bytes)
{
    return parse_with_unit(text, size_units, COR_ARRAY_LEN(size_units), ret_bytes);
}

bool cor_config_parse_duration(const char *text, int64_t *ret_ms)
{
    return parse_with_unit(text, duration_units, COR_ARRAY_LEN(duration_units), ret_ms);
}

bool cor_config_priv_parse_boolean(const char *text, bool *ret_value)
{
    static const char *const yes[] = {"yes", "true", "on", "1"};
    static const char *const no[] = {"no", "false", "off", "0"};

    for (size_t i = 0; i < COR_ARRAY_LEN(yes); i++) {
        if (strcasecmp(text, yes[i]) == 0 || strcasecmp(text, no[i]) == 0) {
            *ret_value = strcasecmp(text, yes[i]) == 0;
            return true;
        }
    }
    return false;
}

void cor_config_priv_list_done(CorConfigList *list)
{
    for (size_t i = 0; i < list->len; i++) {
        free(list->items[i]);
    }
    free(list->items);
    *list = (CorConfigList){0};
}

bool cor_config_priv_list_append(CorConfigList *list, const char *text, CorError *err)
{
    while (*text) {
        size_t skip = strspn(text, ", \t");
        size_t len = strcspn(text + skip, ", \t");
        text += skip;
        if (len == 0) {
            break;
        }
        if (list->len == LIST_LEN_MAX) {
            return cor_fail(err, COR_ERR_INVALID, "has more than %d entries", LIST_LEN_MAX);
        }
        char **items = realloc((void *) list->items, (list->len + 1) * sizeof(*items));
        char *item = items ? strndup(text, len) : NULL;
        list->items = items ? items : list->items;
        if (!item) {
            return cor_fail(err, COR_ERR_NOMEM, "out of memory for the configuration");
        }
        list->items[list->len++] = item;
        text += len;
    }
    return true;
}

static bool set_number(const CorConfigKey *key, const char *text, int64_t *member, CorError *err)
{
    int64_t value = 0;
    const char *rest = "";

    if (cor_config_priv_is_derived(key) && strcmp(text, "auto") == 0) {
        *member = COR_CONFIG_AUTO;
        return true;
    }
    switch (key->type) {
    case COR_CONFIG_SIZE:
        if (!cor_config_parse_size(text, &value)) {
            return cor_fail(err, COR_ERR_INVALID, "'%s' is no size such as 256 KiB or 4 GiB", text);
        }
        break;
    case COR_CONFIG_DURATION:
        if (!cor_config_parse_duration(text, &value)) {
            return cor_fail(err, COR_ERR_INVALID,
                            "'%s' is no duration such as 500 ms, 30 s or 15 min", text);
        }
        break;
    default:
        if (!cor_config_priv_parse_integer(text, &value, &rest) || *rest) {
            return cor_fail(err, COR_ERR_INVALID, "'%s' is no whole number", text);
        }
        break;
    }
    if (value < key->min || value > key->max) {
        const char *unit = key->type == COR_CONFIG_SIZE       ? " bytes"
                           : key->type == COR_CONFIG_DURATION ? " ms"
                                                              : "";
        return cor_fail(err, COR_ERR_INVALID, "'%s' is not between %" PRId64 " and %" PRId64 "%s",
                        text, key->min, key->max, unit);
    }
    *member = value;
    return true;
}

static bool set_text(char **member, const char *text, CorError *err)
{
    char *copy = strdup(text);

    if (!copy) {
        return cor_fail(err, COR_ERR_NOMEM, "out of memory for the configuration");
    }
    free(*member);
    *member = copy;
    return true;
}

static bool set_enum(const CorConfigKey *key, const char *text, int *member, CorError *err)
{
    char choices[128] = "";

    for (int i = 0; key->choices[i]; i++) {
        size_t len = strlen(choices);
        if (strcmp(text, key->choices[i]) == 0) {
            *member = i;
            return true;
        }
        (void) snprintf(choices + len, sizeof(choices) - len, "%s%s", i > 0 ? ", " : "",
                        key->choices[i]);
    }
    return cor_fail(err, COR_ERR_INVALID, "'%s' is none of %s", text, choices);
}

bool cor_config_priv_set(CorConfig *config, const CorConfigKey *key, const char *text,
                         CorError *err)
{
    void *member = (char *) config + key->offset;

    switch (key->type) {
    case COR_CONFIG_TEXT:
    case COR_CONFIG_PATH:
    case COR_CONFIG_SECRET_FILE:
        return set_text(member, text, err);
    case COR_CONFIG_LIST:
        cor_config_priv_list_done(member);
        return cor_config_priv_list_append(member, text, err);
    case COR_CONFIG_BOOLEAN:
        return cor_config_priv_parse_boolean(text, member) ||
               cor_fail(err, COR_ERR_INVALID, "'%s' is neither yes nor no", text);
    case COR_CONFIG_ENUM:
        return set_enum(key, text, member, err);
    case COR_CONFIG_INTEGER:
    case COR_CONFIG_SIZE:
    case COR_CONFIG_DURATION:
        break;
    }
    return set_number(key, text, member, err);
}

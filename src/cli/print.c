/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/print.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "cli/args.h"

enum { COLUMNS_MAX = 12 };

void cor_print_json(const json_t *json)
{
    char *text = cor_json_text(json);

    (void) printf("%s\n", text ? text : "null");
    free(text);
}

static const json_t *member_at(const json_t *object, const char *path)
{
    const char *dot = strchr(path, '.');
    char first[64];

    if (!dot || (size_t) (dot - path) >= sizeof(first)) {
        return json_object_get(object, path);
    }
    memcpy(first, path, (size_t) (dot - path));
    first[dot - path] = '\0';
    return member_at(json_object_get(object, first), dot + 1);
}

/* As one would say it; malloc()ed. */
static char *words_of(const json_t *value)
{
    char *text = NULL;

    if (!value || json_is_null(value)) {
        return strdup("-");
    }
    if (json_is_string(value)) {
        return strdup(json_string_value(value));
    }
    if (json_is_boolean(value)) {
        return strdup(json_is_true(value) ? "yes" : "no");
    }
    if (json_is_real(value)) {
        return asprintf(&text, "%.3f", json_real_value(value)) < 0 ? NULL : text;
    }
    return cor_json_text(value);
}

static size_t columns_of(const char *text)
{
    size_t len = 0;

    for (; *text; text++) {
        len += ((unsigned char) *text & 0xC0) != 0x80;
    }
    return len;
}

static void print_cell(const char *text, size_t width, bool is_last)
{
    size_t len = columns_of(text);

    (void) printf("%s%*s", text, is_last || len >= width ? 0 : (int) (width - len), "");
    (void) printf(is_last ? "\n" : "  ");
}

void cor_print_table(const json_t *rows, const CorColumn *columns, size_t len)
{
    size_t widths[COLUMNS_MAX] = {0};
    size_t i = 0;
    json_t *row = NULL;

    len = COR_MIN(len, (size_t) COLUMNS_MAX);
    for (size_t c = 0; c < len; c++) {
        widths[c] = strlen(columns[c].title);
        json_array_foreach((json_t *) (uintptr_t) rows, i, row)
        {
            char *text = words_of(member_at(row, columns[c].member));
            widths[c] = COR_MAX(widths[c], columns_of(text ? text : ""));
            free(text);
        }
    }
    for (size_t c = 0; c < len; c++) {
        print_cell(columns[c].title, widths[c], c + 1 == len);
    }
    json_array_foreach((json_t *) (uintptr_t) rows, i, row)
    {
        for (size_t c = 0; c < len; c++) {
            char *text = words_of(member_at(row, columns[c].member));
            print_cell(text ? text : "", widths[c], c + 1 == len);
            free(text);
        }
    }
}

void cor_print_members(const json_t *object)
{
    const char *name = NULL;
    json_t *value = NULL;

    json_object_foreach((json_t *) (uintptr_t) object, name, value)
    {
        char *text = words_of(value);
        (void) printf("%s: %s\n", name, text ? text : "");
        free(text);
    }
}

int cor_print_failure(const char *verb, const CorError *err)
{
    (void) fflush(stdout);
    (void) fprintf(stderr, "corsia %s: %s\n", verb, err->text);
    return COR_CLI_FAILED;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "base/string.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"

struct CorString {
    char *text; /* NULL while empty */
    size_t size;
    size_t capacity; /* bytes allocated, the final NUL included */
    size_t max;
    CorErrorCode failure; /* COR_OK, LIMIT or NOMEM */
};

CorString *cor_string_new(size_t max_bytes)
{
    CorString *string = cor_new(CorString);

    if (string) {
        string->max = max_bytes;
    }
    return string;
}

void cor_string_free(CorString *string)
{
    if (string) {
        free(string->text);
        free(string);
    }
}

/* Make room for more bytes and the NUL; poisons the string when that cannot be. */
static bool reserve(CorString *string, size_t more)
{
    if (string->failure != COR_OK) {
        return false;
    }
    if (more > string->max - string->size) {
        string->failure = COR_ERR_LIMIT;
        return false;
    }
    size_t needed = string->size + more + 1;
    if (needed <= string->capacity) {
        return true;
    }
    size_t capacity = COR_MAX(needed, COR_MIN(string->capacity * 2, string->max + 1));
    capacity = COR_MAX(capacity, (size_t) 64);
    char *text = realloc(string->text, capacity);
    if (!text) {
        string->failure = COR_ERR_NOMEM;
        return false;
    }
    string->text = text;
    string->capacity = capacity;
    return true;
}

void cor_string_append(CorString *string, const void *bytes, size_t size)
{
    if (!string || !reserve(string, size)) {
        return;
    }
    if (size > 0) {
        memcpy(string->text + string->size, bytes, size);
    }
    string->size += size;
    string->text[string->size] = '\0';
}

void cor_string_append_text(CorString *string, const char *text)
{
    cor_string_append(string, text, strlen(text));
}

void cor_string_printf(CorString *string, const char *format, ...)
{
    va_list args;
    va_list again;

    if (!string) {
        return;
    }
    va_start(args, format);
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, format, args);
    assert(len >= 0);
    if (reserve(string, (size_t) len)) {
        (void) vsnprintf(string->text + string->size, (size_t) len + 1, format, again);
        string->size += (size_t) len;
    }
    va_end(again);
    va_end(args);
}

bool cor_string_check(const CorString *string, CorError *err)
{
    if (!string || string->failure == COR_ERR_NOMEM) {
        return cor_fail(err, COR_ERR_NOMEM, "out of memory for text");
    }
    if (string->failure == COR_ERR_LIMIT) {
        return cor_fail(err, COR_ERR_LIMIT, "text is longer than %zu bytes", string->max);
    }
    return true;
}

const char *cor_string_text(const CorString *string)
{
    return string && string->text ? string->text : "";
}

size_t cor_string_size(const CorString *string)
{
    return string ? string->size : 0;
}

void cor_string_truncate(CorString *string, size_t size)
{
    if (!string) {
        return;
    }
    if (size < string->size) {
        string->size = size;
        string->text[size] = '\0';
    }
    if (size == 0) {
        string->failure = COR_OK;
    }
}

char *cor_string_take(CorString *string)
{
    if (!string) {
        return NULL;
    }
    char *text = string->text ? string->text : calloc(1, 1);
    string->text = NULL;
    cor_string_free(string);
    return text;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The end of the element is looked for first, with regard to quotes alone, so that a list can go on
 * behind an element that is nonsense.  Then a reader copies what it finds into texts: nothing grows
 * on the way, so the size of the element bounds everything. */
#include "http/http-media-type.h"

#include <string.h>

static const char blanks[] = " \t";

typedef struct Reader {
    const char *at;
    const char *end;
    char *to; /* in texts */
} Reader;

/* RFC 9110 section 5.6.2. */
static bool is_token_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr("!#$%&'*+-.^_`|~", c));
}

/* What an unquoted value may have: more than a token, less than could be mistaken. */
static bool is_bare_char(char c)
{
    return c > ' ' && c < 0x7F && c != '"' && c != ';' && c != ',';
}

static bool is_control(char c)
{
    return (c >= 0 && c < ' ' && c != '\t') || c == 0x7F;
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char) (c + ('a' - 'A')) : c;
}

static const char *end_of_element(const char *at)
{
    bool is_quoted = false;

    for (; *at && (is_quoted || *at != ','); at++) {
        if (*at == '"') {
            is_quoted = !is_quoted;
        } else if (is_quoted && *at == '\\' && at[1]) {
            at++;
        }
    }
    return at;
}

static void skip_blanks(Reader *reader)
{
    while (reader->at < reader->end && strchr(blanks, *reader->at)) {
        reader->at++;
    }
}

static bool is_at(const Reader *reader, char c)
{
    return reader->at < reader->end && *reader->at == c;
}

static void finish_text(Reader *reader)
{
    *reader->to++ = '\0';
}

/* Copy a token in lower case; false if there is none. */
static bool copy_token(Reader *reader)
{
    const char *begin = reader->at;

    while (reader->at < reader->end && is_token_char(*reader->at)) {
        *reader->to++ = lower(*reader->at++);
    }
    return reader->at > begin;
}

/* At the opening quote (RFC 9110 section 5.6.4). */
static bool copy_quoted(Reader *reader, CorError *err)
{
    for (reader->at++; reader->at < reader->end && *reader->at != '"'; reader->at++) {
        if (*reader->at == '\\' && reader->at + 1 < reader->end) {
            reader->at++;
        }
        if (is_control(*reader->at)) {
            return cor_fail(err, COR_ERR_INVALID, "a media type has a control character");
        }
        *reader->to++ = *reader->at;
    }
    if (!is_at(reader, '"')) {
        return cor_fail(err, COR_ERR_INVALID, "a quoted value of a media type does not end");
    }
    reader->at++;
    return true;
}

static bool copy_value(Reader *reader, CorError *err)
{
    if (is_at(reader, '"')) {
        return copy_quoted(reader, err);
    }
    const char *begin = reader->at;
    while (reader->at < reader->end && is_bare_char(*reader->at)) {
        *reader->to++ = *reader->at++;
    }
    return reader->at > begin ||
           cor_fail(err, COR_ERR_INVALID, "a parameter of a media type has no value");
}

/* "*" alone is what Java's HttpURLConnection sends for all types. */
static bool read_type(Reader *reader, CorHttpMediaType *type, CorError *err)
{
    type->type = reader->to;
    skip_blanks(reader);
    bool is_any = is_at(reader, '*');
    if (!copy_token(reader)) {
        return cor_fail(err, COR_ERR_INVALID, "a media type is missing or has no legal name");
    }
    if (is_at(reader, '/')) {
        *reader->to++ = *reader->at++;
        if (!copy_token(reader)) {
            return cor_fail(err, COR_ERR_INVALID, "a media type has no legal subtype");
        }
    } else if (is_any && reader->to == type->type + 1) {
        *reader->to++ = '/';
        *reader->to++ = '*';
    } else {
        return cor_fail(err, COR_ERR_INVALID, "a media type has no subtype");
    }
    finish_text(reader);
    return true;
}

static bool read_parameter(Reader *reader, CorHttpMediaType *type, CorError *err)
{
    CorHttpMediaParameter parameter = {.name = reader->to, .value = ""};

    if (!copy_token(reader)) {
        return cor_fail(err, COR_ERR_INVALID, "a parameter of a media type has no legal name");
    }
    finish_text(reader);
    skip_blanks(reader);
    if (is_at(reader, '=')) {
        reader->at++;
        skip_blanks(reader);
        parameter.value = reader->to;
        if (!copy_value(reader, err)) {
            return false;
        }
        finish_text(reader);
    }
    if (type->parameters_len == COR_HTTP_MEDIA_PARAMETERS_MAX) {
        return cor_fail(err, COR_ERR_LIMIT, "a media type has more than %zu parameters",
                        COR_HTTP_MEDIA_PARAMETERS_MAX);
    }
    type->parameters[type->parameters_len++] = parameter;
    return true;
}

static bool read_element(Reader *reader, CorHttpMediaType *type, CorError *err)
{
    if (!read_type(reader, type, err)) {
        return false;
    }
    for (;;) {
        skip_blanks(reader);
        if (reader->at == reader->end) {
            return true;
        }
        if (!is_at(reader, ';')) {
            return cor_fail(err, COR_ERR_INVALID,
                            "a media type has something that is no parameter");
        }
        reader->at++;
        skip_blanks(reader);
        bool is_empty = reader->at == reader->end || is_at(reader, ';');
        if (!is_empty && !read_parameter(reader, type, err)) {
            return false;
        }
    }
}

bool cor_http_media_type_parse(const char **at, CorHttpMediaType *ret_type, CorError *err)
{
    const char *end = end_of_element(*at);
    Reader reader = {.at = *at, .end = end, .to = ret_type->texts};

    *at = end;
    ret_type->parameters_len = 0;
    if ((size_t) (end - reader.at) > COR_HTTP_MEDIA_TYPE_MAX) {
        return cor_fail(err, COR_ERR_LIMIT, "a media type is longer than %zu bytes",
                        COR_HTTP_MEDIA_TYPE_MAX);
    }
    return read_element(&reader, ret_type, err);
}

bool cor_http_media_type_parse_all(const char *header, CorHttpMediaType *ret_type, CorError *err)
{
    if (!cor_http_media_type_parse(&header, ret_type, err)) {
        return false;
    }
    return *header == '\0' || cor_fail(err, COR_ERR_INVALID, "there is more than one media type");
}

const char *cor_http_media_type_parameter(const CorHttpMediaType *type, const char *name)
{
    for (size_t i = 0; i < type->parameters_len; i++) {
        if (strcmp(type->parameters[i].name, name) == 0) {
            return type->parameters[i].value;
        }
    }
    return NULL;
}

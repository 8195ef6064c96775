/* SPDX-License-Identifier: Apache-2.0 */
/* Jansson is strict about types and resistant to hash flooding.  It parses recursively and allows
 * 2048 levels; texts from outside are held to 64 by counting brackets first. */
#include "base/json.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"

enum { DEPTH_MAX = 64 };

bool cor_json_check_depth(const char *text, size_t size, CorError *err)
{
    int depth = 0;
    bool in_string = false;

    for (size_t i = 0; i < size; i++) {
        char c = text[i];
        if (in_string) {
            if (c == '\\') {
                i++;
            } else if (c == '"') {
                in_string = false;
            }
        } else if (c == '"') {
            in_string = true;
        } else if (c == '{' || c == '[') {
            if (++depth > DEPTH_MAX) {
                return cor_fail(err, COR_ERR_LIMIT, "JSON is nested deeper than %d levels",
                                DEPTH_MAX);
            }
        } else if (c == '}' || c == ']') {
            depth--;
        }
    }
    return true;
}

bool cor_json_parse(const char *text, size_t size, json_t **ret_json, CorError *err)
{
    json_error_t why;

    if (!cor_json_check_depth(text, size, err)) {
        return false;
    }
    json_t *json = json_loadb(text, size, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &why);
    if (!json) {
        CorErrorCode code =
            json_error_code(&why) == json_error_out_of_memory ? COR_ERR_NOMEM : COR_ERR_INVALID;
        return cor_fail(err, code, "not JSON: line %d, column %d: %s", why.line, why.column,
                        json_error_code(&why) == json_error_duplicate_key ? "duplicate member"
                                                                          : "syntax error");
    }
    *ret_json = json;
    return true;
}

char *cor_json_text(const json_t *json)
{
    return json_dumps(json, JSON_COMPACT | JSON_ENCODE_ANY);
}

char *cor_json_canonical(const json_t *json)
{
    return json_dumps(json, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY);
}

bool cor_json_sha256(const json_t *json, char ret_hex[65], CorError *err)
{
    uint8_t digest[COR_SHA256_SIZE];
    char *text = cor_json_canonical(json);

    if (!text) {
        return cor_fail(err, COR_ERR_NOMEM, "out of memory for JSON");
    }
    cor_sha256(text, strlen(text), digest);
    cor_hex_encode(digest, sizeof(digest), ret_hex);
    free(text);
    return true;
}

const char *cor_json_string(const json_t *object, const char *name, const char *fallback)
{
    const json_t *member = json_object_get(object, name);

    return json_is_string(member) ? json_string_value(member) : fallback;
}

int64_t cor_json_integer(const json_t *object, const char *name, int64_t fallback)
{
    const json_t *member = json_object_get(object, name);

    return json_is_integer(member) ? json_integer_value(member) : fallback;
}

double cor_json_number(const json_t *object, const char *name, double fallback)
{
    const json_t *member = json_object_get(object, name);

    return json_is_number(member) ? json_number_value(member) : fallback;
}

bool cor_json_boolean(const json_t *object, const char *name, bool fallback)
{
    const json_t *member = json_object_get(object, name);

    return json_is_boolean(member) ? json_is_true(member) : fallback;
}

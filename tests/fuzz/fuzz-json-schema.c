/* SPDX-License-Identifier: Apache-2.0 */
/* Input: a JSON array [schema, value].  Properties, for any bytes:
 *   1. a refused schema says why, and leaves nothing;
 *   2. a refused value says why; its pointer is empty or begins with a slash;
 *   3. an accepted value can be completed, and completing it twice changes nothing more.
 */
#include "fuzz.h"

#include <string.h>

#include "base/json-schema.h"
#include "base/json.h"

static void check_value(const CorJsonSchema *schema, json_t *value)
{
    char pointer[COR_JSON_POINTER_SIZE] = "untouched";
    CorError err = {0};

    if (!cor_json_schema_validate(schema, value, pointer, &err)) {
        FUZZ_CHECK(err.code == COR_ERR_INVALID || err.code == COR_ERR_LIMIT);
        FUZZ_CHECK(err.text[0] != '\0');
        FUZZ_CHECK(pointer[0] == '\0' || pointer[0] == '/');
        FUZZ_CHECK(strlen(pointer) < sizeof(pointer));
        return;
    }
    FUZZ_CHECK(strcmp(pointer, "untouched") == 0);
    if (!cor_json_schema_fill_defaults(schema, value, &err)) {
        FUZZ_CHECK(err.code == COR_ERR_LIMIT);
        return;
    }
    char *once = cor_json_canonical(value);
    bool is_filled = cor_json_schema_fill_defaults(schema, value, &err);
    char *twice = cor_json_canonical(value);
    FUZZ_CHECK(is_filled && once && twice && strcmp(once, twice) == 0);
    free(once);
    free(twice);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    COR_CLEANUP(cor_json_freep) json_t *input = NULL;
    COR_CLEANUP(cor_json_schema_freep) CorJsonSchema *schema = NULL;
    CorError err = {0};

    if (size > 16384 || !cor_json_parse((const char *) data, size, &input, NULL) ||
        json_array_size(input) != 2) {
        return 0;
    }
    if (!cor_json_schema_compile(json_array_get(input, 0), NULL, &schema, &err)) {
        FUZZ_CHECK(err.code == COR_ERR_INVALID || err.code == COR_ERR_LIMIT);
        FUZZ_CHECK(err.text[0] != '\0' && schema == NULL);
        return 0;
    }
    check_value(schema, json_array_get(input, 1));
    return 0;
}

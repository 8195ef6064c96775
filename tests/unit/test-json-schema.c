/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/json-schema.h"
#include "base/json.h"

static json_t *parse(const char *text)
{
    json_t *json = NULL;
    CorError err = {0};

    if (!cor_json_parse(text, strlen(text), &json, &err)) {
        fail_msg("%s: %s", text, err.text);
    }
    return json;
}

static CorJsonSchema *compile(const json_t *json)
{
    CorJsonSchema *schema = NULL;
    CorError err = {0};

    if (!cor_json_schema_compile(json, NULL, &schema, &err)) {
        fail_msg("%s", err.text);
    }
    return schema;
}

static void check_case(const json_t *one)
{
    const char *what = cor_json_string(one, "what", "");
    COR_CLEANUP(cor_json_schema_freep)
    CorJsonSchema *schema = compile(json_object_get(one, "schema"));
    size_t i = 0;
    json_t *entry = NULL;

    json_array_foreach(json_object_get(one, "valid"), i, entry)
    {
        char pointer[COR_JSON_POINTER_SIZE] = "untouched";
        CorError err = {0};
        if (!cor_json_schema_validate(schema, entry, pointer, &err)) {
            fail_msg("%s: valid value %zu is refused: '%s' %s", what, i, pointer, err.text);
        }
        assert_string_equal(pointer, "untouched");
        assert_int_equal(err.code, COR_OK);
    }
    json_array_foreach(json_object_get(one, "invalid"), i, entry)
    {
        char pointer[COR_JSON_POINTER_SIZE] = "untouched";
        CorError err = {0};
        if (cor_json_schema_validate(schema, json_array_get(entry, 0), pointer, &err)) {
            fail_msg("%s: invalid value %zu is taken", what, i);
        }
        assert_int_equal(err.code, COR_ERR_INVALID);
        assert_string_equal(pointer, json_string_value(json_array_get(entry, 1)));
        assert_string_equal(err.text, json_string_value(json_array_get(entry, 2)));
    }
}

static void check_cases(const char *name)
{
    const char *root = getenv("COR_SOURCE_ROOT");
    char path[512];
    json_error_t why;
    size_t i = 0;
    json_t *one = NULL;

    if (!root) {
        print_message("COR_SOURCE_ROOT is not set\n");
        skip();
    }
    (void) snprintf(path, sizeof(path), "%s/tests/cases/json-schema/%s.json", root, name);
    COR_CLEANUP(cor_json_freep) json_t *cases = json_load_file(path, 0, &why);
    if (!cases) {
        fail_msg("%s: %s", path, why.text);
    }
    assert_true(json_array_size(cases) > 10);
    json_array_foreach(cases, i, one)
    {
        check_case(one);
    }
}

static void values_are_judged_as_the_cases_say(void **state)
{
    (void) state;
    check_cases("values");
}

static void objects_and_arrays_are_judged_as_the_cases_say(void **state)
{
    (void) state;
    check_cases("objects");
}

static void what_is_not_understood_does_not_compile(void **state)
{
    static const struct {
        const char *schema, *sentence;
    } cases[] = {
        {"{\"properties\":{\"a\":{\"minimun\":1}}}",
         "schema '#/properties/a/minimun': is no keyword that we check"},
        {"{\"anyOf\":[{}]}", "schema '#/anyOf': is no keyword that we check"},
        {"{\"type\":\"float\"}", "schema '#/type': names a type that does not exist"},
        {"{\"type\":[]}", "schema '#/type': names no type"},
        {"{\"$ref\":\"#/nowhere\"}", "schema '#/$ref': refers to what is not there"},
        {"{\"$ref\":\"http://x/y\"}",
         "schema '#/$ref': must begin with '#': other documents are not read"},
        {"{\"multipleOf\":0}", "schema '#/multipleOf': must be more than 0"},
        {"{\"minLength\":-1}", "schema '#/minLength': must be a whole number, at least 0"},
        {"{\"maximum\":\"5\"}", "schema '#/maximum': must be a number"},
        {"{\"enum\":[]}", "schema '#/enum': must be an array with at least one value"},
        {"{\"oneOf\":[]}", "schema '#/oneOf': must be an array with at least one schema"},
        {"{\"items\":5}", "schema '#/items': must be a schema: an object, true or false"},
        {"{\"required\":[1]}", "schema '#/required': must be an array of names"},
        {"{\"pattern\":\"[b-a]\"}", "schema '#/pattern': is no regular expression"},
        {"{\"pattern\":\"\\\\d+\"}",
         "schema '#/pattern': must be an expression that POSIX and ECMA-262 read alike"},
        {"{\"pattern\":\"(a)\\\\1\"}",
         "schema '#/pattern': must be an expression that POSIX and ECMA-262 read alike"},
        {"{\"pattern\":\"a+?\"}",
         "schema '#/pattern': must be an expression that POSIX and ECMA-262 read alike"},
        {"{\"pattern\":\"a++++++++++++++++++++++++++++++++++++++\"}",
         "schema '#/pattern': must be an expression that POSIX and ECMA-262 read alike"},
        {"{\"pattern\":\"((a{1,200}){1,200}){1,200}\"}",
         "schema '#/pattern': must be an expression that POSIX and ECMA-262 read alike"},
        {"{\"pattern\":\"a{5000}\"}",
         "schema '#/pattern': must be an expression that POSIX and ECMA-262 read alike"},
        {"7", "schema '#': must be a schema: an object, true or false"},
    };
    (void) state;

    for (size_t i = 0; i < COR_ARRAY_LEN(cases); i++) {
        COR_CLEANUP(cor_json_freep) json_t *json = parse(cases[i].schema);
        CorJsonSchema *schema = NULL;
        CorError err = {0};
        assert_false(cor_json_schema_compile(json, NULL, &schema, &err));
        assert_string_equal(err.text, cases[i].sentence);
        assert_int_equal(err.code, COR_ERR_INVALID);
        assert_null(schema);
    }
}

static void references_are_looked_up_in_the_root_document(void **state)
{
    COR_CLEANUP(cor_json_freep)
    json_t *root = parse("{\"components\":{\"schemas\":{\"Id\":{\"type\":\"string\"}}}}");
    COR_CLEANUP(cor_json_freep)
    json_t *json = parse("{\"items\":{\"$ref\":\"#/components/schemas/Id\"}}");
    COR_CLEANUP(cor_json_freep) json_t *value = parse("[\"a\",1]");
    COR_CLEANUP(cor_json_schema_freep) CorJsonSchema *schema = NULL;
    char pointer[COR_JSON_POINTER_SIZE];
    CorError err = {0};
    (void) state;

    assert_true(cor_json_schema_compile(json, root, &schema, &err));
    assert_false(cor_json_schema_validate(schema, value, pointer, &err));
    assert_string_equal(pointer, "/1");
}

static void assert_filled(const char *schema_text, const char *before, const char *after)
{
    COR_CLEANUP(cor_json_freep) json_t *json = parse(schema_text);
    COR_CLEANUP(cor_json_freep) json_t *value = parse(before);
    COR_CLEANUP(cor_json_schema_freep) CorJsonSchema *schema = compile(json);
    CorError err = {0};

    assert_true(cor_json_schema_validate(schema, value, NULL, &err));
    assert_true(cor_json_schema_fill_defaults(schema, value, &err));
    char *text = cor_json_canonical(value);
    assert_string_equal(text, after);
    free(text);
}

static void defaults_complete_objects_at_every_level(void **state)
{
    (void) state;
    assert_filled("{\"properties\":{\"a\":{\"default\":1},\"b\":{\"default\":2},\"c\":{}}}",
                  "{\"b\":null}", "{\"a\":1,\"b\":null}");
    assert_filled(
        "{\"properties\":{\"o\":{\"default\":{},\"properties\":{\"x\":{\"default\":[]}}}}}", "{}",
        "{\"o\":{\"x\":[]}}");
    assert_filled("{\"items\":{\"properties\":{\"x\":{\"default\":1}}}}", "[{},{\"x\":2}]",
                  "[{\"x\":1},{\"x\":2}]");
    assert_filled("{\"additionalProperties\":{\"properties\":{\"x\":{\"default\":1}}}}",
                  "{\"k\":{}}", "{\"k\":{\"x\":1}}");
    assert_filled("{\"$defs\":{\"d\":{\"default\":\"v\"}},"
                  "\"properties\":{\"a\":{\"$ref\":\"#/$defs/d\"}}}",
                  "{}", "{\"a\":\"v\"}");
    assert_filled(
        "{\"oneOf\":[{\"required\":[\"k\"],\"properties\":{\"k\":{\"const\":1},"
        "\"x\":{\"default\":5}}},{\"required\":[\"k\"],\"properties\":{\"k\":{\"const\":2},"
        "\"y\":{\"default\":6}}}]}",
        "{\"k\":2}", "{\"k\":2,\"y\":6}");
}

static void equal_numbers_get_one_form(void **state)
{
    static const char *const schema =
        "{\"properties\":{\"n\":{\"type\":\"number\",\"default\":2},"
        "\"i\":{\"type\":\"integer\"},\"v\":{\"items\":{\"type\":\"number\"}}}}";
    (void) state;

    assert_filled(schema, "{\"i\":7.0,\"v\":[1,2.5]}", "{\"i\":7,\"n\":2.0,\"v\":[1.0,2.5]}");
    assert_filled(schema, "{\"i\":7,\"n\":2.0}", "{\"i\":7,\"n\":2.0}");
}

static void a_complaint_never_repeats_the_value(void **state)
{
    COR_CLEANUP(cor_json_freep)
    json_t *json = parse("{\"properties\":{\"a\":{\"enum\":[\"x\"],\"pattern\":\"^x$\"}}}");
    COR_CLEANUP(cor_json_freep) json_t *value = parse("{\"a\":\"Doe^Jane\"}");
    COR_CLEANUP(cor_json_schema_freep) CorJsonSchema *schema = compile(json);
    CorError err = {0};
    (void) state;

    assert_false(cor_json_schema_validate(schema, value, NULL, &err));
    assert_null(strstr(err.text, "Doe"));
}

static void a_pointer_that_does_not_fit_is_cut_between_parts(void **state)
{
    COR_CLEANUP(cor_json_freep)
    json_t *json = parse("{\"additionalProperties\":"
                         "{\"additionalProperties\":false}}");
    COR_CLEANUP(cor_json_schema_freep) CorJsonSchema *schema = compile(json);
    CorError err = {0};
    (void) state;

    for (size_t len = 500; len < 520; len++) {
        char name[600];
        char pointer[COR_JSON_POINTER_SIZE];
        memset(name, '~', len);
        name[len] = '\0';
        COR_CLEANUP(cor_json_freep) json_t *value = json_pack("{s:{s:i}}", "a", name, 1);
        assert_false(cor_json_schema_validate(schema, value, pointer, &err));
        assert_string_equal(pointer, "/a");
    }
}

static void endless_references_end(void **state)
{
    COR_CLEANUP(cor_json_freep)
    json_t *json = parse("{\"$defs\":{\"a\":{\"$ref\":\"#/$defs/a\"}},\"$ref\":\"#/$defs/a\"}");
    COR_CLEANUP(cor_json_schema_freep) CorJsonSchema *schema = compile(json);
    COR_CLEANUP(cor_json_freep) json_t *value = parse("{}");
    CorError err = {0};
    (void) state;

    assert_false(cor_json_schema_validate(schema, value, NULL, &err));
    assert_int_equal(err.code, COR_ERR_LIMIT);
    assert_false(cor_json_schema_fill_defaults(schema, value, &err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_judged_as_the_cases_say),
        cmocka_unit_test(objects_and_arrays_are_judged_as_the_cases_say),
        cmocka_unit_test(what_is_not_understood_does_not_compile),
        cmocka_unit_test(references_are_looked_up_in_the_root_document),
        cmocka_unit_test(defaults_complete_objects_at_every_level),
        cmocka_unit_test(equal_numbers_get_one_form),
        cmocka_unit_test(a_complaint_never_repeats_the_value),
        cmocka_unit_test(a_pointer_that_does_not_fit_is_cut_between_parts),
        cmocka_unit_test(endless_references_end),
    };

    return cmocka_run_group_tests_name("json-schema", tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The text of a header: what is kept as it is, what is brought into order, what is refused, and
 * what is picked from it. */
#include "catalog-fixture.h"

#include "catalog/catalog-attributes.h"
#include "catalog/catalog-lines.h"
#include "catalog/catalog-priv.h"

#define LO(value) "{\"vr\":\"LO\",\"Value\":[\"" value "\"]}"

typedef struct Text {
    const char *given;
    const char *kept; /* NULL: as it is given */
} Text;

/* Offer a record with this text to the catalogue. */
static bool add_text(Fixture *fixture, const char *text, CorError *err)
{
    COR_CLEANUP(cor_json_freep) json_t *member = json_pack("{s:s}", "attributes_text", text);
    COR_CLEANUP(cor_freep) char *with = cor_json_text(member);
    Item item = {.sop = "1.1.1.1", .key = "a", .without = "attributes", .with = with};
    Call call = {0};
    bool ok = fixture_offer(fixture, fixture_run_add, &item, &call, err);

    free(call.instance);
    return ok;
}

static bool run_attributes(CorSqlTxn *txn, void *arg, CorError *err)
{
    size_t size = 0;

    return cor_catalog_attributes(txn, "1.1.1.1", arg, &size, err);
}

static void assert_kept(Fixture *fixture, const Text *text)
{
    COR_CLEANUP(cor_freep) char *kept = NULL;
    CorError err = {0};

    if (!add_text(fixture, text->given, &err)) {
        fail_msg("%s: %s", text->given, err.text);
    }
    assert_true(cor_sql_read(fixture->db, run_attributes, &kept, NULL));
    assert_string_equal(kept, text->kept ? text->kept : text->given);
    fixture_remove(fixture, "1.1.1.1");
}

static void a_text_in_order_is_kept_as_it_is(void **state)
{
    static const Text texts[] = {
        {"{}", NULL},
        {"{\"00100010\":{\"vr\":\"PN\"},\"00100020\":" LO("a b") "}", NULL},
        {"{\"00100020\":" LO("a\\nb\\u001b\\u00e9\\/\\\\\\\"") "}", NULL},
        {"{\"00100020\":" LO("\\\\") ",\"00100021\":" LO("{[\\\"") "}", NULL},
        {"{\"00180060\":{\"vr\":\"DS\",\"Value\":[1.50,-0,1e3,null]}}", NULL},
        {"{\"00100020\":" LO("\xC3\xBC\xE5\xB1\xB1") "}", NULL},
        {"{\"00100020\":{\"Value\":[1],\"Value\":[2]}}", NULL}, /* as whoever reads it likes */
    };

    for (size_t i = 0; i < COR_ARRAY_LEN(texts); i++) {
        assert_kept(*state, &texts[i]);
    }
}

static void other_texts_are_brought_into_order(void **state)
{
    static const Text texts[] = {
        {" { } ", "{}"},
        {"{\"00100020\":{},\"00100010\":{}}", "{\"00100010\":{},\"00100020\":{}}"},
        {"{\"00100020\": {}}", "{\"00100020\":{}}"},
        {"{\"00100020\":{\n\t}}\r\n", "{\"00100020\":{}}"},
        {"{\"00100020\":{\"vr\":\"LO\", \"Value\":[\"a b\"]}}", "{\"00100020\":" LO("a b") "}"},
        {"{\"00100020\":{\"vr\":\"LO\",\"Value\":[1]},\"00100010\":{}}",
         "{\"00100010\":{},\"00100020\":{\"Value\":[1],\"vr\":\"LO\"}}"},
        {"{\"0010002\\u0030\":{}}", "{\"00100020\":{}}"},
        {"{\"0010000d\":{}}", "{\"0010000d\":{}}"},
        {"{\"b\":1,\"a\":2}", "{\"a\":2,\"b\":1}"},
    };

    for (size_t i = 0; i < COR_ARRAY_LEN(texts); i++) {
        assert_kept(*state, &texts[i]);
    }
}

/* A record whose text is longer than what is left to the writer. */
static json_t *large_record(const char *begin, const char *end)
{
    enum { LARGE = 100000 };
    COR_CLEANUP(cor_freep) char *filling = malloc(LARGE + 1);

    assert_non_null(filling);
    memset(filling, 'x', LARGE);
    filling[LARGE] = '\0';
    json_t *record = json_pack("{s:s++}", "attributes_text", begin, filling, end);
    assert_non_null(record);
    return record;
}

static void a_large_text_is_brought_into_order_beforehand(void **state)
{
    COR_CLEANUP(cor_json_freep)
    json_t *sorted = large_record("{\"00100010\":{\"Value\":[\"", "\"]},\"00100020\":{}}");
    COR_CLEANUP(cor_json_freep)
    json_t *other = large_record("{\"00100020\":{},\"00100010\":{\"Value\":[\"", "\"]}}");
    COR_CLEANUP(cor_json_freep)
    json_t *broken = large_record("{\"00100020\":{},\"00100010\":{\"Value\":[\"", "\"}}");
    COR_CLEANUP(cor_json_freep)
    json_t *small = json_pack("{s:s}", "attributes_text", "{\"b\":{},\"a\":{}}");
    COR_CLEANUP(cor_json_freep) json_t *none = json_pack("{s:{}}", "attributes");
    CorError err = {0};
    (void) state;

    const char *before = cor_json_string(sorted, "attributes_text", "");
    assert_true(cor_catalog_order(sorted, &err));
    assert_ptr_equal(cor_json_string(sorted, "attributes_text", ""), before);
    assert_true(cor_catalog_order(other, &err));
    assert_string_equal(cor_json_string(other, "attributes_text", ""), before);
    assert_false(cor_catalog_order(broken, &err));
    assert_int_equal(err.code, COR_ERR_INVALID);
    assert_true(cor_catalog_order(small, &err)); /* the writer does it */
    assert_string_equal(cor_json_string(small, "attributes_text", ""), "{\"b\":{},\"a\":{}}");
    assert_true(cor_catalog_order(none, &err));
}

static void a_value_that_is_too_long_is_not_picked(void **state)
{
    static const char *const tags[] = {"00100010", "00100020"};
    COR_CLEANUP(cor_json_freep)
    json_t *record =
        large_record("{\"00100010\":{\"Value\":[\"", "\"]},\"00100020\":{\"Value\":[7]}}");
    COR_CLEANUP(cor_json_freep) json_t *picked = NULL;
    (void) state;

    assert_true(cor_catalog_priv_pick(cor_json_string(record, "attributes_text", ""), tags,
                                      COR_ARRAY_LEN(tags), &picked, NULL));
    assert_int_equal(json_object_size(picked), 1);
    assert_non_null(json_object_get(picked, "00100020"));
}

static void assert_refused(Fixture *fixture, const char *text)
{
    CorCatalogTotals before = fixture_totals(fixture);
    CorError err = {0};

    if (add_text(fixture, text, &err)) {
        fail_msg("%s is not refused", text);
    }
    assert_int_equal(err.code, COR_ERR_INVALID);
    assert_non_null(strstr(err.text, "attributes_text"));
    CorCatalogTotals after = fixture_totals(fixture);
    assert_memory_equal(&before, &after, sizeof(before));
}

static void a_text_that_is_no_json_object_is_refused(void **state)
{
    static const char *const texts[] = {
        "",
        "{",
        "7",
        "[]",
        "null",
        "\"{}\"",
        "{}{}",
        "{}x",
        "{\"00100020\"}",
        "{\"00100020\":}",
        "{\"00100020\":{}",
        "{\"00100020\":{}},",
        "{\"00100020\":{},}",
        "{\"00100020\":{}]",
        "{\"00100020\":tru}",
        "{\"00100020\":01}",
        "{\"00100020\":" LO("\\x") "}",
        "{\"00100020\":" LO("\\u12g4") "}",
        "{\"00100020\":" LO("a\nb") "}",
        "{\"00100020\":" LO("a\\\nb") "}",
        "{\"00100020\":{},\"00100010\":{}",
        "{\"00100020\":{},\"00100020\":{}}",
        "{\"00100020\":{},\"00100030\":{},\"00100020\":{}}",
        "{\"00100020\": }",
        "{'00100020':{}}",
        "{\"00100020\":NaN}",
        "{\"00100020\":{}/**/}",
    };

    for (size_t i = 0; i < COR_ARRAY_LEN(texts); i++) {
        assert_refused(*state, texts[i]);
    }
}

/* An object with arrays inside of it, in all `levels` of nesting. */
static char *nested(size_t levels, const char *blank)
{
    CorString *text = cor_string_new(1 << 20);

    cor_string_printf(text, "{\"00100020\":%s", blank);
    for (size_t i = 1; i < levels; i++) {
        cor_string_append(text, "[", 1);
    }
    for (size_t i = 1; i < levels; i++) {
        cor_string_append(text, "]", 1);
    }
    cor_string_append(text, "}", 1);
    return cor_string_take(text);
}

static void a_text_may_be_nested_as_deeply_as_one_that_is_parsed(void **state)
{
    static const size_t too_deep[] = {65, 1999, 3000, 100000};
    COR_CLEANUP(cor_freep) char *deep = nested(64, "");
    const Text text = {deep, NULL};

    assert_kept(*state, &text);
    for (size_t i = 0; i < COR_ARRAY_LEN(too_deep); i++) {
        COR_CLEANUP(cor_freep) char *deeper = nested(too_deep[i], "");
        COR_CLEANUP(cor_freep) char *loose = nested(too_deep[i], " ");
        assert_refused(*state, deeper);
        assert_refused(*state, loose);
    }
}

static void a_duplicate_needs_no_attributes(void **state)
{
    CorError err = {0};

    assert_true(add_text(*state, "{}", &err));
    assert_true(add_text(*state, "{\"00100020\":", &err));
}

/* --- Picking. --- */

static json_t *pick(const char *attributes, const char *const *tags, size_t len)
{
    json_t *picked = NULL;

    assert_true(cor_catalog_priv_pick(attributes, tags, len, &picked, NULL));
    return picked;
}

static void assert_picked(const char *attributes, const char *expected)
{
    static const char *const tags[] = {"00080020", "00100010", "00100020", "00200010"};
    json_t *picked = pick(attributes, tags, COR_ARRAY_LEN(tags));
    char *text = cor_json_text(picked);

    assert_string_equal(text, expected);
    free(text);
    json_decref(picked);
}

static void tags_are_picked_at_the_top_and_nowhere_else(void **state)
{
    (void) state;

    assert_picked(NULL, "{}");
    assert_picked("", "{}");
    assert_picked("{}", "{}");
    assert_picked("{\"00080005\":{},\"00100010\":{\"Value\":[1]},\"00100011\":{},\"00200010\":2,"
                  "\"00200011\":{}}",
                  "{\"00100010\":{\"Value\":[1]},\"00200010\":2}");
    assert_picked("{\"00081110\":{\"vr\":\"SQ\",\"Value\":[{\"00080020\":{},\"00100010\":{},"
                  "\"00100020\":" LO("inner") "}]},\"00100020\":" LO("outer") "}",
                  "{\"00100020\":" LO("outer") "}");
    assert_picked(
        "{\"00080018\":" LO("\\\",\\\"00100020\\\":{}") ",\"00100020\":" LO("\\u0041}\\\\") "}",
        "{\"00100020\":" LO("A}\\\\") "}");
}

static void what_cannot_be_read_is_left_out(void **state)
{
    (void) state;

    assert_picked("{\"00080020\":{\"a\":1,\"a\":2},\"00100010\":\"\\ud800\",\"00100020\":1}",
                  "{\"00100020\":1}");
    assert_picked("{\"00080020\":1e999,\"00100020\":99999999999999999999,\"00200010\":1}",
                  "{\"00200010\":1}");
    assert_picked("{\"a\":1,\"zzzzzzzzzzz\":2,\"00100020\":3}", "{\"00100020\":3}");
    assert_picked("{\"00080020\":1,\"00100020\":", "{\"00080020\":1}");
    assert_picked("{\"00080020\":1,\"00100020", "{\"00080020\":1}");
}

/* --- Ready lines. --- */

/* The lines of attributes that are there, as they are written after parsing all of them. */
static void append_parsed(CorCatalogLevel level, const json_t *attributes, CorString *lines)
{
    const char *tag = NULL;
    json_t *value = NULL;

    json_object_foreach((json_t *) (uintptr_t) attributes, tag, value)
    {
        char *text = cor_json_text(value);
        if (cor_catalog_priv_is_ready(level, tag) && json_is_object(value) &&
            strlen(text) <= 65536) {
            cor_string_printf(lines, "\"%s\":", tag);
            cor_string_append_text(lines, text);
            cor_string_append(lines, "\n", 1);
        }
        free(text);
    }
}

/* Drop the lines of attributes that are not there. */
static void append_present(const char *lines, const json_t *attributes, CorString *present)
{
    while (*lines) {
        size_t size = strcspn(lines, "\n") + 1;
        char tag[9];

        (void) snprintf(tag, sizeof(tag), "%s", lines + 1);
        if (json_object_get(attributes, tag)) {
            cor_string_append(present, lines, size);
        } else {
            assert_int_equal(size, strlen("\"00100010\":{\"vr\":\"PN\"}\n"));
        }
        lines += size;
    }
}

static void assert_ready_as_parsed(const char *text)
{
    json_t *attributes = NULL;

    assert_true(cor_json_parse(text, strlen(text), &attributes, NULL));
    for (int level = COR_CATALOG_STUDIES; level <= COR_CATALOG_INSTANCES; level++) {
        COR_CLEANUP(cor_string_freep) CorString *lines = cor_string_new(1 << 20);
        COR_CLEANUP(cor_string_freep) CorString *present = cor_string_new(1 << 20);
        COR_CLEANUP(cor_string_freep) CorString *expected = cor_string_new(1 << 20);

        cor_catalog_priv_ready((CorCatalogLevel) level, text, lines);
        append_present(cor_string_text(lines), attributes, present);
        append_parsed((CorCatalogLevel) level, attributes, expected);
        assert_string_equal(cor_string_text(present), cor_string_text(expected));
    }
    json_decref(attributes);
}

static void ready_lines_are_those_of_parsed_attributes(void **state)
{
    static const char *const texts[] = {
        "{}",
        "{\"00080005\":" LO("ISO_IR 192") ",\"00080018\":" LO("1.2") ",\"00080020\":" LO(
            "20200229") ",\"00100010\":{\"vr\":\"PN\",\"Value\":[{\"Alphabetic\":\"M\xC3\xBCller\","
                        "\"Ideographic\":\"\xE5\xB1\xB1\"}]},\"00200013\":{\"vr\":\"IS\",\"Value\":"
                        "[-10]},"
                        "\"00280010\":{\"vr\":\"US\",\"Value\":[512,null]}}",
        "{\"00080050\":" LO("\\u001b\\u000a\\n") ",\"00100020\":" LO(
            "\\\"\\\\\\/\\u00e9\\ud83d\\ude00") ",\"00200010\":" LO("\x7F/") "}",
        "{\"00200013\":{\"vr\":\"IS\",\"Value\":[1.50,1e3,-0,-0.0,0.1,100000000000000000]},"
        "\"00280008\":{\"Value\":[true,false,1E-7]}}",
        "{\"00080005\":7,\"00080020\":\"x\",\"00100010\":null,\"00100020\":[],\"00200013\":{}}",
        "{\"00080005\":{\"Value\":[{\"00080020\":{}}]},\"00400275\":{\"vr\":\"SQ\",\"Value\":"
        "[{\"00400009\":" LO("STEP") ",\"00080050\":{\"vr\":\"FD\",\"Value\":[0.30000001]}}]}}",
    };
    (void) state;

    for (size_t i = 0; i < COR_ARRAY_LEN(texts); i++) {
        assert_ready_as_parsed(texts[i]);
    }
}

static void a_ready_line_is_bounded(void **state)
{
    static const size_t sizes[] = {65515, 65516, 65517, 65518, 65519, 65520, 70000};
    (void) state;

    for (size_t i = 0; i < COR_ARRAY_LEN(sizes); i++) {
        CorString *text = cor_string_new(1 << 20);
        cor_string_append_text(text, "{\"00100020\":{\"vr\":\"LO\",\"Value\":[\"");
        for (size_t k = 0; k < sizes[i]; k++) {
            cor_string_append(text, "x", 1);
        }
        cor_string_append_text(text, "\"]},\"00200010\":" LO("7") "}");
        assert_ready_as_parsed(cor_string_text(text));
        cor_string_free(text);
    }
}

/* --- Headers that are there. --- */

static bool run_damage(CorSqlTxn *txn, void *arg, CorError *err)
{
    (void) arg;
    return cor_sql_exec(txn, "UPDATE attributes SET body = '{\"00100010\":{\"vr' || char(10)", err);
}

static void a_header_that_cannot_be_read_any_more_keeps_nobody_from_going(void **state)
{
    Item items[] = {{.sop = "1.1.1.1", .key = "a"}, {.sop = "1.1.1.2", .key = "b", .digest = 'b'}};
    Fixture *fixture = *state;

    fixture_add_all(fixture, items, COR_ARRAY_LEN(items));
    assert_true(cor_sql_write(fixture->db, run_damage, NULL, COR_SQL_RELAXED, NULL));
    fixture_remove(fixture, "1.1.1.1");
    assert_int_equal(fixture_totals(fixture).instances, 1);
    fixture_remove(fixture, "1.1.1.2");
    assert_int_equal(fixture_totals(fixture).studies, 0);
}

int main(void)
{
#define CASE(test) cmocka_unit_test_setup_teardown(test, fixture_open, fixture_close)
    const struct CMUnitTest tests[] = {
        CASE(a_text_in_order_is_kept_as_it_is),
        CASE(other_texts_are_brought_into_order),
        cmocka_unit_test(a_large_text_is_brought_into_order_beforehand),
        cmocka_unit_test(a_value_that_is_too_long_is_not_picked),
        CASE(a_text_that_is_no_json_object_is_refused),
        CASE(a_text_may_be_nested_as_deeply_as_one_that_is_parsed),
        CASE(a_duplicate_needs_no_attributes),
        cmocka_unit_test(tags_are_picked_at_the_top_and_nowhere_else),
        cmocka_unit_test(what_cannot_be_read_is_left_out),
        cmocka_unit_test(ready_lines_are_those_of_parsed_attributes),
        cmocka_unit_test(a_ready_line_is_bounded),
        CASE(a_header_that_cannot_be_read_any_more_keeps_nobody_from_going),
    };

    return cmocka_run_group_tests_name("catalog-attributes", tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "catalog-fixture.h"

/* Two series of a study and another study; b arrives before a. */
static const Item items[] = {
    {.study = "1.1", .series = "1.1.1", .sop = "1.1.1.2", .key = "p/1/b.dcm"},
    {.study = "1.1", .series = "1.1.2", .sop = "1.1.2.1", .key = "p/2/a.dcm"},
    {.study = "1.1", .series = "1.1.1", .sop = "1.1.1.1", .key = "p/1/a.dcm"},
    {.study = "1.2", .series = "1.2.1", .sop = "1.2.1.1", .key = "q/1/a.dcm"},
};

typedef struct Question {
    CorCatalogUids uids;
    size_t max;
    CorCatalogState state;
    uint32_t frame;
    CorCatalogRun *runs;
    size_t len;
    char text[256]; /* the SOP Instance UIDs */
} Question;

static bool run_select(CorSqlTxn *txn, void *arg, CorError *err)
{
    COR_CLEANUP(cor_catalog_instances_freep) CorCatalogInstances *list = NULL;
    Question *question = arg;
    size_t len = 0;

    question->text[0] = '\0';
    if (!cor_catalog_select(txn, &question->uids, question->max ? question->max : 100, &list,
                            err)) {
        return false;
    }
    for (size_t i = 0; i < list->len; i++) {
        len += (size_t) snprintf(question->text + len, sizeof(question->text) - len, "%s%s",
                                 i ? " " : "", list->items[i]->sop_instance_uid);
    }
    return true;
}

/* A visitor that takes one header for each page. */
static bool note_header(void *context, const CorCatalogUids *instance, const char *json,
                        size_t size, bool *ret_is_full, CorError *err)
{
    char *text = context;
    size_t len = strlen(text);

    (void) snprintf(text + len, 256 - len, "%s%s", len ? " " : "", instance->sop_instance_uid);
    *ret_is_full = true;
    return (json[0] == '{' && json[size - 1] == '}') || cor_fail(err, COR_ERR_BUG, "no object");
}

static bool run_headers(CorSqlTxn *txn, void *arg, CorError *err)
{
    Question *question = arg;
    int64_t after = 0;

    question->text[0] = '\0';
    do {
        if (!cor_catalog_headers(txn, &question->uids, note_header, question->text, &after, err)) {
            return false;
        }
    } while (after > 0);
    return true;
}

static bool run_state(CorSqlTxn *txn, void *arg, CorError *err)
{
    Question *question = arg;
    return cor_catalog_state(txn, &question->uids, &question->state, err);
}

static bool run_fragments(CorSqlTxn *txn, void *arg, CorError *err)
{
    Question *question = arg;
    return cor_catalog_fragments(txn, question->uids.sop_instance_uid, question->frame,
                                 &question->runs, &question->len, err);
}

static void assert_asked(Fixture *fixture, CorSqlRun *run, CorCatalogUids uids,
                         const char *expected)
{
    Question question = {.uids = uids};
    CorError err = {0};

    if (!cor_sql_read(fixture->db, run, &question, &err)) {
        assert_null(expected);
        assert_int_equal(err.code, COR_ERR_NOT_FOUND);
        return;
    }
    assert_non_null(expected);
    assert_string_equal(question.text, expected);
}

static void each_level_lists_what_is_below_in_the_order_of_arrival(void **state)
{
    CorSqlRun *const runs[] = {run_select, run_headers};

    fixture_add_all(*state, items, COR_ARRAY_LEN(items));
    for (size_t i = 0; i < COR_ARRAY_LEN(runs); i++) {
        assert_asked(*state, runs[i], (CorCatalogUids){"1.1", NULL, NULL},
                     "1.1.1.2 1.1.2.1 1.1.1.1");
        assert_asked(*state, runs[i], (CorCatalogUids){"1.1", "1.1.1", NULL}, "1.1.1.2 1.1.1.1");
        assert_asked(*state, runs[i], (CorCatalogUids){NULL, "1.1.1", NULL}, "1.1.1.2 1.1.1.1");
        assert_asked(*state, runs[i], (CorCatalogUids){"1.1", "1.1.1", "1.1.1.1"}, "1.1.1.1");
        assert_asked(*state, runs[i], (CorCatalogUids){NULL, NULL, "1.2.1.1"}, "1.2.1.1");
        assert_asked(*state, runs[i], (CorCatalogUids){NULL, NULL, NULL},
                     "1.1.1.2 1.1.2.1 1.1.1.1 1.2.1.1");
    }
}

static void what_is_not_below_is_not_found(void **state)
{
    CorSqlRun *const runs[] = {run_select, run_headers, run_state};

    fixture_add_all(*state, items, COR_ARRAY_LEN(items));
    for (size_t i = 0; i < COR_ARRAY_LEN(runs); i++) {
        assert_asked(*state, runs[i], (CorCatalogUids){"1.3", NULL, NULL}, NULL);
        assert_asked(*state, runs[i], (CorCatalogUids){"1.2", "1.1.1", NULL}, NULL);
        assert_asked(*state, runs[i], (CorCatalogUids){"1.1", "1.1.2", "1.1.1.1"}, NULL);
        assert_asked(*state, runs[i], (CorCatalogUids){"1.2", "1.1.1", "1.1.1.1"}, NULL);
    }
}

static void more_than_was_asked_for_is_refused(void **state)
{
    Question question = {.uids = {"1.1", NULL, NULL}, .max = 2};
    CorError err = {0};

    fixture_add_all(*state, items, COR_ARRAY_LEN(items));
    assert_false(cor_sql_read(((Fixture *) *state)->db, run_select, &question, &err));
    assert_int_equal(err.code, COR_ERR_LIMIT);
}

static void assert_state(Fixture *fixture, CorCatalogUids uids, int instances, int change_seq)
{
    Question question = {.uids = uids};

    assert_true(cor_sql_read(fixture->db, run_state, &question, NULL));
    assert_int_equal(question.state.instances, instances);
    assert_int_equal(question.state.change_seq, change_seq);
}

static void the_state_changes_with_whatever_is_below_and_with_nothing_else(void **state)
{
    Item derived = {.study = "1.2",
                    .series = "1.2.9",
                    .sop = "1.2.9.1",
                    .bucket = "output",
                    .key = "d.dcm",
                    .is_derived = true};
    Call call = {0};

    fixture_add_all(*state, items, COR_ARRAY_LEN(items));
    assert_state(*state, (CorCatalogUids){"1.1", NULL, NULL}, 3, 3);
    assert_state(*state, (CorCatalogUids){"1.1", "1.1.1", NULL}, 2, 3);
    assert_state(*state, (CorCatalogUids){"1.1", "1.1.2", NULL}, 1, 2);
    assert_state(*state, (CorCatalogUids){"1.1", "1.1.2", "1.1.2.1"}, 1, 2);
    fixture_remove(*state, "1.1.1.2"); /* change 5 */
    assert_state(*state, (CorCatalogUids){"1.1", NULL, NULL}, 2, 5);
    assert_state(*state, (CorCatalogUids){"1.1", "1.1.1", NULL}, 1, 5);
    assert_state(*state, (CorCatalogUids){"1.1", "1.1.2", NULL}, 1, 2);
    assert_state(*state, (CorCatalogUids){"1.1", NULL, "1.1.1.1"}, 1, 3);
    assert_state(*state, (CorCatalogUids){"1.2", NULL, NULL}, 1, 4);
    fixture_add(*state, &derived); /* change 6 */
    derived.digest = 'b';
    assert_true(fixture_offer(*state, fixture_run_add, &derived, &call, NULL));
    assert_int_equal(call.outcome, COR_CATALOG_REPLACED);
    assert_state(*state, (CorCatalogUids){"1.2", NULL, NULL}, 2, 7);
    assert_state(*state, (CorCatalogUids){"1.2", "1.2.9", NULL}, 1, 7);
    assert_state(*state, (CorCatalogUids){NULL, NULL, NULL}, 4, 7);
}

/* --- Layouts: objects of the fixture have 100 bytes. --- */

static void assert_layout(Fixture *fixture, const char *with, int frames, uint64_t offset,
                          uint64_t frame_bytes)
{
    static int number = 0;
    char uid[32];
    char key[32];
    Call call = {.uid = uid};

    number++;
    (void) snprintf(uid, sizeof(uid), "1.1.1.%d", number);
    (void) snprintf(key, sizeof(key), "layout/%d.dcm", number);
    fixture_add(fixture, &(Item){.sop = uid, .key = key, .with = with, .frames = frames});
    fixture_read(fixture, fixture_run_find, &call);
    assert_int_equal(call.instance->pixel_offset, offset);
    assert_int_equal(call.instance->frame_bytes, frame_bytes);
    free(call.instance);
}

static void plain_frames_are_kept_only_inside_the_object(void **state)
{
    assert_layout(*state, "{\"pixel_data\":{\"offset\":20,\"frame_bytes\":40}}", 2, 20, 40);
    assert_layout(*state, "{\"pixel_data\":{\"offset\":21,\"frame_bytes\":40}}", 2, 0, 0);
    assert_layout(*state, "{\"pixel_data\":{\"offset\":-20,\"frame_bytes\":40}}", 1, 0, 0);
    assert_layout(*state, "{\"pixel_data\":{\"offset\":20,\"frame_bytes\":-1}}", 1, 0, 0);
    assert_layout(*state, "{\"pixel_data\":{\"offset\":20,\"frame_bytes\":4611686018427387904}}",
                  2147483647, 0, 0);
    assert_layout(*state, "{\"pixel_data\":{\"offset\":\"20\",\"frame_bytes\":[4]}}", 1, 0, 0);
    assert_layout(*state, "{\"pixel_data\":null}", 1, 0, 0);
    assert_layout(*state, NULL, 1, 0, 0);
}

static Question ask_fragments(Fixture *fixture, const char *uid, uint32_t frame, CorErrorCode code)
{
    Question question = {.uids = {.sop_instance_uid = uid}, .frame = frame};
    CorError err = {0};

    assert_int_equal(cor_sql_read(fixture->db, run_fragments, &question, &err), code == COR_OK);
    assert_int_equal(err.code, code);
    return question;
}

static void fragments_of_each_frame_are_found_again(void **state)
{
    enum { FRAMES = 150, SECOND = 100 };
    json_t *frames = json_array();

    for (int i = 1; i <= FRAMES; i++) {
        json_t *frame = json_pack("[i,i]", i % 50, 2);
        if (i == SECOND) {
            (void) json_array_append_new(frame, json_integer(60));
            (void) json_array_append_new(frame, json_integer(40));
        }
        (void) json_array_append_new(frames, frame);
    }
    json_t *members = json_pack("{s:{s:o}}", "pixel_data", "frames", frames);
    char *with = cor_json_text(members);
    fixture_add(*state, &(Item){.sop = "1.1.1.1", .key = "a.dcm", .with = with, .frames = FRAMES});
    for (int i = 1; i <= FRAMES; i++) {
        Question question = ask_fragments(*state, "1.1.1.1", (uint32_t) i, COR_OK);
        assert_int_equal(question.len, i == SECOND ? 2 : 1);
        assert_int_equal(question.runs[0].offset, i % 50);
        assert_int_equal(question.runs[0].size, 2);
        if (i == SECOND) {
            assert_int_equal(question.runs[1].offset, 60);
            assert_int_equal(question.runs[1].size, 40);
        }
        free(question.runs);
    }
    (void) ask_fragments(*state, "1.1.1.1", 0, COR_ERR_NOT_FOUND);
    (void) ask_fragments(*state, "1.1.1.1", FRAMES + 1, COR_ERR_NOT_FOUND);
    (void) ask_fragments(*state, "1.1.1.2", 1, COR_ERR_NOT_FOUND);
    free(with);
    json_decref(members);
}

static void a_table_of_fragments_is_kept_whole_or_not_at_all(void **state)
{
    static const char *const tables[] = {
        "{\"pixel_data\":{\"frames\":[[1,2]]}}",        /* a frame is missing */
        "{\"pixel_data\":{\"frames\":[[1,2],[3,98]]}}", /* beyond the end */
        "{\"pixel_data\":{\"frames\":[[1,2],[3]]}}",    /* half a pair */
        "{\"pixel_data\":{\"frames\":[[1,2],[]]}}",     /* nothing */
        "{\"pixel_data\":{\"frames\":[[1,2],[-3,4]]}}",
        "{\"pixel_data\":{\"frames\":[[1,2],[\"3\",4]]}}",
        "{\"pixel_data\":{\"frames\":[[1,2],7]}}",
    };
    char uid[32];
    char key[32];

    for (size_t i = 0; i < COR_ARRAY_LEN(tables); i++) {
        (void) snprintf(uid, sizeof(uid), "1.1.1.%zu", i + 1);
        (void) snprintf(key, sizeof(key), "%zu.dcm", i + 1);
        fixture_add(*state, &(Item){.sop = uid, .key = key, .with = tables[i], .frames = 2});
        assert_null(ask_fragments(*state, uid, 1, COR_OK).runs);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_open, fixture_close)
    const struct CMUnitTest tests[] = {
        TEST(each_level_lists_what_is_below_in_the_order_of_arrival),
        TEST(what_is_not_below_is_not_found),
        TEST(more_than_was_asked_for_is_refused),
        TEST(the_state_changes_with_whatever_is_below_and_with_nothing_else),
        TEST(plain_frames_are_kept_only_inside_the_object),
        TEST(fragments_of_each_frame_are_found_again),
        TEST(a_table_of_fragments_is_kept_whole_or_not_at_all),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

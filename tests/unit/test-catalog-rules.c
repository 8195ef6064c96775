/* SPDX-License-Identifier: Apache-2.0 */
#include "catalog-fixture.h"

static const Item first = {.sop = "1.1.1.1", .key = "liver1/300/a.dcm"};

static void a_new_instance_is_found_by_its_uid_and_by_its_key(void **state)
{
    Item item = first;
    Call by_uid = {.uid = "1.1.1.1"};
    Call by_key = {.uid = "pacs", .key = "liver1/300/a.dcm"};

    item.number = 7;
    item.z = -12.5;
    fixture_add(*state, &item);

    fixture_read(*state, fixture_run_find, &by_uid);
    fixture_read(*state, fixture_run_find_key, &by_key);
    assert_true(by_key.has);
    for (int i = 0; i < 2; i++) {
        CorCatalogInstance *found = i ? by_key.instance : by_uid.instance;
        assert_non_null(found);
        assert_string_equal(found->study_instance_uid, "1.1");
        assert_string_equal(found->series_instance_uid, "1.1.1");
        assert_string_equal(found->sop_instance_uid, "1.1.1.1");
        assert_string_equal(found->sop_class_uid, "1.2.840.10008.5.1.4.1.1.2");
        assert_string_equal(found->transfer_syntax_uid, "1.2.840.10008.1.2.1");
        assert_string_equal(found->modality, "CT");
        assert_string_equal(found->bucket, "pacs");
        assert_string_equal(found->key, "liver1/300/a.dcm");
        assert_int_equal(found->size, 100);
        assert_int_equal(found->created_unix_ms, 5000);
        assert_int_equal(found->rows, 512);
        assert_int_equal(found->columns, 256);
        assert_true(found->has_instance_number && found->instance_number == 7);
        assert_true(found->has_slice_position && found->slice_position_mm == -12.5);
        assert_true(found->has_pixels);
        assert_false(found->is_derived);
        free(found);
    }
}

static void what_is_not_there_is_found_as_nothing(void **state)
{
    Call by_uid = {.uid = "9.9"};
    Call by_key = {.uid = "pacs", .key = "liver1/300"};

    fixture_add(*state, &first);
    fixture_read(*state, fixture_run_find, &by_uid);
    assert_null(by_uid.instance);
    fixture_read(*state, fixture_run_find_key, &by_key);
    assert_null(by_key.instance);
    assert_false(by_key.has);
}

static void the_same_bytes_again_are_a_duplicate_and_the_first_key_stays(void **state)
{
    Item again = first;
    Call call = {0};
    CorSqlRun *const runs[] = {fixture_run_check, fixture_run_add};

    fixture_add(*state, &first);
    again.key = "elsewhere/b.dcm";
    for (size_t i = 0; i < COR_ARRAY_LEN(runs); i++) {
        assert_true(fixture_offer(*state, runs[i], &again, &call, NULL));
        assert_int_equal(call.outcome, COR_CATALOG_DUPLICATE);
        assert_string_equal(call.instance->key, "liver1/300/a.dcm");
        free(call.instance);
    }
    assert_int_equal(fixture_totals(*state).instances, 1);
    assert_int_equal(fixture_totals(*state).last_change_seq, 1); /* nothing happened */
}

/* Adding and asking refuse alike, and nothing changes. */
static void assert_refused(Fixture *fixture, const Item *item, CorErrorCode code, const char *word)
{
    CorSqlRun *const runs[] = {fixture_run_check, fixture_run_add};
    CorCatalogTotals before = fixture_totals(fixture);

    for (size_t i = 0; i < COR_ARRAY_LEN(runs); i++) {
        Call call = {0};
        CorError err = {0};
        assert_false(fixture_offer(fixture, runs[i], item, &call, &err));
        assert_int_equal(err.code, code);
        if (!strstr(err.text, word)) {
            fail_msg("'%s' does not name '%s'", err.text, word);
        }
        assert_null(call.instance);
    }
    CorCatalogTotals after = fixture_totals(fixture);
    assert_memory_equal(&before, &after, sizeof(before));
}

static void the_same_uid_with_other_bytes_is_a_conflict(void **state)
{
    Item other = first;

    fixture_add(*state, &first);
    other.digest = 'b';
    assert_refused(*state, &other, COR_ERR_CONFLICT, "1.1.1.1");
    other.key = "elsewhere.dcm";
    assert_refused(*state, &other, COR_ERR_CONFLICT, "1.1.1.1");
}

static void the_same_key_with_another_uid_is_a_conflict_that_names_the_holder(void **state)
{
    Item other = first;

    fixture_add(*state, &first);
    other.sop = "1.1.1.2";
    other.digest = 'b';
    assert_refused(*state, &other, COR_ERR_CONFLICT, "1.1.1.1");
    other.bucket = "output"; /* another bucket, another key */
    fixture_add(*state, &other);
}

static void a_series_that_belongs_to_another_study_is_a_conflict(void **state)
{
    Item other = {.study = "2.2", .sop = "2.2.2.2", .key = "other/c.dcm", .digest = 'c'};

    fixture_add(*state, &first);
    assert_refused(*state, &other, COR_ERR_CONFLICT, "1.1.1");
    other.series = "2.2.2";
    fixture_add(*state, &other);
}

static void a_derived_object_replaces_itself_and_nothing_else(void **state)
{
    Item derived = {.series = "1.1.9",
                    .sop = "1.1.9.1",
                    .bucket = "output",
                    .key = "liver1/300/a_p1.dcm",
                    .is_derived = true};
    Call call = {0};
    Item source = first;

    fixture_add(*state, &first);
    fixture_add(*state, &derived);
    derived.digest = 'b';
    assert_true(fixture_offer(*state, fixture_run_check, &derived, &call, NULL));
    assert_int_equal(call.outcome, COR_CATALOG_REPLACED);
    assert_true(fixture_offer(*state, fixture_run_add, &derived, &call, NULL));
    assert_int_equal(call.outcome, COR_CATALOG_REPLACED);
    assert_true(fixture_offer(*state, fixture_run_add, &derived, &call, NULL));
    assert_int_equal(call.outcome, COR_CATALOG_DUPLICATE);
    free(call.instance);

    Call find = {.uid = "1.1.9.1"};
    fixture_read(*state, fixture_run_find, &find);
    assert_int_equal(find.instance->sha256[0], 'b');
    assert_int_equal(find.instance->change_seq, 3);
    assert_true(find.instance->is_derived);
    free(find.instance);
    assert_int_equal(fixture_totals(*state).instances, 2);
    assert_int_equal(fixture_totals(*state).bytes, 200);

    derived.digest = 'c';
    derived.key = "liver1/300/b_p1.dcm"; /* another key */
    assert_refused(*state, &derived, COR_ERR_CONFLICT, "1.1.9.1");
    derived.key = "liver1/300/a_p1.dcm";
    derived.series = "1.1.8"; /* another series */
    assert_refused(*state, &derived, COR_ERR_CONFLICT, "1.1.9.1");
    derived.series = "1.1.9";
    derived.is_derived = false; /* from outside */
    assert_refused(*state, &derived, COR_ERR_CONFLICT, "1.1.9.1");
    source.is_derived = true; /* a job's object over something that came in */
    source.digest = 'd';
    assert_refused(*state, &source, COR_ERR_CONFLICT, "1.1.1.1");
}

static void what_is_derived_anew_under_a_key_takes_the_place_of_what_was_there(void **state)
{
    Item derived = {.series = "1.1.9",
                    .sop = "1.1.9.1",
                    .bucket = "output",
                    .key = "liver1/300/p1.seg.dcm",
                    .is_derived = true,
                    .job_id = "j1"};
    Item anew = derived;
    Call call = {0};

    fixture_add(*state, &first);
    fixture_add(*state, &derived);
    anew.sop = "1.1.9.2"; /* of more slices */
    anew.digest = 'b';
    assert_true(fixture_offer(*state, fixture_run_add, &anew, &call, NULL));
    assert_int_equal(call.outcome, COR_CATALOG_ADDED);
    Call find = {.uid = "1.1.9.1"};
    fixture_read(*state, fixture_run_find, &find);
    assert_null(find.instance);
    assert_int_equal(fixture_totals(*state).instances, 2);
    anew.sop = "1.1.9.3"; /* another patient's */
    anew.series = "2.2.9";
    anew.study = "2.2";
    assert_refused(*state, &anew, COR_ERR_CONFLICT, "1.1.9.2");
}

static void hostile_uids_and_incomplete_records_are_refused(void **state)
{
    static const char *const bad[] = {"",
                                      "1..2",
                                      "1.2.",
                                      ".1",
                                      "x",
                                      "1.2' OR 1=1 --",
                                      "1.2\n",
                                      "%",
                                      "12345678901234567890123456789012345678901234567890123"
                                      "456789012345"};
    static const char *const needed[] = {"sop_class_uid",       "sop_instance_uid",
                                         "study_instance_uid",  "series_instance_uid",
                                         "transfer_syntax_uid", "attributes"};

    for (size_t i = 0; i < COR_ARRAY_LEN(bad); i++) {
        Item item = first;
        item.sop = bad[i];
        assert_refused(*state, &item, COR_ERR_INVALID, "sop_instance_uid");
        item = first;
        item.study = bad[i];
        assert_refused(*state, &item, COR_ERR_INVALID, "study_instance_uid");
        item = first;
        item.series = bad[i];
        assert_refused(*state, &item, COR_ERR_INVALID, "series_instance_uid");
    }
    for (size_t i = 0; i < COR_ARRAY_LEN(needed); i++) {
        Item item = first;
        item.without = needed[i];
        assert_refused(*state, &item, COR_ERR_INVALID, needed[i]);
    }
}

static void entries_that_no_object_can_have_are_refused(void **state)
{
    static const char *const bad_keys[] = {"", "/a", "a//b", "../a", "a/", "\xFF"};

    for (size_t i = 0; i < COR_ARRAY_LEN(bad_keys); i++) {
        Item item = first;
        item.key = bad_keys[i];
        assert_refused(*state, &item, COR_ERR_INVALID, "key");
    }
    Item item = first;
    item.bucket = "";
    assert_refused(*state, &item, COR_ERR_INVALID, "bucket");
    item = first;
    item.digest = 'G';
    assert_refused(*state, &item, COR_ERR_INVALID, "sha256");
}

static void every_arrival_and_removal_is_numbered_without_gaps(void **state)
{
    Item second = {.sop = "1.1.1.2", .key = "liver1/300/b.dcm", .digest = 'b'};
    Item refused = {.sop = "1.1.1.3", .key = "liver1/300/b.dcm", .digest = 'c'};
    Item derived = {.sop = "1.1.1.9", .bucket = "output", .key = "o", .is_derived = true};
    Call call = {0};
    Call none = {.uid = "8.8"};

    fixture_add(*state, &first);
    assert_true(fixture_offer(*state, fixture_run_add, &first, &call, NULL));
    free(call.instance);
    fixture_add(*state, &second);
    assert_false(fixture_offer(*state, fixture_run_add, &refused, &call, NULL));
    fixture_add(*state, &derived);
    derived.digest = 'd';
    assert_true(fixture_offer(*state, fixture_run_add, &derived, &call, NULL));
    fixture_remove(*state, "1.1.1.1");
    assert_true(
        cor_sql_write(((Fixture *) *state)->db, fixture_run_remove, &none, COR_SQL_RELAXED, NULL));
    assert_null(none.instance);
    fixture_remove(*state, "1.1.1.2");

    fixture_read(*state, fixture_run_changes, &call);
    assert_string_equal(call.text, "1+1.1.1.1 2+1.1.1.2 3+1.1.1.9 4=1.1.1.9 5-1.1.1.1 6-1.1.1.2");
    assert_int_equal(fixture_totals(*state).last_change_seq, 6);
}

static void removing_the_last_instance_takes_series_and_study_away(void **state)
{
    Item items[] = {
        {.sop = "1.1.1.1", .key = "a/1/1.dcm"},
        {.sop = "1.1.1.2", .key = "a/1/2.dcm", .digest = 'b'},
        {.series = "1.1.2", .sop = "1.1.2.1", .key = "a/2/1.dcm", .digest = 'c', .modality = "MR"},
        {.study = "2", .series = "2.1", .sop = "2.1.1", .key = "b/1.dcm", .digest = 'd'},
    };

    fixture_add_all(*state, items, COR_ARRAY_LEN(items));
    CorCatalogTotals totals = fixture_totals(*state);
    assert_int_equal(totals.studies, 2);
    assert_int_equal(totals.series, 3);
    assert_int_equal(totals.instances, 4);
    assert_int_equal(totals.bytes, 400);

    fixture_remove(*state, "1.1.1.1");
    assert_int_equal(fixture_totals(*state).series, 3);
    fixture_remove(*state, "1.1.1.2");
    assert_int_equal(fixture_totals(*state).series, 2);
    assert_int_equal(fixture_totals(*state).studies, 2);
    fixture_remove(*state, "1.1.2.1");
    totals = fixture_totals(*state);
    assert_int_equal(totals.studies, 1);
    assert_int_equal(totals.series, 1);
    assert_int_equal(totals.instances, 1);
    assert_int_equal(totals.bytes, 100);
    fixture_add(*state, &items[0]); /* and it may come again */
}

static void clearing_forgets_everything_but_goes_on_counting_changes(void **state)
{
    Call call = {0};

    fixture_add(*state, &first);
    assert_true(
        cor_sql_write(((Fixture *) *state)->db, fixture_run_clear, NULL, COR_SQL_RELAXED, NULL));
    assert_int_equal(fixture_totals(*state).instances, 0);
    assert_study_ids(*state, "");
    fixture_add(*state, &first);

    fixture_read(*state, fixture_run_changes, &call);
    assert_string_equal(call.text, "1+1.1.1.1 20 3+1.1.1.1");
}

static bool run_attributes(CorSqlTxn *txn, void *arg, CorError *err)
{
    Call *call = arg;
    char *json = NULL;
    size_t size = 0;

    if (!cor_catalog_attributes(txn, call->uid, &json, &size, err)) {
        return false;
    }
    (void) snprintf(call->text, sizeof(call->text), "%s", json);
    call->has = size == strlen(json);
    free(json);
    return true;
}

static void attributes_come_back_in_the_order_of_tags(void **state)
{
    Call call = {.uid = "1.1.1.1"};
    Call none = {.uid = "1.1.1"};
    Item item = first;
    CorError err = {0};

    item.patient = "M\xC3\xBCller^J\xC3\xBCrgen=\xE5\xB1\xB1";
    fixture_add(*state, &item);
    fixture_read(*state, run_attributes, &call);
    json_t *record = fixture_record(&item);
    char *expected = cor_json_canonical(json_object_get(record, "attributes"));
    assert_string_equal(call.text, expected);
    assert_true(call.has);
    free(expected);
    json_decref(record);
    assert_false(cor_sql_read(((Fixture *) *state)->db, run_attributes, &none, &err));
    assert_int_equal(err.code, COR_ERR_NOT_FOUND);
}

static bool run_page(CorSqlTxn *txn, void *arg, CorError *err)
{
    Call *call = arg;
    return cor_catalog_page(txn, call->uid, call->key, call->max, &call->list, err);
}

static void all_instances_can_be_paged_by_bucket_and_key(void **state)
{
    Item items[] = {
        {.sop = "1.3", .key = "b"},
        {.sop = "1.1", .key = "z", .bucket = "output", .digest = 'b'},
        {.sop = "1.2", .key = "a/b", .digest = 'c'},
    };
    static const char *const expected[] = {"z", "a/b", "b"};
    char bucket[COR_CATALOG_BUCKET_SIZE] = "";
    char key[COR_KEY_SIZE] = "";

    fixture_add_all(*state, items, COR_ARRAY_LEN(items));
    for (size_t i = 0; i < COR_ARRAY_LEN(expected); i++) {
        Call call = {.uid = i ? bucket : NULL, .key = key, .max = 1};
        fixture_read(*state, run_page, &call);
        assert_int_equal(call.list->len, 1);
        assert_string_equal(call.list->items[0]->key, expected[i]);
        assert_int_equal(call.list->has_more, i < 2);
        (void) snprintf(bucket, sizeof(bucket), "%s", call.list->items[0]->bucket);
        (void) snprintf(key, sizeof(key), "%s", call.list->items[0]->key);
        cor_catalog_instances_free(call.list);
    }
}

int main(void)
{
#define CASE(test) cmocka_unit_test_setup_teardown(test, fixture_open, fixture_close)
    const struct CMUnitTest tests[] = {
        CASE(a_new_instance_is_found_by_its_uid_and_by_its_key),
        CASE(what_is_not_there_is_found_as_nothing),
        CASE(the_same_bytes_again_are_a_duplicate_and_the_first_key_stays),
        CASE(the_same_uid_with_other_bytes_is_a_conflict),
        CASE(the_same_key_with_another_uid_is_a_conflict_that_names_the_holder),
        CASE(a_series_that_belongs_to_another_study_is_a_conflict),
        CASE(a_derived_object_replaces_itself_and_nothing_else),
        CASE(what_is_derived_anew_under_a_key_takes_the_place_of_what_was_there),
        CASE(hostile_uids_and_incomplete_records_are_refused),
        CASE(entries_that_no_object_can_have_are_refused),
        CASE(every_arrival_and_removal_is_numbered_without_gaps),
        CASE(removing_the_last_instance_takes_series_and_study_away),
        CASE(clearing_forgets_everything_but_goes_on_counting_changes),
        CASE(attributes_come_back_in_the_order_of_tags),
        CASE(all_instances_can_be_paged_by_bucket_and_key),
    };

    return cmocka_run_group_tests_name("catalog-rules", tests, NULL, NULL);
}

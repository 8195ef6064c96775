/* SPDX-License-Identifier: Apache-2.0 */
#include "catalog-fixture.h"

static const Item items[] = {
    {.sop = "1.1.1.1", .key = "a/1.dcm"},
    {.sop = "1.1.1.2", .key = "a/2.dcm"},
    {.sop = "1.1.2.1", .series = "1.1.2", .key = "b/1.dcm"},
    {.sop = "2.1.1.1", .study = "2.1", .series = "2.1.1", .bucket = "output", .key = "c/1.dcm"},
};

static bool run_remove_below(CorSqlTxn *txn, void *arg, CorError *err)
{
    Call *call = arg;
    const CorCatalogUids uids = {.study_instance_uid = call->uid,
                                 .series_instance_uid = call->key,
                                 .sop_instance_uid = call->after};

    return cor_catalog_remove_below(txn, &uids, call->max ? call->max : 1000, 77, &call->max, err);
}

/* How many went. */
static size_t remove_below(Fixture *fixture, const char *study, const char *series,
                           const char *instance, size_t max)
{
    Call call = {.uid = study, .key = series, .after = instance, .max = max};

    assert_true(cor_sql_write(fixture->db, run_remove_below, &call, COR_SQL_RELAXED, NULL));
    return call.max;
}

/* All objects that are to follow, "bucket:key bucket:key". */
static bool run_walk(CorSqlTxn *txn, void *arg, CorError *err)
{
    Call *call = arg;
    CorCatalogRemoval removal = {0};
    size_t len = 0;
    bool has = true;

    call->text[0] = '\0';
    while (cor_catalog_next_removal(txn, &removal, &has, err)) {
        bool is_due = false;
        if (!has) {
            return true;
        }
        if (!cor_catalog_removal_is_due(txn, &removal, &is_due, err)) {
            return false;
        }
        len += (size_t) snprintf(call->text + len, sizeof(call->text) - len, "%s%s:%s",
                                 len ? " " : "", removal.bucket, removal.key);
        call->has = is_due && removal.at_unix_ms == 77;
    }
    return false;
}

static void assert_to_follow(Fixture *fixture, const char *expected)
{
    Call call = {.has = true};

    fixture_read(fixture, run_walk, &call);
    assert_string_equal(call.text, expected);
    assert_true(call.has);
}

static bool run_forget(CorSqlTxn *txn, void *arg, CorError *err)
{
    Call *call = arg;
    return cor_catalog_forget_removal(txn, call->uid, call->key, err);
}

static bool run_was_removed(CorSqlTxn *txn, void *arg, CorError *err)
{
    Call *call = arg;
    return cor_catalog_was_removed(txn, call->uid, call->key, &call->has, err);
}

static void what_is_named_goes_and_its_objects_are_noted(void **state)
{
    fixture_add_all(*state, items, COR_ARRAY_LEN(items));

    assert_int_equal(remove_below(*state, "1.1", "1.1.1", "1.1.1.2", 0), 1);
    assert_to_follow(*state, "pacs:a/2.dcm");
    assert_int_equal(remove_below(*state, "1.1", "1.1.2", NULL, 0), 1);
    assert_to_follow(*state, "pacs:a/2.dcm pacs:b/1.dcm");
    assert_int_equal(remove_below(*state, "2.1", NULL, NULL, 0), 1);
    assert_to_follow(*state, "output:c/1.dcm pacs:a/2.dcm pacs:b/1.dcm");
    assert_int_equal(fixture_totals(*state).instances, 1);
    assert_int_equal(fixture_totals(*state).studies, 1);
}

static void names_that_do_not_belong_together_name_nothing(void **state)
{
    fixture_add_all(*state, items, COR_ARRAY_LEN(items));

    assert_int_equal(remove_below(*state, "2.1", "1.1.1", "1.1.1.1", 0), 0);
    assert_int_equal(remove_below(*state, "1.1", "1.1.2", "1.1.1.1", 0), 0);
    assert_int_equal(remove_below(*state, "2.1", "1.1.1", NULL, 0), 0);
    assert_int_equal(remove_below(*state, "9.9", NULL, NULL, 0), 0);
    assert_int_equal(fixture_totals(*state).instances, 4);
}

static void a_large_study_goes_in_pieces(void **state)
{
    fixture_add_all(*state, items, COR_ARRAY_LEN(items));

    assert_int_equal(remove_below(*state, "1.1", NULL, NULL, 2), 2);
    assert_int_equal(fixture_totals(*state).instances, 2);
    assert_int_equal(remove_below(*state, "1.1", NULL, NULL, 2), 1);
    assert_int_equal(fixture_totals(*state).studies, 1);
}

static void a_key_that_is_taken_again_is_not_removed(void **state)
{
    const Item again = {.sop = "1.1.1.9", .key = "a/1.dcm"};

    fixture_add_all(*state, items, COR_ARRAY_LEN(items));
    assert_int_equal(remove_below(*state, "1.1", "1.1.1", NULL, 0), 2);
    fixture_add(*state, &again);
    assert_to_follow(*state, "pacs:a/2.dcm");
}

static void a_removal_is_forgotten_when_the_object_is_gone_but_the_feed_remembers_it(void **state)
{
    Call call = {.uid = "pacs", .key = "a/1.dcm"};
    Call other = {.uid = "pacs", .key = "b/1.dcm"};

    fixture_add_all(*state, items, COR_ARRAY_LEN(items));
    assert_int_equal(remove_below(*state, "1.1", "1.1.1", "1.1.1.1", 0), 1);
    assert_true(cor_sql_write(((Fixture *) *state)->db, run_forget, &call, COR_SQL_RELAXED, NULL));
    assert_to_follow(*state, "");
    fixture_read(*state, run_was_removed, &call);
    assert_true(call.has);
    fixture_read(*state, run_was_removed, &other);
    assert_false(other.has);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_open, fixture_close)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_named_goes_and_its_objects_are_noted),
        TEST(names_that_do_not_belong_together_name_nothing),
        TEST(a_large_study_goes_in_pieces),
        TEST(a_key_that_is_taken_again_is_not_removed),
        TEST(a_removal_is_forgotten_when_the_object_is_gone_but_the_feed_remembers_it),
    };

    return cmocka_run_group_tests_name("catalog-removal", tests, NULL, NULL);
}

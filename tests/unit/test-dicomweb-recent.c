/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "dicomweb/recent.h"
#include "driver/sql.h"
#include "temp.h"

enum { THREADS = 4, TURNS = 2000 };

static TempDir dir;
static CorSql *db;
static CorRecent *recent;

static bool create(CorSqlTxn *txn, void *arg, CorError *err)
{
    (void) arg;
    return cor_sql_exec(txn, "CREATE TABLE item(id INTEGER PRIMARY KEY)", err);
}

static bool insert(CorSqlTxn *txn, void *arg, CorError *err)
{
    (void) arg;
    return cor_sql_run(cor_sql_stmt(txn, "INSERT INTO item DEFAULT VALUES"), err);
}

static void commit_something(void)
{
    assert_true(cor_sql_write(db, insert, NULL, COR_SQL_RELAXED, NULL));
}

static int set_up(void **state)
{
    (void) state;
    dir = temp_dir_make();
    return cor_sql_open(temp_path(&dir, "a.db"), NULL, &db, NULL) &&
                   cor_sql_write(db, create, NULL, COR_SQL_RELAXED, NULL) &&
                   cor_dicomweb_priv_recent_new(db, &recent, NULL)
               ? 0
               : -1;
}

static int tear_down(void **state)
{
    (void) state;
    cor_dicomweb_priv_recent_free(recent);
    cor_sql_close(db);
    temp_dir_remove(&dir);
    return 0;
}

static CorCatalogInstance *instance_of(int number)
{
    static const char key[] = "study/series/image.dcm";
    CorCatalogInstance *instance = calloc(1, sizeof(*instance) + sizeof(key));

    assert_non_null(instance);
    (void) snprintf(instance->study_instance_uid, COR_UID_SIZE, "1.2");
    (void) snprintf(instance->series_instance_uid, COR_UID_SIZE, "1.2.3");
    (void) snprintf(instance->sop_instance_uid, COR_UID_SIZE, "1.2.3.%d", number);
    instance->change_seq = number;
    memcpy(instance->key, key, sizeof(key));
    return instance;
}

/* Ask as a handler does: what is not kept was read of the catalogue, and is offered. */
static bool ask(int number)
{
    COR_CLEANUP(cor_catalog_instance_freep) CorCatalogInstance *instance = instance_of(number);
    uint64_t version = 0;
    COR_CLEANUP(cor_catalog_instance_freep)
    CorCatalogInstance *found =
        cor_dicomweb_priv_recent_find(recent, instance->sop_instance_uid, &version);

    if (!found) {
        cor_dicomweb_priv_recent_keep(recent, instance, version);
        return false;
    }
    assert_string_equal(found->sop_instance_uid, instance->sop_instance_uid);
    assert_string_equal(found->key, instance->key);
    assert_int_equal(found->change_seq, number);
    return true;
}

static void keep(int number)
{
    (void) ask(number);
    (void) ask(number);
    assert_true(ask(number));
}

static void what_is_asked_for_again_is_kept(void **state)
{
    (void) state;
    assert_false(ask(1));
    assert_false(ask(1)); /* heard of, not kept */
    assert_true(ask(1));
    assert_true(ask(1));
    assert_false(ask(2));
}

static void a_commit_ends_it(void **state)
{
    (void) state;
    keep(1);
    commit_something();
    assert_false(ask(1));
    assert_true(ask(1));
}

static bool is_found(const char *uid)
{
    uint64_t version = 0;
    COR_CLEANUP(cor_catalog_instance_freep)
    CorCatalogInstance *found = cor_dicomweb_priv_recent_find(recent, uid, &version);

    return found != NULL;
}

static void what_was_read_before_a_commit_is_not_kept(void **state)
{
    COR_CLEANUP(cor_catalog_instance_freep) CorCatalogInstance *instance = instance_of(1);
    uint64_t version = 0;
    (void) state;

    assert_false(ask(1));
    assert_null(cor_dicomweb_priv_recent_find(recent, instance->sop_instance_uid, &version));
    commit_something();
    cor_dicomweb_priv_recent_keep(recent, instance, version);
    assert_false(is_found("1.2.3.1"));
}

static void the_oldest_make_room(void **state)
{
    (void) state;
    for (int i = 0; i < COR_RECENT_MAX + 10; i++) {
        keep(i);
    }
    for (int i = 0; i < COR_RECENT_MAX + 10; i++) {
        char uid[COR_UID_SIZE];
        (void) snprintf(uid, sizeof(uid), "1.2.3.%d", i);
        assert_int_equal(is_found(uid), i >= 10);
    }
}

static void *ask_much(void *context)
{
    const int *first = context;

    for (int i = 0; i < TURNS; i++) {
        (void) ask(*first + i / 8 % 100);
    }
    return NULL;
}

static void many_ask_while_others_commit(void **state)
{
    pthread_t threads[THREADS];
    int firsts[THREADS];
    (void) state;

    for (size_t i = 0; i < THREADS; i++) {
        firsts[i] = (int) i * 50;
        assert_int_equal(pthread_create(&threads[i], NULL, ask_much, &firsts[i]), 0);
    }
    for (int i = 0; i < 50; i++) {
        commit_something();
    }
    for (size_t i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    commit_something();
    assert_false(is_found("1.2.3.0"));
}

int main(void)
{
#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(what_is_asked_for_again_is_kept),
        CASE(a_commit_ends_it),
        CASE(what_was_read_before_a_commit_is_not_kept),
        CASE(the_oldest_make_room),
        CASE(many_ask_while_others_commit),
    };

    return cmocka_run_group_tests_name("dicomweb-recent", tests, NULL, NULL);
}

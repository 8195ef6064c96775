/* SPDX-License-Identifier: Apache-2.0 */
/* Writes in line: in what groups they are taken, and that nobody waits for ever for one that was
 * announced. */
#include "test.h"

#include <pthread.h>

#include "await.h"
#include "base/array.h"
#include "base/time.h"
#include "driver/sql-priv.h"

enum { TRIES = 10000 };

static CorSqlLine line;
static CorSqlRequest requests[16];

static int open_line(void **state)
{
    (void) state;
    cor_sql_priv_line_init(&line);
    memset(requests, 0, sizeof(requests));
    return 0;
}

static int close_line(void **state)
{
    (void) state;
    cor_sql_priv_line_done(&line);
    return 0;
}

static void put(size_t i, bool is_announced)
{
    CorError err = {0};

    requests[i] = (CorSqlRequest){0};
    if (!cor_sql_priv_line_put(&line, &requests[i], is_announced, &err)) {
        fail_msg("%s", err.text);
    }
}

/* The next group: how many, from the one of number `first`, in their order. */
static size_t take(size_t first)
{
    bool is_over = true;
    size_t len = 0;

    for (CorSqlRequest *at = cor_sql_priv_line_take(&line, 0, &is_over); at; at = at->next) {
        assert_ptr_equal(at, &requests[first + len]);
        assert_true(at->is_taken);
        len++;
    }
    assert_false(is_over);
    return len;
}

static void all_that_wait_are_taken_in_their_order(void **state)
{
    (void) state;

    for (size_t i = 0; i < 5; i++) {
        put(i, false);
    }
    assert_int_equal(take(0), 5);
    put(5, false);
    assert_int_equal(take(5), 1);
}

static void what_is_taken_back_is_not_taken(void **state)
{
    (void) state;

    for (size_t i = 0; i < 3; i++) {
        put(i, false);
    }
    assert_true(cor_sql_priv_line_take_back(&line, &requests[2]));
    assert_true(cor_sql_priv_line_take_back(&line, &requests[0]));
    assert_int_equal(take(1), 1);
    assert_false(cor_sql_priv_line_take_back(&line, &requests[1]));
    put(4, false);
    assert_int_equal(take(4), 1);
}

static void nothing_is_taken_when_the_time_is_up_or_the_line_has_ended(void **state)
{
    bool is_over = true;
    (void) state;

    assert_null(cor_sql_priv_line_take(&line, cor_time_ms(), &is_over));
    assert_false(is_over);
    put(0, false);
    cor_sql_priv_line_end(&line);
    assert_int_equal(take(0), 1);
    assert_null(cor_sql_priv_line_take(&line, 0, &is_over));
    assert_true(is_over);
}

static void nobody_waits_for_ever_for_what_was_announced(void **state)
{
    (void) state;

    cor_sql_priv_line_announce(&line);
    put(0, false);
    assert_int_equal(take(0), 1);
    cor_sql_priv_line_withdraw(&line);
    put(1, false);
    assert_int_equal(take(1), 1);
}

static void a_full_line_refuses_what_was_announced_and_forgets_it(void **state)
{
    CorError err = {0};
    (void) state;

    cor_sql_priv_line_announce(&line);
    line.len = COR_SQL_PENDING_MAX;
    assert_false(cor_sql_priv_line_put(&line, &requests[0], true, &err));
    assert_int_equal(err.code, COR_ERR_UNAVAILABLE);
    assert_int_equal(line.announced, 0);
    line.len = 0;
}

/* --- with a thread that takes --- */

static sem_t waiting;
static sem_t taken;
static size_t taken_len;

static void *take_one_group(void *context)
{
    (void) context;
    for (size_t i = 0; i < TRIES; i++) {
        (void) sem_post(&waiting);
        taken_len = take(0);
        (void) sem_post(&taken);
        if (taken_len == 2) {
            break;
        }
        assert_int_equal(take(1), 1); /* the other came too late */
    }
    return NULL;
}

/* A machine that is busy may be late now and then, not always. */
static void who_has_something_to_commit_waits_for_what_was_announced(void **state)
{
    pthread_t thread;
    (void) state;

    (void) sem_init(&waiting, 0, 0);
    (void) sem_init(&taken, 0, 0);
    taken_len = 0;
    assert_int_equal(pthread_create(&thread, NULL, take_one_group, NULL), 0);
    for (size_t i = 0; i < TRIES && taken_len != 2; i++) {
        await(&waiting);
        cor_sql_priv_line_announce(&line);
        put(0, false);
        put(1, true);
        await(&taken);
    }
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(taken_len, 2);
    (void) sem_destroy(&waiting);
    (void) sem_destroy(&taken);
}

int main(void)
{
#define CASE(test) cmocka_unit_test_setup_teardown(test, open_line, close_line)
    const struct CMUnitTest tests[] = {
        CASE(all_that_wait_are_taken_in_their_order),
        CASE(what_is_taken_back_is_not_taken),
        CASE(nothing_is_taken_when_the_time_is_up_or_the_line_has_ended),
        CASE(nobody_waits_for_ever_for_what_was_announced),
        CASE(a_full_line_refuses_what_was_announced_and_forgets_it),
        CASE(who_has_something_to_commit_waits_for_what_was_announced),
    };

    return cmocka_run_group_tests_name("driver-sql-line", tests, NULL, NULL);
}

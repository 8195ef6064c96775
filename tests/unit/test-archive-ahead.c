/* SPDX-License-Identifier: Apache-2.0 */
/* How far rows get ahead of an object that does not become durable. */
#include "test.h"

#include <pthread.h>

#include "archive/archive-priv.h"
#include "await.h"

enum { ROWS = 3 * COR_ARCHIVE_AHEAD_MAX };

static CorArchiveAhead ahead;
static sem_t passed;

static void *pass(void *context)
{
    (void) context;
    for (size_t i = 0; i < ROWS; i++) {
        CorArchiveTicket ticket;
        (void) cor_archive_priv_ahead_enter(&ahead, &ticket);
        cor_archive_priv_ahead_leave(&ahead, &ticket);
        (void) sem_post(&passed);
    }
    return NULL;
}

static void rows_wait_for_an_object_that_is_far_behind(void **state)
{
    CorArchiveTicket slow;
    CorArchiveTicket slower;
    pthread_t thread;
    int more = -1;
    (void) state;

    ahead = (CorArchiveAhead){0};
    cor_archive_priv_ahead_init(&ahead);
    (void) sem_init(&passed, 0, 0);
    assert_true(cor_archive_priv_ahead_enter(&ahead, &slow));
    assert_false(cor_archive_priv_ahead_enter(&ahead, &slower));
    assert_int_equal(pthread_create(&thread, NULL, pass, NULL), 0);
    for (int i = 0; i < COR_ARCHIVE_AHEAD_MAX - 2; i++) {
        await(&passed);
    }
    (void) sem_getvalue(&passed, &more);
    assert_int_equal(more, 0);
    cor_archive_priv_ahead_leave(&ahead, &slow);
    await(&passed); /* one more than before */
    (void) sem_getvalue(&passed, &more);
    assert_int_equal(more, 0);
    cor_archive_priv_ahead_leave(&ahead, &slower);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_null(ahead.first);
    assert_null(ahead.last);
    (void) sem_destroy(&passed);
    cor_archive_priv_ahead_done(&ahead);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_wait_for_an_object_that_is_far_behind),
    };

    return cmocka_run_group_tests_name("archive-ahead", tests, NULL, NULL);
}

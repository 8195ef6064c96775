/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <pthread.h>
#include <string.h>

#include "base/bytes.h"

static void bytes_are_a_copy_with_a_nul_behind(void **state)
{
    char text[] = "a\0b";
    COR_CLEANUP(cor_bytes_unrefp) CorBytes *bytes = cor_bytes_new(text, 3);
    (void) state;

    memset(text, 'x', sizeof(text));

    assert_int_equal(cor_bytes_size(bytes), 3);
    assert_memory_equal(cor_bytes_data(bytes), "a\0b", 4);
}

static void no_bytes_are_bytes_too(void **state)
{
    COR_CLEANUP(cor_bytes_unrefp) CorBytes *bytes = cor_bytes_new(NULL, 0);
    (void) state;

    assert_int_equal(cor_bytes_size(bytes), 0);
    assert_int_equal(cor_bytes_data(bytes)[0], 0);
    cor_bytes_unref(NULL);
}

static void a_size_that_cannot_be_is_refused(void **state)
{
    (void) state;

    assert_null(cor_bytes_new("", SIZE_MAX));
    assert_null(cor_bytes_new("", SIZE_MAX - 16));
}

static void *take_and_give_back(void *arg)
{
    for (int i = 0; i < 20000; i++) {
        CorBytes *mine = cor_bytes_ref(arg);
        const uint8_t *data = cor_bytes_data(mine);

        if (data[0] != 's' || data[5] != 'd') {
            return arg;
        }
        cor_bytes_unref(mine);
    }
    cor_bytes_unref(arg);
    return NULL;
}

static void what_threads_share_lives_until_the_last_has_let_go(void **state)
{
    enum { THREADS = 4 };
    CorBytes *bytes = cor_bytes_new("shared", 6);
    pthread_t threads[THREADS];
    void *failed = NULL;
    (void) state;

    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(
            pthread_create(&threads[i], NULL, take_and_give_back, cor_bytes_ref(bytes)), 0);
    }
    cor_bytes_unref(bytes); /* the threads' references are the only ones now */
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], &failed), 0);
        assert_null(failed);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_are_a_copy_with_a_nul_behind),
        cmocka_unit_test(no_bytes_are_bytes_too),
        cmocka_unit_test(a_size_that_cannot_be_is_refused),
        cmocka_unit_test(what_threads_share_lives_until_the_last_has_let_go),
    };

    return cmocka_run_group_tests_name("bytes", tests, NULL, NULL);
}

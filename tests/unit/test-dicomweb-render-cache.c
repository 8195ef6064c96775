/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/array.h"
#include "dicomweb/render-cache.h"

enum { THREADS = 8, PICTURE = 1000 };

static CorRenderCache *cache_of(size_t max_bytes)
{
    CorRenderCache *cache = NULL;

    assert_true(cor_dicomweb_priv_render_cache_new(max_bytes, &cache, NULL));
    return cache;
}

static CorBytes *picture_of(char fill, size_t size)
{
    char *bytes = malloc(size);

    assert_non_null(bytes);
    memset(bytes, fill, size);
    CorBytes *picture = cor_bytes_new(bytes, size);
    free(bytes);
    assert_non_null(picture);
    return picture;
}

static void put(CorRenderCache *cache, const char *key, char fill)
{
    COR_CLEANUP(cor_bytes_unrefp) CorBytes *picture = picture_of(fill, PICTURE);

    assert_null(cor_dicomweb_priv_render_cache_begin(cache, key));
    cor_dicomweb_priv_render_cache_end(cache, key, picture);
}

static bool has(CorRenderCache *cache, const char *key)
{
    COR_CLEANUP(cor_bytes_unrefp)
    CorBytes *picture = cor_dicomweb_priv_render_cache_find(cache, key);

    return picture != NULL;
}

static void what_was_made_is_found_again(void **state)
{
    COR_CLEANUP(cor_dicomweb_priv_render_cache_freep) CorRenderCache *cache = cache_of(1 << 20);
    (void) state;

    assert_false(has(cache, "a"));
    put(cache, "a", 'x');
    COR_CLEANUP(cor_bytes_unrefp)
    CorBytes *picture = cor_dicomweb_priv_render_cache_begin(cache, "a");
    assert_non_null(picture);
    assert_int_equal(cor_bytes_data(picture)[0], 'x');
    assert_false(has(cache, "b"));
}

static void what_was_used_longest_ago_goes_first(void **state)
{
    COR_CLEANUP(cor_dicomweb_priv_render_cache_freep) CorRenderCache *cache = cache_of(6000);
    char key[16];
    (void) state;

    put(cache, "first", 'x');
    put(cache, "second", 'x');
    for (int i = 0; i < 100; i++) {
        assert_true(has(cache, "first")); /* used again and again */
        (void) snprintf(key, sizeof(key), "%d", i);
        put(cache, key, 'x');
        assert_true(cor_dicomweb_priv_render_cache_size(cache) <= 6000);
    }
    assert_false(has(cache, "second"));
    assert_true(has(cache, "99"));
    assert_false(has(cache, "0"));
}

static void a_picture_that_is_too_large_is_not_kept(void **state)
{
    COR_CLEANUP(cor_dicomweb_priv_render_cache_freep) CorRenderCache *cache = cache_of(6000);
    COR_CLEANUP(cor_bytes_unrefp) CorBytes *large = picture_of('x', 6001);
    (void) state;

    put(cache, "small", 'x');
    assert_null(cor_dicomweb_priv_render_cache_begin(cache, "large"));
    cor_dicomweb_priv_render_cache_end(cache, "large", large);
    assert_false(has(cache, "large"));
    assert_true(has(cache, "small"));
}

static void a_cache_of_nothing_gives_everybody_a_turn(void **state)
{
    COR_CLEANUP(cor_dicomweb_priv_render_cache_freep) CorRenderCache *cache = cache_of(0);
    COR_CLEANUP(cor_bytes_unrefp) CorBytes *picture = picture_of('x', PICTURE);
    (void) state;

    assert_null(cor_dicomweb_priv_render_cache_begin(cache, "a"));
    assert_null(cor_dicomweb_priv_render_cache_begin(cache, "a")); /* does not wait */
    cor_dicomweb_priv_render_cache_end(cache, "a", picture);
    cor_dicomweb_priv_render_cache_end(cache, "a", picture);
    assert_false(has(cache, "a"));
    assert_int_equal(cor_dicomweb_priv_render_cache_size(cache), 0);
}

static void a_failure_passes_the_turn_on(void **state)
{
    COR_CLEANUP(cor_dicomweb_priv_render_cache_freep) CorRenderCache *cache = cache_of(1 << 20);
    (void) state;

    assert_null(cor_dicomweb_priv_render_cache_begin(cache, "a"));
    cor_dicomweb_priv_render_cache_end(cache, "a", NULL);
    put(cache, "a", 'y');
    assert_true(has(cache, "a"));
}

typedef struct Race {
    CorRenderCache *cache;
    atomic_int made;
    atomic_int fails; /* so many turns fail */
    pthread_barrier_t barrier;
} Race;

static void *ask(void *context)
{
    Race *race = context;

    (void) pthread_barrier_wait(&race->barrier);
    CorBytes *picture = cor_dicomweb_priv_render_cache_begin(race->cache, "wanted");
    if (!picture) {
        if (atomic_fetch_sub(&race->fails, 1) <= 0) {
            atomic_fetch_add(&race->made, 1);
            picture = picture_of('z', PICTURE);
        }
        cor_dicomweb_priv_render_cache_end(race->cache, "wanted", picture);
    }
    bool is_right = !picture || cor_bytes_data(picture)[0] == 'z';
    cor_bytes_unref(picture);
    return is_right ? race : NULL;
}

static void one_makes_what_many_want(void **state)
{
    (void) state;

    for (int round = 0; round < 50; round++) {
        Race race = {.cache = cache_of(1 << 20)};
        pthread_t threads[THREADS];

        atomic_init(&race.made, 0);
        atomic_init(&race.fails, round % 3);
        assert_int_equal(pthread_barrier_init(&race.barrier, NULL, THREADS), 0);
        for (size_t i = 0; i < THREADS; i++) {
            assert_int_equal(pthread_create(&threads[i], NULL, ask, &race), 0);
        }
        for (size_t i = 0; i < THREADS; i++) {
            void *result = NULL;
            assert_int_equal(pthread_join(threads[i], &result), 0);
            assert_non_null(result);
        }
        assert_int_equal(atomic_load(&race.made), 1);
        (void) pthread_barrier_destroy(&race.barrier);
        cor_dicomweb_priv_render_cache_free(race.cache);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_made_is_found_again),
        cmocka_unit_test(what_was_used_longest_ago_goes_first),
        cmocka_unit_test(a_picture_that_is_too_large_is_not_kept),
        cmocka_unit_test(a_cache_of_nothing_gives_everybody_a_turn),
        cmocka_unit_test(a_failure_passes_the_turn_on),
        cmocka_unit_test(one_makes_what_many_want),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

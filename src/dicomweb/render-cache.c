/* SPDX-License-Identifier: Apache-2.0 */
/* A hash table of entries that are also in one list, the most recently used first.  An entry
 * without a picture is a turn: somebody makes it. */
#include "dicomweb/render-cache.h"

#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"

enum { SLOTS = 4096 };

typedef struct Entry {
    struct Entry *next_in_slot;
    struct Entry *newer;
    struct Entry *older;
    CorBytes *picture; /* NULL: it is being made */
    uint32_t hash;
    char key[COR_RENDER_KEY_SIZE];
} Entry;

struct CorRenderCache {
    pthread_mutex_t mutex;
    pthread_cond_t turn_ended;
    size_t max_bytes;
    size_t bytes;        /* guarded by mutex */
    Entry *newest;       /* guarded by mutex */
    Entry *oldest;       /* guarded by mutex */
    Entry *slots[SLOTS]; /* guarded by mutex */
};

bool cor_dicomweb_priv_render_cache_new(size_t max_bytes, CorRenderCache **ret_cache, CorError *err)
{
    CorRenderCache *cache = cor_new(CorRenderCache);

    if (!cache) {
        return cor_fail(err, COR_ERR_NOMEM, "out of memory for a cache");
    }
    (void) pthread_mutex_init(&cache->mutex, NULL);
    (void) pthread_cond_init(&cache->turn_ended, NULL);
    cache->max_bytes = max_bytes;
    *ret_cache = cache;
    return true;
}

/* FNV-1a; keys are ours, nobody chooses them to collide in numbers that matter. */
static uint32_t hash_of(const char *key)
{
    uint32_t hash = 2166136261u;

    for (; *key; key++) {
        hash = (hash ^ (uint8_t) *key) * 16777619u;
    }
    return hash;
}

/* The functions from here to remove_entry() have the lock held. */

static Entry *find(const CorRenderCache *cache, const char *key)
{
    uint32_t hash = hash_of(key);
    Entry *entry = cache->slots[hash % SLOTS];

    while (entry && (entry->hash != hash || strcmp(entry->key, key) != 0)) {
        entry = entry->next_in_slot;
    }
    return entry;
}

static void unlink_entry(CorRenderCache *cache, Entry *entry)
{
    *(entry->newer ? &entry->newer->older : &cache->newest) = entry->older;
    *(entry->older ? &entry->older->newer : &cache->oldest) = entry->newer;
    entry->newer = NULL;
    entry->older = NULL;
}

static void link_newest(CorRenderCache *cache, Entry *entry)
{
    entry->older = cache->newest;
    *(cache->newest ? &cache->newest->newer : &cache->oldest) = entry;
    cache->newest = entry;
}

static size_t cost(const Entry *entry)
{
    return entry->picture ? sizeof(*entry) + cor_bytes_size(entry->picture) : 0;
}

static void remove_entry(CorRenderCache *cache, Entry *entry)
{
    Entry **slot = &cache->slots[entry->hash % SLOTS];

    while (*slot != entry) {
        slot = &(*slot)->next_in_slot;
    }
    *slot = entry->next_in_slot;
    if (entry->picture) { /* turns are not in the list */
        unlink_entry(cache, entry);
    }
    cache->bytes -= cost(entry);
    cor_bytes_unref(entry->picture);
    free(entry);
}

static void add_turn(CorRenderCache *cache, const char *key)
{
    Entry *entry = cor_new(Entry);

    if (!entry) {
        return; /* then others will make the same picture, too */
    }
    (void) snprintf(entry->key, sizeof(entry->key), "%s", key);
    entry->hash = hash_of(entry->key);
    entry->next_in_slot = cache->slots[entry->hash % SLOTS];
    cache->slots[entry->hash % SLOTS] = entry;
}

void cor_dicomweb_priv_render_cache_free(CorRenderCache *cache)
{
    if (!cache) {
        return;
    }
    for (size_t i = 0; i < SLOTS; i++) {
        while (cache->slots[i]) {
            remove_entry(cache, cache->slots[i]);
        }
    }
    (void) pthread_cond_destroy(&cache->turn_ended);
    (void) pthread_mutex_destroy(&cache->mutex);
    free(cache);
}

/* Lock held. */
static CorBytes *use(CorRenderCache *cache, Entry *entry)
{
    unlink_entry(cache, entry);
    link_newest(cache, entry);
    return cor_bytes_ref(entry->picture);
}

CorBytes *cor_dicomweb_priv_render_cache_find(CorRenderCache *cache, const char *key)
{
    (void) pthread_mutex_lock(&cache->mutex);
    Entry *entry = find(cache, key);
    CorBytes *picture = entry && entry->picture ? use(cache, entry) : NULL;
    (void) pthread_mutex_unlock(&cache->mutex);
    return picture;
}

CorBytes *cor_dicomweb_priv_render_cache_begin(CorRenderCache *cache, const char *key)
{
    CorBytes *picture = NULL;

    if (cache->max_bytes == 0) {
        return NULL;
    }
    (void) pthread_mutex_lock(&cache->mutex);
    Entry *entry = find(cache, key);
    while (entry && !entry->picture) {
        (void) pthread_cond_wait(&cache->turn_ended, &cache->mutex);
        entry = find(cache, key);
    }
    if (entry) {
        picture = use(cache, entry);
    } else {
        add_turn(cache, key);
    }
    (void) pthread_mutex_unlock(&cache->mutex);
    return picture;
}

void cor_dicomweb_priv_render_cache_end(CorRenderCache *cache, const char *key, CorBytes *picture)
{
    if (cache->max_bytes == 0) {
        return;
    }
    (void) pthread_mutex_lock(&cache->mutex);
    Entry *entry = find(cache, key);
    if (entry && !entry->picture) {
        bool fits = picture && sizeof(*entry) + cor_bytes_size(picture) <= cache->max_bytes;
        if (fits) {
            entry->picture = cor_bytes_ref(picture);
            link_newest(cache, entry);
            cache->bytes += cost(entry);
        } else {
            remove_entry(cache, entry);
        }
    }
    while (cache->bytes > cache->max_bytes) {
        remove_entry(cache, cache->oldest);
    }
    (void) pthread_cond_broadcast(&cache->turn_ended);
    (void) pthread_mutex_unlock(&cache->mutex);
}

size_t cor_dicomweb_priv_render_cache_size(CorRenderCache *cache)
{
    (void) pthread_mutex_lock(&cache->mutex);
    size_t bytes = cache->bytes;
    (void) pthread_mutex_unlock(&cache->mutex);
    return bytes;
}

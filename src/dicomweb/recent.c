/* SPDX-License-Identifier: Apache-2.0 */
/* A ring of entries, the oldest of which makes room for the next, and a hash table of them. */
#include "dicomweb/recent.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/hash.h"

enum { SLOTS = 512, SEEN = 4096 };

typedef struct Entry {
    struct Entry *next_in_slot;
    CorCatalogInstance *instance; /* NULL: the entry is free */
} Entry;

struct CorRecent {
    CorSql *catalog;
    pthread_mutex_t mutex;
    uint64_t version; /* guarded by mutex, as all below: what is kept is true of this one */
    size_t kept;
    size_t next; /* place of the ring */
    Entry ring[COR_RECENT_MAX];
    Entry *slots[SLOTS];
    uint32_t seen[SEEN]; /* hashes of what was asked for */
};

static uint32_t hash_of(const char *uid)
{
    return cor_crc32(uid, strlen(uid));
}

static Entry **slot_of(CorRecent *recent, const char *uid)
{
    return &recent->slots[hash_of(uid) % SLOTS];
}

/* --- with the lock held --- */

static Entry *find_entry(CorRecent *recent, const char *uid)
{
    Entry *entry = *slot_of(recent, uid);

    while (entry && strcmp(entry->instance->sop_instance_uid, uid) != 0) {
        entry = entry->next_in_slot;
    }
    return entry;
}

static void drop(CorRecent *recent, Entry *entry)
{
    Entry **at = slot_of(recent, entry->instance->sop_instance_uid);

    while (*at != entry) {
        at = &(*at)->next_in_slot;
    }
    *at = entry->next_in_slot;
    free(COR_TAKE(entry->instance));
    recent->kept--;
}

static void forget_all(CorRecent *recent)
{
    for (size_t i = 0; recent->kept > 0; i++) {
        if (recent->ring[i].instance) {
            drop(recent, &recent->ring[i]);
        }
    }
}

static bool is_first_time(CorRecent *recent, const char *uid)
{
    uint32_t hash = hash_of(uid);
    uint32_t *seen = &recent->seen[hash % SEEN];
    bool is_first = *seen != hash;

    *seen = hash;
    return is_first;
}

static void add(CorRecent *recent, CorCatalogInstance *instance)
{
    Entry *entry = &recent->ring[recent->next];
    Entry **slot = slot_of(recent, instance->sop_instance_uid);

    recent->next = (recent->next + 1) % COR_RECENT_MAX;
    if (entry->instance) {
        drop(recent, entry);
    }
    *entry = (Entry){.next_in_slot = *slot, .instance = instance};
    *slot = entry;
    recent->kept++;
}

/* Forget what is not true any more; the version that is kept now. */
static uint64_t catch_up(CorRecent *recent)
{
    uint64_t version = cor_sql_version(recent->catalog);

    if (recent->version != version) {
        forget_all(recent);
        recent->version = version;
    }
    return version;
}

/* --- life --- */

bool cor_dicomweb_priv_recent_new(CorSql *catalog, CorRecent **ret_recent, CorError *err)
{
    CorRecent *recent = cor_new(CorRecent);

    if (!recent) {
        return cor_fail(err, COR_ERR_NOMEM, "out of memory for recent instances");
    }
    (void) pthread_mutex_init(&recent->mutex, NULL);
    recent->catalog = catalog;
    *ret_recent = recent;
    return true;
}

void cor_dicomweb_priv_recent_free(CorRecent *recent)
{
    if (recent) {
        forget_all(recent);
        (void) pthread_mutex_destroy(&recent->mutex);
        free(recent);
    }
}

/* --- instances --- */

static CorCatalogInstance *copy(const CorCatalogInstance *instance)
{
    size_t size = sizeof(*instance) + strlen(instance->key) + 1;
    CorCatalogInstance *made = malloc(size);

    return made ? memcpy(made, instance, size) : NULL;
}

CorCatalogInstance *cor_dicomweb_priv_recent_find(CorRecent *recent, const char *uid,
                                                  uint64_t *ret_version)
{
    (void) pthread_mutex_lock(&recent->mutex);
    *ret_version = catch_up(recent);
    const Entry *entry = find_entry(recent, uid);
    CorCatalogInstance *found = entry ? copy(entry->instance) : NULL;
    (void) pthread_mutex_unlock(&recent->mutex);
    return found;
}

void cor_dicomweb_priv_recent_keep(CorRecent *recent, const CorCatalogInstance *instance,
                                   uint64_t version)
{
    const char *uid = instance->sop_instance_uid;
    bool was_settled = version % 2 == 0;

    (void) pthread_mutex_lock(&recent->mutex);
    if (was_settled && catch_up(recent) == version && !is_first_time(recent, uid) &&
        !find_entry(recent, uid)) {
        CorCatalogInstance *own = copy(instance);
        if (own) {
            add(recent, own);
        }
    }
    (void) pthread_mutex_unlock(&recent->mutex);
}

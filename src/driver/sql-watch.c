/* SPDX-License-Identifier: Apache-2.0 */
/* Telling of commits.  The mutex is held during the calls, and guards nothing else, so that nobody
 * is called after cor_sql_unwatch() has returned. */
#include "driver/sql-priv.h"

#include "base/array.h"

bool cor_sql_watch(CorSql *db, CorSqlCommitted *committed, void *context, CorError *err)
{
    CorSqlWatchers *watchers = &db->writer.watchers;
    bool is_in = false;

    pthread_mutex_lock(&watchers->mutex);
    for (size_t i = 0; i < COR_ARRAY_LEN(watchers->items) && !is_in; i++) {
        if (!watchers->items[i].committed) {
            watchers->items[i] = (CorSqlWatcher){.committed = committed, .context = context};
            is_in = true;
        }
    }
    pthread_mutex_unlock(&watchers->mutex);
    return is_in || cor_fail(err, COR_ERR_LIMIT, "watch database: too many watch it");
}

void cor_sql_unwatch(CorSql *db, CorSqlCommitted *committed, void *context)
{
    CorSqlWatchers *watchers = &db->writer.watchers;

    pthread_mutex_lock(&watchers->mutex);
    for (size_t i = 0; i < COR_ARRAY_LEN(watchers->items); i++) {
        CorSqlWatcher *item = &watchers->items[i];
        if (item->committed == committed && item->context == context) {
            *item = (CorSqlWatcher){0};
        }
    }
    pthread_mutex_unlock(&watchers->mutex);
}

void cor_sql_priv_tell_watchers(CorSqlWatchers *watchers)
{
    pthread_mutex_lock(&watchers->mutex);
    for (size_t i = 0; i < COR_ARRAY_LEN(watchers->items); i++) {
        if (watchers->items[i].committed) {
            watchers->items[i].committed(watchers->items[i].context);
        }
    }
    pthread_mutex_unlock(&watchers->mutex);
}

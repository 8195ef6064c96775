/* SPDX-License-Identifier: Apache-2.0 */
/* The line of writes that wait for the writer thread, which takes all of them at once.
 *
 * A write that is announced comes within a moment.  Whoever has something to commit waits for it,
 * if it comes soon, for a commit costs much the same for one as for some.
 */
#include "driver/sql-priv.h"

#include <errno.h>
#include <time.h>

#include "base/array.h"
#include "base/time.h"

enum {
    GROUP_MAX = 1024, /* writes per commit */
    LINGER_MS = 2,    /* for what is announced; it may be waiting for a disk that is slow */
    LINGER_MAX = 8,   /* writes; so many share enough */
};

void cor_sql_priv_line_init(CorSqlLine *line)
{
    pthread_condattr_t attributes;

    *line = (CorSqlLine){0};
    (void) pthread_mutex_init(&line->mutex, NULL);
    (void) pthread_condattr_init(&attributes);
    (void) pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC); /* as cor_time_ms() */
    (void) pthread_cond_init(&line->wake, &attributes);
    (void) pthread_condattr_destroy(&attributes);
}

void cor_sql_priv_line_done(CorSqlLine *line)
{
    (void) pthread_cond_destroy(&line->wake);
    (void) pthread_mutex_destroy(&line->mutex);
}

/* --- those who bring --- */

/* The mutex is locked: is there anything the writer thread waits for? */
static bool is_to_wake(const CorSqlLine *line)
{
    return line->is_idle ||
           (line->is_lingering && (line->announced == 0 || line->len >= LINGER_MAX));
}

bool cor_sql_priv_line_put(CorSqlLine *line, CorSqlRequest *request, bool is_announced,
                           CorError *err)
{
    (void) pthread_mutex_lock(&line->mutex);
    bool is_full = line->len >= COR_SQL_PENDING_MAX;
    line->announced -= is_announced;
    if (!is_full) {
        *(line->last ? &line->last->next : &line->first) = request;
        line->last = request;
        line->len++;
    }
    bool wakes = is_to_wake(line);
    (void) pthread_mutex_unlock(&line->mutex);
    if (wakes) {
        (void) pthread_cond_signal(&line->wake); /* unlocked: who wakes shall not wait for it */
    }
    return !is_full || cor_fail(err, COR_ERR_UNAVAILABLE, "too many writes wait for the database");
}

bool cor_sql_priv_line_take_back(CorSqlLine *line, CorSqlRequest *request)
{
    CorSqlRequest *before = NULL;

    (void) pthread_mutex_lock(&line->mutex);
    bool is_taken = request->is_taken;
    if (!is_taken) {
        for (CorSqlRequest *at = line->first; at != request; at = at->next) {
            before = at;
        }
        *(before ? &before->next : &line->first) = request->next;
        if (line->last == request) {
            line->last = before;
        }
        line->len--;
    }
    (void) pthread_mutex_unlock(&line->mutex);
    return !is_taken;
}

void cor_sql_priv_line_announce(CorSqlLine *line)
{
    (void) pthread_mutex_lock(&line->mutex);
    line->announced++;
    (void) pthread_mutex_unlock(&line->mutex);
}

void cor_sql_priv_line_withdraw(CorSqlLine *line)
{
    (void) pthread_mutex_lock(&line->mutex);
    line->announced--;
    bool wakes = line->is_lingering && line->announced == 0;
    (void) pthread_mutex_unlock(&line->mutex);
    if (wakes) {
        (void) pthread_cond_signal(&line->wake);
    }
}

void cor_sql_priv_line_end(CorSqlLine *line)
{
    (void) pthread_mutex_lock(&line->mutex);
    line->is_ending = true;
    (void) pthread_mutex_unlock(&line->mutex);
    (void) pthread_cond_signal(&line->wake);
}

/* --- the one who takes --- */

/* Wait to be woken; false if that did not happen in time.  0: for ever. */
static bool wait_until(CorSqlLine *line, int64_t until_ms)
{
    struct timespec until = {.tv_sec = until_ms / 1000, .tv_nsec = until_ms % 1000 * 1000000};

    return until_ms > 0 ? pthread_cond_timedwait(&line->wake, &line->mutex, &until) != ETIMEDOUT
                        : pthread_cond_wait(&line->wake, &line->mutex) == 0;
}

static void wait_for_work(CorSqlLine *line, int64_t until_ms)
{
    bool is_in_time = true;

    line->is_idle = true;
    while (!line->first && !line->is_ending && is_in_time) {
        is_in_time = wait_until(line, until_ms);
    }
    line->is_idle = false;
}

static void linger(CorSqlLine *line)
{
    int64_t until_ms = cor_time_ms() + LINGER_MS;
    bool is_in_time = true;

    line->is_lingering = true;
    while (line->announced > 0 && line->len < LINGER_MAX && !line->is_ending && is_in_time) {
        is_in_time = wait_until(line, until_ms);
    }
    line->is_lingering = false;
}

/* The mutex is locked, and there is something in the line. */
static CorSqlRequest *cut_group(CorSqlLine *line)
{
    CorSqlRequest *group = line->first;
    CorSqlRequest *last = NULL;
    size_t len = 0;

    for (CorSqlRequest *request = group; request && len < GROUP_MAX; request = request->next) {
        request->is_taken = true;
        last = request;
        len++;
    }
    line->first = last->next;
    line->last = line->first ? line->last : NULL;
    line->len -= len;
    last->next = NULL;
    return group;
}

CorSqlRequest *cor_sql_priv_line_take(CorSqlLine *line, int64_t until_ms, bool *ret_is_over)
{
    (void) pthread_mutex_lock(&line->mutex);
    wait_for_work(line, until_ms);
    if (line->first && line->announced > 0) {
        linger(line);
    }
    CorSqlRequest *group = line->first ? cut_group(line) : NULL;
    *ret_is_over = !group && line->is_ending;
    (void) pthread_mutex_unlock(&line->mutex);
    return group;
}

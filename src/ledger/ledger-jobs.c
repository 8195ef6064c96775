/* SPDX-License-Identifier: Apache-2.0 */
/* Looking at jobs, and forgetting them.
 *
 * A page goes down from a number along one index: that of the most telling filter, whose entries
 * end with the number.  The planner has no statistics, so the statement is put together such that
 * it has no choice: a unary plus keeps a term away from the indexes.  "Accepted since" becomes a
 * lowest number, found by halving: the column listed never falls.  A page by study joins two
 * bounded walks, along the id as written and along the UID.  The substring filter has no index and
 * walks the narrow table; it is bounded by the reader's time limit.
 */
#include <pthread.h>
#include <string.h>

#include "base/array.h"
#include "base/string.h"
#include "ledger/ledger-priv.h"
#include "ledger/ledger.h"

#define PAGE_MAX 1000
#define TEXT_MAX 4096

#define JOB_COLUMNS                                                                         \
    "number, job_id, client_id, algo_id, algo_version, state, attempts, accepted, started," \
    " finished, scope, study_id, study_uid, message_id, content_sha256, retry_of"

/* Parameters of a page. */
enum {
    BIND_AFTER = 1,
    BIND_LOWEST,
    BIND_SINCE,
    BIND_LIMIT,
    BIND_CLIENT,
    BIND_ALGO,
    BIND_STATE,
    BIND_STUDY,
    BIND_TEXT,
};

static bool read_row(CorSqlStmt *stmt, CorJobRow *row, CorError *err)
{
    int64_t state = cor_sql_column_int(stmt, 5);

    *row = (CorJobRow){
        .number = cor_sql_column_int(stmt, 0),
        .job_id = cor_sql_column_text(stmt, 1),
        .client_id = cor_sql_column_text(stmt, 2),
        .algo_id = cor_sql_column_text(stmt, 3),
        .algo_version = cor_sql_column_text(stmt, 4),
        .attempts = (int) cor_sql_column_int(stmt, 6),
        .accepted_unix_ms = cor_sql_column_int(stmt, 7),
        .started_unix_ms = cor_sql_column_int(stmt, 8),
        .finished_unix_ms = cor_sql_column_int(stmt, 9),
        .scope = cor_sql_column_text(stmt, 10),
        .study_id = cor_sql_column_text(stmt, 11),
        .study_instance_uid = cor_sql_column_text(stmt, 12),
        .message_id = cor_sql_column_text(stmt, 13),
        .content_sha256 = cor_sql_column_text(stmt, 14),
        .retry_of = cor_sql_column_text(stmt, 15),
    };
    if (state < 0 || state >= COR_JOB_STATE_COUNT_) {
        return cor_fail(err, COR_ERR_CORRUPT, "ledger: job %s is in no known state", row->job_id);
    }
    row->state = (CorJobState) state;
    return true;
}

bool cor_ledger_job(CorSqlReader *reader, const char *job_id,
                    bool (*visit)(void *context, const CorJobRow *row, CorError *err),
                    void *context, CorError *err)
{
    static const char sql[] =
        "SELECT " JOB_COLUMNS ","
        " (SELECT body FROM job_request r WHERE r.number = job.number),"
        " coalesce((SELECT body FROM job_result r WHERE r.number = job.number),"
        "          (SELECT body FROM event e WHERE e.job_id = job.job_id))"
        " FROM job WHERE job_id = ?1";
    CorSqlStmt *stmt = cor_sql_stmt(reader, sql);
    CorJobRow row = {0};
    bool has_row = false;

    cor_sql_bind_text(stmt, 1, job_id);
    if (!cor_sql_next(stmt, &has_row, err)) {
        return false;
    }
    if (!has_row) {
        return cor_fail(err, COR_ERR_NOT_FOUND, "there is no job %s", job_id);
    }
    if (!read_row(stmt, &row, err)) {
        return false;
    }
    row.request = cor_sql_column_text(stmt, 16);
    row.result = cor_sql_column_text(stmt, 17);
    return visit(context, &row, err);
}

/* The first number at or after `from`, and its listed time; *ret_number 0 if there is none. */
static bool probe(CorSqlReader *reader, int64_t from, int64_t *ret_number, int64_t *ret_listed,
                  CorError *err)
{
    static const char sql[] =
        "SELECT number, listed FROM job WHERE number >= ?1 ORDER BY number LIMIT 1";
    CorSqlStmt *stmt = cor_sql_stmt(reader, sql);
    bool has_row = false;

    cor_sql_bind_int(stmt, 1, from);
    if (!cor_sql_next(stmt, &has_row, err)) {
        return false;
    }
    *ret_number = has_row ? cor_sql_column_int(stmt, 0) : 0;
    *ret_listed = has_row ? cor_sql_column_int(stmt, 1) : 0;
    cor_sql_reset(stmt);
    return true;
}

/* A number below which every job was accepted before since. */
static bool find_lowest(CorSqlReader *reader, int64_t since_unix_ms, int64_t *ret_lowest,
                        CorError *err)
{
    static const char sql[] = "SELECT coalesce(max(number), 0) FROM job";
    CorSqlStmt *stmt = cor_sql_stmt(reader, sql);
    bool has_row = false;
    int64_t low = 1;
    int64_t high = 0;

    if (!cor_sql_next(stmt, &has_row, err)) {
        return false;
    }
    high = cor_sql_column_int(stmt, 0) + 1;
    cor_sql_reset(stmt);
    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        int64_t number = 0;
        int64_t listed = 0;

        if (!probe(reader, middle, &number, &listed, err)) {
            return false;
        }
        if (number == 0 || listed >= since_unix_ms) {
            high = middle;
        } else {
            low = number + 1;
        }
    }
    *ret_lowest = low;
    return true;
}

/* Append one walk down an index; study is the study's column in it, or NULL. */
static void append_walk(CorString *sql, const CorJobFilter *filter, const char *columns,
                        const char *study)
{
    const char *client_plus = study ? "+" : "";
    const char *state_plus = study || filter->client_id ? "+" : "";
    const char *algo_plus = study || filter->client_id || filter->state ? "+" : "";
    bool by_number = !study && !filter->client_id && !filter->state && !filter->algo_id;

    cor_string_printf(sql, "SELECT %s FROM job %s WHERE number < ?1 AND number >= ?2", columns,
                      by_number ? "NOT INDEXED" : "");
    if (filter->since_unix_ms > 0) {
        cor_string_append_text(sql, " AND accepted >= ?3");
    }
    if (study) {
        cor_string_printf(sql, " AND %s = ?8", study);
    }
    if (filter->client_id) {
        cor_string_printf(sql, " AND %sclient_id = ?5", client_plus);
    }
    if (filter->state) {
        cor_string_printf(sql, " AND %sstate = ?7", state_plus);
    }
    if (filter->algo_id) {
        cor_string_printf(sql, " AND %salgo_id = ?6", algo_plus);
    }
    if (filter->text) {
        cor_string_append_text(sql, " AND (job_id LIKE ?9 ESCAPE '\\' OR study_id LIKE ?9 ESCAPE"
                                    " '\\' OR study_uid LIKE ?9 ESCAPE '\\')");
    }
    cor_string_append_text(sql, " ORDER BY number DESC LIMIT ?4");
}

static void append_page(CorString *sql, const CorJobFilter *filter)
{
    if (!filter->study) {
        append_walk(sql, filter, JOB_COLUMNS, NULL);
        return;
    }
    cor_string_append_text(sql,
                           "SELECT " JOB_COLUMNS " FROM job WHERE number IN (SELECT number FROM (");
    append_walk(sql, filter, "number", "study_id");
    cor_string_append_text(sql, ") UNION SELECT number FROM (");
    append_walk(sql, filter, "number", "study_uid");
    cor_string_append_text(sql, ")) ORDER BY number DESC LIMIT ?4");
}

/* The statement of a combination of filters: made once, kept for ever, so that connections can keep
 * it prepared.  NULL if there is no memory. */
static const char *page_sql(const CorJobFilter *filter, CorError *err)
{
    static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    static char *texts[64]; /* guarded by mutex */
    size_t index = (filter->client_id ? 1u : 0u) | (filter->algo_id ? 2u : 0u) |
                   (filter->state ? 4u : 0u) | (filter->study ? 8u : 0u) |
                   (filter->text ? 16u : 0u) | (filter->since_unix_ms > 0 ? 32u : 0u);
    const char *text = NULL;

    pthread_mutex_lock(&mutex);
    if (!texts[index]) {
        COR_CLEANUP(cor_string_freep) CorString *sql = cor_string_new(TEXT_MAX);

        append_page(sql, filter);
        if (cor_string_check(sql, err)) {
            texts[index] = cor_string_take(COR_TAKE(sql));
        }
    }
    text = texts[index];
    pthread_mutex_unlock(&mutex);
    return text;
}

/* "%text%" with LIKE's own characters escaped. */
static void append_pattern(CorString *pattern, const char *text)
{
    cor_string_append_text(pattern, "%");
    for (const char *c = text; *c; c++) {
        if (*c == '%' || *c == '_' || *c == '\\') {
            cor_string_append_text(pattern, "\\");
        }
        cor_string_append(pattern, c, 1);
    }
    cor_string_append_text(pattern, "%");
}

static bool bind_page(CorSqlStmt *stmt, const CorJobFilter *filter, int64_t lowest,
                      const char *pattern, CorError *err)
{
    CorJobState state = COR_JOB_QUEUED;

    if (filter->state && !cor_job_state_from_name(filter->state, &state)) {
        return cor_fail(err, COR_ERR_INVALID, "there is no such job state");
    }
    cor_sql_bind_int(stmt, BIND_AFTER, filter->after > 0 ? filter->after : INT64_MAX);
    cor_sql_bind_int(stmt, BIND_LOWEST, lowest);
    if (filter->since_unix_ms > 0) {
        cor_sql_bind_int(stmt, BIND_SINCE, filter->since_unix_ms);
    }
    cor_sql_bind_int(stmt, BIND_LIMIT, (int64_t) filter->limit);
    if (filter->client_id) {
        cor_sql_bind_text(stmt, BIND_CLIENT, filter->client_id);
    }
    if (filter->algo_id) {
        cor_sql_bind_text(stmt, BIND_ALGO, filter->algo_id);
    }
    if (filter->state) {
        cor_sql_bind_int(stmt, BIND_STATE, state);
    }
    if (filter->study) {
        cor_sql_bind_text(stmt, BIND_STUDY, filter->study);
    }
    if (filter->text) {
        cor_sql_bind_text(stmt, BIND_TEXT, pattern);
    }
    return true;
}

bool cor_ledger_jobs(CorSqlReader *reader, const CorJobFilter *filter,
                     bool (*visit)(void *context, const CorJobRow *row, CorError *err),
                     void *context, CorError *err)
{
    COR_CLEANUP(cor_string_freep) CorString *pattern = cor_string_new(TEXT_MAX);
    const char *sql = page_sql(filter, err);
    CorSqlStmt *stmt = NULL;
    int64_t lowest = 1;
    bool has_row = false;

    if (filter->limit < 1 || filter->limit > PAGE_MAX) {
        return cor_fail(err, COR_ERR_INVALID, "a page has 1 to %d jobs", PAGE_MAX);
    }
    append_pattern(pattern, filter->text ? filter->text : "");
    if (!sql || !cor_string_check(pattern, err)) {
        return false;
    }
    if (filter->since_unix_ms > 0 && !find_lowest(reader, filter->since_unix_ms, &lowest, err)) {
        return false;
    }
    stmt = cor_sql_stmt(reader, sql);
    if (!bind_page(stmt, filter, lowest, cor_string_text(pattern), err)) {
        return false;
    }
    while (cor_sql_next(stmt, &has_row, err)) {
        CorJobRow row = {0};

        if (!has_row) {
            return true;
        }
        if (!read_row(stmt, &row, err) || !visit(context, &row, err)) {
            return false;
        }
    }
    return false;
}

bool cor_ledger_counts(CorSqlReader *reader, int64_t *counts, CorError *err)
{
    static const char sql[] = "SELECT state, count(*) FROM job GROUP BY state";
    CorSqlStmt *stmt = cor_sql_stmt(reader, sql);
    bool has_row = false;

    memset(counts, 0, COR_JOB_STATE_COUNT_ * sizeof(counts[0]));
    while (cor_sql_next(stmt, &has_row, err)) {
        int64_t state = 0;

        if (!has_row) {
            return true;
        }
        state = cor_sql_column_int(stmt, 0);
        if (state >= 0 && state < COR_JOB_STATE_COUNT_) {
            counts[state] = cor_sql_column_int(stmt, 1);
        }
    }
    return false;
}

/* ---- Forgetting ---- */

#define PRUNE_STEP 256

typedef struct Doomed {
    int64_t number;
    char job_id[COR_ID_SIZE];
} Doomed;

/* The oldest final jobs of before a time which the outbox does not need any more. */
static bool find_doomed(CorSqlTxn *txn, int64_t older_than_unix_ms, size_t max, Doomed *doomed,
                        size_t *ret_len, CorError *err)
{
    static const char sql[] =
        "SELECT number, job_id FROM job WHERE finished > 0 AND finished < ?1"
        " AND NOT EXISTS (SELECT 1 FROM outbox o WHERE o.job_number = job.number)"
        " ORDER BY finished, number LIMIT ?2";
    CorSqlStmt *stmt = cor_sql_stmt(txn, sql);
    bool has_row = false;
    size_t len = 0;

    cor_sql_bind_int(stmt, 1, older_than_unix_ms);
    cor_sql_bind_int(stmt, 2, (int64_t) max);
    while (cor_sql_next(stmt, &has_row, err)) {
        if (!has_row) {
            *ret_len = len;
            return true;
        }
        doomed[len].number = cor_sql_column_int(stmt, 0);
        if (!cor_ledger_priv_copy(doomed[len].job_id, COR_ID_SIZE, cor_sql_column_text(stmt, 1),
                                  err)) {
            return false;
        }
        len++;
    }
    return false;
}

static bool forget(CorSqlTxn *txn, const Doomed *doomed, CorError *err)
{
    static const char *const by_number[] = {
        "DELETE FROM job_request WHERE number = ?1",
        "DELETE FROM job_result WHERE number = ?1",
        "DELETE FROM job WHERE number = ?1",
    };
    static const char event[] = "DELETE FROM event WHERE job_id = ?1";
    CorSqlStmt *stmt = cor_sql_stmt(txn, event);

    cor_sql_bind_text(stmt, 1, doomed->job_id);
    if (!cor_sql_run(stmt, err)) {
        return false;
    }
    for (size_t i = 0; i < COR_ARRAY_LEN(by_number); i++) {
        stmt = cor_sql_stmt(txn, by_number[i]);
        cor_sql_bind_int(stmt, 1, doomed->number);
        if (!cor_sql_run(stmt, err)) {
            return false;
        }
    }
    return true;
}

bool cor_ledger_prune(CorSqlTxn *txn, int64_t older_than_unix_ms, size_t max, size_t *ret_removed,
                      CorError *err)
{
    Doomed doomed[PRUNE_STEP];
    size_t removed = 0;

    while (removed < max) {
        size_t step = COR_MIN(max - removed, (size_t) PRUNE_STEP);
        size_t len = 0;

        if (!find_doomed(txn, older_than_unix_ms, step, doomed, &len, err)) {
            return false;
        }
        for (size_t i = 0; i < len; i++) {
            if (!forget(txn, &doomed[i], err)) {
                return false;
            }
        }
        removed += len;
        if (len < step) {
            break;
        }
    }
    *ret_removed = removed;
    return true;
}

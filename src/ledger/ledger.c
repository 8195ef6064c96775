/* SPDX-License-Identifier: Apache-2.0 */
/* What moves a job: accept, start, postpone, finish, and the outbox.
 *
 * Every change of state reads the state, asks cor_job_move() (job/job-state.c, where the diagram
 * is) and writes what it allows.  All writes of a database run one after the other on its writer
 * thread, so reading and writing needs no further care; for the same reason a client's numbers have
 * no gaps.
 */
#include "ledger/ledger.h"

#include <assert.h>
#include <string.h>

#include "base/array.h"
#include "ledger/ledger-priv.h"

extern const char cor_schema_ledger_1[];

/* The states are stored as numbers: these may never change. */
static_assert(COR_JOB_QUEUED == 0 && COR_JOB_RUNNING == 1 && COR_JOB_SUCCEEDED == 2 &&
                  COR_JOB_FAILED == 3 && COR_JOB_CANCELLED == 4 && COR_JOB_STATE_COUNT_ == 5,
              "stored in the database");
static_assert(COR_OUTBOX_SEND == 0 && COR_OUTBOX_CANCEL == 1, "stored in the database");

/* What a transition must know of a job. */
typedef struct JobHead {
    int64_t number;
    CorJobState state;
    char client_id[COR_ID_SIZE];
} JobHead;

bool cor_ledger_migrate(CorSqlTxn *txn, CorError *err)
{
    static const char requeue[] = "UPDATE job SET state = 0 WHERE state = 1";
    const char *const steps[] = {cor_schema_ledger_1};

    return cor_sql_migrate(txn, "ledger", steps, COR_ARRAY_LEN(steps), err) &&
           cor_sql_run(cor_sql_stmt(txn, requeue), err);
}

static bool find_head(CorSqlTxn *txn, const char *job_id, JobHead *head, bool *ret_is_there,
                      CorError *err)
{
    static const char sql[] = "SELECT number, state, client_id FROM job WHERE job_id = ?1";
    CorSqlStmt *stmt = cor_sql_stmt(txn, sql);
    bool has_row = false;

    cor_sql_bind_text(stmt, 1, job_id);
    if (!cor_sql_next(stmt, &has_row, err)) {
        return false;
    }
    if (has_row) {
        const char *client_id = cor_sql_column_text(stmt, 2);
        int64_t state = cor_sql_column_int(stmt, 1);

        if (!client_id || strlen(client_id) >= COR_ID_SIZE || state < 0 ||
            state >= COR_JOB_STATE_COUNT_) {
            return cor_fail(err, COR_ERR_CORRUPT, "ledger: job %s is damaged", job_id);
        }
        head->number = cor_sql_column_int(stmt, 0);
        head->state = (CorJobState) state;
        memcpy(head->client_id, client_id, strlen(client_id) + 1);
        cor_sql_reset(stmt);
    }
    *ret_is_there = has_row;
    return true;
}

bool cor_ledger_state(CorSqlReader *reader, const char *job_id, CorJobState *ret_state,
                      char ret_client_id[COR_ID_SIZE], CorError *err)
{
    JobHead head = {0};
    bool is_there = false;

    if (!find_head(reader, job_id, &head, &is_there, err)) {
        return false;
    }
    if (!is_there) {
        return cor_fail(err, COR_ERR_NOT_FOUND, "there is no job %s", job_id);
    }
    *ret_state = head.state;
    memcpy(ret_client_id, head.client_id, COR_ID_SIZE);
    return true;
}

/* ---- Accepting ---- */

/* Compare with the job that may already have this id. */
static bool find_earlier(CorSqlTxn *txn, const CorJobRow *row, CorAcceptOutcome *ret_outcome,
                         char ret_message_id[COR_UUID_SIZE], CorError *err)
{
    static const char sql[] = "SELECT content_sha256, message_id FROM job WHERE job_id = ?1";
    CorSqlStmt *stmt = cor_sql_stmt(txn, sql);
    bool has_row = false;

    cor_sql_bind_text(stmt, 1, row->job_id);
    if (!cor_sql_next(stmt, &has_row, err)) {
        return false;
    }
    if (!has_row) {
        *ret_outcome = COR_ACCEPTED_NEW;
        return true;
    }
    if (!cor_ledger_priv_copy(ret_message_id, COR_UUID_SIZE, cor_sql_column_text(stmt, 1), err)) {
        return false;
    }
    *ret_outcome = strcmp(cor_sql_column_text(stmt, 0), row->content_sha256) == 0
                       ? COR_ACCEPTED_BEFORE
                       : COR_ACCEPTED_OTHER;
    cor_sql_reset(stmt);
    return true;
}

static bool insert_job(CorSqlTxn *txn, const CorJobRow *row, int64_t *ret_number, CorError *err)
{
    static const char sql[] =
        "INSERT INTO job(job_id, client_id, algo_id, algo_version, accepted, listed, scope,"
        " study_id, study_uid, message_id, content_sha256, retry_of)"
        " VALUES (?1, ?2, ?3, ?4, ?5,"
        " max(?5, coalesce((SELECT listed FROM job ORDER BY number DESC LIMIT 1), 0)),"
        " ?6, ?7, ?8, ?9, ?10, ?11)";
    CorSqlStmt *stmt = cor_sql_stmt(txn, sql);

    cor_sql_bind_text(stmt, 1, row->job_id);
    cor_sql_bind_text(stmt, 2, row->client_id);
    cor_sql_bind_text(stmt, 3, row->algo_id);
    cor_sql_bind_text(stmt, 4, row->algo_version);
    cor_sql_bind_int(stmt, 5, row->accepted_unix_ms);
    cor_sql_bind_text(stmt, 6, row->scope);
    cor_sql_bind_text(stmt, 7, row->study_id);
    cor_sql_bind_text(stmt, 8, row->study_instance_uid);
    cor_sql_bind_text(stmt, 9, row->message_id);
    cor_sql_bind_text(stmt, 10, row->content_sha256);
    cor_sql_bind_text(stmt, 11, row->retry_of);
    if (!cor_sql_run(stmt, err)) {
        return false;
    }
    *ret_number = cor_sql_last_rowid(txn);
    return true;
}

static bool insert_body(CorSqlTxn *txn, const char *sql, int64_t number, const char *body,
                        CorError *err)
{
    CorSqlStmt *stmt = cor_sql_stmt(txn, sql);

    cor_sql_bind_int(stmt, 1, number);
    cor_sql_bind_text(stmt, 2, body);
    return cor_sql_run(stmt, err);
}

static bool insert_outbox(CorSqlTxn *txn, CorOutboxOp op, int64_t job_number,
                          const char *order_group, CorError *err)
{
    static const char sql[] = "INSERT INTO outbox(op, job_number, order_group) VALUES (?1, ?2, ?3)";
    CorSqlStmt *stmt = cor_sql_stmt(txn, sql);

    cor_sql_bind_int(stmt, 1, op);
    cor_sql_bind_int(stmt, 2, job_number);
    cor_sql_bind_text(stmt, 3, order_group ? order_group : "");
    return cor_sql_run(stmt, err);
}

bool cor_ledger_accept(CorSqlTxn *txn, const CorJobRow *row, CorAcceptOutcome *ret_outcome,
                       char ret_message_id[COR_UUID_SIZE], CorError *err)
{
    static const char insert_request[] = "INSERT INTO job_request(number, body) VALUES (?1, ?2)";
    CorAcceptOutcome outcome = COR_ACCEPTED_NEW;
    int64_t number = 0;

    if (!find_earlier(txn, row, &outcome, ret_message_id, err)) {
        return false;
    }
    if (outcome == COR_ACCEPTED_NEW) {
        if (!insert_job(txn, row, &number, err) ||
            !insert_body(txn, insert_request, number, row->request, err) ||
            !insert_outbox(txn, COR_OUTBOX_SEND, number, row->order_group, err) ||
            !cor_ledger_priv_copy(ret_message_id, COR_UUID_SIZE, row->message_id, err)) {
            return false;
        }
    }
    *ret_outcome = outcome;
    return true;
}

/* ---- Outbox ---- */

bool cor_ledger_outbox(CorSqlReader *reader, int64_t after, size_t max,
                       bool (*visit)(void *context, const CorOutboxRow *row, CorError *err),
                       void *context, CorError *err)
{
    static const char sql[] =
        "SELECT o.number, o.op, j.job_id, j.client_id, j.algo_id, o.order_group,"
        " CASE o.op WHEN 0 THEN (SELECT body FROM job_request r WHERE r.number = j.number) END"
        " FROM outbox o CROSS JOIN job j ON j.number = o.job_number"
        " WHERE o.number > ?1 ORDER BY o.number LIMIT ?2";
    CorSqlStmt *stmt = cor_sql_stmt(reader, sql);
    bool has_row = false;

    cor_sql_bind_int(stmt, 1, after);
    cor_sql_bind_int(stmt, 2, (int64_t) max);
    while (cor_sql_next(stmt, &has_row, err)) {
        if (!has_row) {
            return true;
        }
        CorOutboxRow row = {
            .number = cor_sql_column_int(stmt, 0),
            .op = cor_sql_column_int(stmt, 1) ? COR_OUTBOX_CANCEL : COR_OUTBOX_SEND,
            .job_id = cor_sql_column_text(stmt, 2),
            .client_id = cor_sql_column_text(stmt, 3),
            .algo_id = cor_sql_column_text(stmt, 4),
            .order_group = cor_sql_column_text(stmt, 5),
            .request = cor_sql_column_text(stmt, 6),
        };
        if (!visit(context, &row, err)) {
            return false;
        }
    }
    return false;
}

bool cor_ledger_outbox_done(CorSqlTxn *txn, const int64_t *numbers, size_t len, CorError *err)
{
    static const char sql[] = "DELETE FROM outbox WHERE number = ?1";

    for (size_t i = 0; i < len; i++) {
        CorSqlStmt *stmt = cor_sql_stmt(txn, sql);

        cor_sql_bind_int(stmt, 1, numbers[i]);
        if (!cor_sql_run(stmt, err)) {
            return false;
        }
    }
    return true;
}

bool cor_ledger_outbox_len(CorSqlReader *reader, int64_t *ret_len, CorError *err)
{
    static const char sql[] = "SELECT count(*) FROM outbox";
    CorSqlStmt *stmt = cor_sql_stmt(reader, sql);
    bool has_row = false;

    if (!cor_sql_next(stmt, &has_row, err)) {
        return false;
    }
    *ret_len = cor_sql_column_int(stmt, 0);
    return true;
}

/* ---- Transitions ---- */

bool cor_ledger_started(CorSqlTxn *txn, const char *job_id, int attempt, int64_t now_unix_ms,
                        CorError *err)
{
    static const char sql[] =
        "UPDATE job SET state = ?2, attempts = max(attempts, ?3), started = ?4 WHERE number = ?1";
    JobHead head = {0};
    bool is_there = false;
    CorSqlStmt *stmt = NULL;

    if (!find_head(txn, job_id, &head, &is_there, err)) {
        return false;
    }
    if (!is_there || cor_job_state_is_final(head.state)) {
        return true;
    }
    if (head.state != COR_JOB_RUNNING && !cor_job_move(&head.state, COR_JOB_RUNNING, err)) {
        return false;
    }
    stmt = cor_sql_stmt(txn, sql);
    cor_sql_bind_int(stmt, 1, head.number);
    cor_sql_bind_int(stmt, 2, head.state);
    cor_sql_bind_int(stmt, 3, attempt);
    cor_sql_bind_int(stmt, 4, now_unix_ms);
    return cor_sql_run(stmt, err);
}

bool cor_ledger_postponed(CorSqlTxn *txn, const char *job_id, CorError *err)
{
    static const char sql[] = "UPDATE job SET state = ?2 WHERE number = ?1";
    JobHead head = {0};
    bool is_there = false;
    CorSqlStmt *stmt = NULL;

    if (!find_head(txn, job_id, &head, &is_there, err)) {
        return false;
    }
    if (!is_there || head.state != COR_JOB_RUNNING) {
        return true;
    }
    if (!cor_job_move(&head.state, COR_JOB_QUEUED, err)) {
        return false;
    }
    stmt = cor_sql_stmt(txn, sql);
    cor_sql_bind_int(stmt, 1, head.number);
    cor_sql_bind_int(stmt, 2, head.state);
    return cor_sql_run(stmt, err);
}

/* The client's next number, which is thereby used. */
static bool take_seq(CorSqlTxn *txn, const char *client_id, int64_t now_unix_ms, int64_t *ret_seq,
                     CorError *err)
{
    static const char sql[] = "INSERT INTO client(client_id, next_seq, seen) VALUES (?1, 2, ?2)"
                              " ON CONFLICT(client_id) DO UPDATE SET next_seq = next_seq + 1"
                              " RETURNING next_seq - 1";
    CorSqlStmt *stmt = cor_sql_stmt(txn, sql);
    bool has_row = false;
    int64_t seq = 0;

    cor_sql_bind_text(stmt, 1, client_id);
    cor_sql_bind_int(stmt, 2, now_unix_ms);
    if (!cor_sql_next(stmt, &has_row, err)) {
        return false;
    }
    seq = cor_sql_column_int(stmt, 0);
    if (!cor_sql_next(stmt, &has_row, err)) {
        return false;
    }
    *ret_seq = seq;
    return true;
}

static bool insert_event(CorSqlTxn *txn, const CorFinal *final, const char *client_id, int64_t seq,
                         CorError *err)
{
    static const char sql[] = "INSERT INTO event(client_id, seq, job_id, created, body)"
                              " VALUES (?1, ?2, ?3, ?4, ?5)";
    CorSqlStmt *stmt = cor_sql_stmt(txn, sql);

    cor_sql_bind_text(stmt, 1, client_id);
    cor_sql_bind_int(stmt, 2, seq);
    cor_sql_bind_text(stmt, 3, final->job_id);
    cor_sql_bind_int(stmt, 4, final->now_unix_ms);
    cor_sql_bind_text(stmt, 5, final->event);
    return cor_sql_run(stmt, err);
}

/* The number of the event that won; 0 once it has been pruned. */
static bool find_seq(CorSqlTxn *txn, const char *job_id, int64_t *ret_seq, CorError *err)
{
    static const char sql[] = "SELECT seq FROM event WHERE job_id = ?1";
    CorSqlStmt *stmt = cor_sql_stmt(txn, sql);
    bool has_row = false;

    cor_sql_bind_text(stmt, 1, job_id);
    if (!cor_sql_next(stmt, &has_row, err)) {
        return false;
    }
    *ret_seq = has_row ? cor_sql_column_int(stmt, 0) : 0;
    cor_sql_reset(stmt);
    return true;
}

static bool update_final(CorSqlTxn *txn, const JobHead *head, const CorFinal *final, CorError *err)
{
    static const char sql[] = "UPDATE job SET state = ?2, finished = ?3 WHERE number = ?1";
    static const char insert_result[] = "INSERT INTO job_result(number, body) VALUES (?1, ?2)";
    CorSqlStmt *stmt = cor_sql_stmt(txn, sql);

    cor_sql_bind_int(stmt, 1, head->number);
    cor_sql_bind_int(stmt, 2, head->state);
    cor_sql_bind_int(stmt, 3, final->now_unix_ms);
    if (!cor_sql_run(stmt, err)) {
        return false;
    }
    if (final->result && !insert_body(txn, insert_result, head->number, final->result, err)) {
        return false;
    }
    return !final->with_cancel_outbox ||
           insert_outbox(txn, COR_OUTBOX_CANCEL, head->number, "", err);
}

bool cor_ledger_finish(CorSqlTxn *txn, const CorFinal *final, int64_t *ret_seq, bool *ret_is_first,
                       CorError *err)
{
    JobHead head = {0};
    bool is_there = false;
    int64_t seq = 0;

    if (strlen(final->event) > COR_LEDGER_EVENT_MAX) {
        return cor_fail(err, COR_ERR_LIMIT, "the event of job %s is too long", final->job_id);
    }
    if (!find_head(txn, final->job_id, &head, &is_there, err)) {
        return false;
    }
    if (!is_there) {
        return cor_fail(err, COR_ERR_NOT_FOUND, "there is no job %s", final->job_id);
    }
    if (cor_job_state_is_final(head.state)) {
        if (!find_seq(txn, final->job_id, ret_seq, err)) {
            return false;
        }
        *ret_is_first = false;
        return true;
    }
    if (!cor_job_move(&head.state, final->state, err) || !update_final(txn, &head, final, err) ||
        !take_seq(txn, head.client_id, final->now_unix_ms, &seq, err) ||
        !insert_event(txn, final, head.client_id, seq, err)) {
        return false;
    }
    *ret_seq = seq;
    *ret_is_first = true;
    return true;
}

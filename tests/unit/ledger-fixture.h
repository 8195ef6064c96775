/* SPDX-License-Identifier: Apache-2.0 */
/* A ledger in a temporary folder, and jobs to put into it. */
#pragma once

#include "test.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "driver/sql.h"
#include "ledger/ledger.h"
#include "temp.h"

#define MUST(call)                               \
    do {                                         \
        CorError err = {0};                      \
        if (!(call)) {                           \
            fail_msg("%s: %s", #call, err.text); \
        }                                        \
    } while (0)

static inline bool ledger_migrate_run(CorSqlTxn *txn, void *arg, CorError *err)
{
    (void) arg;
    return cor_ledger_migrate(txn, err);
}

/** Open the ledger in a folder; give it back with cor_sql_close(). */
static inline CorSql *ledger_open(const TempDir *dir)
{
    CorSql *db = NULL;

    MUST(cor_sql_open(temp_path(dir, "corsia.db"), NULL, &db, &err));
    MUST(cor_sql_write(db, ledger_migrate_run, NULL, COR_SQL_RELAXED, &err));
    return db;
}

typedef struct LedgerAccept {
    CorJobRow row;
    CorAcceptOutcome outcome;
    char message_id[COR_UUID_SIZE];
} LedgerAccept;

static inline bool ledger_accept_run(CorSqlTxn *txn, void *arg, CorError *err)
{
    LedgerAccept *accept = arg;

    return cor_ledger_accept(txn, &accept->row, &accept->outcome, accept->message_id, err);
}

static inline CorJobRow ledger_row(const char *job_id, const char *client_id)
{
    return (CorJobRow){.job_id = job_id,
                       .client_id = client_id,
                       .algo_id = "processing_1",
                       .algo_version = "1",
                       .accepted_unix_ms = 1000,
                       .scope = "image",
                       .study_id = "study/one",
                       .study_instance_uid = "1.2.3",
                       .message_id = "0b7f9e2e-0000-4000-8000-000000000001",
                       .content_sha256 = "same",
                       .request = "{\"a\":1}"};
}

static inline LedgerAccept ledger_accept_row(CorSql *db, CorJobRow row)
{
    LedgerAccept accept = {.row = row};

    MUST(cor_sql_write(db, ledger_accept_run, &accept, COR_SQL_RELAXED, &err));
    return accept;
}

static inline void ledger_accept(CorSql *db, const char *job_id, const char *client_id)
{
    LedgerAccept accept = ledger_accept_row(db, ledger_row(job_id, client_id));

    assert_int_equal(accept.outcome, COR_ACCEPTED_NEW);
}

typedef struct LedgerFinish {
    CorFinal final;
    int64_t seq;
    bool is_first;
} LedgerFinish;

static inline bool ledger_finish_run(CorSqlTxn *txn, void *arg, CorError *err)
{
    LedgerFinish *finish = arg;

    return cor_ledger_finish(txn, &finish->final, &finish->seq, &finish->is_first, err);
}

/** Let a job end; the number of its event. */
static inline LedgerFinish ledger_finish(CorSql *db, const char *job_id, CorJobState state,
                                         const char *event, int64_t now_unix_ms)
{
    LedgerFinish finish = {
        .final = {.job_id = job_id, .state = state, .event = event, .now_unix_ms = now_unix_ms}};

    MUST(cor_sql_write(db, ledger_finish_run, &finish, COR_SQL_RELAXED, &err));
    return finish;
}

typedef struct LedgerClient {
    const char *client_id;
    int64_t seq;
    CorClientLog log;
} LedgerClient;

static inline bool ledger_client_run(CorSqlTxn *txn, void *arg, CorError *err)
{
    LedgerClient *client = arg;

    return cor_ledger_client(txn, client->client_id, &client->log, err);
}

static inline CorClientLog ledger_client(CorSql *db, const char *client_id)
{
    LedgerClient client = {.client_id = client_id};

    MUST(cor_sql_read(db, ledger_client_run, &client, &err));
    return client.log;
}

static inline bool ledger_ack_run(CorSqlTxn *txn, void *arg, CorError *err)
{
    const LedgerClient *client = arg;

    return cor_ledger_ack(txn, client->client_id, client->seq, err);
}

static inline void ledger_ack(CorSql *db, const char *client_id, int64_t seq)
{
    LedgerClient client = {.client_id = client_id, .seq = seq};

    MUST(cor_sql_write(db, ledger_ack_run, &client, COR_SQL_RELAXED, &err));
}

typedef struct LedgerPrune {
    int64_t older_than_unix_ms;
    size_t max;
    size_t removed;
} LedgerPrune;

static inline bool ledger_prune_run(CorSqlTxn *txn, void *arg, CorError *err)
{
    LedgerPrune *prune = arg;

    return cor_ledger_prune(txn, prune->older_than_unix_ms, prune->max, &prune->removed, err);
}

static inline size_t ledger_prune(CorSql *db, int64_t older_than_unix_ms, size_t max)
{
    LedgerPrune prune = {.older_than_unix_ms = older_than_unix_ms, .max = max};

    MUST(cor_sql_write(db, ledger_prune_run, &prune, COR_SQL_RELAXED, &err));
    return prune.removed;
}

typedef struct LedgerState {
    const char *job_id;
    CorJobState state;
    char client_id[COR_ID_SIZE];
} LedgerState;

static inline bool ledger_state_run(CorSqlTxn *txn, void *arg, CorError *err)
{
    LedgerState *state = arg;

    return cor_ledger_state(txn, state->job_id, &state->state, state->client_id, err);
}

static inline CorJobState ledger_state(CorSql *db, const char *job_id)
{
    LedgerState state = {.job_id = job_id};

    MUST(cor_sql_read(db, ledger_state_run, &state, &err));
    return state.state;
}

static inline bool ledger_clear_outbox_run(CorSqlTxn *txn, void *arg, CorError *err)
{
    (void) arg;
    return cor_sql_exec(txn, "DELETE FROM outbox", err);
}

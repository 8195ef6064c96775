/* SPDX-License-Identifier: Apache-2.0 */
/* Jobs, clients, the numbered event log of each client, and the outbox.
 *
 * Functions that change something take a transaction of the database that the ledger lives in
 * (cor_sql_write()); functions that look take a reader (cor_sql_read()).  So what belongs together
 * is committed together: accepting writes job and outbox row at once, a final transition writes
 * job and event at once (invariants 1 to 3).
 *
 * Ordering   Event numbers of a client count up from 1, without gaps, and never restart.
 * Ownership  Texts in rows given to callbacks live as long as the callback.
 * Threads    Thread-safe: each call works on the transaction or reader it is given.
 * Errors     As driver/sql.h; CONFLICT where said.
 * Units      Times are Unix ms.
 */
#pragma once

#include "base/id.h"
#include "base/json.h"
#include "driver/sql.h"
#include "job/job-state.h"
#include "job/request.h"

#include <stdint.h>

/* A transaction that cor_sql_read() gives. */
typedef CorSqlTxn CorSqlReader;

/** Create or upgrade the tables.  Every job that was running is queued again: its worker is gone.
 */
COR_MUSTCHECK bool cor_ledger_migrate(CorSqlTxn *txn, CorError *err);

/* A job as the ledger keeps it.  Texts that are absent are NULL. */
typedef struct CorJobRow {
    int64_t number; /* counts up with acceptance; pages go by it */
    const char *job_id;
    const char *client_id;
    const char *algo_id;
    const char *algo_version;
    CorJobState state;
    int attempts;
    int64_t accepted_unix_ms;
    int64_t started_unix_ms;  /* of the last attempt; 0 if never started */
    int64_t finished_unix_ms; /* 0 until final */
    const char *scope;
    const char *study_id; /* as the client wrote it */
    const char *study_instance_uid;
    const char *message_id; /* what the client was told as sqs_message_id */
    const char *content_sha256;
    const char *request; /* the whole request message (JSON), sent to the queue */
    const char
        *result; /* JSON of the event body, plus sizes and digests of outputs; NULL until final */
    const char *retry_of;    /* the job whose dead letter this one repeats, or NULL */
    const char *order_group; /* for accept: message group of the request; NULL or "" is the job */
} CorJobRow;

typedef enum CorAcceptOutcome {
    COR_ACCEPTED_NEW,
    COR_ACCEPTED_BEFORE, /* same job_id, same content: nothing was written */
    COR_ACCEPTED_OTHER,  /* same job_id, other content: nothing was written */
} CorAcceptOutcome;

/**
 * Write a job in state QUEUED and its outbox row (op "send"), unless the job_id is taken.
 *
 * @param row          number, state, attempts and the later times are ignored
 * @param ret_outcome  what became of it
 * @param ret_message_id  the message id of the job that now stands under this id
 */
COR_MUSTCHECK bool cor_ledger_accept(CorSqlTxn *txn, const CorJobRow *row,
                                     CorAcceptOutcome *ret_outcome,
                                     char ret_message_id[COR_UUID_SIZE], CorError *err);

typedef enum CorOutboxOp {
    COR_OUTBOX_SEND,   /* send the job's request message to its queue */
    COR_OUTBOX_CANCEL, /* take the job's message off its queue, tell its worker */
} CorOutboxOp;

typedef struct CorOutboxRow {
    int64_t number;
    CorOutboxOp op;
    const char *job_id;
    const char *client_id;
    const char *algo_id;
    const char *order_group; /* message group of the request; "" means the job itself */
    const char *request;     /* for SEND */
} CorOutboxRow;

/** Visit up to max outbox rows after number, in order. */
COR_MUSTCHECK bool cor_ledger_outbox(CorSqlReader *reader, int64_t after, size_t max,
                                     bool (*visit)(void *context, const CorOutboxRow *row,
                                                   CorError *err),
                                     void *context, CorError *err);

/** Remove outbox rows whose effect is durable. */
COR_MUSTCHECK bool cor_ledger_outbox_done(CorSqlTxn *txn, const int64_t *numbers, size_t len,
                                          CorError *err);

/** How many rows wait in the outbox. */
COR_MUSTCHECK bool cor_ledger_outbox_len(CorSqlReader *reader, int64_t *ret_len, CorError *err);

/** QUEUED -> RUNNING, with the number of the attempt.  A final job stays as it is; no error. */
COR_MUSTCHECK bool cor_ledger_started(CorSqlTxn *txn, const char *job_id, int attempt,
                                      int64_t now_unix_ms, CorError *err);

/** RUNNING -> QUEUED.  A final job stays as it is; no error. */
COR_MUSTCHECK bool cor_ledger_postponed(CorSqlTxn *txn, const char *job_id, CorError *err);

/* A final transition. */
typedef struct CorFinal {
    const char *job_id;
    CorJobState state;  /* SUCCEEDED, FAILED or CANCELLED */
    const char *event;  /* JSON body of the event, at most COR_EVENT_BODY_MAX */
    const char *result; /* JSON kept with the job (outputs with sizes); NULL keeps the event */
    int64_t now_unix_ms;
    bool with_cancel_outbox; /* also write an outbox row COR_OUTBOX_CANCEL */
} CorFinal;

/**
 * Move a job to its final state and append the event to its client's log, once.
 *
 * The first final transition wins: if the job is final already, nothing changes and *ret_is_first
 * is false.  NOT_FOUND if there is no such job.
 *
 * @param ret_seq       the event's number in its client's log (the winner's when not first)
 * @param ret_is_first  whether this call made the transition
 */
COR_MUSTCHECK bool cor_ledger_finish(CorSqlTxn *txn, const CorFinal *final, int64_t *ret_seq,
                                     bool *ret_is_first, CorError *err);

typedef struct CorClientLog {
    int64_t last;   /* number of the newest event, 0 if none yet */
    int64_t oldest; /* number of the oldest event still kept; last + 1 if none is kept */
    int64_t acked;  /* the cursor, 0 at first */
} CorClientLog;

/** Where a client's log stands; all zero (oldest 1) for a client never seen. */
COR_MUSTCHECK bool cor_ledger_client(CorSqlReader *reader, const char *client_id,
                                     CorClientLog *ret_log, CorError *err);

/* A stretch of a client's log: up to max events with numbers above since. */
typedef struct CorEventRange {
    const char *client_id;
    int64_t since;
    size_t max;
} CorEventRange;

/** Visit the events of a range in order.  body is the stored JSON. */
COR_MUSTCHECK bool cor_ledger_events(CorSqlReader *reader, const CorEventRange *range,
                                     bool (*visit)(void *context, int64_t seq,
                                                   int64_t created_unix_ms, const char *body,
                                                   CorError *err),
                                     void *context, CorError *err);

/** Move a client's cursor forward to seq (never back, never beyond the last event). */
COR_MUSTCHECK bool cor_ledger_ack(CorSqlTxn *txn, const char *client_id, int64_t seq,
                                  CorError *err);

/** Note that a client was here (provision, connect). */
COR_MUSTCHECK bool cor_ledger_seen(CorSqlTxn *txn, const char *client_id, int64_t now_unix_ms,
                                   CorError *err);

/** Visit one job; NOT_FOUND if there is none. */
COR_MUSTCHECK bool cor_ledger_job(CorSqlReader *reader, const char *job_id,
                                  bool (*visit)(void *context, const CorJobRow *row, CorError *err),
                                  void *context, CorError *err);

/** Look up a job's state and client without its texts; NOT_FOUND if there is none. */
COR_MUSTCHECK bool cor_ledger_state(CorSqlReader *reader, const char *job_id,
                                    CorJobState *ret_state, char ret_client_id[COR_ID_SIZE],
                                    CorError *err);

/* What GET /jobs filters by; NULL or 0 means any. */
typedef struct CorJobFilter {
    const char *client_id;
    const char *algo_id;
    const char *state; /* a state's name */
    const char *study; /* study_id as written, or Study Instance UID */
    const char *text;  /* substring of job id, study id or study UID, case-insensitive for ASCII */
    int64_t since_unix_ms; /* accepted at or after */
    int64_t after;         /* page: only numbers below this one; 0 starts at the newest */
    size_t limit;          /* 1 to 1000 */
} CorJobFilter;

/** Visit jobs, newest first; uses an index for every single filter.  request and result are NULL
 * in these rows. */
COR_MUSTCHECK bool cor_ledger_jobs(CorSqlReader *reader, const CorJobFilter *filter,
                                   bool (*visit)(void *context, const CorJobRow *row,
                                                 CorError *err),
                                   void *context, CorError *err);

/** Count jobs per state (array of COR_JOB_STATE_COUNT_). */
COR_MUSTCHECK bool cor_ledger_counts(CorSqlReader *reader, int64_t *counts, CorError *err);

/**
 * Forget events and final jobs older than a time, at most max of each.  Clients and their next
 * numbers are never forgotten.
 */
COR_MUSTCHECK bool cor_ledger_prune(CorSqlTxn *txn, int64_t older_than_unix_ms, size_t max,
                                    size_t *ret_removed, CorError *err);

-- SPDX-License-Identifier: Apache-2.0
-- The ledger: clients, their numbered events, jobs and the outbox.  Never edited: add ledger-2.sql.

-- Never deleted, so that numbers never restart (invariant 3).
CREATE TABLE client (
    client_id TEXT NOT NULL PRIMARY KEY,
    next_seq  INTEGER NOT NULL DEFAULT 1,
    acked_seq INTEGER NOT NULL DEFAULT 0,
    seen      INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;

-- One final event per job; a client's events lie side by side.
CREATE TABLE event (
    client_id TEXT NOT NULL,
    seq       INTEGER NOT NULL,
    job_id    TEXT NOT NULL UNIQUE,
    created   INTEGER NOT NULL,
    body      TEXT NOT NULL,
    PRIMARY KEY (client_id, seq)
) STRICT, WITHOUT ROWID;

-- What lists show; the long texts of a job lie beside it, so that a change of state rewrites no
-- request and a page of jobs reads none.  state is CorJobState.  listed is the largest accepted up
-- to this number: it never falls, so that "accepted since" is found by halving whatever the clock did.
CREATE TABLE job (
    number         INTEGER PRIMARY KEY AUTOINCREMENT,
    job_id         TEXT NOT NULL UNIQUE,
    client_id      TEXT NOT NULL,
    algo_id        TEXT NOT NULL,
    algo_version   TEXT NOT NULL,
    state          INTEGER NOT NULL DEFAULT 0,
    attempts       INTEGER NOT NULL DEFAULT 0,
    accepted       INTEGER NOT NULL,
    listed         INTEGER NOT NULL,
    started        INTEGER NOT NULL DEFAULT 0,
    finished       INTEGER NOT NULL DEFAULT 0,
    scope          TEXT,
    study_id       TEXT,
    study_uid      TEXT,
    message_id     TEXT NOT NULL,
    content_sha256 TEXT NOT NULL,
    retry_of       TEXT
) STRICT;

-- Each ends with the number by itself (the rowid), which is what pages go by.
CREATE INDEX job_client ON job(client_id);
CREATE INDEX job_algo ON job(algo_id);
CREATE INDEX job_state ON job(state);
CREATE INDEX job_study_id ON job(study_id) WHERE study_id IS NOT NULL;
CREATE INDEX job_study_uid ON job(study_uid) WHERE study_uid IS NOT NULL;
CREATE INDEX job_finished ON job(finished) WHERE finished > 0;

CREATE TABLE job_request (
    number INTEGER PRIMARY KEY,
    body   TEXT NOT NULL
) STRICT;

-- Only where the result says more than the event.
CREATE TABLE job_result (
    number INTEGER PRIMARY KEY,
    body   TEXT NOT NULL
) STRICT;

-- op is CorOutboxOp.
CREATE TABLE outbox (
    number      INTEGER PRIMARY KEY AUTOINCREMENT,
    op          INTEGER NOT NULL,
    job_number  INTEGER NOT NULL,
    order_group TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE INDEX outbox_job ON outbox(job_number);

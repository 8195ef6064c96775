-- SPDX-License-Identifier: Apache-2.0
-- Tables of the embedded queue.  All queues of one file share them; `queue` tells them apart.

CREATE TABLE queue(
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
) STRICT;

-- Everything but the bodies: a claim rewrites a row here and must not rewrite 256 KiB with it.
-- state: 1 blocked, 2 ready, 3 delayed, 4 leased (src/queue/queue-rows.c draws the machine).
CREATE TABLE queue_message(
    queue INTEGER NOT NULL,
    id INTEGER NOT NULL,             -- order of arrival, never used again while anything of it is there
    state INTEGER NOT NULL,
    turn INTEGER NOT NULL,
    until_unix_ms INTEGER NOT NULL,  -- end of the lease or delay
    receipt INTEGER NOT NULL,        -- which lease
    receives INTEGER NOT NULL,
    sent_unix_ms INTEGER NOT NULL,
    crc INTEGER NOT NULL,            -- CRC-32 of the body
    message_id TEXT NOT NULL,
    group_id TEXT NOT NULL,
    dedup_id TEXT NOT NULL,
    client_id TEXT NOT NULL,
    PRIMARY KEY (queue, id)
) STRICT, WITHOUT ROWID;

-- Only a group's head can be ready, so a claim costs the same however long a group is.
CREATE INDEX queue_message_ready ON queue_message(queue, turn, id) WHERE state = 2;
CREATE INDEX queue_message_due ON queue_message(queue, until_unix_ms, id) WHERE state >= 3;
CREATE INDEX queue_message_group ON queue_message(queue, group_id, id);
CREATE INDEX queue_message_dedup ON queue_message(queue, dedup_id);

CREATE TABLE queue_body(
    id INTEGER PRIMARY KEY,          -- queue_message.id or queue_dead.body
    body BLOB NOT NULL
) STRICT;

CREATE TABLE queue_dedup(
    queue INTEGER NOT NULL,
    dedup_id TEXT NOT NULL,
    message_id TEXT NOT NULL,
    until_unix_ms INTEGER NOT NULL,
    PRIMARY KEY (queue, dedup_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX queue_dedup_until ON queue_dedup(queue, until_unix_ms);

-- The last turn that a client was given, while that is ahead of the queue's.
CREATE TABLE queue_client(
    queue INTEGER NOT NULL,
    client_id TEXT NOT NULL,
    turn INTEGER NOT NULL,
    PRIMARY KEY (queue, client_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX queue_client_turn ON queue_client(queue, turn);

CREATE TABLE queue_dead(
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    queue INTEGER NOT NULL,
    body INTEGER NOT NULL,
    message_id TEXT NOT NULL,
    group_id TEXT NOT NULL,
    dedup_id TEXT NOT NULL,
    client_id TEXT NOT NULL,
    receives INTEGER NOT NULL,
    sent_unix_ms INTEGER NOT NULL,
    failed_unix_ms INTEGER NOT NULL,
    reason TEXT NOT NULL
) STRICT;
CREATE INDEX queue_dead_queue ON queue_dead(queue, seq);
CREATE INDEX queue_dead_message ON queue_dead(queue, message_id);

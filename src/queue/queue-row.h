/* SPDX-License-Identifier: Apache-2.0 */
/* One message's row in the embedded queue, and the only functions that move it from state to state.
 * queue-row.c draws the machine.
 *
 * Ownership  Rows are plain values.
 * Threads    One thread at a time: the writer's.
 * Blocking   Work on the database only.
 * Errors     Those of driver/sql.h; CORRUPT for a move that the machine does not know.
 */
#pragma once

#include "queue/queue-rows.h"

/* A message without its body. */
typedef struct CorQueueRow {
    int64_t id;
    CorQueueState state;
    int64_t turn;
    int64_t until_unix_ms;
    int64_t receipt;
    int64_t receives;
    int64_t sent_unix_ms;
    uint32_t crc;
    char message_id[COR_UUID_SIZE];
    char group_id[COR_QUEUE_ID_MAX + 1];
    char dedup_id[COR_QUEUE_ID_MAX + 1];
    char client_id[COR_QUEUE_ID_MAX + 1];
    const char *reason; /* on its way to DEAD */
} CorQueueRow;

#define COR_QUEUE_ROW_COLUMNS                                                                      \
    "id, state, turn, until_unix_ms, receipt, receives, sent_unix_ms, crc, message_id, group_id, " \
    "dedup_id, client_id"

/**
 * Change a message's state: the only place that does.  The row's other fields are the new ones;
 * from NONE inserts it, to NONE deletes it with its body, to DEAD keeps the body for the dead
 * letter.
 */
COR_MUSTCHECK bool cor_queue_priv_row_move(CorQueueRows *rows, CorQueueRow *row, CorQueueState next,
                                           CorError *err);

/** Take a message out of the line, to NONE or DEAD, and let its group go on. */
COR_MUSTCHECK bool cor_queue_priv_row_take_out(CorQueueRows *rows, CorQueueRow *row,
                                               CorQueueState next, CorError *err);

/** The first row of a bound SELECT of COR_QUEUE_ROW_COLUMNS; state NONE if there is none. */
COR_MUSTCHECK bool cor_queue_priv_row_load(CorSqlStmt *stmt, CorQueueRow *ret_row, CorError *err);

/** The message of that id; state NONE if there is none. */
COR_MUSTCHECK bool cor_queue_priv_row_find(CorQueueRows *rows, int64_t id, CorQueueRow *ret_row,
                                           CorError *err);

/** Copy a text column into a buffer. */
void cor_queue_priv_row_text(char *to, size_t size, CorSqlStmt *stmt, int column);

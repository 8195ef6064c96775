/* SPDX-License-Identifier: Apache-2.0 */
/* One result message on its way through the steps of consume.c.
 *
 * Ownership  An item owns its message and texts; cor_deliver_priv_item_done() frees them.
 * Threads    One thread at a time.
 */
#pragma once

#include <jansson.h>

#include "base/id.h"
#include "deliver/deliver.h"
#include "job/job-state.h"

#define COR_ITEM_ALGO_SIZE 65

typedef enum CorItemFate {
    COR_ITEM_FINISH,    /* its job ends with it, as far as we know */
    COR_ITEM_OVER,      /* its job has ended before: only acknowledge */
    COR_ITEM_POSTPONED, /* something is away: try again later */
    COR_ITEM_GONE,      /* it is a dead letter now */
} CorItemFate;

typedef struct CorDeliverItem {
    CorMessage *message;
    CorItemFate fate;
    CorError trouble;       /* why it is postponed */
    CorError burial;        /* why the message cannot be used, if it cannot */
    json_t *result;         /* the message; its outputs complete */
    json_t *event;          /* the body of the event */
    size_t event_max_bytes; /* set before cor_deliver_priv_item_parse() */
    char *event_text;
    char *result_text;      /* what is kept with the job */
    json_t *outputs_object; /* member "outputs_key", if the list was an object of its own */
    CorJobState state;      /* the one that the job gets */
    bool was_succeeded;     /* the job had succeeded before: only its catalogue rows are wanted */
    bool is_first;          /* this message made the transition */
    int64_t seq;
    char job_id[COR_ID_SIZE];
    char client_id[COR_ID_SIZE];
    char algo_id[COR_ITEM_ALGO_SIZE];
} CorDeliverItem;

/** Read the message itself; what cannot be read is noted in burial. */
void cor_deliver_priv_item_parse(CorDeliverItem *item);

/** Look up its job, and decide what becomes of it. */
COR_MUSTCHECK bool cor_deliver_priv_item_look_up(CorSqlTxn *txn, CorDeliverItem *item,
                                                 CorError *err);

/** Fetch what is missing and make the texts that the ledger keeps. */
void cor_deliver_priv_item_complete(const CorDeliverOptions *options, CorDeliverItem *item);

/** Let its outputs say what their objects are now, where another job has stored under their keys.
 */
COR_MUSTCHECK bool cor_deliver_priv_item_settle_digests(const CorDeliverOptions *options,
                                                        CorDeliverItem *item, CorError *err);

/** True if derived objects of it belong into the catalogue. */
bool cor_deliver_priv_item_has_rows(const CorDeliverItem *item);

/** Put its derived objects into the catalogue; idempotent. */
COR_MUSTCHECK bool cor_deliver_priv_item_catalogue(CorSqlTxn *txn, const CorDeliverItem *item,
                                                   CorError *err);

/** The catalogue said no: postpone it, or let its job fail. */
void cor_deliver_priv_item_refused(CorDeliverItem *item, const CorError *why);

/** Write its job's end. */
COR_MUSTCHECK bool cor_deliver_priv_item_finish(CorSqlTxn *txn, CorDeliverItem *item,
                                                int64_t now_unix_ms, CorError *err);

/** Try it again later. */
void cor_deliver_priv_item_postpone(CorDeliverItem *item, const CorError *why);

/** After its acknowledgement: remove the list of outputs, which is kept with the job now. */
void cor_deliver_priv_item_tidy(const CorDeliverOptions *options, CorDeliverItem *item);

void cor_deliver_priv_item_done(CorDeliverItem *item);

/* SPDX-License-Identifier: Apache-2.0 */
/* The commit that makes a job: job and outbox row in one transaction (invariant 1). */
#include "gateway/gateway-priv.h"

#include <string.h>

#include "program/failpoint.h"

typedef struct Acceptance {
    const CorJobRow *row;
    CorAcceptOutcome outcome;
    char message_id[COR_UUID_SIZE];
} Acceptance;

static bool write_job(CorSqlTxn *txn, void *arg, CorError *err)
{
    Acceptance *acceptance = arg;

    return cor_ledger_accept(txn, acceptance->row, &acceptance->outcome, acceptance->message_id,
                             err);
}

bool cor_gateway_priv_accept(CorGateway *gateway, const CorJobRow *row,
                             CorAcceptOutcome *ret_outcome, char ret_message_id[COR_UUID_SIZE],
                             CorError *err)
{
    Acceptance acceptance = {.row = row};

    if (!cor_sql_write(gateway->options.ledger, write_job, &acceptance, COR_SQL_SYNCED, err)) {
        return false;
    }
    COR_FAILPOINT(AFTER_ACCEPT);
    if (acceptance.outcome == COR_ACCEPTED_NEW) {
        cor_gateway_priv_relay_wake(gateway->relay);
    }
    *ret_outcome = acceptance.outcome;
    memcpy(ret_message_id, acceptance.message_id, COR_UUID_SIZE);
    return true;
}

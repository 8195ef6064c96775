/* SPDX-License-Identifier: Apache-2.0 */
/* Before anything derived is removed because the catalogue does not name it: is the catalogue to be
 * believed?
 *
 * Somebody may have put an old copy of catalog.db back.  Everything that came since would then be
 * without a row, and the sweeper would finish what a disk had begun.  Two things tell: a job among
 * those that succeeded last has an output without a row that nobody has deleted (when nothing is on
 * its way the rows are there whenever the event is), or more imports lay without a row than can
 * have been cut off by a crash.
 */
#include "gateway/gateway-priv.h"

#include <stdio.h>
#include <string.h>

#include "program/log.h"

enum { JOBS = 32 };

typedef struct Latest {
    char job_ids[JOBS][COR_ID_SIZE];
    size_t job_len;
    json_t *outputs; /* of the job that was read last */
    size_t unnamed;  /* outputs without a row */
} Latest;

static bool take_id(void *context, const CorJobRow *row, CorError *err)
{
    Latest *latest = context;

    (void) err;
    (void) snprintf(latest->job_ids[latest->job_len++], COR_ID_SIZE, "%s", row->job_id);
    return true;
}

static bool read_ids(CorSqlTxn *txn, void *arg, CorError *err)
{
    CorJobFilter filter = {.state = cor_job_state_name(COR_JOB_SUCCEEDED), .limit = JOBS};

    return cor_ledger_jobs(txn, &filter, take_id, arg, err);
}

static bool take_outputs(void *context, const CorJobRow *row, CorError *err)
{
    Latest *latest = context;
    COR_CLEANUP(cor_json_freep) json_t *result = NULL;

    if (row->result && !cor_json_parse(row->result, strlen(row->result), &result, err)) {
        return false;
    }
    latest->outputs = json_incref(json_object_get(result, "outputs"));
    return true;
}

static bool read_outputs(CorSqlTxn *txn, void *arg, CorError *err)
{
    Latest *latest = arg;

    return cor_ledger_job(txn, latest->job_ids[latest->job_len - 1], take_outputs, latest, err);
}

static bool count_rows(CorSqlTxn *txn, void *arg, CorError *err)
{
    Latest *latest = arg;
    size_t index = 0;
    json_t *output = NULL;

    json_array_foreach(latest->outputs, index, output)
    {
        const char *bucket = cor_json_string(output, "bucket", "");
        const char *key = cor_json_string(output, "key", "");
        bool is_object = strcmp(bucket, COR_BUCKET_OUTPUT) == 0; /* others never have a row */
        bool has_row = false;
        bool was_removed = false;

        if (is_object &&
            (!cor_catalog_has_key(txn, bucket, key, &has_row, err) ||
             (!has_row && !cor_catalog_was_removed(txn, bucket, key, &was_removed, err)))) {
            return false;
        }
        latest->unnamed += is_object && !has_row && !was_removed;
    }
    return true;
}

bool cor_gateway_priv_sweep_knows_results(CorGateway *gateway, bool *ret_knows, CorError *err)
{
    Latest latest = {.job_len = 0};

    if (!cor_sql_read(gateway->options.ledger, read_ids, &latest, err)) {
        return false;
    }
    for (; latest.job_len > 0; latest.job_len--) {
        bool ok = cor_sql_read(gateway->options.ledger, read_outputs, &latest, err) &&
                  cor_sql_read(gateway->options.catalog, count_rows, &latest, err);
        json_decref(latest.outputs);
        latest.outputs = NULL;
        if (!ok) {
            return false;
        }
    }
    *ret_knows = latest.unnamed == 0;
    return true;
}

void cor_gateway_priv_sweep_refuse(size_t len)
{
    cor_log_error("stored objects are missing in the catalogue, nothing is swept: if catalog.db is "
                  "an old copy, stop the server and run corsia check --rebuild",
                  COR_FI("objects", len));
}

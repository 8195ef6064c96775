/* SPDX-License-Identifier: Apache-2.0 */
/* Jobs that nobody would end: their message died without a word, or is gone.
 *
 * A message whose body is damaged goes to the dead letters inside its queue, where nobody can tell
 * the client; a message may be lost with a queue store that was replaced.  Dead letters are looked
 * through as they come, lost messages are looked for once, when the relay starts.
 *
 * Nothing is decided while a result is on its way: once Results.fifo is empty, every job whose
 * message was acknowledged before is final in the ledger, and the first final state stands.
 */
#include "gateway/gateway-priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/time.h"
#include "job/result.h"
#include "program/log.h"

enum { LETTERS = 16, PAGE = 64 };

/* --- ending a job without a worker --- */

typedef struct End {
    const char *job_id;
    const char *event;
    bool is_first;
} End;

static bool write_end(CorSqlTxn *txn, void *arg, CorError *err)
{
    End *end = arg;
    CorFinal final = {.job_id = end->job_id,
                      .state = COR_JOB_FAILED,
                      .event = end->event,
                      .now_unix_ms = cor_time_unix_ms()};
    int64_t seq = 0;

    return cor_ledger_finish(txn, &final, &seq, &end->is_first, err);
}

bool cor_gateway_priv_end_job(CorGateway *gateway, const CorGatewayEnd *job, CorError *err)
{
    COR_CLEANUP(cor_json_freep)
    json_t *event =
        json_pack("{s:s, s:s, s:s, s:s, s:s, s:o}", "type", "result", "job_id", job->job_id,
                  "algo_id", job->algo_id, "client_id", job->client_id, "status", "failed", "error",
                  cor_result_error(job->code, job->why, "queued", job->attempts));
    char *text = event ? cor_json_text(event) : NULL;

    if (!text) {
        return cor_fail(err, COR_ERR_NOMEM, "out of memory for an event");
    }
    End end = {.job_id = job->job_id, .event = text};
    bool ok = cor_sql_write(gateway->options.ledger, write_end, &end, COR_SQL_SYNCED, err);
    free(text);
    if (ok && end.is_first) {
        cor_log_warning("job failed in its queue", COR_F("job", job->job_id),
                        COR_F("error", job->why));
        cor_deliver_wake(gateway->deliver, job->client_id);
    }
    return ok;
}

/* --- what the ledger says of a job --- */

typedef struct Job {
    char job_id[COR_ID_SIZE];
    char client_id[COR_ID_SIZE];
    char algo_id[COR_ALGO_ID_SIZE];
    char study_uid[COR_UID_SIZE];
    bool is_final;
    bool is_in_outbox;
    bool is_lost;
    char *request; /* owned; only by read_job() */
} Job;

static bool see_job(void *context, const CorJobRow *row, CorError *err)
{
    Job *job = context;

    (void) snprintf(job->job_id, sizeof(job->job_id), "%s", row->job_id);
    (void) snprintf(job->client_id, sizeof(job->client_id), "%s", row->client_id);
    (void) snprintf(job->algo_id, sizeof(job->algo_id), "%s", row->algo_id);
    (void) snprintf(job->study_uid, sizeof(job->study_uid), "%s",
                    row->study_instance_uid ? row->study_instance_uid : "");
    job->is_final = cor_job_state_is_final(row->state);
    if (row->request && !job->is_final) {
        job->request = strdup(row->request);
        return job->request ? true : cor_fail(err, COR_ERR_NOMEM, "out of memory for a job");
    }
    return true;
}

static bool read_job_row(CorSqlTxn *txn, void *arg, CorError *err)
{
    Job *job = arg;

    return cor_ledger_job(txn, job->job_id, see_job, job, err);
}

/* Fill a job of which only the id is known.  One that the ledger does not have counts as final. */
static bool read_job(CorGateway *gateway, Job *job, CorError *err)
{
    CorError why = {0};

    if (cor_sql_read(gateway->options.ledger, read_job_row, job, &why)) {
        return true;
    }
    free(COR_TAKE(job->request));
    if (why.code != COR_ERR_NOT_FOUND) {
        return cor_fail(err, why.code, "%s", why.text);
    }
    job->is_final = true;
    return true;
}

static bool is_result_on_its_way(CorGateway *gateway, bool *ret_is, CorError *err)
{
    CorQueueStats stats = {0};

    if (!cor_queue_stats(gateway->options.results, &stats, err)) {
        return false;
    }
    *ret_is = stats.visible + stats.in_flight + stats.delayed > 0;
    return true;
}

/* --- dead letters --- */

/* *ret_waits is true if the letter has to be looked at again. */
static bool check_letter(CorGateway *gateway, const CorMessage *letter, bool *ret_waits,
                         CorError *err)
{
    Job job = {0};

    *ret_waits = false;
    if (strlen(cor_message_dedup_id(letter)) >= sizeof(job.job_id)) {
        return true; /* no job of ours */
    }
    (void) snprintf(job.job_id, sizeof(job.job_id), "%s", cor_message_dedup_id(letter));
    if (!read_job(gateway, &job, err)) {
        return false;
    }
    free(COR_TAKE(job.request));
    if (job.is_final) {
        return true;
    }
    if (!is_result_on_its_way(gateway, ret_waits, err)) {
        return false;
    }
    CorGatewayEnd end = {.job_id = job.job_id,
                         .algo_id = job.algo_id,
                         .client_id = job.client_id,
                         .code = "internal",
                         .why = cor_message_reason(letter),
                         .attempts = cor_message_receives(letter)};
    return *ret_waits || cor_gateway_priv_end_job(gateway, &end, err);
}

/* Look through what has died since the last time. */
static bool check_letters(CorGateway *gateway, CorQueue *queue, int64_t *seen, bool *ret_waits,
                          CorError *err)
{
    CorMessage *letters[LETTERS];
    bool ok = true;
    bool waits = false;
    size_t len = 0;

    do {
        len = 0;
        ok = cor_queue_dead_list(queue, *seen, LETTERS, letters, &len, err);
        for (size_t i = 0; i < len; i++) {
            ok = ok && (waits || check_letter(gateway, letters[i], &waits, err));
            if (ok && !waits) {
                *seen = cor_message_seq(letters[i]);
            }
            cor_message_free(letters[i]);
        }
    } while (ok && !waits && len > 0);
    *ret_waits = *ret_waits || waits;
    return ok;
}

bool cor_gateway_priv_check_letters(CorGateway *gateway, bool *ret_waits, CorError *err)
{
    *ret_waits = false;
    for (size_t i = 0; i < gateway->algo_len; i++) {
        CorGatewayAlgo *algo = &gateway->algos[i];
        CorQueueStats stats = {0};

        if (!cor_queue_stats(algo->queue, &stats, err) ||
            (stats.dead > 0 &&
             !check_letters(gateway, algo->queue, &algo->dead_seen, ret_waits, err))) {
            return false;
        }
    }
    return true;
}

/* --- lost messages --- */

typedef struct Page {
    CorJobFilter filter;
    Job jobs[PAGE];
    size_t len;
} Page;

static bool take_job(void *context, const CorJobRow *row, CorError *err)
{
    Page *page = context;
    Job *job = &page->jobs[page->len++];

    *job = (Job){0};
    page->filter.after = row->number;
    return see_job(job, row, err);
}

static bool mark_outbox(void *context, const CorOutboxRow *row, CorError *err)
{
    Page *page = context;
    (void) err;

    for (size_t i = 0; i < page->len; i++) {
        if (strcmp(page->jobs[i].job_id, row->job_id) == 0) {
            page->jobs[i].is_in_outbox = true;
        }
    }
    return true;
}

/* Jobs and outbox as they stand together: what is not sent yet is not lost. */
static bool read_page(CorSqlTxn *txn, void *arg, CorError *err)
{
    Page *page = arg;

    page->len = 0;
    return cor_ledger_jobs(txn, &page->filter, take_job, page, err) &&
           cor_ledger_outbox(txn, 0, INT32_MAX, mark_outbox, page, err);
}

/* The message group that the request asked for, as when it was accepted. */
static void group_of(const Job *job, char *group, size_t size)
{
    COR_CLEANUP(cor_json_freep) json_t *body = NULL;

    const char *order = cor_json_parse(job->request, strlen(job->request), &body, NULL)
                            ? cor_json_string(body, "order", "none")
                            : "none";
    if (strcmp(order, "client") == 0) {
        (void) snprintf(group, size, "client:%s", job->client_id);
    } else if (strcmp(order, "study") == 0) {
        (void) snprintf(group, size, "study:%s", job->study_uid);
    } else {
        (void) snprintf(group, size, "%s", job->job_id);
    }
}

/* Send a job's request again.  Within the time of deduplication this may do nothing, so whoever
 * calls looks again. */
static bool send_again(CorGateway *gateway, const Job *job, CorError *err)
{
    CorGatewayAlgo *algo = cor_gateway_priv_algo(gateway, job->algo_id);
    char group[COR_ID_SIZE + COR_UID_SIZE + 16];
    char message_id[COR_UUID_SIZE];
    CorGatewayEnd end = {.job_id = job->job_id,
                         .algo_id = job->algo_id,
                         .client_id = job->client_id,
                         .code = algo ? "internal" : "unsupported",
                         .why = algo ? "the job's message is lost"
                                     : "this server no longer has the algorithm"};

    if (!algo || !job->request) {
        return cor_gateway_priv_end_job(gateway, &end, err);
    }
    group_of(job, group, sizeof(group));
    CorQueueSend send = {.group_id = group,
                         .dedup_id = job->job_id,
                         .client_id = job->client_id,
                         .body = job->request,
                         .body_size = strlen(job->request)};
    cor_log_warning("message of a job is lost, sending it again", COR_F("job", job->job_id));
    CorError why = {0};
    if (cor_queue_send(algo->queue, &send, message_id, &why)) {
        return true;
    }
    return why.code == COR_ERR_INVALID ? cor_gateway_priv_end_job(gateway, &end, err)
                                       : cor_fail(err, why.code, "%s", why.text);
}

/* True in *ret_is if neither the outbox nor its queue has it. */
static bool is_lost(CorGateway *gateway, const Job *job, bool *ret_is, CorError *err)
{
    const CorGatewayAlgo *algo = cor_gateway_priv_algo(gateway, job->algo_id);
    CorError why = {0};
    int64_t position = 0;

    *ret_is = false;
    if (job->is_in_outbox) {
        return true;
    }
    if (algo && cor_queue_position(algo->queue, job->job_id, &position, &why)) {
        return true;
    }
    if (algo && why.code != COR_ERR_NOT_FOUND) {
        return cor_fail(err, why.code, "%s", why.text);
    }
    *ret_is = true;
    return true;
}

/* Its message was not there; by now it may have died or ended with a result. */
static bool recover(CorGateway *gateway, Job *job, bool *ret_sent, CorError *err)
{
    bool ok = read_job(gateway, job, err);

    if (ok && !job->is_final) {
        ok = send_again(gateway, job, err);
        *ret_sent = true;
    }
    free(COR_TAKE(job->request));
    return ok;
}

/* All that are lost at once: what is sent again soon has results on their way. */
static bool recover_page(CorGateway *gateway, Page *page, CorGatewaySearch *search, CorError *err)
{
    bool is_any = false;

    search->is_held_up = false;
    for (size_t i = 0; i < page->len; i++) {
        if (!is_lost(gateway, &page->jobs[i], &page->jobs[i].is_lost, err)) {
            return false;
        }
        is_any = is_any || page->jobs[i].is_lost;
    }
    if (!is_any) {
        return true;
    }
    if (!cor_gateway_priv_check_letters(gateway, &search->is_held_up, err) ||
        (!search->is_held_up && !is_result_on_its_way(gateway, &search->is_held_up, err))) {
        return false;
    }
    for (size_t i = 0; !search->is_held_up && i < page->len; i++) {
        if (page->jobs[i].is_lost && !recover(gateway, &page->jobs[i], &search->waits, err)) {
            return false;
        }
    }
    return true;
}

bool cor_gateway_priv_find_lost(CorGateway *gateway, CorGatewaySearch *search, CorError *err)
{
    /* In this order: a job that starts meanwhile is seen in one of them. */
    static const CorJobState states[] = {COR_JOB_QUEUED, COR_JOB_RUNNING};
    Page *page = cor_new(Page);

    if (!page) {
        return cor_fail(err, COR_ERR_NOMEM, "out of memory for a page of jobs");
    }
    page->filter = (CorJobFilter){
        .state = cor_job_state_name(states[search->state]), .after = search->after, .limit = PAGE};
    bool ok = cor_sql_read(gateway->options.ledger, read_page, page, err) &&
              recover_page(gateway, page, search, err);
    if (ok && search->is_held_up) {
        /* the same page again */
    } else if (ok && page->len == PAGE) {
        search->after = page->filter.after;
    } else if (ok) {
        search->after = 0;
        search->state++;
        search->is_over = search->state == COR_ARRAY_LEN(states);
    }
    free(page);
    return ok;
}

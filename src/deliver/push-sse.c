/* SPDX-License-Identifier: Apache-2.0 */
/* The same log over plain HTTP: Server-Sent Events (WHATWG HTML section 9.2), or one page of JSON.
 *
 * An event stream is a connection like a WebSocket: it lives in the hub and is moved on the
 * WebSocket thread; the HTTP server's threads only tell it there that its buffer is empty or its
 * peer gone. */
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "deliver/deliver-priv.h"
#include "deliver/push.h"
#include "http/http-stream.h"
#include "ledger/ledger.h"

#define PAGE_LIMIT_MAX 1000
#define PAGE_LIMIT 100
#define PAGE_BYTES_MAX ((size_t) 8 * 1024 * 1024)
#define PAGE_SLACK ((size_t) 4 * 1024 * 1024)
#define HEARTBEAT_MS 15000

/* ---- Streams ---- */

static void open_conn(void *arg)
{
    cor_deliver_priv_conn_open(arg);
    cor_deliver_priv_conn_unref(arg);
}

static void drain_conn(void *arg)
{
    cor_deliver_priv_conn_drained(arg);
    cor_deliver_priv_conn_unref(arg);
}

static void close_conn(void *arg)
{
    cor_deliver_priv_conn_close(arg);
}

/* Run fn(conn) on the WebSocket thread with a reference of its own. */
static bool post(CorPushConn *conn, void (*fn)(void *arg))
{
    const CorDeliverOptions *options = cor_deliver_priv_push_options(conn->push);

    (void) cor_deliver_priv_conn_ref(conn);
    if (!cor_ws_post(options->ws, fn, conn)) {
        cor_deliver_priv_conn_unref(conn);
        return false;
    }
    return true;
}

static void on_drained(void *context)
{
    (void) post(context, drain_conn);
}

/* The stream's own reference goes with the call. */
static void on_end(void *context)
{
    CorPushConn *conn = context;
    const CorDeliverOptions *options = cor_deliver_priv_push_options(conn->push);

    if (!cor_ws_post(options->ws, close_conn, conn)) {
        cor_deliver_priv_conn_close(conn); /* that thread has ended: this is the only one left */
    }
}

static void serve_stream(CorDeliver *deliver, CorHttpResponse *res, const char *client_id,
                         int64_t since)
{
    CorPushConn *conn = NULL;
    CorError err = {0};
    CorHttpStreamOptions options = {.type = "text/event-stream",
                                    .buffer_max = deliver->options.buffer_bytes,
                                    .heartbeat = ": \n\n",
                                    .heartbeat_ms = HEARTBEAT_MS,
                                    .on_drained = on_drained,
                                    .on_end = on_end};

    if (!cor_deliver_priv_join(deliver, COR_PUSH_SSE, client_id, res, &conn)) {
        return;
    }
    conn->since = since;
    options.context = conn;
    (void) cor_deliver_priv_conn_ref(conn); /* until it is opened: on_end() may come at once */
    if (!cor_http_res_stream(res, &options, &conn->stream, &err)) {
        cor_http_problem(res, 503, NULL, "%s", err.text);
        cor_deliver_priv_conn_close(conn);
    } else {
        cor_http_res_header(res, "Cache-Control", "no-store");
        cor_http_res_header(res, "X-Accel-Buffering", "no");
        if (!post(conn, open_conn)) {
            cor_http_stream_abort(conn->stream);
        }
    }
    cor_deliver_priv_conn_unref(conn);
}

/* ---- Pages ---- */

typedef struct Page {
    const CorDeliverOptions *options;
    const char *client_id;
    int64_t since;
    size_t limit;
    CorClientLog log;
    CorString *text;
    int64_t shown; /* number of the last event in it */
    size_t len;
    bool is_full;
} Page;

static bool add_to_page(void *context, int64_t seq, int64_t created_unix_ms, const char *body,
                        CorError *err)
{
    Page *page = context;
    COR_CLEANUP(cor_deliver_priv_frame_unrefp) CorDeliverFrame *frame = NULL;
    CorBytes *json = NULL;

    (void) created_unix_ms;
    if (page->is_full) {
        return true;
    }
    if (!cor_deliver_priv_frame_from_body(page->options, seq, body, &frame, err)) {
        return false;
    }
    json = cor_deliver_priv_frame_json(frame);
    cor_string_append_text(page->text, page->len > 0 ? "," : "");
    cor_string_append(page->text, cor_bytes_data(json), cor_bytes_size(json));
    page->len++;
    page->shown = seq;
    page->is_full = cor_string_size(page->text) >= PAGE_BYTES_MAX;
    return true;
}

static bool read_page(CorSqlTxn *txn, void *arg, CorError *err)
{
    Page *page = arg;

    if (!cor_ledger_client(txn, page->client_id, &page->log, err)) {
        return false;
    }
    if (page->since == COR_PUSH_SINCE_CURSOR) {
        page->since = page->log.acked;
    }
    page->shown = page->since;
    CorEventRange range = {.client_id = page->client_id, .since = page->since, .max = page->limit};
    return cor_ledger_events(txn, &range, add_to_page, page, err);
}

static void serve_page(CorDeliver *deliver, CorHttpRequest *req, CorHttpResponse *res,
                       const char *client_id, int64_t since)
{
    static const int64_t range[2] = {1, PAGE_LIMIT_MAX};
    COR_CLEANUP(cor_string_freep) CorString *text = cor_string_new(PAGE_BYTES_MAX + PAGE_SLACK);
    Page page = {
        .options = &deliver->options, .client_id = client_id, .since = since, .text = text};
    CorError err = {0};
    int64_t limit = 0;
    size_t size = 0;

    if (!cor_http_req_query_integer(req, "limit", range, PAGE_LIMIT, &limit, &err)) {
        cor_http_problem(res, 400, NULL, "%s", err.text);
        return;
    }
    page.limit = (size_t) limit;
    cor_string_append_text(text, "{\"events\":[");
    if (!cor_sql_read(deliver->options.ledger, read_page, &page, &err)) {
        cor_http_problem(res, 503, NULL, "The event log cannot be read now");
        return;
    }
    cor_string_printf(text, "],\"last\":%lld,\"oldest\":%lld", (long long) page.log.last,
                      (long long) page.log.oldest);
    if (page.len > 0 && page.shown < page.log.last) {
        cor_string_printf(text, ",\"next\":%lld", (long long) page.shown);
    }
    cor_string_append_text(text, "}");
    if (!cor_string_check(text, &err)) {
        cor_http_problem(res, 503, NULL, "%s", err.text);
        return;
    }
    size = cor_string_size(text);
    cor_http_res_header(res, "Cache-Control", "no-store");
    cor_http_res_buffer(res, 200, "application/json", cor_string_take(COR_TAKE(text)), size);
}

void cor_deliver_serve_events(CorHttpRequest *req, CorHttpResponse *res, void *context)
{
    CorDeliver *deliver = context;
    const char *client_id = cor_http_req_param(req, "client_id");
    const char *last_id = cor_http_req_header(req, "Last-Event-ID");
    int64_t since = 0;

    if (cor_deliver_priv_refuse_client(res, client_id) ||
        !cor_deliver_priv_read_since(req, res, &since)) {
        return;
    }
    if (cor_http_req_header_has(req, "Accept", "application/json") &&
        !cor_http_req_header_has(req, "Accept", "text/event-stream")) {
        serve_page(deliver, req, res, client_id, since);
        return;
    }
    if (last_id && *last_id && !cor_deliver_priv_parse_seq(last_id, &since)) {
        cor_http_problem(res, 400, NULL, "Header 'Last-Event-ID' must be a number from 0");
        return;
    }
    serve_stream(deliver, res, client_id, since);
}

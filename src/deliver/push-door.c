/* SPDX-License-Identifier: Apache-2.0 */
/* The two WebSocket doors: handshake, and what clients may say (interfaces.md section 4).
 *
 *   {"type":"ack","seq":N}   the cursor moves forward to N; nothing is answered
 *   {"type":"ping","t":T}    {"type":"pong","t":T}
 *   anything else            {"type":"error","error":"..."}; the connection stays
 */
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "deliver/deliver-priv.h"
#include "deliver/push.h"

#define NUMBER_DIGITS_MAX 18

static void say_error(CorPushConn *conn, const char *sentence)
{
    COR_CLEANUP(cor_json_freep)
    json_t *frame = json_pack("{s:s, s:s}", "type", "error", "error", sentence);
    char *text = cor_json_text(frame);

    if (text) {
        cor_deliver_priv_conn_say(conn, text);
    }
    free(text);
}

static void say_pong(CorPushConn *conn, const json_t *ping)
{
    COR_CLEANUP(cor_json_freep) json_t *pong = json_pack("{s:s}", "type", "pong");
    json_t *t = json_object_get(ping, "t");
    char *text = NULL;

    cor_deliver_priv_conn_alive(conn); /* before our answer waits among the frames */
    if (t) {
        (void) json_object_set(pong, "t", t);
    }
    text = cor_json_text(pong);
    if (text) {
        cor_deliver_priv_conn_say(conn, text);
    }
    free(text);
}

static void take_ack(CorPushConn *conn, const json_t *ack)
{
    const json_t *seq = json_object_get(ack, "seq");

    if (!json_is_integer(seq) || json_integer_value(seq) < 0) {
        say_error(conn, "an ack needs a number \"seq\" that is not negative");
        return;
    }
    cor_deliver_priv_conn_ack(conn, json_integer_value(seq));
}

static void on_text(CorWsSession *session, void *context, const char *text, size_t size)
{
    CorPushConn *conn = context;
    COR_CLEANUP(cor_json_freep) json_t *frame = NULL;
    const char *type = NULL;

    (void) session;
    if (!cor_json_parse(text, size, &frame, NULL)) {
        say_error(conn, "a frame must be a JSON object");
        return;
    }
    type = cor_json_string(frame, "type", "");
    if (strcmp(type, "ack") == 0) {
        take_ack(conn, frame);
    } else if (strcmp(type, "ping") == 0) {
        say_pong(conn, frame);
    } else {
        say_error(conn, "the type of a frame is \"ack\" or \"ping\"");
    }
}

static void on_binary(CorWsSession *session, void *context)
{
    (void) session;
    say_error(context, "a frame must be text, a JSON object");
}

static void on_open(CorWsSession *session, void *context)
{
    CorPushConn *conn = context;

    conn->ws = session;
    cor_deliver_priv_conn_open(conn);
}

static void on_alive(CorWsSession *session, void *context)
{
    (void) session;
    cor_deliver_priv_conn_alive(context);
}

static void on_drained(CorWsSession *session, void *context)
{
    (void) session;
    cor_deliver_priv_conn_drained(context);
}

static void on_close(CorWsSession *session, void *context, uint16_t code)
{
    (void) session;
    (void) code;
    cor_deliver_priv_conn_close(context);
}

static const CorWsHandlers handlers = {
    .on_open = on_open,
    .on_text = on_text,
    .on_binary = on_binary,
    .on_alive = on_alive,
    .on_drained = on_drained,
    .on_close = on_close,
};

bool cor_deliver_priv_parse_seq(const char *text, int64_t *ret_seq)
{
    int64_t seq = 0;
    size_t len = strlen(text);

    if (len == 0 || len > NUMBER_DIGITS_MAX || strspn(text, "0123456789") != len) {
        return false;
    }
    for (size_t i = 0; i < len; i++) {
        seq = seq * 10 + (text[i] - '0');
    }
    *ret_seq = seq;
    return true;
}

bool cor_deliver_priv_read_since(CorHttpRequest *req, CorHttpResponse *res, int64_t *ret_since)
{
    const char *text = cor_http_req_query(req, "since");

    if (!text) {
        *ret_since = COR_PUSH_SINCE_CURSOR;
        return true;
    }
    if (!cor_deliver_priv_parse_seq(text, ret_since)) {
        cor_http_problem(res, 400, NULL, "Query parameter 'since' must be a number from 0");
        return false;
    }
    return true;
}

bool cor_deliver_priv_refuse_client(CorHttpResponse *res, const char *client_id)
{
    if (!client_id) {
        cor_http_problem(res, 400, NULL, "Query parameter 'client_id' is missing");
        return true;
    }
    if (!cor_id_is_legal(client_id)) {
        cor_http_problem(res, 400, NULL, "client_id must be [A-Za-z0-9._~-]{1,128}");
        return true;
    }
    return false;
}

bool cor_deliver_priv_join(CorDeliver *deliver, CorPushDoor door, const char *client_id,
                           CorHttpResponse *res, CorPushConn **ret_conn)
{
    CorError err = {0};

    if (cor_deliver_priv_conn_new(deliver->push, door, client_id, ret_conn, &err)) {
        return true;
    }
    if (err.code == COR_ERR_LIMIT) {
        cor_http_res_header(res, "Retry-After", "5");
        cor_http_problem(res, 429, NULL, "%s", err.text);
    } else {
        cor_http_problem(res, 503, NULL, "%s", err.text);
    }
    return false;
}

static void accept_ws(CorDeliver *deliver, CorHttpRequest *req, CorHttpResponse *res,
                      CorPushConn *conn)
{
    if (!cor_ws_accept(deliver->options.ws, req, res, &handlers, conn)) {
        cor_deliver_priv_conn_close(conn);
    }
}

void cor_deliver_serve_ws(CorHttpRequest *req, CorHttpResponse *res, void *context)
{
    CorDeliver *deliver = context;
    const char *client_id = cor_http_req_query(req, "client_id");
    CorPushConn *conn = NULL;
    int64_t since = 0;

    if (cor_deliver_priv_refuse_client(res, client_id) ||
        !cor_deliver_priv_read_since(req, res, &since) ||
        !cor_deliver_priv_join(deliver, COR_PUSH_LIVE, client_id, res, &conn)) {
        return;
    }
    conn->since = since;
    accept_ws(deliver, req, res, conn);
}

void cor_deliver_serve_prod(CorHttpRequest *req, CorHttpResponse *res, void *context)
{
    CorDeliver *deliver = context;
    const char *client_id = cor_http_req_query(req, "client_id");
    CorPushConn *conn = NULL;

    /* The reference accepts a connection without client_id, which is then never sent anything. */
    if (client_id && cor_deliver_priv_refuse_client(res, client_id)) {
        return;
    }
    if (cor_deliver_priv_join(deliver, COR_PUSH_PROD, client_id, res, &conn)) {
        accept_ws(deliver, req, res, conn);
    }
}

/* SPDX-License-Identifier: Apache-2.0 */
/* One request from its first byte to its last.
 *
 * libmicrohttpd calls: a connection begins; a request line is there (the raw target); the headers
 * are there; body bytes, repeatedly; the body has ended; the answer is sent; the connection ends.
 * Meanwhile the watch (http-watch.c) may cut the connection, from its own thread:
 *
 *     READING ---complete---> ANSWERING ---sent---> IDLE ---next line---> READING
 *        |                        |                   |
 *        +--refused--> LINGERING  |                   |
 *        |                 |      |                   |
 *        +-----------------+------+-------------------+--deadline--> EXPIRED
 *
 *   (new)     -> READING    on_connection(): the request's time has begun, or nobody talks
 *   READING   -> ANSWERING  run(): from now on the watch must not answer 408
 *   READING   -> LINGERING  refuse_in_body(): the answer is out, the rest is drained for a while
 *   ANSWERING -> IDLE       on_completed()
 *   IDLE      -> READING    on_uri()
 *   any       -> EXPIRED    watch; from READING with a 408
 */
#include "http/http-priv.h"

#include <arpa/inet.h>
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/array.h"
#include "base/json.h"
#include "base/time.h"

enum { UPLOAD_WINDOW = 1024 * 1024 };

static const char *const phase_names[] = {
    [HTTP_IDLE] = "idle",           [HTTP_READING] = "reading", [HTTP_ANSWERING] = "answering",
    [HTTP_LINGERING] = "lingering", [HTTP_EXPIRED] = "expired",
};
static_assert(COR_ARRAY_LEN(phase_names) == HTTP_PHASE_COUNT_, "name every phase");

/* Bit n of entry p is set when a connection may go from phase p to phase n. */
static const unsigned allowed_next[HTTP_PHASE_COUNT_] = {
    [HTTP_IDLE] = (1u << HTTP_READING) | (1u << HTTP_EXPIRED),
    [HTTP_READING] = (1u << HTTP_ANSWERING) | (1u << HTTP_LINGERING) | (1u << HTTP_EXPIRED),
    [HTTP_ANSWERING] = (1u << HTTP_IDLE) | (1u << HTTP_EXPIRED),
    [HTTP_LINGERING] = (1u << HTTP_EXPIRED),
};

/* The only place that assigns conn->phase after its creation.  False if the other thread was first.
 */
bool cor_http_priv_move(HttpConn *conn, HttpPhase from, HttpPhase to)
{
    int expected = (int) from;

    if (!(allowed_next[from] & (1u << to))) {
        return false; /* expired means expired */
    }
    return atomic_compare_exchange_strong(&conn->phase, &expected, (int) to);
}

/* ---- Connections ---- */

static void note_peer(HttpConn *conn, struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    const struct sockaddr *address = info ? info->client_addr : NULL;
    char host[INET6_ADDRSTRLEN] = "";

    if (address && address->sa_family == AF_INET) {
        struct sockaddr_in in;
        memcpy(&in, address, sizeof(in));
        (void) inet_ntop(AF_INET, &in.sin_addr, host, sizeof(host));
        (void) snprintf(conn->peer, sizeof(conn->peer), "%s:%u", host, ntohs(in.sin_port));
    } else if (address && address->sa_family == AF_INET6) {
        struct sockaddr_in6 in6;
        memcpy(&in6, address, sizeof(in6));
        (void) inet_ntop(AF_INET6, &in6.sin6_addr, host, sizeof(host));
        (void) snprintf(conn->peer, sizeof(conn->peer), "[%s]:%u", host, ntohs(in6.sin6_port));
    }
}

static HttpConn *conn_new(CorHttpServer *server, struct MHD_Connection *connection)
{
    HttpConn *conn = cor_new(HttpConn);
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);

    if (!conn || !info) {
        free(conn);
        return NULL;
    }
    conn->server = server;
    conn->fd = info->connect_fd;
    atomic_init(&conn->phase, HTTP_READING);
    atomic_init(&conn->deadline_ms, cor_time_ms() + server->options.request_timeout_ms);
    note_peer(conn, connection);

    (void) pthread_mutex_lock(&server->mutex);
    conn->next = server->conns;
    if (conn->next) {
        conn->next->previous = conn;
    } else {
        cor_wakeup_signal(server->watch_wakeup); /* it sleeps while there are none */
    }
    server->conns = conn;
    server->conns_len++;
    (void) pthread_mutex_unlock(&server->mutex);
    return conn;
}

static void conn_free(HttpConn *conn)
{
    CorHttpServer *server = conn->server;

    if (conn->request) {
        cor_http_priv_request_free(COR_TAKE(conn->request));
    }
    (void) pthread_mutex_lock(&server->mutex);
    if (conn->next) {
        conn->next->previous = conn->previous;
    }
    *(conn->previous ? &conn->previous->next : &server->conns) = conn->next;
    server->conns_len--;
    (void) pthread_mutex_unlock(&server->mutex);
    free(conn);
}

void cor_http_priv_on_connection(void *context, struct MHD_Connection *connection, void **slot,
                                 enum MHD_ConnectionNotificationCode code)
{
    HttpLane *lane = context;

    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        *slot = conn_new(lane->server, connection);
        return;
    }
    atomic_fetch_sub(&lane->conns, 1);
    if (*slot) {
        conn_free(*slot);
        *slot = NULL;
    }
    cor_http_priv_accept_room(lane->server);
}

/* ---- Requests ---- */

static void count_active(CorHttpServer *server, int change)
{
    (void) pthread_mutex_lock(&server->active_mutex);
    server->active = (uint64_t) ((int64_t) server->active + change);
    if (server->active == 0) {
        (void) pthread_cond_broadcast(&server->quiet);
    }
    (void) pthread_mutex_unlock(&server->active_mutex);
}

void *cor_http_priv_on_uri(void *context, const char *uri, struct MHD_Connection *connection)
{
    CorHttpServer *server = context;
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    HttpConn *conn = info ? info->socket_context : NULL;
    CorHttpRequest *req = conn ? cor_new(CorHttpRequest) : NULL;

    if (!req) {
        return NULL; /* on_access() then cuts the connection */
    }
    if (conn->request) { /* its headers never came to an end */
        cor_http_priv_request_free(COR_TAKE(conn->request));
    }
    if (cor_http_priv_move(conn, HTTP_IDLE, HTTP_READING)) {
        atomic_store(&conn->deadline_ms, cor_time_ms() + server->options.request_timeout_ms);
    }
    req->server = server;
    req->conn = conn;
    req->connection = connection;
    req->start_us = cor_time_us();
    req->method = "";
    cor_http_priv_res_init(&req->res);
    req->raw = strdup(uri);
    if (!cor_http_target_parse(uri, COR_HTTP_TARGET_MAX, &req->target, &req->target_error)) {
        req->target = NULL; /* cor_http_priv_admit() says why */
    }
    conn->request = req;
    count_active(server, +1);
    return req;
}

void cor_http_priv_request_free(CorHttpRequest *req)
{
    CorHttpServer *server = req->server;

    cor_http_priv_suspension_clear(req->conn);
    if (req->has_upload) {
        req->route->route.upload->abort(req->upload);
    }
    if (req->park) {
        cor_http_priv_park_drop(req->park);
    }
    if (req->pulled) {
        cor_http_priv_pull_end(req->pulled);
    }
    if (req->hold) {
        cor_http_priv_hold_drop(req->hold);
    }
    cor_http_priv_res_done(&req->res);
    json_decref(req->json);
    free(req->body);
    cor_http_target_free(req->target);
    free(req->raw);
    free(req);
    count_active(server, -1);
}

/* Names of methods in a log come from this list: a method is a client's free text. */
static const char *known_method(const char *method)
{
    static const char *const known[] = {"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"};

    for (size_t i = 0; i < COR_ARRAY_LEN(known); i++) {
        if (strcmp(method, known[i]) == 0) {
            return known[i];
        }
    }
    return "other";
}

static void report(const CorHttpRequest *req)
{
    const CorHttpServerOptions *options = &req->server->options;
    bool was_answered = req->stage == HTTP_STAGE_ANSWERED || req->stage == HTTP_STAGE_LINGER;
    CorHttpAccess access = {
        .method = known_method(req->method),
        .pattern = cor_http_req_pattern(req),
        .status = was_answered ? req->res.status : 0,
        .duration_us = cor_time_us() - req->start_us,
        .bytes = req->bytes_sent,
    };

    if (options->on_access) {
        options->on_access(&access, options->access_context);
    }
}

void cor_http_priv_on_completed(void *context, struct MHD_Connection *connection, void **slot,
                                enum MHD_RequestTerminationCode code)
{
    CorHttpRequest *req = *slot;
    (void) context;
    (void) connection;
    (void) code;

    if (!req) {
        return;
    }
    *slot = NULL;
    HttpConn *conn = req->conn;
    report(req);
    conn->request = NULL;
    cor_http_priv_request_free(req);
    atomic_store(&conn->deadline_ms, cor_time_ms() + conn->server->options.idle_timeout_ms);
    (void) cor_http_priv_move(conn, HTTP_ANSWERING, HTTP_IDLE);
}

/* ---- Bodies ---- */

/* The bytes of a stream buy the time that the slowest acceptable line needs for them. */
static void extend_deadline(CorHttpRequest *req)
{
    uint64_t rate = (uint64_t) req->server->options.bytes_per_s_min;

    atomic_store(&req->conn->deadline_ms,
                 req->body_deadline_ms + (int64_t) (req->body_seen / rate) * 1000);
}

/* Say no.  libmicrohttpd takes an answer at header time for a refusal to read on and ends the
 * connection, even if there is no body; so that is done only where it is meant: when the peer waits
 * for "100 Continue" before it sends.  A small body is drained, so that the connection can go on;
 * of a large one some is drained behind the answer. */
static enum MHD_Result refuse(CorHttpRequest *req)
{
    if (req->has_upload) {
        req->has_upload = false;
        req->route->route.upload->abort(req->upload);
    }
    bool waits = req->expects_continue && req->body_seen == 0;
    if (waits || req->must_close) {
        req->must_close = true;
        return cor_http_priv_move(req->conn, HTTP_READING, HTTP_ANSWERING)
                   ? cor_http_priv_answer(req)
                   : MHD_NO;
    }
    if (req->content_length >= 0 && (uint64_t) req->content_length <= COR_HTTP_PRIV_DRAIN_MAX) {
        req->stage = HTTP_STAGE_REFUSED;
        return MHD_YES;
    }
    if (!cor_http_priv_move(req->conn, HTTP_READING, HTTP_LINGERING) ||
        !cor_http_priv_answer_raw(req)) {
        return MHD_NO;
    }
    req->stage = HTTP_STAGE_LINGER;
    atomic_store(&req->conn->deadline_ms, cor_time_ms() + COR_HTTP_PRIV_LINGER_MS);
    return MHD_YES;
}

static bool grow_body(CorHttpRequest *req, size_t size)
{
    size_t needed = req->body_size + size + 1;
    size_t capacity = req->body_capacity;

    if (capacity == 0) {
        capacity = req->content_length > 0 ? (size_t) req->content_length + 1 : 4096;
    }
    while (capacity < needed) {
        capacity *= 2;
    }
    if (capacity != req->body_capacity) {
        uint8_t *grown = realloc(req->body, capacity);
        if (!grown) {
            cor_http_problem(&req->res, 503, NULL, "out of memory for the body");
            return false;
        }
        req->body = grown;
        req->body_capacity = capacity;
    }
    return true;
}

/* Refuse a body that with these bytes is too long. */
static bool check_size(CorHttpRequest *req, size_t more)
{
    if (req->body_seen + more > req->body_max) {
        cor_http_problem(&req->res, 413, NULL, "the body is larger than %llu bytes",
                         (unsigned long long) req->body_max);
        return false;
    }
    return true;
}

static bool take_body(CorHttpRequest *req, const char *data, size_t size)
{
    const CorHttpRoute *route = &req->route->route;

    bool fits = check_size(req, size);
    req->body_seen += size;
    if (!fits) {
        return false;
    }
    if (route->body == COR_HTTP_BODY_NONE) {
        return true;
    }
    if (!grow_body(req, size)) {
        return false;
    }
    memcpy(req->body + req->body_size, data, size);
    req->body_size += size;
    req->body[req->body_size] = 0;
    return true;
}

static bool parse_json(CorHttpRequest *req)
{
    CorError err = {0};

    if (req->route->route.body != COR_HTTP_BODY_JSON || req->body_size == 0) {
        return true;
    }
    if (!cor_json_parse((const char *) req->body, req->body_size, &req->json, &err)) {
        bool is_ours = err.code == COR_ERR_NOMEM;
        cor_http_problem(&req->res, is_ours ? 503 : 400, is_ours ? NULL : "", "%s", err.text);
        return false;
    }
    return true;
}

/* ---- Handlers ---- */

/* Send what a handler has left in res, or put the request aside. */
static enum MHD_Result conclude(CorHttpRequest *req)
{
    while (req->park && req->res.kind == HTTP_UNTOUCHED) {
        req->stage = HTTP_STAGE_PARKED;
        if (cor_http_priv_park_suspend(req->park, req)) {
            return MHD_YES;
        }
        /* It was woken before it could sleep. */
        HttpParkState state = cor_http_priv_park_state(req->park);
        if (state == HTTP_PARK_GONE) {
            return MHD_NO;
        }
        cor_http_priv_park_again(COR_TAKE(req->park), req, state == HTTP_PARK_WOKEN);
    }
    return cor_http_priv_answer(req);
}

static enum MHD_Result run(CorHttpRequest *req)
{
    const CorHttpRoute *route = &req->route->route;

    if (!cor_http_priv_move(req->conn, HTTP_READING, HTTP_ANSWERING)) {
        return MHD_NO;
    }
    atomic_store(&req->conn->deadline_ms, 0);
    if (!parse_json(req)) {
        return cor_http_priv_answer(req);
    }
    req->has_upload = false; /* the handler owns it now */
    route->handler(req, &req->res, cor_http_req_context(req));
    return conclude(req);
}

static enum MHD_Result resume(CorHttpRequest *req)
{
    HttpParkState state = cor_http_priv_park_state(req->park);

    cor_http_priv_suspension_clear(req->conn);
    if (state == HTTP_PARK_GONE) {
        return MHD_NO;
    }
    if (state == HTTP_PARK_WAITING) { /* not our doing; wait on */
        return conclude(req);
    }
    cor_http_priv_park_again(COR_TAKE(req->park), req, state == HTTP_PARK_WOKEN);
    return conclude(req);
}

/* Let the peer send ahead.  The kernel makes the receive buffer as large as the low-water mark
 * needs and keeps it so when the mark is taken back; SO_RCVBUF would end its own adjusting. */
static void widen_window(int fd)
{
    static const int marks[] = {UPLOAD_WINDOW, 1};

    for (size_t i = 0; i < COR_ARRAY_LEN(marks); i++) {
        (void) setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &marks[i], sizeof(marks[i]));
    }
}

static enum MHD_Result on_headers(CorHttpRequest *req)
{
    req->is_head = strcmp(req->method, "HEAD") == 0;
    req->stage = HTTP_STAGE_BODY;
    if (!cor_http_priv_admit(req)) {
        return refuse(req);
    }
    const CorHttpRoute *route = &req->route->route;
    req->body_deadline_ms = atomic_load(&req->conn->deadline_ms);
    if (route->body == COR_HTTP_BODY_STREAM) {
        widen_window(req->conn->fd);
        if (route->upload->begin &&
            !route->upload->begin(req, &req->res, cor_http_req_context(req), &req->upload)) {
            return refuse(req);
        }
        req->has_upload = true;
    }
    return MHD_YES;
}

static enum MHD_Result hold(CorHttpRequest *req)
{
    if (!req->hold) {
        cor_http_problem(&req->res, 500, NULL, "the server failed; its log says why");
        return refuse(req);
    }
    HttpHeld held = cor_http_priv_hold_suspend(req->hold, req);
    if (held == HTTP_HELD) {
        req->stage = HTTP_STAGE_HELD;
    }
    return held == HTTP_HELD_NO_MORE ? MHD_NO : MHD_YES;
}

/* The time that the consumer needs is not the peer's. */
static bool consume(CorHttpRequest *req, const char *data, size_t *taken)
{
    int64_t begin_ms = cor_time_ms();

    atomic_store(&req->conn->deadline_ms, 0);
    bool ok = req->route->route.upload->data(req->upload, data, taken, &req->res);
    req->body_deadline_ms += cor_time_ms() - begin_ms;
    req->body_seen += *taken;
    extend_deadline(req);
    return ok;
}

/* Give a stream's bytes to its consumer until it has taken all or wants to wait. */
static enum MHD_Result stream_body(CorHttpRequest *req, const char *data, size_t *size)
{
    enum MHD_Result result = MHD_YES;

    while (*size > 0 && result == MHD_YES && req->stage == HTTP_STAGE_BODY) {
        size_t taken = *size;
        if (!check_size(req, taken) || !consume(req, data, &taken)) {
            *size = 0;
            return refuse(req);
        }
        assert(taken <= *size);
        data += taken;
        *size -= taken;
        if (*size > 0) {
            result = hold(req);
        }
    }
    return result;
}

static enum MHD_Result on_body(CorHttpRequest *req, const char *data, size_t *size)
{
    size_t taken = *size;

    if (req->stage == HTTP_STAGE_HELD) {
        req->stage = HTTP_STAGE_BODY;
        if (!cor_http_priv_hold_resume(req->hold, req)) {
            return MHD_NO;
        }
    }
    if (req->stage == HTTP_STAGE_BODY && req->route->route.body == COR_HTTP_BODY_STREAM) {
        return stream_body(req, data, size);
    }
    *size = 0;
    switch (req->stage) {
    case HTTP_STAGE_BODY:
        return take_body(req, data, taken) ? MHD_YES : refuse(req);
    case HTTP_STAGE_REFUSED:
        return MHD_YES;
    case HTTP_STAGE_LINGER:
        req->body_seen += taken;
        return req->body_seen > COR_HTTP_PRIV_LINGER_MAX ? MHD_NO : MHD_YES;
    default:
        return MHD_NO;
    }
}

static enum MHD_Result on_end(CorHttpRequest *req)
{
    switch (req->stage) {
    case HTTP_STAGE_BODY:
        return run(req);
    case HTTP_STAGE_REFUSED:
        return cor_http_priv_move(req->conn, HTTP_READING, HTTP_ANSWERING)
                   ? cor_http_priv_answer(req)
                   : MHD_NO;
    case HTTP_STAGE_PARKED:
        return resume(req);
    default:
        return MHD_NO; /* LINGER: everything is said; cut */
    }
}

enum MHD_Result cor_http_priv_on_access(void *context, struct MHD_Connection *connection,
                                        const char *url, const char *method, const char *version,
                                        const char *data, size_t *size, void **slot)
{ // style-ok: libmicrohttpd's signature
    CorHttpRequest *req = *slot;
    (void) context;
    (void) connection;
    (void) url;

    if (!req || !req->raw) {
        return MHD_NO;
    }
    req->method = method;
    req->takes_chunks = strcmp(version, MHD_HTTP_VERSION_1_1) == 0;
    if (req->stage == HTTP_STAGE_HEADERS) {
        return on_headers(req);
    }
    return *size > 0 ? on_body(req, data, size) : on_end(req);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The opening handshake (RFC 6455 section 4.2).  Host, Origin and token were checked by http/. */
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "http/http-guard.h"
#include "ws/ws-priv.h"

enum { SHA1_SIZE = 20, KEY_LEN = 24, KEY_BYTES = 16 };

/* Base64 of 16 bytes: 22 characters and "==". */
static bool key_is_legal(const char *key)
{
    unsigned char decoded[KEY_LEN];

    if (!key || strlen(key) != KEY_LEN || strcmp(key + KEY_LEN - 2, "==") != 0 ||
        memchr(key, '=', KEY_LEN - 2)) {
        return false;
    }
    return EVP_DecodeBlock(decoded, (const unsigned char *) key, KEY_LEN) == KEY_BYTES + 2;
}

bool cor_ws_priv_accept_key(const char *key, char ret_accept[COR_WS_PRIV_ACCEPT_SIZE])
{
    static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"; /* section 1.3 */
    char joined[KEY_LEN + sizeof(guid)];
    unsigned char digest[EVP_MAX_MD_SIZE];

    if (!key_is_legal(key)) {
        return false;
    }
    memcpy(joined, key, KEY_LEN);
    memcpy(joined + KEY_LEN, guid, sizeof(guid));
    if (EVP_Digest(joined, KEY_LEN + sizeof(guid) - 1, digest, NULL, EVP_sha1(), NULL) != 1) {
        return false;
    }
    (void) EVP_EncodeBlock((unsigned char *) ret_accept, digest, SHA1_SIZE);
    return true;
}

/* A browser that offered sub-protocols gives up unless one of them is chosen; so the one that
 * carried the token is confirmed. */
static void choose_protocol(CorHttpRequest *req, CorHttpResponse *res)
{
    const char *list = cor_http_req_header(req, "Sec-WebSocket-Protocol");
    const char *item = NULL;
    size_t size = 0;

    while (list && (item = cor_http_list_next(&list, &size))) {
        bool is_ours = (size == 6 && memcmp(item, "corsia", 6) == 0) ||
                       (size > 7 && strncasecmp(item, "bearer.", 7) == 0);
        if (is_ours) {
            cor_http_res_header(res, "Sec-WebSocket-Protocol", "%.*s", (int) size, item);
            return;
        }
    }
}

static bool refuse_upgrade(CorHttpResponse *res, const char *sentence)
{
    cor_http_problem(res, 426, NULL, "%s", sentence);
    cor_http_res_header(res, "Upgrade", "websocket");
    cor_http_res_header(res, "Sec-WebSocket-Version", "13");
    return false;
}

static bool check(CorHttpRequest *req, CorHttpResponse *res,
                  char ret_accept[COR_WS_PRIV_ACCEPT_SIZE])
{
    const char *version = cor_http_req_header(req, "Sec-WebSocket-Version");

    if (strcmp(cor_http_req_method(req), "GET") != 0 ||
        !cor_http_req_header_has(req, "Upgrade", "websocket") ||
        !cor_http_req_header_has(req, "Connection", "Upgrade")) {
        return refuse_upgrade(res, "this is a WebSocket: connect with Upgrade: websocket");
    }
    if (!version || strcmp(version, "13") != 0) {
        return refuse_upgrade(res, "Sec-WebSocket-Version must be 13");
    }
    if (!cor_ws_priv_accept_key(cor_http_req_header(req, "Sec-WebSocket-Key"), ret_accept)) {
        cor_http_problem(res, 400, NULL, "Sec-WebSocket-Key must be 16 bytes in base64");
        return false;
    }
    return true;
}

/* On a thread of the HTTP server; the session is nobody else's yet. */
static void on_taken(void *context, int fd, const void *early, size_t early_size)
{
    CorWsSession *session = context;

    session->fd = fd;
    if (early_size > 0) {
        session->early = malloc(early_size);
        if (session->early) {
            memcpy(session->early, early, early_size);
            session->early_size = early_size;
        } else {
            (void) close(fd); /* frames would be lost: better no session */
            session->fd = -1;
        }
    }
    (void) cor_ws_priv_post(session->server, &session->post);
}

static void on_abandoned(void *context)
{
    CorWsSession *session = context;

    (void) cor_ws_priv_post(session->server, &session->post); /* without a socket it ends there */
}

bool cor_ws_accept(CorWsServer *server, CorHttpRequest *req, CorHttpResponse *res,
                   const CorWsHandlers *handlers, void *context)
{
    char accept[COR_WS_PRIV_ACCEPT_SIZE];

    if (!check(req, res, accept)) {
        return false;
    }
    CorWsSession *session = NULL;
    if (cor_ws_priv_reserve(server)) {
        session = cor_ws_priv_session_new(server, handlers, context);
        if (!session) {
            cor_ws_priv_release(server);
        }
    }
    if (!session) {
        cor_http_problem(res, 503, NULL, "no more connections are taken at the moment");
        cor_http_res_header(res, "Retry-After", "5");
        return false;
    }
    CorHttpUpgrade upgrade = {.taken = on_taken, .abandoned = on_abandoned, .context = session};
    cor_http_res_upgrade(res, "websocket", &upgrade);
    cor_http_res_header(res, "Sec-WebSocket-Accept", "%s", accept);
    choose_protocol(req, res);
    return true;
}

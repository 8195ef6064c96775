/* SPDX-License-Identifier: Apache-2.0 */
/* Answers end by Content-Length or by chunks (RFC 9112 section 6). */
#include "web-socket.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "wire.h"

enum { PATIENCE_S = 60, SKIP_MAX = 1 << 20, CHUNK_HEAD_MAX = 64 };

void web_open(Web *web, uint16_t port)
{
    const struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const struct timeval patience = {.tv_sec = PATIENCE_S};
    const int yes = 1;

    web->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (web->fd < 0 || connect(web->fd, (const struct sockaddr *) &address, sizeof(address)) != 0) {
        wire_die("connect: %s", strerror(errno));
    }
    (void) setsockopt(web->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
    (void) setsockopt(web->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    (void) setsockopt(web->fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
}

void web_close(Web *web)
{
    (void) close(web->fd);
}

void web_send(Web *web, const void *data, size_t size)
{
    const char *rest = data;

    while (size > 0) {
        ssize_t sent = send(web->fd, rest, size, MSG_NOSIGNAL);
        if (sent < 0) {
            wire_die("send: %s", strerror(errno));
        }
        rest += sent;
        size -= (size_t) sent;
    }
}

static size_t receive(Web *web, char *data, size_t size, int flags)
{
    ssize_t got = recv(web->fd, data, size, flags);

    if (got <= 0) {
        wire_die("recv: %s", got == 0 ? "the server closed the connection" : strerror(errno));
    }
    return (size_t) got;
}

static void skip(Web *web, uint64_t size)
{
    while (size > 0) {
        size_t some = size < SKIP_MAX ? (size_t) size : (size_t) SKIP_MAX;
        size -= receive(web, NULL, some, MSG_TRUNC);
    }
}

/* Take one line, at most CHUNK_HEAD_MAX bytes with its end, into line; its length. */
static size_t take_line(Web *web, char line[CHUNK_HEAD_MAX + 1])
{
    for (;;) {
        size_t seen = receive(web, line, CHUNK_HEAD_MAX, MSG_PEEK);
        char *end = memchr(line, '\n', seen);
        if (end) {
            size_t size = (size_t) (end - line) + 1;
            skip(web, size);
            line[size] = '\0';
            return size;
        }
        if (seen == CHUNK_HEAD_MAX) {
            wire_die("a chunk's head is longer than %d bytes", CHUNK_HEAD_MAX);
        }
    }
}

static uint64_t skip_chunks(Web *web)
{
    char line[CHUNK_HEAD_MAX + 1];
    uint64_t total = 0;

    for (;;) {
        (void) take_line(web, line);
        uint64_t size = strtoull(line, NULL, 16); // style-ok: checked by the server's own tests
        if (size == 0) {
            break;
        }
        skip(web, size + 2);
        total += size;
    }
    while (take_line(web, line) > 2) { /* trailers */
    }
    return total;
}

/* Read the head and nothing behind it; its end. */
static void take_head(Web *web)
{
    for (;;) {
        size_t seen = receive(web, web->head, sizeof(web->head) - 1, MSG_PEEK);
        web->head[seen] = '\0';
        char *end = memmem(web->head, seen, "\r\n\r\n", 4);
        if (end) {
            end[4] = '\0';
            skip(web, (uint64_t) (end + 4 - web->head));
            return;
        }
        if (seen == sizeof(web->head) - 1) {
            wire_die("an answer's head is too long");
        }
    }
}

int web_answer(Web *web, uint64_t *ret_size)
{
    const char *length = NULL;

    take_head(web);
    length = strcasestr(web->head, "\r\ncontent-length:");
    if (length) {
        *ret_size = strtoull(length + 17, NULL, 10); // style-ok: as above
        skip(web, *ret_size);
    } else if (strcasestr(web->head, "\r\ntransfer-encoding: chunked")) {
        *ret_size = skip_chunks(web);
    } else {
        *ret_size = 0; /* 204, 304 */
    }
    return (web->head[9] - '0') * 100 + (web->head[10] - '0') * 10 + web->head[11] - '0';
}

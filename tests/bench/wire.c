/* SPDX-License-Identifier: Apache-2.0 */
/* All connections read into one buffer; what is left of an unfinished message is kept apart, so
 * that ten thousand idle connections cost next to nothing.  Frames are masked with zeros, which RFC
 * 6455 section 5.3 allows. */
#include "wire.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/time.h"

enum { INPUT_SIZE = 1024 * 1024, EVENTS = 512, REQUEST_MAX = 4096 };
enum { OPCODE_TEXT = 1, OPCODE_CLOSE = 8, OPCODE_PING = 9, OPCODE_PONG = 10 };

void wire_die(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    (void) fputs("bench-load: ", stderr);
    (void) vfprintf(stderr, format, args);
    (void) fputc('\n', stderr);
    va_end(args);
    exit(1);
}

void wire_loop_open(WireLoop *loop, uint16_t port)
{
    *loop = (WireLoop){.address = {.sin_family = AF_INET,
                                   .sin_port = htons(port),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)}};
    (void) snprintf(loop->host, sizeof(loop->host), "127.0.0.1:%u", port);
    loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    loop->input = malloc(INPUT_SIZE);
    if (loop->epoll_fd < 0 || !loop->input) {
        wire_die("no epoll");
    }
}

void wire_loop_close(WireLoop *loop)
{
    (void) close(loop->epoll_fd);
    free(loop->input);
}

/* ---- Output ---- */

static void watch(Wire *wire, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = wire};

    if (wire->events == events) {
        return;
    }
    if (epoll_ctl(wire->loop->epoll_fd, wire->events ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, wire->fd,
                  &event) != 0) {
        wire_die("epoll: %s", strerror(errno));
    }
    wire->events = events;
}

static size_t write_some(Wire *wire, const char *data, size_t size)
{
    ssize_t taken = send(wire->fd, data, size, MSG_NOSIGNAL | MSG_DONTWAIT);

    if (taken < 0 && errno != EAGAIN && errno != EINTR) {
        wire_die("send: %s", strerror(errno));
    }
    return taken < 0 ? 0 : (size_t) taken;
}

static void flush(Wire *wire)
{
    size_t taken = write_some(wire, wire->out, wire->out_size);

    wire->out_size -= taken;
    memmove(wire->out, wire->out + taken, wire->out_size);
    watch(wire, wire->out_size > 0 ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

static void send_bytes(Wire *wire, const char *data, size_t size)
{
    size_t taken = wire->out_size > 0 ? 0 : write_some(wire, data, size);

    wire->sent_us = cor_time_us();
    if (taken == size) {
        return;
    }
    wire->out = realloc(wire->out, wire->out_size + size - taken);
    if (!wire->out) {
        wire_die("out of memory");
    }
    memcpy(wire->out + wire->out_size, data + taken, size - taken);
    wire->out_size += size - taken;
    watch(wire, EPOLLIN | EPOLLOUT);
}

void wire_request(Wire *wire, const char *method, const char *path, const char *body)
{
    char text[REQUEST_MAX];
    size_t body_size = body ? strlen(body) : 0;
    int size = snprintf(text, sizeof(text),
                        "%s %s HTTP/1.1\r\nHost: %s\r\n%sContent-Length: %zu\r\n\r\n%s", method,
                        path, wire->loop->host, body ? "Content-Type: application/json\r\n" : "",
                        body_size, body ? body : "");

    if (size < 0 || (size_t) size >= sizeof(text)) {
        wire_die("a request is too long");
    }
    send_bytes(wire, text, (size_t) size);
}

void wire_upgrade(Wire *wire, const char *path)
{
    char text[REQUEST_MAX];
    int size = snprintf(text, sizeof(text),
                        "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: "
                        "websocket\r\nSec-WebSocket-Version: 13\r\n"
                        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n",
                        path, wire->loop->host);

    if (size < 0 || (size_t) size >= sizeof(text)) {
        wire_die("a request is too long");
    }
    send_bytes(wire, text, (size_t) size);
}

/* ---- Input: each returns how many bytes it used, 0 if the message is not whole yet ---- */

static size_t header_number(const char *head, size_t head_size, const char *name)
{
    size_t name_size = strlen(name);

    for (const char *line = head; line && line < head + head_size; line++) {
        if (strncasecmp(line, name, name_size) == 0) {
            size_t number = 0;
            for (line += name_size; *line == ' ' || (*line >= '0' && *line <= '9'); line++) {
                number = *line == ' ' ? number : number * 10 + (size_t) (*line - '0');
            }
            return number;
        }
        line = memchr(line, '\n', (size_t) (head + head_size - line));
        if (!line) {
            break;
        }
    }
    return 0;
}

static size_t take_answer(Wire *wire, const char *data, size_t size)
{
    const char *end = memmem(data, size, "\r\n\r\n", 4);
    size_t head_size = end ? (size_t) (end - data) + 4 : 0;

    if (!end) {
        return 0;
    }
    if (size < 12 || memcmp(data, "HTTP/1.1 ", 9) != 0) {
        wire_die("the server does not speak HTTP");
    }
    int status = (data[9] - '0') * 100 + (data[10] - '0') * 10 + (data[11] - '0');
    size_t body_size = header_number(data, head_size, "Content-Length:");
    if (size < head_size + body_size) {
        return 0;
    }
    wire->is_ws = status == WIRE_OPENED;
    wire->handler(wire, status, data + head_size, body_size);
    return head_size + body_size;
}

static void pong(Wire *wire, const char *payload, size_t size)
{
    char frame[6 + 125] = {(char) (0x80 | OPCODE_PONG), (char) (0x80 | size)};

    memcpy(frame + 6, payload, size);
    send_bytes(wire, frame, 6 + size);
}

static size_t take_frame(Wire *wire, const char *data, size_t size)
{
    const uint8_t *bytes = (const uint8_t *) data;
    size_t length = size >= 2 ? bytes[1] & 0x7f : 0;
    size_t extra = length < 126 ? 0 : length == 126 ? 2 : 8;

    if (size < 2 || size < 2 + extra) {
        return 0;
    }
    length = extra > 0 ? 0 : length;
    for (size_t i = 0; i < extra; i++) {
        length = length << 8 | bytes[2 + i];
    }
    if (size - 2 - extra < length) {
        return 0;
    }
    const char *payload = data + 2 + extra;
    switch (bytes[0] & 0x0f) {
    case OPCODE_TEXT:
        wire->handler(wire, WIRE_TEXT, payload, length);
        break;
    case OPCODE_PING:
        pong(wire, payload, length);
        break;
    case OPCODE_CLOSE:
        wire_die("the server closed a WebSocket with %d",
                 length >= 2 ? bytes[2 + extra] << 8 | bytes[3 + extra] : 1005);
    default:
        break;
    }
    return 2 + extra + length;
}

static void keep(Wire *wire, const char *data, size_t size)
{
    if (size == 0) {
        free(wire->kept);
        wire->kept = NULL;
    } else {
        char *kept = malloc(size);
        if (!kept) {
            wire_die("out of memory");
        }
        memcpy(kept, data, size);
        free(wire->kept);
        wire->kept = kept;
    }
    wire->kept_size = size;
}

static void read_some(Wire *wire)
{
    char *input = wire->loop->input;
    size_t size = wire->kept_size;
    size_t used = 0;

    if (size > 0) {
        memcpy(input, wire->kept, size);
    }
    ssize_t got = recv(wire->fd, input + size, INPUT_SIZE - size, MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    if (got <= 0) {
        wire_die("the server closed a connection: %s", got < 0 ? strerror(errno) : "end of file");
    }
    wire->received_us = cor_time_us();
    size += (size_t) got;
    for (size_t step = 1; step > 0 && used < size; used += step) {
        step = wire->is_ws ? take_frame(wire, input + used, size - used)
                           : take_answer(wire, input + used, size - used);
    }
    keep(wire, input + used, size - used);
}

void wire_turn(WireLoop *loop, int timeout_ms)
{
    struct epoll_event events[EVENTS];
    int len = epoll_wait(loop->epoll_fd, events, EVENTS, timeout_ms);

    if (len < 0 && errno != EINTR) {
        wire_die("epoll: %s", strerror(errno));
    }
    for (int i = 0; i < len; i++) {
        Wire *wire = events[i].data.ptr;
        if (events[i].events & EPOLLOUT) {
            flush(wire);
        }
        if (events[i].events & (EPOLLIN | EPOLLERR | EPOLLHUP)) {
            read_some(wire);
        }
    }
}

/* ---- Life ---- */

Wire *wire_connect(WireLoop *loop, WireHandler handler, void *owner)
{
    const int yes = 1;
    Wire *wire = calloc(1, sizeof(*wire));

    if (!wire) {
        wire_die("out of memory");
    }
    *wire = (Wire){.loop = loop, .handler = handler, .owner = owner};
    wire->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (wire->fd < 0 ||
        connect(wire->fd, (struct sockaddr *) &loop->address, sizeof(loop->address)) != 0) {
        wire_die("connect: %s", strerror(errno));
    }
    (void) setsockopt(wire->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
    watch(wire, EPOLLIN);
    return wire;
}

void wire_close(Wire *wire)
{
    (void) close(wire->fd);
    free(wire->out);
    free(wire->kept);
    free(wire);
}

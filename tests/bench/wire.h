/* SPDX-License-Identifier: Apache-2.0 */
/* Many connections to one server from one thread: HTTP/1.1 with keep-alive, and WebSockets.
 *
 * For measuring only: it trusts the server, and whatever goes wrong ends the program with a
 * sentence.  It shares no line with the server's own HTTP or WebSocket code.
 *
 * Ownership   wire_connect() gives a connection; wire_close() takes it back.
 * Threads     One thread at a time.
 * Blocking    wire_turn() waits; connecting does too, for as long as loopback takes.
 * Errors      None: wire_die().
 * Units       Times are microseconds of cor_time_us().
 */
#pragma once

#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>

typedef struct Wire Wire;

enum { WIRE_TEXT = 0, WIRE_OPENED = 101 }; /* a WebSocket's message; its handshake is done */

/* status: of an HTTP answer, or one of the two above.  data is good until it returns. */
typedef void (*WireHandler)(Wire *wire, int status, const char *data, size_t size);

typedef struct WireLoop {
    int epoll_fd;
    struct sockaddr_in address;
    char host[32]; /* for the Host header */
    size_t waiting_to_write;
    char *input; /* shared by all connections */
} WireLoop;

struct Wire {
    WireLoop *loop;
    WireHandler handler;
    void *owner;         /* the caller's */
    size_t index;        /* the caller's */
    int64_t sent_us;     /* when the last request was handed to the socket */
    int64_t received_us; /* when the bytes that are being handled were read */

    int fd;
    int is_ws;
    uint32_t events;
    char *out; /* not taken by the socket yet */
    size_t out_size;
    char *kept; /* the beginning of a message */
    size_t kept_size;
};

/** Say what went wrong and end the program. */
_Noreturn void wire_die(const char *format, ...) __attribute__((format(printf, 1, 2)));

/** Prepare to talk to 127.0.0.1:port. */
void wire_loop_open(WireLoop *loop, uint16_t port);
void wire_loop_close(WireLoop *loop);

/** Wait at most timeout_ms for anything, and call the handlers of what came. */
void wire_turn(WireLoop *loop, int timeout_ms);

Wire *wire_connect(WireLoop *loop, WireHandler handler, void *owner);
void wire_close(Wire *wire);

/** Send a request; body may be NULL, otherwise it is JSON.  One at a time per connection. */
void wire_request(Wire *wire, const char *method, const char *path, const char *body);

/** Ask for a WebSocket; the handler is told with WIRE_OPENED. */
void wire_upgrade(Wire *wire, const char *path);

/* SPDX-License-Identifier: Apache-2.0 */
/* A blocking client that sends raw text and reads raw answers: it shows what really travels. */
#pragma once

#include "test.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

typedef struct Answer {
    int status; /* 0: the connection ended without an answer */
    char head[8192];
    char *body; /* free it; ends with a NUL that does not count */
    size_t size;
} Answer;

/** Connect to 127.0.0.1; waits for input end after 20 s, so that a hanging test fails. */
static inline int client_connect(uint16_t port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct timeval patience = {.tv_sec = 20};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_true(fd >= 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)), 0);
    assert_int_equal(connect(fd, (struct sockaddr *) &address, sizeof(address)), 0);
    return fd;
}

/** Send all; false if the peer has closed. */
static inline bool client_send(int fd, const void *data, size_t size)
{
    const char *at = data;

    while (size > 0) {
        ssize_t sent = send(fd, at, size, MSG_NOSIGNAL);
        if (sent <= 0) {
            return false;
        }
        at += sent;
        size -= (size_t) sent;
    }
    return true;
}

/** Send a text. */
static inline bool client_say(int fd, const char *text)
{
    return client_send(fd, text, strlen(text));
}

/** Read exactly size bytes; false at the end. */
static inline bool client_read(int fd, void *data, size_t size)
{
    char *at = data;

    while (size > 0) {
        ssize_t got = recv(fd, at, size, 0);
        if (got <= 0) {
            return false;
        }
        at += got;
        size -= (size_t) got;
    }
    return true;
}

/** Read one line with its CRLF taken off; false at the end. */
static inline bool client_read_line(int fd, char *line, size_t size)
{
    size_t len = 0;

    while (len + 1 < size && client_read(fd, line + len, 1)) {
        if (line[len++] == '\n') {
            line[len >= 2 && line[len - 2] == '\r' ? len - 2 : len - 1] = '\0';
            return true;
        }
    }
    return false;
}

/** Value of a header, copied into a static buffer; NULL if it is not there. */
static inline const char *answer_header(const Answer *answer, const char *name)
{
    static char value[2048];
    size_t len = strlen(name);

    for (const char *line = strstr(answer->head, "\r\n"); line; line = strstr(line + 2, "\r\n")) {
        if (strncasecmp(line + 2, name, len) == 0 && line[2 + len] == ':') {
            (void) sscanf(line + 2 + len, ": %2047[^\r]", value);
            return value;
        }
    }
    return NULL;
}

static inline bool client_read_head(int fd, Answer *answer)
{
    size_t len = 0;

    while (len + 1 < sizeof(answer->head) && client_read(fd, answer->head + len, 1)) {
        answer->head[++len] = '\0';
        if (len >= 4 && memcmp(answer->head + len - 4, "\r\n\r\n", 4) == 0) {
            return sscanf(answer->head, "HTTP/1.1 %d", &answer->status) == 1;
        }
    }
    return false;
}

static inline bool client_read_chunks(int fd, Answer *answer)
{
    char line[64];

    while (client_read_line(fd, line, sizeof(line))) {
        unsigned size = 0;
        if (sscanf(line, "%x", &size) != 1) {
            return false;
        }
        answer->body = realloc(answer->body, answer->size + size + 1);
        assert_non_null(answer->body);
        if (!client_read(fd, answer->body + answer->size, size)) {
            return false;
        }
        answer->size += size;
        answer->body[answer->size] = '\0';
        if (!client_read_line(fd, line, sizeof(line))) {
            return false;
        }
        if (size == 0) {
            return true;
        }
    }
    return false;
}

/** Read one answer; is_head: it has no body.  status stays 0 if the connection ends before it. */
static inline bool client_read_answer(int fd, Answer *answer, bool is_head)
{
    memset(answer, 0, sizeof(*answer));
    do {
        if (!client_read_head(fd, answer)) {
            answer->status = 0;
            return false;
        }
    } while (answer->status == 100);
    const char *length = answer_header(answer, "Content-Length");
    if (is_head || answer->status == 204 || answer->status == 304 || answer->status == 101) {
        return true;
    }
    if (answer_header(answer, "Transfer-Encoding")) {
        return client_read_chunks(fd, answer);
    }
    length = answer_header(answer, "Content-Length");
    if (length) {
        (void) sscanf(length, "%zu", &answer->size);
    }
    answer->body = calloc(1, answer->size + 1);
    assert_non_null(answer->body);
    return client_read(fd, answer->body, answer->size);
}

static inline void answer_done(Answer *answer)
{
    free(answer->body);
    answer->body = NULL;
}

/** Send a text on a new connection and read one answer. */
static inline void client_ask(uint16_t port, const char *text, Answer *answer)
{
    int fd = client_connect(port);

    (void) client_say(fd, text);
    (void) client_read_answer(fd, answer, strncmp(text, "HEAD ", 5) == 0);
    (void) close(fd);
}

/** The status of the answer to a text. */
static inline int client_status(uint16_t port, const char *text)
{
    Answer answer;

    client_ask(port, text, &answer);
    answer_done(&answer);
    return answer.status;
}

#define HOST "Host: localhost\r\n"

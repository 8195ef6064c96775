/* SPDX-License-Identifier: Apache-2.0 */
/* A blocking WebSocket client for tests: RFC 6455 in its plainest form. */
#pragma once

#include "http-client.h"

#include <errno.h>
#include <poll.h>

#include "base/json.h"

#define LIVE_TEXT 0x1
#define LIVE_CLOSE 0x8
#define LIVE_PING 0x9
#define LIVE_PONG 0xA

/** Ask for a WebSocket; the answer's status.  *ret_fd is -1 unless it is 101. */
static inline int live_try(uint16_t port, const char *target, int *ret_fd)
{
    char request[1024];
    Answer answer = {0};
    int fd = client_connect(port);

    (void) snprintf(request, sizeof(request),
                    "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nConnection: Upgrade\r\n"
                    "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
                    target, (unsigned) port);
    assert_true(client_send(fd, request, strlen(request)));
    assert_true(client_read_answer(fd, &answer, false));
    answer_done(&answer);
    if (answer.status != 101) {
        (void) close(fd);
        fd = -1;
    }
    *ret_fd = fd;
    return answer.status;
}

static inline int live_open(uint16_t port, const char *target)
{
    int fd = -1;

    assert_int_equal(live_try(port, target, &fd), 101);
    return fd;
}

/** Send one masked frame of at most 125 bytes. */
static inline bool live_send_frame(int fd, int opcode, const char *data, size_t size)
{
    uint8_t frame[6 + 125] = {(uint8_t) (0x80 | opcode), (uint8_t) (0x80 | size), 1, 2, 3, 4};

    assert_true(size <= 125);
    for (size_t i = 0; i < size; i++) {
        frame[6 + i] = (uint8_t) ((uint8_t) data[i] ^ frame[2 + i % 4]);
    }
    return client_send(fd, frame, 6 + size);
}

static inline void live_say(int fd, const char *text)
{
    assert_true(live_send_frame(fd, LIVE_TEXT, text, strlen(text)));
}

/** Read one frame; its opcode, or -1 at the end.  *ret_data is malloc()ed, with a NUL. */
static inline int live_read_frame(int fd, char **ret_data, size_t *ret_size)
{
    uint8_t head[2];
    uint8_t more[8];
    uint64_t size = 0;
    size_t length_size = 0;

    if (!client_read(fd, head, 2)) {
        return -1;
    }
    length_size = head[1] < 126 ? 0 : head[1] == 126 ? 2 : 8;
    if (!client_read(fd, more, length_size)) {
        return -1;
    }
    for (size_t i = 0; i < length_size; i++) {
        size = size << 8 | more[i];
    }
    size = length_size == 0 ? head[1] : size;
    *ret_data = calloc(1, size + 1);
    assert_non_null(*ret_data);
    if (!client_read(fd, *ret_data, size)) {
        free(*ret_data);
        return -1;
    }
    *ret_size = size;
    return head[0] & 0x0F;
}

/** The next text, pings being answered; NULL at the end, whose code is *ret_code (1006: none). */
static inline json_t *live_next_or_end(int fd, int *ret_code)
{
    for (;;) {
        char *data = NULL;
        size_t size = 0;
        int opcode = live_read_frame(fd, &data, &size);
        json_t *json = NULL;

        if (opcode < 0) {
            *ret_code = 1006;
            return NULL;
        }
        if (opcode == LIVE_CLOSE) {
            *ret_code = size >= 2 ? (uint8_t) data[0] << 8 | (uint8_t) data[1] : 1005;
            free(data);
            return NULL;
        }
        if (opcode == LIVE_PING) {
            (void) live_send_frame(fd, LIVE_PONG, data, size);
        }
        if (opcode == LIVE_TEXT) {
            CorError err = {0};
            if (!cor_json_parse(data, size, &json, &err)) {
                fail_msg("no JSON: %s", err.text);
            }
        }
        free(data);
        if (json) {
            return json;
        }
    }
}

static inline json_t *live_next(int fd)
{
    int code = 0;
    json_t *json = live_next_or_end(fd, &code);

    if (!json) {
        fail_msg("the connection ended with %d", code);
    }
    return json;
}

/** The next frame must be the event with this number. */
static inline void live_expect_seq(int fd, int64_t seq)
{
    json_t *frame = live_next(fd);

    assert_string_equal(cor_json_string(frame, "type", ""), "result");
    assert_int_equal(cor_json_integer(frame, "seq", -1), seq);
    json_decref(frame);
}

/** The next frame must be of this type, with this number. */
static inline void live_expect(int fd, const char *type, const char *member, int64_t value)
{
    json_t *frame = live_next(fd);

    assert_string_equal(cor_json_string(frame, "type", ""), type);
    if (member) {
        assert_int_equal(cor_json_integer(frame, member, -1), value);
    }
    json_decref(frame);
}

/** Everything said so far has been heard, and there was nothing else to read: pong comes next. */
static inline void live_expect_quiet(int fd)
{
    live_say(fd, "{\"type\":\"ping\",\"t\":7}");
    live_expect(fd, "pong", "t", 7);
}

/** Send a WebSocket ping and wait for its pong; no text may come before it. */
static inline void live_ping(int fd)
{
    char *data = NULL;
    size_t size = 0;

    assert_true(live_send_frame(fd, LIVE_PING, "", 0));
    assert_int_equal(live_read_frame(fd, &data, &size), LIVE_PONG);
    free(data);
}

/** Close with a handshake, so that the server has heard everything that was said. */
static inline void live_close(int fd)
{
    int code = 0;
    json_t *json = NULL;

    (void) live_send_frame(fd, LIVE_CLOSE, "\x03\xe8", 2);
    while ((json = live_next_or_end(fd, &code))) {
        json_decref(json);
    }
    (void) close(fd);
}

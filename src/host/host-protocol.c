/* SPDX-License-Identifier: Apache-2.0 */
/* The reader takes the four bytes of the length, then exactly the body, so that it never holds
 * bytes of the next frame.  A conforming sender attaches descriptors to a frame's first byte, and
 * recvmsg() does not read past a message that carried some (unix(7)), so they arrive while their
 * own frame is read.  Whatever arrives is kept until the frame is whole and is then counted against
 * "fds": a sender that attaches more, fewer or in other places is found out, and what it sent is
 * closed.
 */
#include "host/host-protocol.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/array.h"
#include "base/fd.h"
#include "base/time.h"

/* While descriptors in flight are too many (ETOOMANYREFS) nothing can be polled for. */
enum { IN_FLIGHT_RETRY_MS = 2 };

union control {
    char bytes[CMSG_SPACE(sizeof(int) * COR_HOST_FRAME_FDS_MAX)];
    struct cmsghdr aligned;
};

static const char *const layer_names[] = {"no_new_privs", "landlock", "seccomp", "rlimits"};

const char *cor_host_priv_layer_name(unsigned index)
{
    return index < COR_ARRAY_LEN(layer_names) ? layer_names[index] : NULL;
}

static void close_all(int *fds, size_t *len)
{
    for (size_t i = 0; i < *len; i++) {
        cor_fd_closep(&fds[i]);
    }
    *len = 0;
}

void cor_host_priv_frame_done(CorHostFrame *frame)
{
    close_all(frame->fds, &frame->fd_len);
    json_decref(frame->json);
    free(frame->body);
    frame->json = NULL;
    frame->annex = NULL;
    frame->annex_size = 0;
    frame->body = NULL;
}

void cor_host_priv_reader_done(CorHostReader *reader)
{
    close_all(reader->fds, &reader->fd_len);
    free(reader->body);
    memset(reader, 0, sizeof(*reader));
}

/* Keep the descriptors of one message; false if there are more than a frame may have. */
static bool keep_fds(CorHostReader *reader, struct msghdr *message)
{
    bool fits = !(message->msg_flags & MSG_CTRUNC);

    for (struct cmsghdr *part = CMSG_FIRSTHDR(message); part; part = CMSG_NXTHDR(message, part)) {
        if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) {
            continue;
        }
        size_t len = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < len; i++) {
            int fd = -1;
            memcpy(&fd, CMSG_DATA(part) + i * sizeof(int), sizeof(int));
            if (reader->fd_len < COR_HOST_FRAME_FDS_MAX) {
                reader->fds[reader->fd_len++] = fd;
            } else {
                fits = false;
                cor_fd_closep(&fd);
            }
        }
    }
    return fits;
}

/* Read at most size bytes.  COR_HOST_READ_FRAME stands for "some have come". */
static CorHostRead read_some(CorHostReader *reader, int fd, void *data, size_t size,
                             size_t *ret_got, CorError *err)
{
    union control control;
    struct iovec part = {.iov_base = data, .iov_len = size};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = control.bytes,
                             .msg_controllen = sizeof(control.bytes)};
    ssize_t got = 0;

    do {
        got = recvmsg(fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    } while (got < 0 && errno == EINTR);
    if (got < 0 && errno == EAGAIN) {
        return COR_HOST_READ_AGAIN;
    }
    if (got == 0 || (got < 0 && errno == ECONNRESET)) {
        return COR_HOST_READ_END;
    }
    if (got < 0) {
        (void) cor_fail_errno(err, errno, "receive frame");
        return COR_HOST_READ_FAILED;
    }
    if (!keep_fds(reader, &message)) {
        (void) cor_fail(err, COR_ERR_CORRUPT, "frame has more than %d descriptors",
                        COR_HOST_FRAME_FDS_MAX);
        return COR_HOST_READ_FAILED;
    }
    *ret_got = (size_t) got;
    return COR_HOST_READ_FRAME;
}

/* The header is whole: believe its length only within bounds. */
static bool begin_body(CorHostReader *reader, CorError *err)
{
    const uint8_t *h = reader->header;
    size_t size = (size_t) h[0] << 24 | (size_t) h[1] << 16 | (size_t) h[2] << 8 | h[3];

    if (size == 0 || size > COR_HOST_FRAME_MAX) {
        return cor_fail(err, COR_ERR_CORRUPT, "frame says that it has %zu bytes", size);
    }
    reader->body = malloc(size);
    if (!reader->body) {
        return cor_fail(err, COR_ERR_NOMEM, "out of memory for a frame of %zu bytes", size);
    }
    reader->body_size = size;
    return true;
}

/* Parse the object at the beginning of the body. */
static bool parse_object(const char *body, size_t size, json_t **ret_json, CorError *err)
{
    if (!cor_json_parse(body, size, ret_json, err)) {
        if (err && err->code != COR_ERR_NOMEM) {
            err->code = COR_ERR_CORRUPT;
        }
        cor_error_wrap(err, "frame");
        return false;
    }
    return json_is_object(*ret_json) || cor_fail(err, COR_ERR_CORRUPT, "frame is no object");
}

/* Compare what an object says of its frame with what has come. */
static bool check_frame(const json_t *json, size_t fd_len, bool has_annex, CorError *err)
{
    const json_t *fds = json_object_get(json, "fds");
    json_int_t wanted = fds ? json_integer_value(fds) : 0;

    if ((fds && !json_is_integer(fds)) || wanted != (json_int_t) fd_len) {
        return cor_fail(err, COR_ERR_CORRUPT,
                        "frame came with %zu descriptors and says something else", fd_len);
    }
    if (has_annex && strcmp(cor_json_string(json, "answer", ""), "result") != 0) {
        return cor_fail(err, COR_ERR_CORRUPT, "frame has an annex and is no result");
    }
    return true;
}

/* The body is whole: hand over JSON, annex and descriptors, or say what is wrong with them. */
static bool finish_frame(CorHostReader *reader, CorHostFrame *ret_frame, CorError *err)
{
    COR_CLEANUP(cor_json_freep) json_t *json = NULL;
    const char *end = memchr(reader->body, '\0', reader->body_size);
    size_t size = end ? (size_t) (end - reader->body) : reader->body_size;
    size_t annex_size = end ? reader->body_size - size - 1 : 0;

    if (end && annex_size == 0) {
        return cor_fail(err, COR_ERR_CORRUPT, "frame has an empty annex");
    }
    if (!parse_object(reader->body, size, &json, err) ||
        !check_frame(json, reader->fd_len, end, err)) {
        return false;
    }

    ret_frame->json = COR_TAKE(json);
    ret_frame->annex = end ? end + 1 : NULL;
    ret_frame->annex_size = annex_size;
    ret_frame->body = COR_TAKE(reader->body);
    ret_frame->fd_len = reader->fd_len;
    memcpy(ret_frame->fds, reader->fds, sizeof(reader->fds));
    reader->fd_len = 0;
    cor_host_priv_reader_done(reader);
    return true;
}

CorHostRead cor_host_priv_read(CorHostReader *reader, int fd, CorHostFrame *ret_frame,
                               CorError *err)
{
    while (!reader->body || reader->body_len < reader->body_size) {
        size_t got = 0;
        void *place = reader->body ? (void *) (reader->body + reader->body_len)
                                   : (void *) (reader->header + reader->header_len);
        size_t size = reader->body ? reader->body_size - reader->body_len
                                   : sizeof(reader->header) - reader->header_len;

        CorHostRead read = read_some(reader, fd, place, size, &got, err);
        if (read != COR_HOST_READ_FRAME) {
            return read;
        }
        if (reader->body) {
            reader->body_len += got;
            continue;
        }
        reader->header_len += got;
        if (reader->header_len == sizeof(reader->header) && !begin_body(reader, err)) {
            return COR_HOST_READ_FAILED;
        }
    }
    return finish_frame(reader, ret_frame, err) ? COR_HOST_READ_FRAME : COR_HOST_READ_FAILED;
}

/* Wait until the descriptor is ready, or say why not. */
static bool wait_for(const CorHostWait *wait, short events, CorError *err)
{
    for (;;) {
        struct pollfd fds[2] = {{.fd = wait->fd, .events = events},
                                {.fd = wait->wake_fd, .events = POLLIN}};
        int64_t left_ms = wait->deadline_ms < 0 ? -1 : wait->deadline_ms - cor_time_ms();
        if (wait->deadline_ms >= 0 && left_ms < 0) {
            left_ms = 0;
        }
        int ready = poll(fds, 2, (int) COR_MIN(left_ms, 3600 * 1000));
        if (ready < 0 && errno != EINTR) {
            return cor_fail_errno(err, errno, "wait for the other side");
        }
        if (ready > 0 && fds[0].revents) {
            return true; /* errors and hang-ups are told by the call that follows */
        }
        if (ready > 0 && fds[1].revents) {
            return cor_fail(err, COR_ERR_CANCELLED, "told to stop waiting");
        }
        if (ready == 0 && left_ms == 0) {
            return cor_fail(err, COR_ERR_TIMEOUT, "no answer in time");
        }
    }
}

bool cor_host_priv_receive(CorHostReader *reader, const CorHostWait *wait, CorHostFrame *ret_frame,
                           CorError *err)
{
    for (;;) {
        switch (cor_host_priv_read(reader, wait->fd, ret_frame, err)) {
        case COR_HOST_READ_FRAME:
            return true;
        case COR_HOST_READ_FAILED:
            return false;
        case COR_HOST_READ_END:
            return cor_fail(err, COR_ERR_HOST_LOST, "the other side is gone");
        case COR_HOST_READ_AGAIN:
            break;
        }
        if (!wait_for(wait, POLLIN, err)) {
            return false;
        }
    }
}

/* The descriptors go with the first byte. */
static void attach_fds(struct msghdr *message, union control *control, const int *fds, size_t len)
{
    memset(control, 0, sizeof(*control));
    message->msg_control = control->bytes;
    message->msg_controllen = CMSG_SPACE(sizeof(int) * len);

    struct cmsghdr *part = CMSG_FIRSTHDR(message);
    part->cmsg_level = SOL_SOCKET;
    part->cmsg_type = SCM_RIGHTS;
    part->cmsg_len = CMSG_LEN(sizeof(int) * len);
    memcpy(CMSG_DATA(part), fds, sizeof(int) * len);
}

/* Send what the socket takes; *ret_sent is 0 when it is full and has been waited for. */
static bool send_some(const CorHostWait *wait, struct msghdr *message, size_t *ret_sent,
                      CorError *err)
{
    ssize_t sent = sendmsg(wait->fd, message, MSG_NOSIGNAL | MSG_DONTWAIT);

    *ret_sent = sent > 0 ? (size_t) sent : 0;
    if (sent >= 0 || errno == EINTR) {
        return true;
    }
    if (errno == EAGAIN) {
        return wait_for(wait, POLLOUT, err);
    }
    if (errno == EPIPE || errno == ECONNRESET) {
        return cor_fail(err, COR_ERR_HOST_LOST, "the other side is gone");
    }
    if (errno == ETOOMANYREFS) {
        /* Nothing is readable on our side, so this ends by the deadline or the retry. */
        CorHostWait pause = {.fd = -1, .wake_fd = wait->wake_fd};
        CorError why = {0};
        pause.deadline_ms = cor_time_ms() + IN_FLIGHT_RETRY_MS;
        if (wait->deadline_ms >= 0 && pause.deadline_ms > wait->deadline_ms) {
            return cor_fail(err, COR_ERR_TIMEOUT, "too many descriptors are under way");
        }
        return wait_for(&pause, 0, &why) || why.code == COR_ERR_TIMEOUT ||
               cor_fail(err, why.code, "%s", why.text);
    }
    return cor_fail_errno(err, errno, "send frame");
}

static bool send_bytes(const CorHostWait *wait, const char *text, size_t size, const int *fds,
                       size_t fd_len, CorError *err)
{
    uint8_t header[4] = {(uint8_t) (size >> 24), (uint8_t) (size >> 16), (uint8_t) (size >> 8),
                         (uint8_t) size};
    size_t total = sizeof(header) + size;
    union control control;

    for (size_t done = 0; done < total;) {
        struct iovec parts[2] = {{.iov_base = header, .iov_len = sizeof(header)},
                                 {.iov_base = (char *) (uintptr_t) text, .iov_len = size}};
        struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
        size_t skip = COR_MIN(done, sizeof(header));
        size_t sent = 0;

        parts[0].iov_base = header + skip;
        parts[0].iov_len -= skip;
        parts[1].iov_base = (char *) (uintptr_t) (text + (done - skip));
        parts[1].iov_len -= done - skip;
        if (done == 0 && fd_len > 0) {
            attach_fds(&message, &control, fds, fd_len);
        }
        if (!send_some(wait, &message, &sent, err)) {
            return false;
        }
        done += sent;
    }
    return true;
}

bool cor_host_priv_send(const CorHostWait *wait, json_t *json, const int *fds, size_t fd_len,
                        CorError *err)
{
    if (fd_len > COR_HOST_FRAME_FDS_MAX || !json_is_object(json)) {
        return cor_fail(err, COR_ERR_INVALID, "frame of %zu descriptors, or no object", fd_len);
    }
    if (fd_len > 0 && json_object_set_new(json, "fds", json_integer((json_int_t) fd_len)) < 0) {
        return cor_fail(err, COR_ERR_NOMEM, "out of memory for a frame");
    }
    char *text = cor_json_text(json);
    if (!text) {
        return cor_fail(err, COR_ERR_NOMEM, "out of memory for a frame");
    }

    bool ok = cor_host_priv_send_body(wait, text, strlen(text), fds, fd_len, err);
    free(text);
    return ok;
}

bool cor_host_priv_send_body(const CorHostWait *wait, const char *body, size_t size, const int *fds,
                             size_t fd_len, CorError *err)
{
    return size <= COR_HOST_FRAME_MAX
               ? send_bytes(wait, body, size, fds, fd_len, err)
               : cor_fail(err, COR_ERR_LIMIT, "frame of %zu bytes is too large", size);
}

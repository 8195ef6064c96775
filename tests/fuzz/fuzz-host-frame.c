/* SPDX-License-Identifier: Apache-2.0 */
/* What a host may send.  The first byte says how many descriptors come along, the second in pieces
 * of how many bytes the rest arrives.  Properties, for any bytes:
 *   1. what is refused says why, and gives nothing;
 *   2. what is accepted is an object with as many descriptors as it says, and sending it again
 * gives an equal one;
 *   3. an annex lies behind the object of a result, and nowhere else;
 *   4. no descriptor stays open.
 */
#include "fuzz.h"

#include "host/host-protocol.h"

#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/time.h"

enum { INPUT_MAX = 16 * 1024, FDS_MAX = 70 };

/* The number that the next descriptor would get. */
static int lowest_free_fd(void)
{
    int fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);

    FUZZ_CHECK(fd >= 0);
    (void) close(fd);
    return fd;
}

static void write_piece(int fd, const uint8_t *data, size_t size, size_t fd_len)
{
    union {
        char bytes[CMSG_SPACE(sizeof(int) * FDS_MAX)];
        struct cmsghdr aligned;
    } control = {0};
    struct iovec part = {.iov_base = (void *) (uintptr_t) data, .iov_len = size};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};

    if (fd_len > 0) {
        message.msg_control = control.bytes;
        message.msg_controllen = CMSG_SPACE(sizeof(int) * fd_len);
        struct cmsghdr *rights = CMSG_FIRSTHDR(&message);
        rights->cmsg_level = SOL_SOCKET;
        rights->cmsg_type = SCM_RIGHTS;
        rights->cmsg_len = CMSG_LEN(sizeof(int) * fd_len);
        for (size_t i = 0; i < fd_len; i++) {
            memcpy(CMSG_DATA(rights) + i * sizeof(int), &fd, sizeof(int));
        }
    }
    FUZZ_CHECK(sendmsg(fd, &message, MSG_NOSIGNAL) == (ssize_t) size);
}

static void check_again(const CorHostFrame *frame)
{
    CorHostReader reader = {0};
    CorHostFrame again = {0};
    CorError err = {0};
    int pair[2];

    FUZZ_CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
    CorHostWait wait = {.fd = pair[0], .wake_fd = -1, .deadline_ms = cor_time_ms() + 10000};
    bool ok = cor_host_priv_send(&wait, frame->json, frame->fds, frame->fd_len, &err);
    FUZZ_CHECK(ok || err.code == COR_ERR_TIMEOUT); /* larger than the socket, and nobody reads */
    if (ok) {
        FUZZ_CHECK(cor_host_priv_read(&reader, pair[1], &again, &err) == COR_HOST_READ_FRAME);
        FUZZ_CHECK(json_equal(frame->json, again.json) && frame->fd_len == again.fd_len);
    }
    cor_host_priv_frame_done(&again);
    cor_host_priv_reader_done(&reader);
    (void) close(pair[0]);
    (void) close(pair[1]);
}

static volatile unsigned annex_sum; /* so that all of an annex is read */

static unsigned sum_of(const char *bytes, size_t size)
{
    unsigned sum = 0;

    for (size_t i = 0; i < size; i++) {
        sum += (unsigned char) bytes[i];
    }
    return sum;
}

/* Read all frames that are there; false when the sender was found out. */
static bool read_all(CorHostReader *reader, int fd)
{
    for (;;) {
        CorHostFrame frame = {0};
        CorError err = {0};
        CorHostRead read = cor_host_priv_read(reader, fd, &frame, &err);

        if (read != COR_HOST_READ_FRAME) {
            FUZZ_CHECK(!frame.json && frame.fd_len == 0);
            FUZZ_CHECK(read != COR_HOST_READ_FAILED || (err.code != COR_OK && err.text[0]));
            return read == COR_HOST_READ_AGAIN;
        }
        FUZZ_CHECK(json_is_object(frame.json));
        FUZZ_CHECK(cor_json_integer(frame.json, "fds", 0) == (int64_t) frame.fd_len);
        FUZZ_CHECK(!frame.annex == (frame.annex_size == 0));
        FUZZ_CHECK(!frame.annex ||
                   strcmp(cor_json_string(frame.json, "answer", ""), "result") == 0);
        annex_sum += sum_of(frame.annex, frame.annex_size);
        check_again(&frame);
        cor_host_priv_frame_done(&frame);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CorHostReader reader = {0};
    int pair[2];

    if (size < 3 || size > INPUT_MAX) {
        return 0;
    }
    int before = lowest_free_fd();
    size_t fd_len = data[0] % FDS_MAX;
    size_t piece = data[1] ? data[1] : size;

    FUZZ_CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
    for (size_t at = 2; at < size; at += piece) {
        size_t len = size - at < piece ? size - at : piece;
        write_piece(pair[0], data + at, len, at == 2 ? fd_len : 0);
        if (!read_all(&reader, pair[1])) {
            break;
        }
    }
    cor_host_priv_reader_done(&reader);
    (void) close(pair[0]);
    (void) close(pair[1]);
    FUZZ_CHECK(lowest_free_fd() == before);
    return 0;
}

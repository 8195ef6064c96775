/* SPDX-License-Identifier: Apache-2.0 */
/* Pieces of files go from the page cache to the socket past libmicrohttpd, which can send a file
 * alone by sendfile() but not one that stands between texts: what it sends of memory it copies, and
 * a mapped file costs its page faults besides.
 *
 * libmicrohttpd believes in a body of chunks (RFC 9112 section 7.1) of unknown size and asks for
 * the next one.  While it asks, everything that it sent is out of its hands and nobody else writes
 * to the socket, so that whole chunks can be put between its own:
 *
 *     size CR LF  text  piece of a file  CR LF
 *
 * The end of a chunk waits until it is known what follows, to go out with the next one's head.  The
 * socket is corked meanwhile: a head, a file and a tail leave in full segments.
 *
 *     text_at < text_size   the head is on its way
 *     file.size > 0         then the file is
 *     else                  the next chunk may begin; its first bytes are CR LF if is_open */
#include "http/http-direct.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/array.h"

enum { SENDFILE_MAX = 4 * 1024 * 1024 };

void cor_http_priv_direct_cork(HttpDirect *direct, int fd, bool is_corked)
{
    const int value = is_corked;

    if (direct->is_corked != is_corked) {
        (void) setsockopt(fd, IPPROTO_TCP, TCP_CORK, &value, sizeof(value));
        direct->is_corked = is_corked;
    }
}

/* sendfile() hands on sixteen pages at a time.  If they begin in the middle of one they make no
 * full segments, and the peer is woken for each: so what is before the next page is copied. */
static char *copy_to_page(CorHttpFile *file, char *at)
{
    size_t before = (size_t) (-file->offset % HTTP_DIRECT_PAGE);

    if (before > 0 && before < file->size &&
        pread(file->fd, at, before, (off_t) file->offset) == (ssize_t) before) {
        at += before;
        file->offset += before;
        file->size -= before;
    }
    return at;
}

void cor_http_priv_direct_chunk(HttpDirect *direct, const void *text, size_t size,
                                const CorHttpFile *file)
{
    char *at = direct->text;

    at += snprintf(at, HTTP_DIRECT_HEAD_MAX, "%s%llx\r\n", direct->is_open ? "\r\n" : "",
                   (unsigned long long) (size + file->size));
    memcpy(at, text, size);
    at += size;
    direct->file = *file;
    direct->is_open = file->size > 0;
    if (direct->is_open) {
        at = copy_to_page(&direct->file, at);
    } else {
        memcpy(at, "\r\n", 2);
        at += 2;
    }
    direct->text_at = 0;
    direct->text_size = (size_t) (at - direct->text);
}

void cor_http_priv_direct_end(HttpDirect *direct)
{
    if (direct->is_open) {
        memcpy(direct->text, "\r\n", 2);
        direct->text_at = 0;
        direct->text_size = 2;
        direct->is_open = false;
    }
}

static HttpSent outcome(ssize_t sent)
{
    if (sent > 0) {
        return HTTP_SENT;
    }
    return sent < 0 && (errno == EAGAIN || errno == EINTR) ? HTTP_SENT_NO_ROOM : HTTP_SENT_LOST;
}

static HttpSent send_text(HttpDirect *direct, int fd)
{
    ssize_t sent = send(fd, direct->text + direct->text_at, direct->text_size - direct->text_at,
                        MSG_NOSIGNAL | MSG_DONTWAIT | MSG_MORE);

    if (sent > 0) {
        direct->text_at += (size_t) sent;
    }
    return outcome(sent);
}

/* libmicrohttpd's threads block SIGPIPE, as its own sendfile() needs it.  A file that ends too
 * early is a loss. */
static HttpSent send_file(HttpDirect *direct, int fd)
{
    off_t offset = (off_t) direct->file.offset;
    size_t size = (size_t) COR_MIN(direct->file.size, (uint64_t) SENDFILE_MAX);
    ssize_t sent = sendfile(fd, direct->file.fd, &offset, size);

    if (sent > 0) {
        direct->file.offset += (uint64_t) sent;
        direct->file.size -= (uint64_t) sent;
    }
    return outcome(sent);
}

HttpSent cor_http_priv_direct_send(HttpDirect *direct, int fd, uint64_t *sent)
{
    HttpSent result = HTTP_SENT;
    uint64_t file_size = direct->file.size;

    while (result == HTTP_SENT && direct->text_at < direct->text_size) {
        result = send_text(direct, fd);
    }
    if (result == HTTP_SENT && direct->file.size > 0) {
        result = send_file(direct, fd);
    }
    if (result == HTTP_SENT && direct->file.size > 0) {
        result = HTTP_SENT_SOME;
    }
    *sent = file_size - direct->file.size;
    return result;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Chunks with pieces of files in them, sent past libmicrohttpd; for http-pull.c.
 *
 * Threads    The connection's thread only, while libmicrohttpd asks for content.
 * Blocking   Never on the peer; shortly on a disk.
 * Units      Bytes.
 */
#pragma once

#include "http/http-pull.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HTTP_DIRECT_TEXT_MAX ((size_t) 2048) /* of text before a piece of a file */
#define HTTP_DIRECT_PAGE ((size_t) 4096)
#define HTTP_DIRECT_HEAD_MAX ((size_t) 24) /* CR LF, 16 digits, CR LF, NUL */

/* What is on its way.  A plain value, zeroed at the beginning. */
typedef struct HttpDirect {
    char text[HTTP_DIRECT_HEAD_MAX + HTTP_DIRECT_TEXT_MAX + HTTP_DIRECT_PAGE + 2];
    size_t text_size;
    size_t text_at;
    CorHttpFile file; /* what is left of it */
    bool is_open;     /* the last chunk needs its end */
    bool is_corked;
} HttpDirect;

typedef enum HttpSent {
    HTTP_SENT,         /* everything */
    HTTP_SENT_SOME,    /* there is more to send, and perhaps room for it */
    HTTP_SENT_NO_ROOM, /* the socket is full */
    HTTP_SENT_LOST,    /* the peer has left, or the file is shorter than was said */
} HttpSent;

/* Begin a chunk: text, and then a piece of a file if its size is not 0. */
void cor_http_priv_direct_chunk(HttpDirect *direct, const void *text, size_t size,
                                const CorHttpFile *file);

/* End the last chunk, before libmicrohttpd sends one of its own. */
void cor_http_priv_direct_end(HttpDirect *direct);

/* Send what is on its way, or 4 MiB of it; *sent is how many bytes of the file went. */
HttpSent cor_http_priv_direct_send(HttpDirect *direct, int fd, uint64_t *sent);

/* Hold back what does not fill a segment, or let it go. */
void cor_http_priv_direct_cork(HttpDirect *direct, int fd, bool is_corked);

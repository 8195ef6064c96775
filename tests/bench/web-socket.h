/* SPDX-License-Identifier: Apache-2.0 */
/* A blocking HTTP/1.1 client that throws bodies away without copying them (MSG_TRUNC), so that half
 * a megabyte per answer costs the server and not the client.
 *
 * For measuring only: it trusts the server, and whatever goes wrong ends the program with a
 * sentence.
 *
 * Ownership   web_open() fills a plain value; web_close() it.
 * Threads     One thread at a time.
 * Blocking    Everything, at most 60 s.
 * Errors      None: wire_die().
 * Units       Bytes.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

typedef struct Web {
    int fd;
    char head[16384]; /* of the answer, and what came with it */
} Web;

/** Connect to 127.0.0.1:port. */
void web_open(Web *web, uint16_t port);
void web_close(Web *web);

/** Send all. */
void web_send(Web *web, const void *data, size_t size);

/**
 * Read one answer to its end.
 *
 * @param ret_size  receives the bytes of the body
 * @return the status
 */
int web_answer(Web *web, uint64_t *ret_size);

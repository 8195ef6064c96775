/* SPDX-License-Identifier: Apache-2.0 */
/* Who waits for room in a socket while libmicrohttpd does not: a suspended connection.
 *
 * Ownership  What waits is borrowed until it is told or forgotten.
 * Threads    Thread-safe.  ready() comes on the room's thread, with its lock held.
 * Blocking   Never.
 */
#pragma once

#include "base/cleanup.h"
#include "base/error.h"

#include <stdbool.h>

typedef struct HttpRoom HttpRoom;

/* Start the thread. */
COR_MUSTCHECK bool cor_http_priv_room_new(HttpRoom **ret_room, CorError *err);

/* End it.  NULL is ignored. */
void cor_http_priv_room_free(HttpRoom *room);

/* Call ready(object) once, as soon as fd takes something or is broken.  One wait at a time for each
 * descriptor.  False: out of memory. */
COR_MUSTCHECK bool cor_http_priv_room_wait(HttpRoom *room, int fd, void (*ready)(void *object),
                                           void *object);

/* End a wait, told or not: when this returns ready() neither runs nor will. */
void cor_http_priv_room_forget(HttpRoom *room, int fd);

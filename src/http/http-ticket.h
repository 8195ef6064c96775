/* SPDX-License-Identifier: Apache-2.0 */
/* One-time tickets, for clients that cannot send an Authorization header (browsers' WebSocket and
 * EventSource): got with the token, good once, for a short time.
 *
 * Durability  In memory only.  Digests are kept, not tickets.
 * Ownership   cor_http_tickets_new() gives an object to free.
 * Threads     Thread-safe.
 * Blocking    Never.
 * Errors      LIMIT when too many are outstanding.
 * Units       Milliseconds.
 */
#pragma once

#include "base/cleanup.h"
#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

#define COR_HTTP_TICKET_SIZE 65 /* 64 hexadecimal digits and the NUL */

typedef struct CorHttpTickets CorHttpTickets;

/** Make an empty store; NULL if there is no memory.  ttl_ms: 30 s is usual; max: 4096. */
CorHttpTickets *cor_http_tickets_new(int64_t ttl_ms, size_t max);
void cor_http_tickets_free(CorHttpTickets *tickets);
COR_DEFINE_CLEANUP(CorHttpTickets, cor_http_tickets_free)

/** Make a ticket.  LIMIT if max unexpired ones are outstanding. */
COR_MUSTCHECK bool cor_http_tickets_issue(CorHttpTickets *tickets,
                                          char ret_ticket[COR_HTTP_TICKET_SIZE], CorError *err);

/** True, once, for a ticket that was issued at most ttl_ms ago. */
bool cor_http_tickets_redeem(CorHttpTickets *tickets, const char *ticket);

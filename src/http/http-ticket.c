/* SPDX-License-Identifier: Apache-2.0 */
/* An array with the oldest tickets overwritten first once they have expired; it is small, so it is
 * searched whole, in a time that does not depend on the ticket. */
#include "http/http-ticket.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/hash.h"
#include "base/time.h"

typedef struct Ticket {
    uint8_t digest[COR_SHA256_SIZE];
    int64_t expires_ms; /* 0: free */
} Ticket;

struct CorHttpTickets {
    int64_t ttl_ms;
    size_t max;
    pthread_mutex_t mutex;
    Ticket *tickets; /* guarded by mutex */
};

CorHttpTickets *cor_http_tickets_new(int64_t ttl_ms, size_t max)
{
    CorHttpTickets *tickets = cor_new(CorHttpTickets);

    if (!tickets) {
        return NULL;
    }
    tickets->ttl_ms = ttl_ms;
    tickets->max = max;
    tickets->tickets = cor_new_array(Ticket, max);
    if (!tickets->tickets) {
        free(tickets);
        return NULL;
    }
    (void) pthread_mutex_init(&tickets->mutex, NULL);
    return tickets;
}

void cor_http_tickets_free(CorHttpTickets *tickets)
{
    if (tickets) {
        (void) pthread_mutex_destroy(&tickets->mutex);
        free(tickets->tickets);
        free(tickets);
    }
}

bool cor_http_tickets_issue(CorHttpTickets *tickets, char ret_ticket[COR_HTTP_TICKET_SIZE],
                            CorError *err)
{
    uint8_t secret[32];
    char text[COR_HTTP_TICKET_SIZE];
    Ticket *slot = NULL;
    int64_t now = cor_time_ms();

    if (!cor_random_bytes(secret, sizeof(secret), err)) {
        return false;
    }
    cor_hex_encode(secret, sizeof(secret), text);

    (void) pthread_mutex_lock(&tickets->mutex);
    for (size_t i = 0; i < tickets->max && !slot; i++) {
        if (tickets->tickets[i].expires_ms <= now) {
            slot = &tickets->tickets[i];
        }
    }
    if (slot) {
        cor_sha256(text, strlen(text), slot->digest);
        slot->expires_ms = now + tickets->ttl_ms;
    }
    (void) pthread_mutex_unlock(&tickets->mutex);

    if (!slot) {
        return cor_fail(err, COR_ERR_LIMIT, "%zu tickets are outstanding", tickets->max);
    }
    memcpy(ret_ticket, text, sizeof(text));
    return true;
}

bool cor_http_tickets_redeem(CorHttpTickets *tickets, const char *ticket)
{
    uint8_t digest[COR_SHA256_SIZE];
    int64_t now = cor_time_ms();
    bool found = false;

    cor_sha256(ticket, strlen(ticket), digest);
    (void) pthread_mutex_lock(&tickets->mutex);
    for (size_t i = 0; i < tickets->max; i++) {
        Ticket *slot = &tickets->tickets[i];
        if (slot->expires_ms > now &&
            cor_equal_constant_time(slot->digest, digest, sizeof(digest))) {
            slot->expires_ms = 0;
            found = true;
        }
    }
    (void) pthread_mutex_unlock(&tickets->mutex);
    return found;
}

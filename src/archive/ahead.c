/* SPDX-License-Identifier: Apache-2.0 */
/* How far rows may be ahead of their objects.
 *
 * An object and its row become durable side by side, so a power cut can leave a row whose object is
 * not there, or not whole: one that nobody was told of.  Whoever puts such rows right afterwards
 * must know where to look.  So no row is begun that is COR_ARCHIVE_AHEAD_MAX rows behind one whose
 * object is still on its way: such rows are among the latest.
 */
#include "archive/archive-priv.h"

void cor_archive_priv_ahead_init(CorArchiveAhead *ahead)
{
    (void) pthread_mutex_init(&ahead->mutex, NULL);
    (void) pthread_cond_init(&ahead->moved, NULL);
}

void cor_archive_priv_ahead_done(CorArchiveAhead *ahead)
{
    (void) pthread_cond_destroy(&ahead->moved);
    (void) pthread_mutex_destroy(&ahead->mutex);
}

bool cor_archive_priv_ahead_enter(CorArchiveAhead *ahead, CorArchiveTicket *ticket)
{
    (void) pthread_mutex_lock(&ahead->mutex);
    while (ahead->first && ahead->rows - ahead->first->at >= COR_ARCHIVE_AHEAD_MAX) {
        (void) pthread_cond_wait(&ahead->moved, &ahead->mutex);
    }
    bool is_alone = !ahead->first;
    *ticket = (CorArchiveTicket){.at = ahead->rows++, .previous = ahead->last};
    *(ahead->last ? &ahead->last->next : &ahead->first) = ticket;
    ahead->last = ticket;
    (void) pthread_mutex_unlock(&ahead->mutex);
    return is_alone;
}

void cor_archive_priv_ahead_leave(CorArchiveAhead *ahead, CorArchiveTicket *ticket)
{
    (void) pthread_mutex_lock(&ahead->mutex);
    bool was_first = ahead->first == ticket;
    *(ticket->previous ? &ticket->previous->next : &ahead->first) = ticket->next;
    *(ticket->next ? &ticket->next->previous : &ahead->last) = ticket->previous;
    (void) pthread_mutex_unlock(&ahead->mutex);
    if (was_first) {
        (void) pthread_cond_broadcast(&ahead->moved);
    }
}

/* SPDX-License-Identifier: Apache-2.0 */
/* A place that comes free is handed to the first in line under the lock, so nobody who comes later
 * can overtake it. */
#include "dicomweb/stow-gate.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/array.h"

struct CorStowGate {
    pthread_mutex_t mutex;
    size_t free_places;   /* guarded by mutex; above 0 only while nobody waits */
    CorStowWaiter *first; /* guarded by mutex, as are the waiters */
    CorStowWaiter *last;  /* guarded by mutex */
};

bool cor_dicomweb_priv_stow_gate_new(size_t places, CorStowGate **ret_gate, CorError *err)
{
    CorStowGate *gate = cor_new(CorStowGate);

    if (!gate) {
        return cor_fail(err, COR_ERR_NOMEM, "out of memory for uploads");
    }
    (void) pthread_mutex_init(&gate->mutex, NULL);
    gate->free_places = places;
    *ret_gate = gate;
    return true;
}

void cor_dicomweb_priv_stow_gate_free(CorStowGate *gate)
{
    if (gate) {
        (void) pthread_mutex_destroy(&gate->mutex);
        free(gate);
    }
}

/* Lock held. */
static void append(CorStowGate *gate, CorStowWaiter *waiter)
{
    waiter->is_waiting = true;
    waiter->previous = gate->last;
    waiter->next = NULL;
    *(gate->last ? &gate->last->next : &gate->first) = waiter;
    gate->last = waiter;
}

/* Lock held. */
static void remove_from_line(CorStowGate *gate, CorStowWaiter *waiter)
{
    waiter->is_waiting = false;
    *(waiter->previous ? &waiter->previous->next : &gate->first) = waiter->next;
    *(waiter->next ? &waiter->next->previous : &gate->last) = waiter->previous;
}

bool cor_dicomweb_priv_stow_gate_enter(CorStowGate *gate, CorStowWaiter *waiter)
{
    (void) pthread_mutex_lock(&gate->mutex);
    bool has_place = waiter->is_granted;
    if (has_place) {
        waiter->is_granted = false;
    } else if (!waiter->is_waiting && gate->free_places > 0) {
        gate->free_places--;
        has_place = true;
    } else if (!waiter->is_waiting) {
        append(gate, waiter);
    }
    (void) pthread_mutex_unlock(&gate->mutex);
    return has_place;
}

/* Lock held: the one to release when it is open again, or NULL. */
static CorHttpHold *hand_on(CorStowGate *gate)
{
    CorStowWaiter *waiter = gate->first;

    if (!waiter) {
        gate->free_places++;
        return NULL;
    }
    remove_from_line(gate, waiter);
    waiter->is_granted = true;
    return cor_http_hold_ref(waiter->hold);
}

static void release(CorHttpHold *hold)
{
    if (hold) {
        cor_http_hold_release(hold);
        cor_http_hold_unref(hold);
    }
}

void cor_dicomweb_priv_stow_gate_leave(CorStowGate *gate)
{
    (void) pthread_mutex_lock(&gate->mutex);
    CorHttpHold *hold = hand_on(gate);
    (void) pthread_mutex_unlock(&gate->mutex);
    release(hold);
}

void cor_dicomweb_priv_stow_gate_give_up(CorStowGate *gate, CorStowWaiter *waiter)
{
    CorHttpHold *hold = NULL;

    (void) pthread_mutex_lock(&gate->mutex);
    if (waiter->is_waiting) {
        remove_from_line(gate, waiter);
    } else if (waiter->is_granted) {
        waiter->is_granted = false;
        hold = hand_on(gate);
    }
    (void) pthread_mutex_unlock(&gate->mutex);
    release(hold);
}

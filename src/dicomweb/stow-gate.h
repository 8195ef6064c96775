/* SPDX-License-Identifier: Apache-2.0 */
/* Places for the parts of all uploads that are being received, wait or are stored: each is a
 * temporary file, a descriptor and some memory.  Whoever finds none waits in line, and is released
 * (http/http-hold.h) when it has one.
 *
 * Order      First come, first served.
 * Ownership  cor_dicomweb_priv_stow_gate_new() gives an object to free.  A waiter is its user's,
 *            and must have left before it goes.
 * Threads    CorStowGate: Thread-safe.  CorStowWaiter: its members are the gate's.
 * Blocking   Never.
 */
#pragma once

#include "base/cleanup.h"
#include "base/error.h"
#include "http/http-hold.h"

#include <stdbool.h>
#include <stddef.h>

typedef struct CorStowGate CorStowGate;

typedef struct CorStowWaiter {
    struct CorStowWaiter *previous;
    struct CorStowWaiter *next;
    CorHttpHold *hold; /* set by the user: borrowed */
    bool is_waiting;
    bool is_granted; /* a place is kept for it */
} CorStowWaiter;

COR_MUSTCHECK bool cor_dicomweb_priv_stow_gate_new(size_t places, CorStowGate **ret_gate,
                                                   CorError *err);
void cor_dicomweb_priv_stow_gate_free(CorStowGate *gate);

/** Take a place, or get in line; in line already, see whether it is one's turn. */
bool cor_dicomweb_priv_stow_gate_enter(CorStowGate *gate, CorStowWaiter *waiter);

/** Give a place back: it goes to the first in line. */
void cor_dicomweb_priv_stow_gate_leave(CorStowGate *gate);

/** Get out of line, if one is in it. */
void cor_dicomweb_priv_stow_gate_give_up(CorStowGate *gate, CorStowWaiter *waiter);

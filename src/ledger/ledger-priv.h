/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of this room share.
 *
 * Threads  Thread-safe: pure functions.
 */
#pragma once

#include "job/result.h"
#include "ledger/ledger.h"

#define COR_LEDGER_EVENT_MAX COR_EVENT_BODY_MAX

/** Copy a text of the database into a field of size bytes; CORRUPT if it does not fit. */
COR_MUSTCHECK bool cor_ledger_priv_copy(char *field, size_t size, const char *text, CorError *err);

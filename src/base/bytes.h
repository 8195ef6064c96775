/* SPDX-License-Identifier: Apache-2.0 */
/* Shared, immutable bytes with a reference count: what several connections send at once.
 *
 * Ownership  cor_bytes_new() gives the first reference.
 * Threads    Thread-safe: the content never changes and the count is atomic.
 */
#pragma once

#include "base/cleanup.h"
#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

typedef struct CorBytes CorBytes;

/** Copy size bytes; NULL if there is no memory.  A NUL that does not count follows them. */
CorBytes *cor_bytes_new(const void *data, size_t size);

CorBytes *cor_bytes_ref(CorBytes *bytes);
void cor_bytes_unref(CorBytes *bytes);
COR_DEFINE_CLEANUP(CorBytes, cor_bytes_unref)

const uint8_t *cor_bytes_data(const CorBytes *bytes);
size_t cor_bytes_size(const CorBytes *bytes);

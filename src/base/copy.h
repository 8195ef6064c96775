/* SPDX-License-Identifier: Apache-2.0 */
/* Copying bytes that this processor does not look at soon. */
#pragma once

#include <stddef.h>

/**
 * As memcpy(3), but what is written does not go through the caches where the processor can do so:
 * it need not be fetched from another processor or a device that has just read what was there
 * before.  For large pieces of memory that is filled again and again for somebody else.
 *
 * Threads  As memcpy(3): whoever is told afterwards, by a lock or a system call, sees the bytes.
 */
void cor_copy_past_cache(void *to, const void *from, size_t size);

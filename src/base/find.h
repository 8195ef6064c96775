/* SPDX-License-Identifier: Apache-2.0 */
/* Searching bytes for bytes. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/**
 * As memmem(3), for needles that are seldom there: it looks at 64 places at once.  Time goes with
 * size, and with size * needle_size at worst unless the needle's first byte occurs in it once.
 *
 * @param needle_size  1 or more
 * @return             the first place, or NULL
 */
const uint8_t *cor_find(const uint8_t *bytes, size_t size, const void *needle, size_t needle_size);

/* SPDX-License-Identifier: Apache-2.0 */
/* Two clocks: monotonic for durations, wall clock for what is written down.  Both in ms.
 *
 * Threads  Thread-safe.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define COR_TIME_ISO_SIZE 32

/** Monotonic milliseconds since an unspecified start. */
int64_t cor_time_ms(void);

/** Monotonic microseconds since the same start; for timings. */
int64_t cor_time_us(void);

/** Wall clock, milliseconds since 1970-01-01 UTC. */
int64_t cor_time_unix_ms(void);

/** Write "2026-01-31T23:59:59.123Z" into text (at least COR_TIME_ISO_SIZE bytes); returns text. */
char *cor_time_iso(int64_t unix_ms, char *text, size_t size);

/** Read what cor_time_iso() writes, with or without fraction; false if it is no such time. */
bool cor_time_parse_iso(const char *text, int64_t *ret_unix_ms);

/* SPDX-License-Identifier: Apache-2.0 */
/* Growable text with a ceiling.
 *
 * A CorString is created with the largest size it may ever have.  Appending beyond it, or running
 * out of memory, poisons the string: later appends do nothing and cor_string_check() says why.  So
 * callers append freely and check once.
 *
 * Ownership  cor_string_new() gives a string to free.
 * Threads    One thread at a time.
 */
#pragma once

#include "base/cleanup.h"
#include "base/error.h"

#include <stddef.h>

typedef struct CorString CorString;

/** Make an empty string of at most max_bytes; NULL if there is no memory. */
CorString *cor_string_new(size_t max_bytes);

/** Free a string.  NULL is ignored. */
void cor_string_free(CorString *string);
COR_DEFINE_CLEANUP(CorString, cor_string_free)

/** Append bytes.  A NULL string is ignored (cor_string_check() reports it). */
void cor_string_append(CorString *string, const void *bytes, size_t size);

/** Append a NUL-terminated text. */
void cor_string_append_text(CorString *string, const char *text);

/** Append formatted text. */
void cor_string_printf(CorString *string, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/** True if everything that was appended is there; LIMIT or NOMEM otherwise. */
COR_MUSTCHECK bool cor_string_check(const CorString *string, CorError *err);

/** The text, NUL-terminated, valid until the next append.  "" for NULL. */
const char *cor_string_text(const CorString *string);

/** Bytes without the final NUL. */
size_t cor_string_size(const CorString *string);

/** Cut to at most size bytes; forgets that the string was poisoned when cut to 0. */
void cor_string_truncate(CorString *string, size_t size);

/** Move the text out as a malloc()ed NUL-terminated buffer and free the string. */
char *cor_string_take(CorString *string);

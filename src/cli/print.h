/* SPDX-License-Identifier: Apache-2.0 */
/* Printing what a server answered: as JSON, as a table, as words.
 *
 * Threads  One thread at a time.
 */
#pragma once

#include "base/error.h"
#include "base/json.h"

#include <stdbool.h>
#include <stddef.h>

typedef struct CorColumn {
    const char *title;
    const char *member; /* of each row's object; "a.b" looks into a */
} CorColumn;

/** Print a value as one line of JSON. */
void cor_print_json(const json_t *json);

/** Print an array of objects as a table with aligned columns. */
void cor_print_table(const json_t *rows, const CorColumn *columns, size_t len);

/** Print an object's members as "name: value", objects and arrays as JSON. */
void cor_print_members(const json_t *object);

/** Print "corsia <verb>: <error>" to standard error; returns the exit status 1. */
int cor_print_failure(const char *verb, const CorError *err);

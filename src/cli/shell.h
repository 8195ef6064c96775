/* SPDX-License-Identifier: Apache-2.0 */
/* Names and values in the words of a shell, quoted so that a value can never become a command.
 *
 * Threads  Thread-safe.
 */
#pragma once

#include "base/error.h"
#include "base/json.h"
#include "base/string.h"

typedef enum CorShell {
    COR_SHELL_BASH,       /* export NAME='value' (any POSIX shell) */
    COR_SHELL_POWERSHELL, /* $env:NAME = 'value' */
    COR_SHELL_DOTENV,     /* NAME="value" */
    COR_SHELL_JSON,
    COR_SHELL_COUNT_
} CorShell;

/** Find a dialect by its name. */
bool cor_shell_find(const char *name, CorShell *ret_shell);

/**
 * Append one line per member of an object of texts, or the object as JSON.
 *
 * @param err  INVALID if a name is not [A-Z_][A-Z0-9_]*, or a value is no text or has control
 *             characters
 */
COR_MUSTCHECK bool cor_shell_print(CorShell shell, const json_t *names, CorString *out,
                                   CorError *err);

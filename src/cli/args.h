/* SPDX-License-Identifier: Apache-2.0 */
/* Arguments of an operator verb: a table of options gives the parser and the help.
 *
 * Every verb also knows --server URL, --token-file FILE, --json and --help.
 *
 * Ownership  Texts point into argv.
 * Threads    One thread at a time.
 * Errors     Are printed to standard error: what is wrong, not the whole help.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define COR_CLI_MANY_MAX 1024 /* uses of one option, and positional arguments */

/* Exit statuses. */
#define COR_CLI_OK 0
#define COR_CLI_FAILED 1
#define COR_CLI_USAGE 2

typedef struct CorCliTexts {
    const char *items[COR_CLI_MANY_MAX];
    size_t len;
} CorCliTexts;

typedef struct CorCliOption {
    const char *name;   /* "series", without dashes */
    const char *value;  /* how the help calls its value; NULL: it has none */
    const char *help;   /* one line */
    const char **text;  /* set to its value, */
    CorCliTexts *texts; /* or appended, for options that may come several times, */
    bool *flag;         /* or set to true */
} CorCliOption;

typedef struct CorCliVerb {
    const char *name;    /* "import" */
    const char *usage;   /* "PATH... [--prefix P]" */
    const char *summary; /* one line */
    const char *details; /* for the help; may be NULL */
    size_t positional_min;
    size_t positional_max;
} CorCliVerb;

typedef struct CorCliArgs {
    const char *server;     /* NULL if not given */
    const char *token_file; /* NULL if not given */
    bool json;
    CorCliTexts positional;
} CorCliArgs;

/**
 * Read the arguments after the verb.
 *
 * @param args  must be zeroed
 * @return -1 to go on; otherwise the status to exit with (help was printed, or usage is wrong)
 */
int cor_cli_parse(const CorCliVerb *verb, const CorCliOption *options, size_t option_len, int argc,
                  char **argv, CorCliArgs *args);

/** Print "corsia <verb>: <sentence>" to standard error and return COR_CLI_USAGE. */
int cor_cli_usage(const CorCliVerb *verb, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/** Read a whole number without sign, at most max; false if it is none. */
bool cor_cli_parse_number(const char *text, long long max, long long *ret_number);

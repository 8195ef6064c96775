/* SPDX-License-Identifier: Apache-2.0 */
/* The log: one event, one line, logfmt on standard error.
 *
 *     cor_log_info("job done", COR_F("job", job->id), COR_FI("ms", elapsed_ms));
 *     ts=2026-01-31T23:59:59.123Z level=info room=worker msg="job done" job=7c1e ms=412
 *
 * The room is taken from the name of the source file.  Values with spaces, quotes or control
 * characters are quoted and escaped, so that nothing from outside can begin a line of its own.
 * Patient data, secrets and whole client ids never go in (invariant 7): that is the caller's part.
 *
 * Levels     error: somebody must act.  warning: degraded, carried on.  info: life-cycle, and one
 *            line per job.  debug: anything.
 * Ownership  Borrows its arguments for the call.
 * Threads    Thread-safe: each line is one write().
 * Blocking   May block while standard error does.  Never call it with a lock held.
 * Errors     None: a line that cannot be written is lost.  A line is at most 4096 bytes.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

typedef enum CorLogLevel {
    COR_LOG_ERROR,
    COR_LOG_WARNING,
    COR_LOG_INFO,
    COR_LOG_DEBUG,
    COR_LOG_LEVEL_COUNT_
} CorLogLevel;

typedef enum CorLogKind { COR_LOG_END, COR_LOG_TEXT, COR_LOG_INTEGER, COR_LOG_REAL } CorLogKind;

typedef struct CorLogField {
    const char *name; /* [a-z_]+, a literal */
    CorLogKind kind;
    const char *text; /* NULL is written as null */
    int64_t integer;
    double real;
} CorLogField;

/* Fields: a text, an integer, a real number. */
#define COR_F(field, value) ((CorLogField){.name = (field), .kind = COR_LOG_TEXT, .text = (value)})
#define COR_FI(field, value) \
    ((CorLogField){.name = (field), .kind = COR_LOG_INTEGER, .integer = (int64_t) (value)})
#define COR_FR(field, value) ((CorLogField){.name = (field), .kind = COR_LOG_REAL, .real = (value)})

#define cor_log_error(message, ...) cor_log_at_(COR_LOG_ERROR, message __VA_OPT__(, ) __VA_ARGS__)
#define cor_log_warning(message, ...) \
    cor_log_at_(COR_LOG_WARNING, message __VA_OPT__(, ) __VA_ARGS__)
#define cor_log_info(message, ...) cor_log_at_(COR_LOG_INFO, message __VA_OPT__(, ) __VA_ARGS__)
#define cor_log_debug(message, ...) cor_log_at_(COR_LOG_DEBUG, message __VA_OPT__(, ) __VA_ARGS__)

#define cor_log_at_(level, message, ...)                                                           \
    do {                                                                                           \
        if ((level) <= cor_log_level()) {                                                          \
            cor_log_write(level, __FILE__, message,                                                \
                          (const CorLogField[]){__VA_ARGS__ __VA_OPT__(, ){.kind = COR_LOG_END}}); \
        }                                                                                          \
    } while (0)

/** Set the least important level that is still written; info at first. */
void cor_log_set_level(CorLogLevel level);

/** The least important level that is written. */
CorLogLevel cor_log_level(void);

/** A level's name: "error", "warning", "info", "debug". */
const char *cor_log_level_name(CorLogLevel level);

/** Write one line, whatever the level; callers use the macros above. */
void cor_log_write(CorLogLevel level, const char *file, const char *message,
                   const CorLogField *fields);

typedef struct CorLogEvent {
    int64_t unix_ms;
    CorLogLevel level;
    const char *file; /* __FILE__ of the caller */
    const char *message;
    const CorLogField *fields; /* ends with COR_LOG_END */
} CorLogEvent;

/**
 * Format the line that cor_log_write() writes, with its newline, for tests.
 *
 * @return bytes written to line, without the NUL; a line that does not fit is cut and still ends
 *         with a newline
 */
size_t cor_log_format(const CorLogEvent *event, char *line, size_t size);

/* SPDX-License-Identifier: Apache-2.0 */
/* A line is put together in a buffer on the stack and written by one write(), so that lines of
 * several threads never mix (a pipe keeps up to PIPE_BUF = 4096 bytes together). */
#include "program/log.h"

#include <assert.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/array.h"
#include "base/id.h"
#include "base/time.h"

enum { LINE_MAX_BYTES = 4096 };

static const char *const level_names[] = {
    [COR_LOG_ERROR] = "error",
    [COR_LOG_WARNING] = "warning",
    [COR_LOG_INFO] = "info",
    [COR_LOG_DEBUG] = "debug",
};
static_assert(COR_ARRAY_LEN(level_names) == COR_LOG_LEVEL_COUNT_, "name every level");

static atomic_int least_level = COR_LOG_INFO;

typedef struct Line {
    char *text;
    size_t size;
    size_t capacity; /* one byte is kept for the newline and one for the NUL */
} Line;

static void put(Line *line, const char *bytes, size_t size)
{
    size_t room = line->capacity - 2 - line->size;

    size = COR_MIN(size, room);
    memcpy(line->text + line->size, bytes, size);
    line->size += size;
}

static void put_text(Line *line, const char *text)
{
    put(line, text, strlen(text));
}

/* What a logfmt reader takes as one word without quotes. */
static bool is_plain(const char *text)
{
    if (!text[0]) {
        return false;
    }
    for (const unsigned char *c = (const unsigned char *) text; *c; c++) {
        if (*c <= ' ' || *c >= 0x7F || *c == '"' || *c == '=' || *c == '\\') {
            return false;
        }
    }
    return true;
}

/* Escaped as in JSON.  Bytes that are no UTF-8 are shown as \x.. because a log must stay readable.
 */
static void put_quoted(Line *line, const char *text)
{
    bool is_utf8 = cor_utf8_is_valid(text, strlen(text));

    put(line, "\"", 1);
    for (const unsigned char *c = (const unsigned char *) text; *c; c++) {
        char escape[8];
        if (*c == '"' || *c == '\\') {
            (void) snprintf(escape, sizeof(escape), "\\%c", *c);
        } else if (*c == '\n') {
            (void) snprintf(escape, sizeof(escape), "\\n");
        } else if (*c == '\t') {
            (void) snprintf(escape, sizeof(escape), "\\t");
        } else if (*c < ' ' || *c == 0x7F || (*c > 0x7F && !is_utf8)) {
            (void) snprintf(escape, sizeof(escape), "\\x%02x", *c);
        } else {
            put(line, (const char *) c, 1);
            continue;
        }
        put_text(line, escape);
    }
    put(line, "\"", 1);
}

static void put_value(Line *line, const char *text)
{
    if (!text) {
        put_text(line, "null");
    } else if (is_plain(text)) {
        put_text(line, text);
    } else {
        put_quoted(line, text);
    }
}

/* "../src/worker/worker.c" -> "worker" */
static void put_room(Line *line, const char *file)
{
    const char *end = strrchr(file, '/');
    const char *start = end;

    if (!end) {
        put_text(line, "main");
        return;
    }
    while (start > file && start[-1] != '/') {
        start--;
    }
    put(line, start, (size_t) (end - start));
}

static void put_field(Line *line, const CorLogField *field)
{
    char number[40];

    put(line, " ", 1);
    put_text(line, field->name);
    put(line, "=", 1);
    switch (field->kind) {
    case COR_LOG_INTEGER:
        (void) snprintf(number, sizeof(number), "%lld", (long long) field->integer);
        put_text(line, number);
        break;
    case COR_LOG_REAL:
        (void) snprintf(number, sizeof(number), "%.6g", field->real);
        put_text(line, number);
        break;
    case COR_LOG_TEXT:
    case COR_LOG_END:
        put_value(line, field->text);
        break;
    }
}

size_t cor_log_format(const CorLogEvent *event, char *text, size_t size)
{
    char time[COR_TIME_ISO_SIZE];
    Line line = {.text = text, .capacity = size};

    assert(size >= 2);
    put_text(&line, "ts=");
    put_text(&line, cor_time_iso(event->unix_ms, time, sizeof(time)));
    put_text(&line, " level=");
    put_text(&line, level_names[event->level]);
    put_text(&line, " room=");
    put_room(&line, event->file);
    put_text(&line, " msg=");
    put_quoted(&line, event->message);
    for (const CorLogField *field = event->fields; field->kind != COR_LOG_END; field++) {
        put_field(&line, field);
    }
    text[line.size++] = '\n';
    text[line.size] = '\0';
    return line.size;
}

void cor_log_write(CorLogLevel level, const char *file, const char *message,
                   const CorLogField *fields)
{
    char line[LINE_MAX_BYTES + 1];
    int saved_errno = errno;
    CorLogEvent event = {
        .unix_ms = cor_time_unix_ms(),
        .level = level,
        .file = file,
        .message = message,
        .fields = fields,
    };
    size_t size = cor_log_format(&event, line, sizeof(line));

    ssize_t written = write(STDERR_FILENO, line, size);
    (void) written; /* there is nowhere else to say that the log is gone */
    errno = saved_errno;
}

void cor_log_set_level(CorLogLevel level)
{
    atomic_store_explicit(&least_level, (int) level, memory_order_relaxed);
}

CorLogLevel cor_log_level(void)
{
    return (CorLogLevel) atomic_load_explicit(&least_level, memory_order_relaxed);
}

const char *cor_log_level_name(CorLogLevel level)
{
    return level_names[level];
}

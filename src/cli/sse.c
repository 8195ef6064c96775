/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/sse.h"

#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/string.h"

struct CorSse {
    CorSseEvent on_event;
    void *context;
    CorString *line;
    CorString *data; /* each line ends with LF until the event is handed out */
    CorString *type;
    CorString *id;
    bool after_cr; /* an LF that comes now belongs to the CR before it */
};

CorSse *cor_sse_new(size_t max_bytes, CorSseEvent on_event, void *context)
{
    CorSse *sse = cor_new(CorSse);

    if (!sse) {
        return NULL;
    }
    sse->on_event = on_event;
    sse->context = context;
    sse->line = cor_string_new(max_bytes + 16);
    sse->data = cor_string_new(max_bytes);
    sse->type = cor_string_new(256);
    sse->id = cor_string_new(256);
    if (!sse->line || !sse->data || !sse->type || !sse->id) {
        cor_sse_free(sse);
        return NULL;
    }
    return sse;
}

void cor_sse_free(CorSse *sse)
{
    if (sse) {
        cor_string_free(sse->line);
        cor_string_free(sse->data);
        cor_string_free(sse->type);
        cor_string_free(sse->id);
        free(sse);
    }
}

static bool dispatch(CorSse *sse)
{
    bool goes_on = true;
    size_t size = cor_string_size(sse->data);

    if (size > 0) {
        cor_string_truncate(sse->data, size - 1);
        const char *type = cor_string_text(sse->type);
        goes_on = sse->on_event(sse->context, type[0] ? type : "message", cor_string_text(sse->id),
                                cor_string_text(sse->data));
    }
    cor_string_truncate(sse->data, 0);
    cor_string_truncate(sse->type, 0);
    return goes_on;
}

static void take_field(CorSse *sse, const char *name, size_t name_len, const char *value)
{
    if (name_len == 4 && strncmp(name, "data", 4) == 0) {
        cor_string_append_text(sse->data, value);
        cor_string_append_text(sse->data, "\n");
    } else if (name_len == 5 && strncmp(name, "event", 5) == 0) {
        cor_string_truncate(sse->type, 0);
        cor_string_append_text(sse->type, value);
    } else if (name_len == 2 && strncmp(name, "id", 2) == 0) {
        cor_string_truncate(sse->id, 0);
        cor_string_append_text(sse->id, value);
    }
}

/* A whole line is in sse->line. */
static bool take_line(CorSse *sse, CorError *err)
{
    const char *line = cor_string_text(sse->line);
    size_t name_len = strcspn(line, ":");
    bool goes_on = true;

    if (!cor_string_check(sse->line, err)) {
        return false;
    }
    if (!line[0]) {
        goes_on = dispatch(sse);
    } else if (name_len > 0) { /* a line that begins with ':' is a comment */
        const char *value = line[name_len] ? line + name_len + 1 : "";
        take_field(sse, line, name_len, value + (value[0] == ' '));
    }
    cor_string_truncate(sse->line, 0);
    return goes_on && cor_string_check(sse->data, err) && cor_string_check(sse->type, err) &&
           cor_string_check(sse->id, err);
}

bool cor_sse_feed(CorSse *sse, const char *bytes, size_t size, CorError *err)
{
    for (size_t at = 0; at < size;) {
        if (sse->after_cr && bytes[at] == '\n') {
            sse->after_cr = false;
            at++;
            continue;
        }
        sse->after_cr = false;
        size_t len = 0;
        while (at + len < size && bytes[at + len] != '\n' && bytes[at + len] != '\r') {
            len++;
        }
        cor_string_append(sse->line, bytes + at, len);
        at += len;
        if (at == size) {
            return cor_string_check(sse->line, err);
        }
        sse->after_cr = bytes[at] == '\r';
        at++;
        if (!take_line(sse, err)) {
            return false;
        }
    }
    return true;
}

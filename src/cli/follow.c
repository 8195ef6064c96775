/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/follow.h"

#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/time.h"
#include "cli/sse.h"

enum { EVENT_MAX = 4 * 1024 * 1024, AGAIN_MS = 500, GIVE_UP_MS = 30000 };

typedef struct Follow {
    CorFollowFrame on_frame;
    void *context;
    CorSse *sse;
    int64_t since;
    bool has_stopped;
    bool has_heard; /* on the present connection */
    CorError err;   /* of the reader */
} Follow;

static bool on_event(void *context, const char *type, const char *id, const char *data)
{
    Follow *follow = context;
    json_t *frame = NULL;

    (void) type;
    (void) id;
    if (!cor_json_parse(data, strlen(data), &frame, &follow->err)) {
        return false;
    }
    int64_t seq = cor_json_integer(frame, "seq", 0);
    bool is_new = seq == 0 || seq > follow->since;
    follow->since = COR_MAX(follow->since, seq);
    follow->has_stopped = is_new && !follow->on_frame(follow->context, frame);
    json_decref(frame);
    return !follow->has_stopped;
}

static bool on_data(void *context, const char *data, size_t size)
{
    Follow *follow = context;

    follow->has_heard = true;
    return cor_sse_feed(follow->sse, data, size, &follow->err);
}

/* One connection; false if it is not worth another. */
static bool follow_once(CorClient *client, const char *client_id, Follow *follow, CorError *err)
{
    COR_CLEANUP(cor_string_freep) CorString *path = cor_string_new(4096);
    COR_CLEANUP(cor_sse_freep) CorSse *sse = cor_sse_new(EVENT_MAX, on_event, follow);
    char since[24];

    cor_client_path(path, "clients", client_id, "events", NULL);
    if (follow->since >= 0) {
        (void) snprintf(since, sizeof(since), "%" PRId64, follow->since);
        cor_client_query(path, "since", since);
    }
    if (!sse || !cor_string_check(path, err)) {
        return cor_fail(err, COR_ERR_NOMEM, "out of memory for a stream");
    }
    follow->sse = sse;
    follow->has_heard = false;
    bool is_ok = cor_client_stream(client, cor_string_text(path), on_data, follow, err);
    if (follow->err.code != COR_OK) {
        *err = follow->err;
        return false;
    }
    return is_ok || cor_error_is_transient(err);
}

bool cor_follow(CorClient *client, const char *client_id, int64_t since, CorFollowFrame on_frame,
                void *context, CorError *err)
{
    Follow follow = {.on_frame = on_frame, .context = context, .since = since};
    int64_t heard_ms = cor_time_ms();
    bool has_connected = false;
    CorError dropped = {0};

    err = err ? err : &dropped;
    for (;;) {
        bool is_worth_it = follow_once(client, client_id, &follow, err);
        if (follow.has_stopped) {
            return true;
        }
        has_connected = has_connected || follow.has_heard || err->code == COR_OK;
        heard_ms = follow.has_heard ? cor_time_ms() : heard_ms;
        if (!is_worth_it || !has_connected || cor_time_ms() - heard_ms > GIVE_UP_MS) {
            return err->code != COR_OK
                       ? false
                       : cor_fail(err, COR_ERR_UNAVAILABLE, "the server ended the stream");
        }
        *err = (CorError){0};
        (void) poll(NULL, 0, AGAIN_MS);
    }
}

bool cor_follow_last(CorClient *client, const char *client_id, int64_t *ret_last, CorError *err)
{
    COR_CLEANUP(cor_string_freep) CorString *path = cor_string_new(4096);
    COR_CLEANUP(cor_json_freep) json_t *page = NULL;

    cor_client_path(path, "clients", client_id, "events", NULL);
    cor_client_query(path, "limit", "1");
    if (!cor_string_check(path, err) ||
        !cor_client_call(client, "GET", cor_string_text(path), NULL, &page, err)) {
        return false;
    }
    *ret_last = cor_json_integer(page, "last", 0);
    return true;
}

static void print_numbers(const json_t *frame)
{
    const json_t *measurements = json_object_get(frame, "measurements");
    double total_ms = cor_json_number(json_object_get(frame, "timing_ms"), "total", -1);
    const char *url = cor_json_string(json_object_get(frame, "dicom"), "url", NULL);
    const char *name = NULL;
    json_t *value = NULL;

    if (total_ms >= 0) {
        (void) printf("  %.1f ms", total_ms);
    }
    json_object_foreach((json_t *) (uintptr_t) measurements, name, value)
    {
        if (json_is_number(value)) {
            (void) printf("  %s=%g", name, json_number_value(value));
        }
    }
    if (url) {
        (void) printf("\n    %s", url);
    }
}

void cor_follow_print(const json_t *frame, bool as_json)
{
    const char *type = cor_json_string(frame, "type", "result");
    const json_t *error = json_object_get(frame, "error");

    if (as_json) {
        char *text = cor_json_text(frame);
        (void) printf("%s\n", text ? text : "");
        free(text);
    } else if (strcmp(type, "result") == 0) {
        (void) printf("#%" PRId64 "  %s  %s  job %s", cor_json_integer(frame, "seq", 0),
                      cor_json_string(frame, "status", "?"), cor_json_string(frame, "algo_id", "?"),
                      cor_json_string(frame, "job_id", "?"));
        if (json_is_boolean(json_object_get(frame, "found"))) {
            (void) printf("  %s",
                          cor_json_boolean(frame, "found", false) ? "found" : "nothing found");
        }
        if (error) {
            (void) printf("  %s: %s", cor_json_string(error, "code", "?"),
                          cor_json_string(error, "message", ""));
        }
        print_numbers(frame);
        (void) printf("\n");
    } else if (strcmp(type, "progress") == 0) {
        (void) printf("    %3.0f %%  %s  job %s\n", 100 * cor_json_number(frame, "fraction", 0),
                      cor_json_string(frame, "stage", ""), cor_json_string(frame, "job_id", "?"));
    } else {
        (void) printf("%s\n", type);
    }
    (void) fflush(stdout);
}

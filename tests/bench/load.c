/* SPDX-License-Identifier: Apache-2.0 */
/* Load on a running server: bench-load MODE name=value...
 *
 *     jobs      many jobs at once; until the last result has come over the WebSocket
 *     latency   one job at a time, and beside each what the disk needs for its parts
 *     enqueue   as many POSTs as can be made durable
 *     push      events to very many WebSockets
 *     floor     the disk alone
 */
#include "load.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"

void load_post(Wire *wire, const LoadOptions *options, const char *client, const char *prefix,
               size_t number)
{
    char body[1024];
    char params[64] = "";

    if (options->area_min_px > 0) {
        (void) snprintf(params, sizeof(params), ",\"params\":{\"area_min_px\":%zu}",
                        options->area_min_px);
    }
    (void) snprintf(body, sizeof(body),
                    "{\"job_id\":\"%s-%s%zu\",\"client_id\":\"%s\",\"pacs\":{\"study_id\":"
                    "\"bench\",\"series_id\":\"%s\",\"image_id\":\"%05zu.dcm\"}%s}",
                    client, prefix, number, client, options->series, number + options->first,
                    params);
    wire_request(wire, "POST", "/process/processing_1", body);
}

size_t load_job_number(const char *frame, size_t size)
{
    const char *id = memmem(frame, size, "\"job_id\":\"", 10);
    size_t number = 0;

    if (!id) {
        wire_die("a frame without a job: %.*s", (int) COR_MIN(size, (size_t) 200), frame);
    }
    for (id += 10; *id != '"'; id++) {
        number = *id >= '0' && *id <= '9' ? number * 10 + (size_t) (*id - '0') : 0;
    }
    return number;
}

bool load_is_result(const char *frame, size_t size)
{
    return memmem(frame, size, "\"type\":\"result\"", 15) != NULL;
}

static size_t number_of(const char *text)
{
    size_t number = 0;

    for (const char *c = text; *c; c++) {
        if (*c < '0' || *c > '9' || number > 100000000) {
            wire_die("'%s' is no number", text);
        }
        number = number * 10 + (size_t) (*c - '0');
    }
    return number;
}

static void read_option(LoadOptions *options, const char *text)
{
    const char *value = strchr(text, '=');
    const struct {
        const char *name;
        size_t *number;
        const char **word;
    } known[] = {
        {"count", &options->count, NULL},
        {"first", &options->first, NULL},
        {"connections", &options->connections, NULL},
        {"group", &options->group, NULL},
        {"rate", &options->rate, NULL},
        {"depth", &options->depth, NULL},
        {"ms", &options->ms, NULL},
        {"area_min_px", &options->area_min_px, NULL},
        {"client", NULL, &options->client},
        {"series", NULL, &options->series},
        {"folder", NULL, &options->folder},
    };

    if (!value) {
        wire_die("'%s' is no name=value", text);
    }
    size_t size = (size_t) (value - text);
    if (size == 4 && memcmp(text, "port", 4) == 0) {
        options->port = (uint16_t) number_of(value + 1);
        return;
    }
    for (size_t i = 0; i < COR_ARRAY_LEN(known); i++) {
        if (strlen(known[i].name) == size && memcmp(text, known[i].name, size) == 0) {
            if (known[i].number) {
                *known[i].number = number_of(value + 1);
            } else {
                *known[i].word = value + 1;
            }
            return;
        }
    }
    wire_die("there is no option '%.*s'", (int) size, text);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*run)(const LoadOptions *options);
    } modes[] = {
        {"jobs", load_jobs}, {"latency", load_latency}, {"enqueue", load_enqueue},
        {"push", load_push}, {"floor", load_floor},
    };
    LoadOptions options = {.count = 100,
                           .connections = 8,
                           .group = 1,
                           .depth = 16,
                           .ms = 3000,
                           .client = "bench",
                           .series = "many",
                           .folder = "."};

    for (int i = 2; i < argc; i++) {
        read_option(&options, argv[i]);
    }
    for (size_t i = 0; argc > 1 && i < COR_ARRAY_LEN(modes); i++) {
        if (strcmp(argv[1], modes[i].name) == 0) {
            modes[i].run(&options);
            return 0;
        }
    }
    wire_die("usage: bench-load jobs|latency|enqueue|push|floor name=value...");
}

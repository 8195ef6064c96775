/* SPDX-License-Identifier: Apache-2.0 */
/* Durable jobs per second: every connection posts the next one as soon as it has its 202. */
#include "load.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/array.h"
#include "base/time.h"

enum { PATIENCE_MS = 30000 };

typedef struct EnqueueRun {
    const LoadOptions *options;
    int64_t end_us;
    size_t posted;
    size_t accepted;
    Samples accept;
} EnqueueRun;

static void post_next(EnqueueRun *run, Wire *wire)
{
    LoadOptions one = *run->options;

    one.first -= run->posted; /* always the same image */
    load_post(wire, &one, one.client, "", run->posted++);
}

static void on_answer(Wire *wire, int status, const char *data, size_t size)
{
    EnqueueRun *run = wire->owner;

    if (status != 202) {
        wire_die("POST was answered %d: %.*s", status, (int) size, data);
    }
    run->accepted++;
    samples_add(&run->accept, ms_between(wire->sent_us, wire->received_us));
    if (wire->received_us < run->end_us) {
        post_next(run, wire);
    }
}

void load_enqueue(const LoadOptions *options)
{
    EnqueueRun run = {.options = options};
    WireLoop loop;
    Wire **wires = cor_new_array(Wire *, options->connections);
    int64_t start_us = 0;

    wire_loop_open(&loop, options->port);
    for (size_t i = 0; i < options->connections; i++) {
        wires[i] = wire_connect(&loop, on_answer, &run);
    }
    start_us = cor_time_us();
    run.end_us = start_us + (int64_t) options->ms * 1000;
    for (size_t i = 0; i < options->connections; i++) {
        post_next(&run, wires[i]);
    }
    while (run.accepted < run.posted) {
        wire_turn(&loop, PATIENCE_MS);
    }
    (void) printf("{\"jobs\":%zu,\"seconds\":%.4f,", run.accepted,
                  ms_between(start_us, cor_time_us()) / 1000);
    samples_print("accept", &run.accept);
    (void) printf("}\n");
    for (size_t i = 0; i < options->connections; i++) {
        wire_close(wires[i]);
    }
    free(wires);
    samples_free(&run.accept);
    wire_loop_close(&loop);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Events to very many WebSockets.
 *
 * The events are cancellations of jobs that wait: each is a final event, numbered, committed and
 * then pushed to all connections of its client.  A delay is the time from the DELETE to a frame,
 * and so holds the commit.
 *
 * Between its phases the program prints a line and waits for one, so that somebody can look at the
 * server meanwhile:  ready -> connected -> queued -> burst -> paced.
 */
#include "load.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/time.h"

enum { PATIENCE_MS = 30000, HANDSHAKES = 200, PATH_MAX_LEN = 300 };

typedef struct PushRun {
    const LoadOptions *options;
    WireLoop loop;
    Wire **sockets;
    Wire **workers; /* HTTP */
    Wire **idle;
    size_t idle_len;
    size_t clients;
    size_t jobs;
    size_t answered;
    size_t opened;
    int64_t *sent_us; /* per job */
    size_t frames;
    int64_t last_us;
    Samples delay;
    Samples answer;
} PushRun;

static void name_client(const PushRun *run, size_t number, char name[64])
{
    (void) snprintf(name, 64, "%s-g%zu", run->options->client, number);
}

/* How many connections a job's client has. */
static size_t listeners_of(const PushRun *run, size_t job)
{
    size_t first = job % run->clients * run->options->group;

    return COR_MIN(run->options->group, run->options->connections - first);
}

static void turn(PushRun *run, int timeout_ms)
{
    int64_t start_ms = cor_time_ms();

    wire_turn(&run->loop, timeout_ms);
    if (cor_time_ms() - start_ms >= PATIENCE_MS) {
        wire_die("nothing came for %d s", PATIENCE_MS / 1000);
    }
}

static void next_phase(void)
{
    char line[16];

    (void) printf("}\n");
    (void) fflush(stdout);
    if (!fgets(line, sizeof(line), stdin)) {
        wire_die("nobody listens any more");
    }
}

/* ---- Requests ---- */

static void on_answer(Wire *wire, int status, const char *data, size_t size)
{
    PushRun *run = wire->owner;

    if (status < 200 || status >= 300) {
        wire_die("the request was answered %d: %.*s", status, (int) size, data);
    }
    samples_add(&run->answer, ms_between(wire->sent_us, wire->received_us));
    run->answered++;
    run->idle[run->idle_len++] = wire;
}

static Wire *take_idle(PushRun *run)
{
    while (run->idle_len == 0) {
        turn(run, PATIENCE_MS);
    }
    return run->idle[--run->idle_len];
}

static void wait_for_answers(PushRun *run, size_t wanted)
{
    while (run->answered < wanted) {
        turn(run, PATIENCE_MS);
    }
}

static void queue_jobs(PushRun *run)
{
    char client[64];
    LoadOptions one = *run->options;

    for (size_t i = 0; i < run->jobs; i++) {
        name_client(run, i % run->clients, client);
        one.first = run->options->first - i; /* always the same image */
        load_post(take_idle(run), &one, client, "", i);
    }
    wait_for_answers(run, run->jobs);
}

static void cancel(PushRun *run, size_t job)
{
    char client[64];
    char path[PATH_MAX_LEN];
    Wire *wire = take_idle(run);

    name_client(run, job % run->clients, client);
    (void) snprintf(path, sizeof(path), "/jobs/%s-%zu", client, job);
    wire_request(wire, "DELETE", path, NULL);
    run->sent_us[job] = wire->sent_us;
}

/* ---- Sockets ---- */

static void on_frame(Wire *wire, int status, const char *data, size_t size)
{
    PushRun *run = wire->owner;

    if (status == WIRE_OPENED) {
        run->opened++;
        return;
    }
    if (status != WIRE_TEXT) {
        wire_die("a WebSocket was answered %d: %.*s", status, (int) size, data);
    }
    if (!load_is_result(data, size)) {
        return;
    }
    size_t job = load_job_number(data, size);
    if (job >= run->jobs || run->sent_us[job] == 0) {
        wire_die("an event of a job that was not cancelled");
    }
    samples_add(&run->delay, ms_between(run->sent_us[job], wire->received_us));
    run->frames++;
    run->last_us = wire->received_us;
}

static void connect_all(PushRun *run)
{
    char client[64];
    char path[PATH_MAX_LEN];
    int64_t start_us = cor_time_us();

    for (size_t i = 0; i < run->options->connections; i++) {
        name_client(run, i / run->options->group, client);
        (void) snprintf(path, sizeof(path), "/ws?client_id=%s", client);
        run->sockets[i] = wire_connect(&run->loop, on_frame, run);
        wire_upgrade(run->sockets[i], path);
        while (run->opened + HANDSHAKES < i) {
            turn(run, PATIENCE_MS);
        }
    }
    while (run->opened < run->options->connections) {
        turn(run, PATIENCE_MS);
    }
    (void) printf("{\"phase\":\"connected\",\"connections\":%zu,\"seconds\":%.3f", run->opened,
                  ms_between(start_us, cor_time_us()) / 1000);
}

/* ---- Phases ---- */

static void wait_until(PushRun *run, int64_t due_us)
{
    for (int64_t now_us = cor_time_us(); now_us < due_us; now_us = cor_time_us()) {
        turn(run, (int) COR_MAX((due_us - now_us) / 1000, 0));
    }
}

/* Cancel jobs first to last; rate 0: as fast as `depth` requests at a time go. */
static void run_phase(PushRun *run, const char *name, size_t first, size_t last, size_t rate)
{
    size_t wanted = 0;
    int64_t start_us = cor_time_us();
    size_t answered = run->answered;

    run->frames = 0;
    run->delay.len = 0;
    run->answer.len = 0;
    for (size_t i = first; i < last; i++) {
        if (rate > 0) {
            wait_until(run, start_us + (int64_t) ((i - first) * 1000000 / rate));
        }
        cancel(run, i);
        wanted += listeners_of(run, i);
    }
    wait_for_answers(run, answered + last - first);
    while (run->frames < wanted) {
        turn(run, PATIENCE_MS);
    }
    (void) printf("{\"phase\":\"%s\",\"events\":%zu,\"frames\":%zu,\"seconds\":%.4f,", name,
                  last - first, run->frames, ms_between(start_us, run->last_us) / 1000);
    samples_print("delay", &run->delay);
    (void) printf(",");
    samples_print("answer", &run->answer);
    next_phase();
}

static void open_run(PushRun *run, const LoadOptions *options, size_t paced)
{
    *run = (PushRun){.options = options,
                     .clients = (options->connections + options->group - 1) / options->group,
                     .jobs = options->count + paced,
                     .sockets = cor_new_array(Wire *, options->connections),
                     .workers = cor_new_array(Wire *, options->depth),
                     .idle = cor_new_array(Wire *, options->depth)};
    run->sent_us = cor_new_array(int64_t, run->jobs);
    wire_loop_open(&run->loop, options->port);
    for (size_t i = 0; i < options->depth; i++) {
        run->workers[i] = wire_connect(&run->loop, on_answer, run);
        run->idle[run->idle_len++] = run->workers[i];
    }
}

static void close_run(PushRun *run)
{
    for (size_t i = 0; i < run->options->connections; i++) {
        wire_close(run->sockets[i]);
    }
    for (size_t i = 0; i < run->options->depth; i++) {
        wire_close(run->workers[i]);
    }
    wire_loop_close(&run->loop);
    samples_free(&run->delay);
    samples_free(&run->answer);
    free(run->sockets);
    free(run->workers);
    free(run->idle);
    free(run->sent_us);
}

void load_push(const LoadOptions *options)
{
    PushRun run;
    size_t paced = options->rate * options->ms / 1000;

    open_run(&run, options, paced);
    (void) printf("{\"phase\":\"ready\"");
    next_phase();
    connect_all(&run);
    next_phase();
    queue_jobs(&run);
    (void) printf("{\"phase\":\"queued\",\"jobs\":%zu", run.jobs);
    next_phase();
    run_phase(&run, "burst", 0, options->count, 0);
    run_phase(&run, "paced", options->count, run.jobs, options->rate);
    close_run(&run);
}

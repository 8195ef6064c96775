/* SPDX-License-Identifier: Apache-2.0 */
/* Load on a DICOMweb server, whoever made it: bench-web get|store name=value...
 *
 *     get    paths from standard input, one per line, again and again in another order on each
 *            connection, for ms milliseconds; accept=<value of Accept>
 *     store  count instances from number first on, per in one request, made of a template in which
 *            99999999 stands for the instance's number and 88888888 for that of its study, of which
 *            each group of instances is one
 *
 * Each connection is a thread that blocks.  Prints one JSON object.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/time.h"
#include "samples.h"
#include "web-socket.h"
#include "wire.h"

enum { PATHS_MAX = 10000, PLACES_MAX = 64, DIGITS = 8 };

typedef struct Options {
    uint16_t port;
    size_t connections;
    size_t ms;
    size_t count;
    size_t first;
    size_t per;
    size_t group;
    const char *accept;
    const char *path;     /* of the store */
    const char *template; /* a file */
} Options;

/* What all threads read. */
typedef struct Load {
    Options options;
    char **paths;
    size_t path_len;
    char *template;
    size_t template_size;
    size_t instance_places[PLACES_MAX];
    size_t instance_place_len;
    size_t study_places[PLACES_MAX];
    size_t study_place_len;
    int64_t end_us;
    atomic_size_t next; /* instance to store */
} Load;

typedef struct Worker {
    pthread_t thread;
    const Load *load;
    Load *shared;
    Web web;
    uint64_t seed;
    char *part;
    size_t part_size;
    Samples samples;
    size_t requests;
    size_t instances;
    uint64_t bytes;
} Worker;

/* ---- GET ---- */

/* xorshift: another order of paths on each connection, the same in each run. */
static uint64_t next_random(Worker *worker)
{
    worker->seed ^= worker->seed << 13;
    worker->seed ^= worker->seed >> 7;
    worker->seed ^= worker->seed << 17;
    return worker->seed;
}

static void *run_get(void *context)
{
    Worker *worker = context;
    const Load *load = worker->load;
    char request[4096];

    while (cor_time_us() < load->end_us) {
        uint64_t size = 0;
        int length = snprintf(request, sizeof(request),
                              "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nAccept: %s\r\n\r\n",
                              load->paths[next_random(worker) % load->path_len],
                              (unsigned) load->options.port, load->options.accept);
        int64_t start_us = cor_time_us();
        web_send(&worker->web, request, (size_t) length);
        int status = web_answer(&worker->web, &size);
        if (status != 200) {
            wire_die("%.*s was answered %d", length, request, status);
        }
        samples_add(&worker->samples, ms_between(start_us, cor_time_us()));
        worker->requests++;
        worker->bytes += size;
    }
    return NULL;
}

static void read_paths(Load *load)
{
    char line[2048];

    load->paths = cor_new_array(char *, PATHS_MAX);
    while (load->path_len < PATHS_MAX && fgets(line, sizeof(line), stdin)) {
        line[strcspn(line, "\n")] = '\0';
        load->paths[load->path_len] = strdup(line);
        if (!load->paths[load->path_len]) {
            wire_die("out of memory");
        }
        load->path_len++;
    }
    if (load->path_len == 0) {
        wire_die("no path on standard input");
    }
}

/* ---- STOW ---- */

static void write_digits(char *at, size_t number)
{
    for (int i = DIGITS - 1; i >= 0; i--) {
        at[i] = (char) ('0' + number % 10);
        number /= 10;
    }
}

static size_t find_places(const Load *load, const char *digits, size_t places[PLACES_MAX])
{
    size_t len = 0;

    for (size_t i = 0; i + DIGITS <= load->template_size && len < PLACES_MAX; i++) {
        if (memcmp(load->template + i, digits, DIGITS) == 0) {
            places[len++] = i;
            i += DIGITS - 1;
        }
    }
    return len;
}

static void read_template(Load *load)
{
    FILE *file = fopen(load->options.template, "re");
    long size = 0;

    if (!file || fseek(file, 0, SEEK_END) != 0 || (size = ftell(file)) <= 0) {
        wire_die("the template '%s' cannot be read", load->options.template);
    }
    rewind(file);
    load->template_size = (size_t) size;
    load->template = malloc(load->template_size);
    if (!load->template ||
        fread(load->template, 1, load->template_size, file) != load->template_size) {
        wire_die("the template '%s' cannot be read", load->options.template);
    }
    (void) fclose(file);
    load->instance_place_len = find_places(load, "99999999", load->instance_places);
    load->study_place_len = find_places(load, "88888888", load->study_places);
}

#define PART_HEAD "--bench\r\nContent-Type: application/dicom\r\n\r\n"
#define LAST "--bench--\r\n"

/* A part to be sent again and again: its head, the template, its end.  Sending what was just sent
 * keeps it in the cache: the load shall not be what is measured. */
static bool make_part(Worker *worker)
{
    const Load *load = worker->load;
    const size_t head_size = sizeof(PART_HEAD) - 1;

    worker->part_size = head_size + load->template_size + 2;
    worker->part = malloc(worker->part_size);
    if (!worker->part) {
        return false;
    }
    memcpy(worker->part, PART_HEAD, head_size);
    memcpy(worker->part + head_size, load->template, load->template_size);
    memcpy(worker->part + head_size + load->template_size, "\r\n", 2);
    return true;
}

static void send_part(Worker *worker, size_t number)
{
    const Load *load = worker->load;
    char *data = worker->part + sizeof(PART_HEAD) - 1;

    for (size_t i = 0; i < load->instance_place_len; i++) {
        write_digits(data + load->instance_places[i], number);
    }
    for (size_t i = 0; i < load->study_place_len; i++) {
        write_digits(data + load->study_places[i], number / load->options.group);
    }
    web_send(&worker->web, worker->part, worker->part_size);
}

static void post(Worker *worker, size_t first, size_t len)
{
    const Load *load = worker->load;
    char head[512];
    size_t size = len * worker->part_size + sizeof(LAST) - 1;
    uint64_t answer_size = 0;

    int length = snprintf(head, sizeof(head),
                          "POST %s HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nContent-Length: %zu\r\n"
                          "Accept: application/dicom+json\r\nContent-Type: multipart/related; "
                          "type=\"application/dicom\"; boundary=bench\r\n\r\n",
                          load->options.path, (unsigned) load->options.port, size);
    int64_t start_us = cor_time_us();
    web_send(&worker->web, head, (size_t) length);
    for (size_t i = 0; i < len; i++) {
        send_part(worker, load->options.first + first + i);
    }
    web_send(&worker->web, LAST, sizeof(LAST) - 1);
    int status = web_answer(&worker->web, &answer_size);
    if (status != 200) {
        wire_die("an upload was answered %d", status);
    }
    samples_add(&worker->samples, ms_between(start_us, cor_time_us()));
    worker->requests++;
    worker->instances += len;
    worker->bytes += size;
}

static void *run_store(void *context)
{
    Worker *worker = context;
    const Options *options = &worker->load->options;

    for (;;) {
        size_t first = atomic_fetch_add(&worker->shared->next, options->per);
        if (first >= options->count) {
            return NULL;
        }
        post(worker, first, COR_MIN(options->per, options->count - first));
    }
}

/* ---- Both ---- */

static void read_option(Options *options, const char *text)
{
    const struct {
        const char *name;
        size_t *number;
        const char **word;
    } known[] = {
        {"connections=", &options->connections, NULL},
        {"ms=", &options->ms, NULL},
        {"count=", &options->count, NULL},
        {"first=", &options->first, NULL},
        {"per=", &options->per, NULL},
        {"group=", &options->group, NULL},
        {"accept=", NULL, &options->accept},
        {"path=", NULL, &options->path},
        {"template=", NULL, &options->template},
    };

    if (strncmp(text, "port=", 5) == 0) {
        options->port = (uint16_t) strtoul(text + 5, NULL, 10); // style-ok: typed by bench.py
        return;
    }
    for (size_t i = 0; i < COR_ARRAY_LEN(known); i++) {
        size_t len = strlen(known[i].name);
        if (strncmp(text, known[i].name, len) == 0) {
            if (known[i].number) {
                *known[i].number = strtoul(text + len, NULL, 10); // style-ok: as above
            } else {
                *known[i].word = text + len;
            }
            return;
        }
    }
    wire_die("there is no option '%s'", text);
}

static void print(const Worker *workers, size_t len, int64_t start_us)
{
    Worker all = {0};
    double seconds = ms_between(start_us, cor_time_us()) / 1000;

    for (size_t i = 0; i < len; i++) {
        samples_join(&all.samples, &workers[i].samples);
        all.requests += workers[i].requests;
        all.instances += workers[i].instances;
        all.bytes += workers[i].bytes;
    }
    (void) printf("{\"requests\":%zu,\"instances\":%zu,\"bytes\":%llu,\"seconds\":%.4f,",
                  all.requests, all.instances, (unsigned long long) all.bytes, seconds);
    samples_print("latency", &all.samples);
    (void) printf("}\n");
    samples_free(&all.samples);
}

int main(int argc, char **argv)
{
    Load load = {.options = {.connections = 1,
                             .ms = 1000,
                             .count = 100,
                             .per = 1,
                             .group = 200,
                             .accept = "*/*",
                             .path = "/dicom-web/studies"}};
    bool is_store = argc > 1 && strcmp(argv[1], "store") == 0;

    if (!is_store && (argc < 2 || strcmp(argv[1], "get") != 0)) {
        wire_die("usage: bench-web get|store name=value...");
    }
    for (int i = 2; i < argc; i++) {
        read_option(&load.options, argv[i]);
    }
    is_store ? read_template(&load) : read_paths(&load);
    size_t len = load.options.connections;
    Worker *workers = cor_new_array(Worker, len);
    for (size_t i = 0; i < len; i++) {
        workers[i] = (Worker){.load = &load, .shared = &load, .seed = 88172645463325252u + i};
        web_open(&workers[i].web, load.options.port);
        if (is_store && !make_part(&workers[i])) {
            wire_die("out of memory");
        }
    }
    int64_t start_us = cor_time_us();
    load.end_us = start_us + (int64_t) load.options.ms * 1000;
    for (size_t i = 0; i < len; i++) {
        if (pthread_create(&workers[i].thread, NULL, is_store ? run_store : run_get, &workers[i]) !=
            0) {
            wire_die("no thread");
        }
    }
    for (size_t i = 0; i < len; i++) {
        (void) pthread_join(workers[i].thread, NULL);
    }
    print(workers, len, start_us);
    return 0;
}

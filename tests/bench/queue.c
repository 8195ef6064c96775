/* SPDX-License-Identifier: Apache-2.0 */
/* How fast the embedded queue is, next to the disk under it, as JSON lines.
 *
 *     bench-queue [folder] [seconds per figure]
 *
 * The floor is a loop of a 4 KB overwrite and fdatasync in the same folder, before and after.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/array.h"
#include "base/id.h"
#include "base/time.h"
#include "queue/queue.h"
#include "temp.h"

#define BODY_SIZE 1024
#define SAMPLES_MAX 2000000

typedef struct Run {
    CorQueue *queue;
    int64_t end_us;
    bool is_resendable;
    _Atomic int64_t done;
    _Atomic int64_t failed;
    _Atomic size_t samples_len;
    int32_t *samples_us;
} Run;

static int compare(const void *a, const void *b)
{
    return *(const int32_t *) a - *(const int32_t *) b;
}

static void note(Run *run, int64_t begin_us)
{
    size_t at = atomic_fetch_add(&run->samples_len, 1);

    if (at < SAMPLES_MAX) {
        run->samples_us[at] = (int32_t) (cor_time_us() - begin_us);
    }
    atomic_fetch_add(&run->done, 1);
}

static void print_run(const char *what, int threads, Run *run, double seconds)
{
    size_t len = COR_MIN(atomic_load(&run->samples_len), (size_t) SAMPLES_MAX);

    qsort(run->samples_us, len, sizeof(run->samples_us[0]), compare);
    printf("{\"bench\":\"queue\",\"what\":\"%s\",\"threads\":%d,\"per_second\":%.0f,"
           "\"p50_us\":%d,\"p99_us\":%d,\"failed\":%lld}\n",
           what, threads, (double) run->done / seconds, len ? run->samples_us[len / 2] : 0,
           len ? run->samples_us[len * 99 / 100] : 0, (long long) run->failed);
    (void) fflush(stdout);
}

static bool send_one(Run *run)
{
    char body[BODY_SIZE] = {0};
    char dedup_id[COR_UUID_SIZE];
    char id[COR_UUID_SIZE];
    CorQueueSend send = {.group_id = dedup_id,
                         .dedup_id = dedup_id,
                         .client_id = "bench",
                         .body = body,
                         .body_size = sizeof(body),
                         .is_resendable = run->is_resendable};

    return cor_uuid4(dedup_id, NULL) && cor_queue_send(run->queue, &send, id, NULL);
}

static void *send_main(void *arg)
{
    Run *run = arg;

    while (cor_time_us() < run->end_us) {
        int64_t begin_us = cor_time_us();

        if (send_one(run)) {
            note(run, begin_us);
        } else {
            run->failed++;
        }
    }
    return NULL;
}

/* One message all the way: send, receive (somebody's), acknowledge. */
static void *cycle_main(void *arg)
{
    Run *run = arg;
    CorQueueReceive how = {.lease_ms = 30000, .wait_ms = 100, .max = 1};

    while (cor_time_us() < run->end_us) {
        COR_CLEANUP(cor_message_freep) CorMessage *message = NULL;
        int64_t begin_us = cor_time_us();
        size_t len = 0;

        if (send_one(run) && cor_queue_receive(run->queue, &how, &message, &len, NULL) &&
            len == 1 && cor_queue_ack(run->queue, &message, 1, NULL)) {
            note(run, begin_us);
        } else {
            run->failed++;
        }
    }
    return NULL;
}

static void run_threads(const char *what, CorQueue *queue, int threads, double seconds,
                        void *(*main_of)(void *) )
{
    Run run = {.queue = queue, .is_resendable = strcmp(what, "send relaxed") == 0};
    pthread_t ids[64];

    run.samples_us = cor_new_array(int32_t, SAMPLES_MAX);
    if (!run.samples_us) {
        return;
    }
    run.end_us = cor_time_us() + (int64_t) (seconds * 1e6);
    for (int i = 0; i < threads; i++) {
        if (pthread_create(&ids[i], NULL, main_of, &run) != 0) {
            abort();
        }
    }
    for (int i = 0; i < threads; i++) {
        pthread_join(ids[i], NULL);
    }
    print_run(what, threads, &run, seconds);
    free(run.samples_us);
}

/* The floor: what the disk does. */
static void run_disk(const TempDir *dir, double seconds)
{
    static char page[4096];
    const char *path = temp_path(dir, "floor");
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    Run run = {.samples_us = cor_new_array(int32_t, SAMPLES_MAX)};
    int64_t end_us = cor_time_us() + (int64_t) (seconds * 1e6);

    for (int i = 0; fd >= 0 && i < 256; i++) {
        run.failed += pwrite(fd, page, sizeof(page), i * 4096L) != (ssize_t) sizeof(page);
    }
    while (fd >= 0 && run.samples_us && cor_time_us() < end_us) {
        int64_t begin_us = cor_time_us();
        off_t at = (off_t) (run.done % 256) * 4096;

        page[0]++;
        if (pwrite(fd, page, sizeof(page), at) == (ssize_t) sizeof(page) && fdatasync(fd) == 0) {
            note(&run, begin_us);
        }
    }
    print_run("fdatasync of 4 KB", 1, &run, seconds);
    free(run.samples_us);
    (void) close(fd);
}

int main(int argc, char **argv)
{
    static const int threads[] = {1, 16, 64};
    double seconds = argc > 2 ? (double) (argv[2][0] - '0') : 2;
    TempDir dir;
    char uri[512];
    CorQueue *queue = NULL;
    CorError err = {0};

    if (argc > 1 && setenv("TMPDIR", argv[1], 1) != 0) {
        return 1;
    }
    dir = temp_dir_make();
    run_disk(&dir, seconds);
    for (size_t i = 0; i < COR_ARRAY_LEN(threads); i++) {
        static const char *const whats[] = {"send durable", "send relaxed",
                                            "send, receive, acknowledge"};

        for (size_t k = 0; k < COR_ARRAY_LEN(whats); k++) {
            snprintf(uri, sizeof(uri), "sqlite:%s/%zu-%zu.db", dir.path, i, k);
            if (!cor_queue_open(uri, "Bench.fifo", &queue, &err)) {
                printf("{\"bench\":\"queue\",\"error\":\"%s\"}\n", err.text);
                return 1;
            }
            run_threads(whats[k], queue, threads[i], seconds, k == 2 ? cycle_main : send_main);
            cor_queue_close(queue);
        }
    }
    run_disk(&dir, seconds);
    temp_dir_remove(&dir);
    return 0;
}

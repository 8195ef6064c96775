/* SPDX-License-Identifier: Apache-2.0 */
/* What a host costs for one file: processor time on both sides of the protocol, for each operation.
 *
 *     bench-host CORSIA FILE [COUNT]
 *
 * One JSON line per operation: "ours_us" is the parent's time, "host_us" the child's, "wall_us"
 * both and the way between them, each for one call.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/fd.h"
#include "host/host-pool.h"

typedef struct Bench {
    CorHostPool *pool;
    int fd;
    int count;
    clockid_t host_clock;
} Bench;

typedef bool (*Call)(const Bench *bench, CorError *err);

static double now_us(clockid_t clock)
{
    struct timespec time = {0};

    (void) clock_gettime(clock, &time);
    return (double) time.tv_sec * 1e6 + (double) time.tv_nsec / 1e3;
}

static bool call_index(const Bench *bench, CorError *err)
{
    json_t *record = NULL;

    if (!cor_host_index(bench->pool, bench->fd, 10000, &record, err)) {
        return false;
    }
    json_decref(record);
    return true;
}

static bool render(const Bench *bench, const char *format, size_t side_px, CorError *err)
{
    const CorHostRender render = {.fd = bench->fd,
                                  .frame = 1,
                                  .has_window = true,
                                  .window_center = 40,
                                  .window_width = 400,
                                  .width_px = side_px,
                                  .height_px = side_px,
                                  .format = format,
                                  .timeout_ms = 10000};
    CorHostFile file = {.fd = -1};

    if (!cor_host_render(bench->pool, &render, &file, err)) {
        return false;
    }
    cor_host_file_done(&file);
    return true;
}

static bool call_jpeg(const Bench *bench, CorError *err)
{
    return render(bench, "jpeg", 0, err);
}

static bool call_thumbnail(const Bench *bench, CorError *err)
{
    return render(bench, "jpeg", 128, err);
}

static bool call_png(const Bench *bench, CorError *err)
{
    return render(bench, "png", 0, err);
}

static bool transcode(const Bench *bench, const char *uid, CorError *err)
{
    CorHostFile file = {.fd = -1};

    if (!cor_host_transcode(bench->pool, bench->fd, uid, 10000, &file, err)) {
        return false;
    }
    cor_host_file_done(&file);
    return true;
}

static bool call_explicit(const Bench *bench, CorError *err)
{
    return transcode(bench, "1.2.840.10008.1.2.1", err);
}

static bool call_deflated(const Bench *bench, CorError *err)
{
    return transcode(bench, "1.2.840.10008.1.2.1.99", err);
}

static bool call_rle(const Bench *bench, CorError *err)
{
    return transcode(bench, "1.2.840.10008.1.2.5", err);
}

static bool call_jpeg_lossless(const Bench *bench, CorError *err)
{
    return transcode(bench, "1.2.840.10008.1.2.4.70", err);
}

static bool call_jpeg_ls(const Bench *bench, CorError *err)
{
    return transcode(bench, "1.2.840.10008.1.2.4.80", err);
}

static bool call_jpeg_2000(const Bench *bench, CorError *err)
{
    return transcode(bench, "1.2.840.10008.1.2.4.90", err);
}

static int measure(const Bench *bench, const char *name, Call call)
{
    CorError err = {0};

    if (!call(bench, &err)) {
        printf("{\"op\":\"%s\",\"error\":\"%s\"}\n", name, cor_error_code_name(err.code));
        return 1;
    }
    double ours = now_us(CLOCK_PROCESS_CPUTIME_ID);
    double host = now_us(bench->host_clock);
    double wall = now_us(CLOCK_MONOTONIC);
    for (int i = 0; i < bench->count; i++) {
        if (!call(bench, &err)) {
            return 1;
        }
    }
    ours = (now_us(CLOCK_PROCESS_CPUTIME_ID) - ours) / bench->count;
    host = (now_us(bench->host_clock) - host) / bench->count;
    wall = (now_us(CLOCK_MONOTONIC) - wall) / bench->count;
    printf("{\"op\":\"%s\",\"ours_us\":%.1f,\"host_us\":%.1f,\"wall_us\":%.1f}\n", name, ours, host,
           wall);
    return 0;
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        Call call;
        int divisor; /* of the count */
    } calls[] = {{"index", call_index, 1},
                 {"render jpeg", call_jpeg, 1},
                 {"render thumbnail", call_thumbnail, 1},
                 {"render png", call_png, 4},
                 {"transcode explicit", call_explicit, 1},
                 {"transcode deflated", call_deflated, 10},
                 {"transcode rle", call_rle, 4},
                 {"transcode jpeg lossless", call_jpeg_lossless, 10},
                 {"transcode jpeg-ls", call_jpeg_ls, 10},
                 {"transcode jpeg 2000", call_jpeg_2000, 20}};
    CorError err = {0};
    Bench bench = {.count = 1000};
    int failed = 0;

    if (argc < 3 || (argc > 3 && sscanf(argv[3], "%d", &bench.count) != 1) || bench.count < 20) {
        fputs("usage: bench-host CORSIA FILE [COUNT of 20 or more]\n", stderr);
        return 2;
    }
    const CorHostPoolOptions options = {.name = "bench", .executable = argv[1], .min = 1, .max = 1};
    CorHostPoolStats stats;
    bench.fd = open(argv[2], O_RDONLY | O_CLOEXEC);
    if (bench.fd < 0 || !cor_host_pool_new(&options, &bench.pool, &err) ||
        !cor_host_pool_wait_ready(bench.pool, 10000, &err)) {
        fprintf(stderr, "bench-host: %s\n", bench.fd < 0 ? "no such file" : err.text);
        return 1;
    }
    cor_host_pool_stats(bench.pool, &stats);
    if (clock_getcpuclockid(stats.pids[0], &bench.host_clock) != 0) {
        return 1;
    }
    for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
        Bench part = bench;

        part.count = bench.count / calls[i].divisor;
        failed += measure(&part, calls[i].name, calls[i].call);
    }
    cor_host_pool_free(bench.pool);
    cor_fd_closep(&bench.fd);
    return failed ? 1 : 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/progress.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/array.h"
#include "base/time.h"

enum { WIDTH = 30, EVERY_MS = 100 };

CorProgress cor_progress_start(void)
{
    return (CorProgress){.is_shown = isatty(STDERR_FILENO) == 1, .started_ms = cor_time_ms()};
}

void cor_progress_show(CorProgress *progress, size_t done, size_t total, uint64_t bytes)
{
    char bar[WIDTH + 1];
    int64_t now_ms = cor_time_ms();

    if (!progress->is_shown || now_ms - progress->drawn_ms < EVERY_MS || total == 0) {
        return;
    }
    progress->drawn_ms = now_ms;
    size_t filled = COR_MIN(done * WIDTH / total, (size_t) WIDTH);
    memset(bar, '.', WIDTH);
    memset(bar, '#', filled);
    bar[WIDTH] = '\0';
    double seconds = (double) COR_MAX(now_ms - progress->started_ms, (int64_t) 1) / 1000.0;
    (void) fprintf(stderr, "\r[%s] %zu/%zu files  %.1f MB  %.1f MB/s  %.0f s\033[K", bar, done,
                   total, (double) bytes / 1e6, (double) bytes / 1e6 / seconds, seconds);
}

void cor_progress_clear(CorProgress *progress)
{
    if (progress->is_shown) {
        (void) fprintf(stderr, "\r\033[K");
        progress->drawn_ms = 0;
    }
}

/* SPDX-License-Identifier: Apache-2.0 */
/* A progress bar on standard error: on a terminal only, and quiet in a pipe.
 *
 * Threads  One thread at a time.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct CorProgress {
    bool is_shown;
    int64_t started_ms;
    int64_t drawn_ms;
} CorProgress;

/** Begin; shows nothing unless standard error is a terminal. */
CorProgress cor_progress_start(void);

/** Redraw, at most ten times a second. */
void cor_progress_show(CorProgress *progress, size_t done, size_t total, uint64_t bytes);

/** Take the bar away, so that words can be printed. */
void cor_progress_clear(CorProgress *progress);

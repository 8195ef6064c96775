/* SPDX-License-Identifier: Apache-2.0 */
#include "program/failpoint.h"

#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

static const char *const names[] = {
#define NAME(name, text, where) [COR_FAILPOINT_##name] = (text),
    COR_FAILPOINT_LIST(NAME)
#undef NAME
};

static atomic_int armed_point = -1;
static atomic_int passes_left;

bool cor_failpoint_is_built_in(void)
{
#ifdef COR_FAILPOINTS
    return true;
#else
    return false;
#endif
}

const char *cor_failpoint_name(CorFailpoint point)
{
    return names[point];
}

static int find_point(const char *text, size_t len)
{
    for (int i = 0; i < COR_FAILPOINT_COUNT_; i++) {
        if (strlen(names[i]) == len && strncmp(names[i], text, len) == 0) {
            return i;
        }
    }
    return -1;
}

bool cor_failpoint_arm(const char *text, CorError *err)
{
    if (!text || !text[0]) {
        atomic_store(&armed_point, -1);
        return true;
    }
    if (!cor_failpoint_is_built_in()) {
        return cor_fail(err, COR_ERR_UNSUPPORTED,
                        "CORSIA_FAILPOINT is set, but this build has no failpoints");
    }
    size_t len = strcspn(text, ":");
    int point = find_point(text, len);
    int passes = text[len] == ':' ? 0 : 1;
    if (point < 0) {
        return cor_fail(err, COR_ERR_INVALID, "no failpoint is called '%.*s'", (int) len, text);
    }
    for (const char *digit = text + len + (text[len] == ':'); *digit; digit++) {
        if (*digit < '0' || *digit > '9' || passes > 1000000) {
            return cor_fail(err, COR_ERR_INVALID, "'%s' is not name or name:number", text);
        }
        passes = passes * 10 + (*digit - '0');
    }
    if (passes == 0) {
        return cor_fail(err, COR_ERR_INVALID, "failpoint '%s': the first pass is 1", text);
    }
    atomic_store(&passes_left, passes);
    atomic_store(&armed_point, point);
    return true;
}

void cor_failpoint_hit(CorFailpoint point)
{
    if (atomic_load_explicit(&armed_point, memory_order_relaxed) != (int) point) {
        return;
    }
    if (atomic_fetch_sub(&passes_left, 1) == 1) {
        (void) kill(getpid(), SIGKILL);
    }
}

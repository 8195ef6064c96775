/* SPDX-License-Identifier: Apache-2.0 */
/* The choice of an instruction set.
 *
 * It is made once, at the first call of any kernel, and two threads that make it at the same time
 * come to the same end.  A set that CORSIA_SIMD asks for and that the processor has not is as good
 * as "auto": results are the same with every set, so there is nothing to refuse.
 *
 * The AVX-512 table wants what came with Ice Lake and Zen 4 (VBMI2): earlier processors slow down
 * as a whole when they run 512-bit instructions.
 */
#include "kernel/kernel.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/kernel-ops.h"

typedef struct Choice {
    const CorKernelOps *ops;
    bool (*is_there)(void);
} Choice;

static bool always(void)
{
    return true;
}

#if defined(__x86_64__)
static bool has_avx2(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
           __builtin_cpu_supports("popcnt") && __builtin_cpu_supports("bmi") &&
           __builtin_cpu_supports("bmi2");
}

static bool has_avx512(void)
{
    return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512vbmi") && __builtin_cpu_supports("avx512vbmi2");
}
#endif

/* From the plainest to the best. */
static const Choice choices[] = {
    {&cor_kernel_priv_scalar, always},
#if defined(__x86_64__)
    {&cor_kernel_priv_avx2, has_avx2},
    {&cor_kernel_priv_avx512, has_avx512},
#elif defined(__aarch64__)
    {&cor_kernel_priv_neon, always},
#endif
};

#define CHOICES_LEN (sizeof(choices) / sizeof(choices[0]))

static _Atomic(const CorKernelOps *) in_use;

const CorKernelOps *cor_kernel_priv_ops_at(size_t index)
{
    for (size_t i = 0; i < CHOICES_LEN; i++) {
        if (choices[i].is_there() && index-- == 0) {
            return choices[i].ops;
        }
    }
    return NULL;
}

static const CorKernelOps *choose(void)
{
    const char *wanted = getenv("CORSIA_SIMD");
    const CorKernelOps *best = NULL;

    for (size_t i = 0; i < CHOICES_LEN; i++) {
        if (!choices[i].is_there()) {
            continue;
        }
        best = choices[i].ops;
        if (wanted && strcmp(wanted, best->name) == 0) {
            return best;
        }
    }
    return best;
}

const CorKernelOps *cor_kernel_priv_ops(void)
{
    const CorKernelOps *ops = atomic_load_explicit(&in_use, memory_order_relaxed);

    if (!ops) {
        ops = choose();
        atomic_store_explicit(&in_use, ops, memory_order_relaxed);
    }
    return ops;
}

void cor_kernel_priv_use(const CorKernelOps *ops)
{
    atomic_store_explicit(&in_use, ops, memory_order_relaxed);
}

const char *cor_kernel_isa(void)
{
    return cor_kernel_priv_ops()->name;
}

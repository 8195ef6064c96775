/* SPDX-License-Identifier: Apache-2.0 */
/* Counting allocations: the linker sends malloc() and its kin of everything that is linked
 * statically to the functions below (-Wl,--wrap=malloc and so on). */
#include <malloc.h>

#include "fuzz.h"

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *block, size_t size);
void *__real_reallocarray(void *block, size_t count, size_t size);
void __real_free(void *block);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *block, size_t size);
void *__wrap_reallocarray(void *block, size_t count, size_t size);
void __wrap_free(void *block);

/* Blocks that a library allocated and we free make it go down too far; it then stays at zero. */
static size_t allocated;
static size_t peak;

static void count_up(void *block)
{
    allocated += block ? malloc_usable_size(block) : 0;
    peak = allocated > peak ? allocated : peak;
}

static void count_down(void *block)
{
    size_t size = block ? malloc_usable_size(block) : 0;

    allocated -= size < allocated ? size : allocated;
}

void *__wrap_malloc(size_t size)
{
    void *block = __real_malloc(size);

    count_up(block);
    return block;
}

void *__wrap_calloc(size_t count, size_t size)
{
    void *block = __real_calloc(count, size);

    count_up(block);
    return block;
}

void *__wrap_realloc(void *block, size_t size)
{
    size_t before = block ? malloc_usable_size(block) : 0;
    void *moved = __real_realloc(block, size);

    if (moved) {
        allocated -= before < allocated ? before : allocated;
        count_up(moved);
    }
    return moved;
}

void *__wrap_reallocarray(void *block, size_t count, size_t size)
{
    size_t total = 0;

    return __builtin_mul_overflow(count, size, &total) ? NULL : __wrap_realloc(block, total);
}

void __wrap_free(void *block)
{
    count_down(block);
    __real_free(block);
}

FuzzMemory fuzz_memory_now(void)
{
    peak = allocated;
    return (FuzzMemory){allocated};
}

size_t fuzz_memory_peak_since(const FuzzMemory *before)
{
    return peak > before->bytes ? peak - before->bytes : 0;
}

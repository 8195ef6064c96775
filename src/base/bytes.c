/* SPDX-License-Identifier: Apache-2.0 */
#include "base/bytes.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

struct CorBytes {
    atomic_size_t refs;
    size_t size;
    uint8_t data[];
};

CorBytes *cor_bytes_new(const void *data, size_t size)
{
    size_t total = 0;

    if (__builtin_add_overflow(size, sizeof(CorBytes) + 1, &total)) {
        return NULL;
    }
    CorBytes *bytes = malloc(total);
    if (!bytes) {
        return NULL;
    }
    atomic_init(&bytes->refs, 1);
    bytes->size = size;
    if (size > 0) {
        memcpy(bytes->data, data, size);
    }
    bytes->data[size] = 0;
    return bytes;
}

CorBytes *cor_bytes_ref(CorBytes *bytes)
{
    atomic_fetch_add_explicit(&bytes->refs, 1, memory_order_relaxed);
    return bytes;
}

void cor_bytes_unref(CorBytes *bytes)
{
    if (bytes && atomic_fetch_sub_explicit(&bytes->refs, 1, memory_order_acq_rel) == 1) {
        free(bytes);
    }
}

const uint8_t *cor_bytes_data(const CorBytes *bytes)
{
    return bytes->data;
}

size_t cor_bytes_size(const CorBytes *bytes)
{
    return bytes->size;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Arrays and sizes: how many elements, and arithmetic that cannot wrap. */
#pragma once

#include "base/error.h"

#include <stddef.h>
#include <stdlib.h>

#define COR_ARRAY_LEN(array) (sizeof(array) / sizeof((array)[0]))
#define COR_MIN(a, b) ((a) < (b) ? (a) : (b))
#define COR_MAX(a, b) ((a) > (b) ? (a) : (b))

/** Multiply two sizes; LIMIT if the product does not fit. */
COR_MUSTCHECK static inline bool cor_size_mul(size_t a, size_t b, size_t *ret_size, CorError *err)
{
    size_t product = 0;

    if (__builtin_mul_overflow(a, b, &product)) {
        return cor_fail(err, COR_ERR_LIMIT, "size %zu x %zu is too large", a, b);
    }
    *ret_size = product;
    return true;
}

/** Add two sizes; LIMIT if the sum does not fit. */
COR_MUSTCHECK static inline bool cor_size_add(size_t a, size_t b, size_t *ret_size, CorError *err)
{
    size_t sum = 0;

    if (__builtin_add_overflow(a, b, &sum)) {
        return cor_fail(err, COR_ERR_LIMIT, "size %zu + %zu is too large", a, b);
    }
    *ret_size = sum;
    return true;
}

/** A zeroed array of count elements; NULL if there is no memory or the size wraps.  free() it. */
#define cor_new_array(Type, count) ((Type *) calloc((count) ? (count) : 1, sizeof(Type)))

/** One zeroed element; NULL if there is no memory.  free() it. */
#define cor_new(Type) ((Type *) calloc(1, sizeof(Type)))

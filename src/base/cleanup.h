/* SPDX-License-Identifier: Apache-2.0 */
/* Scope owns: variables that free themselves.
 *
 *     COR_CLEANUP(cor_string_freep) CorString *text = NULL;
 *
 * Always initialised; handed over with COR_TAKE().
 */
#pragma once

#include <stdlib.h>
#include <string.h>

#define COR_CLEANUP(function) __attribute__((cleanup(function)))

/* From cor_image_free(CorImage *) make cor_image_freep(CorImage **) for use with COR_CLEANUP. */
#define COR_DEFINE_CLEANUP(Type, free_function)      \
    static inline void free_function##p(Type **slot) \
    {                                                \
        free_function(*slot);                        \
        *slot = 0;                                   \
    }

/* Memory of malloc(), of any type: COR_CLEANUP(cor_freep) uint8_t *bytes = NULL; */
static inline void cor_freep(void *slot)
{
    void *memory = 0;

    memcpy(&memory, slot, sizeof(memory));
    free(memory);
    memset(slot, 0, sizeof(memory));
}

/* Move a pointer out of a cleanup variable: the variable becomes NULL. */
#define COR_TAKE(variable)                            \
    ({                                                \
        __typeof__(variable) cor_taken_ = (variable); \
        (variable) = 0;                               \
        cor_taken_;                                   \
    })

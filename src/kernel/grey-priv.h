/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of grey.h compare with.
 *
 * Threads  Thread-safe.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/** cor_kernel_scale_f64() with the library's fma(), whatever the processor can do. */
void cor_kernel_priv_scale_f64_portable(const double *values, size_t len, double scale,
                                        double offset, uint8_t *bytes);

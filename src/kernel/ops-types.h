/* SPDX-License-Identifier: Apache-2.0 */
/* Vectors of OPS_VECTOR_BYTES, for the ops-<set>.c. */
#pragma once

#include <stdint.h>

#define OPS_VECTOR __attribute__((vector_size(OPS_VECTOR_BYTES)))

typedef uint8_t VU8 OPS_VECTOR;
typedef uint16_t VU16 OPS_VECTOR;
typedef int16_t VS16 OPS_VECTOR;
typedef int32_t VS32 OPS_VECTOR;
typedef uint64_t VU64 OPS_VECTOR;
typedef float VF32 OPS_VECTOR;
typedef double VF64 OPS_VECTOR;

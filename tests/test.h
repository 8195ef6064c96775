/* SPDX-License-Identifier: Apache-2.0 */
/* What every C test includes first: cmocka and the headers that it wants before it, in order. */
#pragma once

/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */

/* SPDX-License-Identifier: Apache-2.0 */
/* Dates and times as spans of time (PS3.5 section 6.2, PS3.4 section C.2.2.2.5): what is written
 * with less precision stands for all that begins like it, so "10" is from 100000.000000 to
 * 105959.999999.  Offsets from UTC are read over.  Private to this room.
 */
#pragma once

#include "catalog/catalog-match.h"

/** The first and last moment of a value of VR DA, TM or DT; false if it is none. */
bool cor_catalog_priv_moment(const char *vr, const char *text, size_t size,
                             char ret_low[COR_CATALOG_MOMENT_SIZE],
                             char ret_high[COR_CATALOG_MOMENT_SIZE]);

/** Likewise of a value or a range "A-B", "A-", "-B". */
bool cor_catalog_priv_moment_range(const char *vr, const char *text,
                                   char ret_low[COR_CATALOG_MOMENT_SIZE],
                                   char ret_high[COR_CATALOG_MOMENT_SIZE]);

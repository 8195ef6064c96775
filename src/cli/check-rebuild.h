/* SPDX-License-Identifier: Apache-2.0 */
/* corsia check --rebuild: make the catalogue again from the stored objects.
 *
 * Ownership  Borrows everything for the call; the caller holds the data directory's lock.
 * Threads    One thread at a time.
 * Blocking   Reads every object once.
 */
#pragma once

#include "base/error.h"
#include "program/config.h"
#include "program/datadir.h"

#include <stddef.h>

/**
 * Index all objects of buckets pacs and output anew.
 *
 * @param ret_summary  receives what was done: "12 objects indexed, 1 refused"
 */
COR_MUSTCHECK bool cor_cli_check_rebuild(const CorConfig *config, const CorDatadir *datadir,
                                         char *ret_summary, size_t size, CorError *err);

/** True if a rebuild was begun and not finished: the catalogue is not to be used. */
bool cor_cli_rebuild_is_unfinished(const CorDatadir *datadir);

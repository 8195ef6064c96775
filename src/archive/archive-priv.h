/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of this room share. */
#pragma once

#include "archive/archive.h"

#include <pthread.h>

enum {
    COR_ARCHIVE_INDEX_TIMEOUT_MS = 60000,
    COR_ARCHIVE_STRIPES = 1024, /* who has two of them waits for the disk: few meet by chance */
};

struct CorArchive {
    CorArchiveOptions options;
    pthread_mutex_t stripes[COR_ARCHIVE_STRIPES]; /* see cor_archive_lock() */
};

/**
 * Tell whether a file that was uploaded and a stored object hold the same data set, byte for byte,
 * in the same transfer syntax.
 *
 * @param record  of the uploaded file
 */
COR_MUSTCHECK bool cor_archive_priv_is_same(CorArchive *archive, CorBlobTemp *temp,
                                            const json_t *record,
                                            const CorCatalogInstance *existing, bool *ret_is_same,
                                            CorError *err);

/* SPDX-License-Identifier: Apache-2.0 */
#include "archive/archive-priv.h"

#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/hash.h"
#include "base/json.h"

bool cor_archive_new(const CorArchiveOptions *options, CorArchive **ret_archive, CorError *err)
{
    CorArchive *archive = cor_new(CorArchive);

    if (!archive) {
        return cor_fail(err, COR_ERR_NOMEM, "out of memory for the archive");
    }
    archive->options = *options;
    for (size_t i = 0; i < COR_ARCHIVE_STRIPES; i++) {
        (void) pthread_mutex_init(&archive->stripes[i], NULL);
    }
    cor_archive_priv_ahead_init(&archive->ahead);
    *ret_archive = archive;
    return true;
}

void cor_archive_free(CorArchive *archive)
{
    if (archive) {
        for (size_t i = 0; i < COR_ARCHIVE_STRIPES; i++) {
            (void) pthread_mutex_destroy(&archive->stripes[i]);
        }
        cor_archive_priv_ahead_done(&archive->ahead);
        free(archive);
    }
}

/* --- locks --- */

static size_t stripe_of(const char *text)
{
    return cor_crc32(text, strlen(text)) % COR_ARCHIVE_STRIPES;
}

void cor_archive_lock(CorArchive *archive, const char *one, const char *other)
{
    size_t first = COR_MIN(stripe_of(one), stripe_of(other));
    size_t second = COR_MAX(stripe_of(one), stripe_of(other));

    (void) pthread_mutex_lock(&archive->stripes[first]);
    if (second != first) {
        (void) pthread_mutex_lock(&archive->stripes[second]);
    }
}

void cor_archive_unlock(CorArchive *archive, const char *one, const char *other)
{
    size_t first = stripe_of(one);
    size_t second = stripe_of(other);

    (void) pthread_mutex_unlock(&archive->stripes[first]);
    if (second != first) {
        (void) pthread_mutex_unlock(&archive->stripes[second]);
    }
}

/* --- the header --- */

bool cor_archive_read(CorArchive *archive, CorBlobTemp *temp, json_t **ret_record, CorError *err)
{
    COR_CLEANUP(cor_fd_closep) int file = -1;
    COR_CLEANUP(cor_json_freep) json_t *record = NULL;

    /* The disk has its part of the work while a host reads. */
    if (!cor_blob_temp_writeback(temp, err) || !cor_blob_temp_open(temp, &file, err) ||
        !cor_host_index(archive->options.hosts, file, COR_ARCHIVE_INDEX_TIMEOUT_MS, &record, err)) {
        return false;
    }
    if (!cor_catalog_order(record, err)) {
        return false;
    }
    if (cor_json_boolean(record, "truncated", false)) {
        return cor_fail(err, COR_ERR_CORRUPT, "the pixel data are cut off: the file is incomplete");
    }
    *ret_record = COR_TAKE(record);
    return true;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The same image in another wrapping.
 *
 * The meta header (PS3.10 section 7.1) names the program that wrote the file, so an image that has
 * been through another archive comes back with other bytes and the same data set.  Digests differ
 * then, and the two files are compared from their data sets on.  Where a file's data set begins
 * only a host can tell; it is asked in this rare case alone.
 */
#include "archive/archive-priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/array.h"
#include "base/json.h"

enum { CHUNK = 256 * 1024, PAIR = 2 * CHUNK };

typedef struct Rest {
    int file;
    uint64_t offset;
    uint64_t size;
} Rest;

static bool read_chunk(const Rest *rest, uint64_t at, uint8_t *chunk, size_t size, CorError *err)
{
    for (size_t done = 0; done < size;) {
        ssize_t got =
            pread(rest->file, chunk + done, size - done, (off_t) (rest->offset + at + done));
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            return got < 0 ? cor_fail_errno(err, errno, "read a file")
                           : cor_fail(err, COR_ERR_CORRUPT, "a file is shorter than it was");
        }
        done += (size_t) got;
    }
    return true;
}

static bool compare(const Rest *one, const Rest *other, bool *ret_is_same, CorError *err)
{
    uint8_t *chunks = malloc(PAIR);
    bool is_same = one->size == other->size;
    bool ok = chunks || cor_fail(err, COR_ERR_NOMEM, "out of memory to compare files");

    for (uint64_t at = 0; ok && is_same && at < one->size; at += CHUNK) {
        size_t size = (size_t) COR_MIN(one->size - at, (uint64_t) CHUNK);
        ok = read_chunk(one, at, chunks, size, err) &&
             read_chunk(other, at, chunks + CHUNK, size, err);
        is_same = ok && memcmp(chunks, chunks + CHUNK, size) == 0;
    }
    free(chunks);
    if (ok) {
        *ret_is_same = is_same;
    }
    return ok;
}

/* False if the record does not tell, or tells what cannot be. */
static bool find_rest(const json_t *record, uint64_t file_size, Rest *rest)
{
    int64_t offset = cor_json_integer(record, "data_set_offset", -1);

    if (offset < 0 || (uint64_t) offset > file_size) {
        return false;
    }
    rest->offset = (uint64_t) offset;
    rest->size = file_size - rest->offset;
    return true;
}

bool cor_archive_priv_is_same(CorArchive *archive, int file, const CorCatalogEntry *entry,
                              const CorCatalogInstance *existing, bool *ret_is_same, CorError *err)
{
    const char *syntax = cor_json_string(entry->index, "transfer_syntax_uid", "");
    COR_CLEANUP(cor_object_done) CorObject object = {.file = -1};
    COR_CLEANUP(cor_json_freep) json_t *stored = NULL;
    CorError why = {0};
    Rest mine = {0};
    Rest theirs = {0};

    *ret_is_same = false;
    if (strcmp(syntax, existing->transfer_syntax_uid) != 0 ||
        !find_rest(entry->index, entry->size, &mine)) {
        return true;
    }
    if (!cor_blob_open_object(archive->options.blobs, existing->bucket, existing->key, &object,
                              &why)) {
        return why.code == COR_ERR_NOT_FOUND || cor_fail(err, why.code, "%s", why.text);
    }
    if (!cor_host_index(archive->options.hosts, object.file, COR_ARCHIVE_INDEX_TIMEOUT_MS, &stored,
                        err)) {
        return false;
    }
    if (!find_rest(stored, object.size, &theirs)) {
        return true;
    }
    mine.file = file;
    theirs.file = object.file;
    return compare(&mine, &theirs, ret_is_same, err);
}

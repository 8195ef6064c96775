/* SPDX-License-Identifier: Apache-2.0 */
/* Bucket "quarantine": what cannot stay among the images and must not be lost. */
#include "archive/archive-priv.h"

#include <string.h>

#include "base/hash.h"
#include "program/log.h"

/* A key whose place is taken there gives way to the digest: nothing in quarantine is replaced by
 * other bytes. */
static bool copy(CorBlobStore *blobs, const CorArchiveOutcast *outcast, CorError *err)
{
    CorObject taken = {.file = -1};
    CorBlobPut put;
    char hex[COR_SHA256_HEX_SIZE];
    CorError why = {0};

    bool is_taken = cor_blob_head(blobs, COR_BUCKET_QUARANTINE, outcast->key, &taken, &why);
    if (!is_taken && why.code != COR_ERR_NOT_FOUND && why.code != COR_ERR_CONFLICT) {
        return cor_fail(err, why.code, "%s", why.text);
    }
    bool is_put = !is_taken && cor_blob_put_file(blobs, COR_BUCKET_QUARANTINE, outcast->key,
                                                 outcast->object->file, &put, &why);
    if (!is_put && !is_taken && why.code != COR_ERR_CONFLICT) {
        return cor_fail(err, why.code, "%s", why.text);
    }
    if (!is_put && !cor_blob_put_file(blobs, COR_BUCKET_QUARANTINE, outcast->sha256,
                                      outcast->object->file, &put, err)) {
        return false;
    }
    if (strcmp(cor_hex_encode(put.sha256, sizeof(put.sha256), hex), outcast->sha256) != 0) {
        return cor_fail(err, COR_ERR_CORRUPT, "the copy in quarantine is not what was read");
    }
    return true;
}

/* The copy is durable before the original goes; killed in between, the next start does it again. */
bool cor_archive_priv_cast_out(CorArchive *archive, const CorArchiveOutcast *outcast, CorError *err)
{
    CorBlobStore *blobs = archive->options.blobs;

    if (!copy(blobs, outcast, err) || !cor_blob_remove(blobs, COR_BUCKET_PACS, outcast->key, err)) {
        cor_error_wrap(err, "quarantine");
        return false;
    }
    cor_log_warning("imported object moved to quarantine", COR_F("bucket", COR_BUCKET_PACS),
                    COR_F("sop_instance_uid", outcast->uid), COR_F("reason", outcast->reason));
    return true;
}

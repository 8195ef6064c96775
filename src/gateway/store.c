/* SPDX-License-Identifier: Apache-2.0 */
/* Storing one DICOM file: PUT on the PACS API or under an object's key.  What happens to the bytes
 * is archive/'s. */
#include "gateway/gateway-priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "program/log.h"

typedef struct Upload {
    CorGateway *gateway;
    CorBlobTemp *temp;
    char key[COR_KEY_SIZE];
} Upload;

static void upload_free(Upload *upload)
{
    if (upload) {
        cor_blob_temp_free(upload->temp);
        free(upload);
    }
}
COR_DEFINE_CLEANUP(Upload, upload_free)

/* --- the body --- */

/* The key of /objects/pacs/{key...} or of /pacs/studies/{study}/images/{rest}, whose last
 * "/images/" divides study from image. */
static bool key_of(CorHttpRequest *req, CorHttpResponse *res, char key[COR_KEY_SIZE])
{
    static const char divider[] = "/images/";
    const char *bucket = cor_http_req_param(req, "bucket");
    const char *path = cor_http_req_param(req, bucket ? "key" : "path");
    CorError err = {0};
    int len = 0;

    if (bucket) {
        if (strcmp(bucket, COR_BUCKET_PACS) != 0) {
            cor_http_problem(res, 403, NULL, "only bucket '%s' takes uploads", COR_BUCKET_PACS);
            return false;
        }
        len = snprintf(key, COR_KEY_SIZE, "%s", path);
    } else {
        const char *at = NULL;
        for (const char *next = strstr(path, divider); next; next = strstr(next + 1, divider)) {
            at = next;
        }
        if (!at) {
            cor_http_problem(res, 404, NULL,
                             "an image is stored at /pacs/studies/STUDY/images/IMAGE");
            return false;
        }
        len = snprintf(key, COR_KEY_SIZE, "%.*s/%s", (int) (at - path), path,
                       at + sizeof(divider) - 1);
    }
    if (len >= COR_KEY_SIZE || !cor_key_check(key, &err)) {
        cor_http_problem(res, 400, NULL, "%s", err.text[0] ? err.text : "key is too long");
        return false;
    }
    return true;
}

static bool begin(CorHttpRequest *req, CorHttpResponse *res, void *context, void **ret_upload)
{
    CorGateway *gateway = context;
    COR_CLEANUP(upload_freep) Upload *upload = cor_new(Upload);
    CorError err = {0};

    if (!upload) {
        (void) cor_fail(&err, COR_ERR_NOMEM, "out of memory for an upload");
        cor_http_fail(res, NULL, &err);
        return false;
    }
    upload->gateway = gateway;
    if (!key_of(req, res, upload->key)) {
        return false;
    }
    if (!cor_gateway_priv_writable(gateway, &err) ||
        !cor_blob_temp_new(gateway->options.blobs,
                           (uint64_t) gateway->options.config->file_max_bytes, &upload->temp,
                           &err)) {
        cor_http_fail(res, NULL, &err);
        return false;
    }
    *ret_upload = COR_TAKE(upload);
    return true;
}

static bool data(void *context, const void *bytes, size_t *size, CorHttpResponse *res)
{
    Upload *upload = context;
    CorError err = {0};

    if (!cor_blob_temp_write(upload->temp, bytes, *size, &err)) {
        cor_http_fail(res, NULL, &err);
        return false;
    }
    return true;
}

static void abort_upload(void *context)
{
    upload_free(context);
}

const CorHttpUpload cor_gateway_priv_upload = {.begin = begin, .data = data, .abort = abort_upload};

/* --- the header --- */

/* What is wrong with the file itself is 415 with the reason, a lost host included. */
static void answer_unreadable(CorHttpResponse *res, const CorError *err)
{
    switch (err->code) {
    case COR_ERR_INVALID:
    case COR_ERR_CORRUPT:
    case COR_ERR_LIMIT:
    case COR_ERR_UNSUPPORTED:
    case COR_ERR_NOT_FOUND:
        cor_http_problem(res, 415, NULL, "%s", err->text);
        break;
    case COR_ERR_HOST_LOST:
        cor_log_warning("a file ended the host that read it", COR_F("error", err->text));
        cor_http_problem(res, 415, NULL, "the file cannot be read: its reader ended (%s)",
                         err->text);
        break;
    default:
        cor_http_fail(res, NULL, err);
    }
}

static void answer_stored(const CorArchiveStored *stored, CorHttpResponse *res)
{
    cor_http_res_json(
        res, stored->is_duplicate ? 200 : 201,
        json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "outcome",
                  stored->is_duplicate ? "duplicate" : "stored", "bucket", stored->bucket, "key",
                  stored->key, "sop_instance_uid", stored->sop_instance_uid, "series_instance_uid",
                  stored->series_instance_uid, "study_instance_uid", stored->study_instance_uid));
}

void cor_gateway_priv_store_image(CorHttpRequest *req, CorHttpResponse *res, void *context)
{
    CorGateway *gateway = context;
    COR_CLEANUP(upload_freep) Upload *upload = cor_http_req_upload(req);
    COR_CLEANUP(cor_json_freep) json_t *record = NULL;
    CorArchive *archive = gateway->options.archive;
    CorArchiveStored stored;
    CorError err = {0};

    if (!cor_archive_read(archive, upload->temp, &record, &err)) {
        answer_unreadable(res, &err);
    } else if (!cor_archive_store(archive, upload->temp, record, upload->key, &stored, &err)) {
        cor_http_fail(res, NULL, &err);
    } else {
        answer_stored(&stored, res);
    }
}

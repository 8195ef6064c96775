/* SPDX-License-Identifier: Apache-2.0 */
/* Storing one DICOM file: PUT on the PACS API or under an object's key.
 *
 *     body -> temporary file -> host reads the header -> rules of the catalogue -> object durable
 *       -> catalogue committed -> 201
 *
 * The header is read in a host (invariant 6): a file that crashes it costs itself its import and
 * nothing else.  Two uploads of the same key or UID take turns (stripes of locks), so between the
 * check and the commit nothing changes.  A crash after the object and before the catalogue leaves
 * an object that no row names; the next start gives it its row (sweep-import.c).
 */
#include "gateway/gateway-priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/hash.h"
#include "base/time.h"
#include "program/failpoint.h"
#include "program/log.h"

enum { INDEX_TIMEOUT_MS = 60000 };

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

/* --- locks --- */

static size_t stripe_of(const char *text)
{
    return cor_crc32(text, strlen(text)) % STRIPES;
}

void cor_gateway_priv_lock(CorGateway *gateway, const char *one, const char *other)
{
    size_t first = COR_MIN(stripe_of(one), stripe_of(other));
    size_t second = COR_MAX(stripe_of(one), stripe_of(other));

    (void) pthread_mutex_lock(&gateway->stripes[first]);
    if (second != first) {
        (void) pthread_mutex_lock(&gateway->stripes[second]);
    }
}

void cor_gateway_priv_unlock(CorGateway *gateway, const char *one, const char *other)
{
    size_t first = stripe_of(one);
    size_t second = stripe_of(other);

    (void) pthread_mutex_unlock(&gateway->stripes[first]);
    if (second != first) {
        (void) pthread_mutex_unlock(&gateway->stripes[second]);
    }
}

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
        cor_gateway_priv_fail(res, NULL, &err);
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
        cor_gateway_priv_fail(res, NULL, &err);
        return false;
    }
    *ret_upload = COR_TAKE(upload);
    return true;
}

static bool data(void *context, const void *bytes, size_t size, CorHttpResponse *res)
{
    Upload *upload = context;
    CorError err = {0};

    if (!cor_blob_temp_write(upload->temp, bytes, size, &err)) {
        cor_gateway_priv_fail(res, NULL, &err);
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
        cor_gateway_priv_fail(res, NULL, err);
    }
}

static bool read_header(Upload *upload, CorHttpResponse *res, json_t **ret_record)
{
    COR_CLEANUP(cor_fd_closep) int file = -1;
    CorError err = {0};

    if (!cor_blob_temp_open(upload->temp, &file, &err)) {
        cor_gateway_priv_fail(res, NULL, &err);
        return false;
    }
    if (!cor_host_index(upload->gateway->options.viewer_hosts, file, INDEX_TIMEOUT_MS, ret_record,
                        &err)) {
        answer_unreadable(res, &err);
        return false;
    }
    /* Half a copy must not take the place of the whole one that may still come. */
    if (cor_json_boolean(*ret_record, "truncated", false)) {
        cor_http_problem(res, 415, NULL, "the pixel data are cut off: the file is incomplete");
        return false;
    }
    return true;
}

/* --- object and catalogue --- */

typedef struct Filing {
    CorCatalogEntry entry;
    CorCatalogOutcome outcome;
    CorCatalogInstance *existing; /* malloc()ed */
} Filing;

static bool check_rules(CorSqlTxn *txn, void *arg, CorError *err)
{
    Filing *filing = arg;

    return cor_catalog_check(txn, &filing->entry, &filing->outcome, &filing->existing, err);
}

static bool add_row(CorSqlTxn *txn, void *arg, CorError *err)
{
    Filing *filing = arg;

    return cor_catalog_add(txn, &filing->entry, &filing->outcome, NULL, err);
}

/* Everything that must not change between check and commit; the stripes are locked. */
static bool file_away(Upload *upload, Filing *filing, CorError *err)
{
    const CorGatewayOptions *options = &upload->gateway->options;

    if (!cor_sql_read(options->catalog, check_rules, filing, err)) {
        return false;
    }
    if (filing->outcome == COR_CATALOG_DUPLICATE) {
        return true;
    }
    if (!cor_blob_temp_publish(upload->temp, COR_BUCKET_PACS, upload->key, COR_BLOB_REPLACE, err)) {
        return false;
    }
    COR_FAILPOINT(AFTER_STORE);
    if (!cor_sql_write(options->catalog, add_row, filing, COR_SQL_SYNCED, err)) {
        CorError why = {0};
        if (!cor_blob_remove(options->blobs, COR_BUCKET_PACS, upload->key, &why)) {
            cor_log_warning("object without a row left to the sweeper", COR_F("error", why.text));
        }
        return false;
    }
    COR_FAILPOINT(AFTER_CATALOG);
    return true;
}

static void answer_stored(const Upload *upload, const Filing *filing, CorHttpResponse *res)
{
    bool is_duplicate = filing->outcome == COR_CATALOG_DUPLICATE;
    const CorCatalogInstance *existing = filing->existing;
    const json_t *index = filing->entry.index;

    cor_http_res_json(
        res, is_duplicate ? 200 : 201,
        json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "outcome",
                  is_duplicate ? "duplicate" : "stored", "bucket",
                  existing ? existing->bucket : COR_BUCKET_PACS, "key",
                  existing ? existing->key : upload->key, "sop_instance_uid",
                  cor_json_string(index, "sop_instance_uid", ""), "series_instance_uid",
                  cor_json_string(index, "series_instance_uid", ""), "study_instance_uid",
                  cor_json_string(index, "study_instance_uid", "")));
}

void cor_gateway_priv_store_image(CorHttpRequest *req, CorHttpResponse *res, void *context)
{
    CorGateway *gateway = context;
    COR_CLEANUP(upload_freep) Upload *upload = cor_http_req_upload(req);
    COR_CLEANUP(cor_json_freep) json_t *record = NULL;
    uint8_t digest[COR_SHA256_SIZE];
    char hex[COR_SHA256_HEX_SIZE];
    CorError err = {0};

    if (!read_header(upload, res, &record)) {
        return;
    }
    cor_blob_temp_sha256(upload->temp, digest);
    Filing filing = {.entry = {.index = record,
                               .bucket = COR_BUCKET_PACS,
                               .key = upload->key,
                               .size = cor_blob_temp_size(upload->temp),
                               .sha256 = cor_hex_encode(digest, sizeof(digest), hex),
                               .created_unix_ms = cor_time_unix_ms()}};
    const char *uid = cor_json_string(record, "sop_instance_uid", "");

    cor_gateway_priv_lock(gateway, upload->key, uid);
    bool ok = file_away(upload, &filing, &err);
    cor_gateway_priv_unlock(gateway, upload->key, uid);
    if (ok) {
        answer_stored(upload, &filing, res);
    } else {
        cor_gateway_priv_fail(res, NULL, &err);
    }
    free(filing.existing);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* STOW-RS (PS3.18 section 10.5): POST of instances to /studies or /studies/{study}.
 *
 * Bytes are written to temporary files as they come.  A part that is complete is read and stored on
 * a thread while the next one comes in; at the end of the body the request is parked until its
 * parts are settled.  Each instance is a transaction of its own: what one part comes to changes
 * nothing for the others. */
#include "dicomweb/stow-upload.h"

#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "dicomweb/accept.h"
#include "http/http-media-type.h"

enum {
    UPLOADS_MAX = 512,
    PLACES = 256, /* parts of all uploads: temporary files and descriptors */
    THREADS = 12, /* more than there are processors: they wait for disk and hosts */
    SETTLE_MS = 600000,
};

/* --- the room's part --- */

bool cor_dicomweb_priv_stow_new(CorStow **ret_stow, CorError *err)
{
    CorStow *stow = cor_new(CorStow);

    if (!stow) {
        return cor_fail(err, COR_ERR_NOMEM, "out of memory for uploads");
    }
    atomic_init(&stow->uploads, 0);
    if (!cor_dicomweb_priv_stow_gate_new(PLACES, &stow->gate, err) ||
        !cor_dicomweb_priv_offload_new(THREADS, PLACES, &stow->offload, err)) {
        cor_dicomweb_priv_stow_free(stow);
        return false;
    }
    *ret_stow = stow;
    return true;
}

void cor_dicomweb_priv_stow_free(CorStow *stow)
{
    if (stow) {
        cor_dicomweb_priv_offload_free(stow->offload);
        cor_dicomweb_priv_stow_gate_free(stow->gate);
        free(stow);
    }
}

/* --- headers --- */

/* What the answer may be: the first is the default. */
static const char *const answer_types[] = {"application/dicom+json", "application/json"};

static bool choose_answer(CorHttpRequest *req, CorHttpResponse *res, const char **ret_type)
{
    CorAccept accept = {0};
    CorError err = {0};

    if (!cor_dicomweb_priv_accept_of(req, &accept, &err)) {
        cor_http_fail(res, NULL, &err);
        return false;
    }
    size_t best = cor_dicomweb_priv_accept_type(&accept, answer_types, COR_ARRAY_LEN(answer_types));
    if (best == COR_ACCEPT_NONE) {
        cor_http_problem(res, 406, NULL, "the answer is application/dicom+json");
        return false;
    }
    *ret_type = answer_types[best];
    return true;
}

static bool refuse_type(CorHttpResponse *res)
{
    cor_http_problem(res, 415, NULL,
                     "send DICOM files: multipart/related; type=\"application/dicom\", or one as "
                     "application/dicom; metadata and bulk data apart are not taken");
    return false;
}

/* A body of parts has a boundary, in type; of a single file *ret_boundary is NULL. */
static bool read_type(CorHttpRequest *req, CorHttpResponse *res, CorHttpMediaType *type,
                      const char **ret_boundary)
{
    const char *header = cor_http_req_header(req, "Content-Type");
    CorError err = {0};

    if (!header) {
        return refuse_type(res);
    }
    if (!cor_http_media_type_parse_all(header, type, &err)) {
        cor_http_problem(res, 400, NULL, "Content-Type: %s", err.text);
        return false;
    }
    if (strcmp(type->type, "application/dicom") == 0) {
        *ret_boundary = NULL;
        return true;
    }
    const char *parts = cor_http_media_type_parameter(type, "type");
    if (strcmp(type->type, "multipart/related") != 0 ||
        (parts && strcasecmp(parts, "application/dicom") != 0)) {
        return refuse_type(res);
    }
    *ret_boundary = cor_http_media_type_parameter(type, "boundary");
    if (!*ret_boundary) {
        cor_http_problem(res, 400, NULL, "Content-Type: multipart/related without a boundary");
        return false;
    }
    return true;
}

static bool check_room(CorDicomweb *dicomweb, CorHttpResponse *res)
{
    const CorDicomwebOptions *options = &dicomweb->options;
    CorError err = {0};

    if (atomic_load(&dicomweb->stow->uploads) >= UPLOADS_MAX) {
        cor_http_res_header(res, "Retry-After", "5");
        cor_http_problem(res, 503, NULL, "too many uploads at once; nothing was stored");
        return false;
    }
    if (!options->is_writable(options->context, &err)) {
        cor_http_fail(res, NULL, &err);
        return false;
    }
    return true;
}

static bool begin(CorHttpRequest *req, CorHttpResponse *res, void *context, void **ret_upload)
{
    CorDicomweb *dicomweb = context;
    const char *study = cor_http_req_param(req, "study");
    CorStowUploadOptions options = {.dicomweb = dicomweb,
                                    .study = study ? study : "",
                                    .is_lenient =
                                        cor_http_req_header_has(req, "Prefer", "handling=lenient")};
    CorHttpMediaType type;
    CorStowUpload *upload = NULL;
    CorError err = {0};

    if (study && !cor_uid_is_legal(study)) {
        cor_http_problem(res, 400, NULL, "the path has no legal Study Instance UID");
        return false;
    }
    if (!read_type(req, res, &type, &options.boundary) ||
        !choose_answer(req, res, &options.media_type) || !check_room(dicomweb, res)) {
        return false;
    }
    if (!cor_dicomweb_priv_stow_upload_new(req, &options, &upload, &err)) {
        cor_http_fail(res, NULL, &err);
        return false;
    }
    *ret_upload = upload;
    return true;
}

/* --- body --- */

/* A refusal waits until the parts before it are settled: it says what became of them. */
static bool data(void *context, const void *bytes, size_t *size, CorHttpResponse *res)
{
    CorStowUpload *upload = context;

    *size = cor_dicomweb_priv_stow_upload_take(upload, bytes, *size);
    if (!cor_dicomweb_priv_stow_upload_is_refused(upload) ||
        !cor_dicomweb_priv_stow_upload_is_settled(upload, NULL)) {
        return true;
    }
    cor_dicomweb_priv_stow_upload_answer(upload, res);
    return false;
}

static void abort_upload(void *context)
{
    cor_dicomweb_priv_stow_upload_unref(context);
}

const CorHttpUpload cor_dicomweb_priv_upload = {
    .begin = begin, .data = data, .abort = abort_upload};

/* --- end --- */

static void answer_again(CorHttpRequest *req, CorHttpResponse *res, bool is_woken, void *context)
{
    (void) req;
    if (is_woken) {
        cor_dicomweb_priv_stow_upload_answer(context, res);
        return;
    }
    cor_http_res_header(res, "Retry-After", "5");
    cor_http_problem(
        res, 503, NULL,
        "the server is stopping or too slow; send the same again to see what was stored");
}

void cor_dicomweb_priv_store_instances(CorHttpRequest *req, CorHttpResponse *res, void *context)
{
    CorStowUpload *upload = cor_http_req_upload(req);
    CorHttpParkOptions options = {
        .timeout_ms = SETTLE_MS, .again = answer_again, .release = abort_upload, .context = upload};
    COR_CLEANUP(cor_http_park_unrefp) CorHttpPark *park = NULL;
    CorError err = {0};

    (void) context;
    cor_dicomweb_priv_stow_upload_end(upload);
    if (cor_dicomweb_priv_stow_upload_is_settled(upload, NULL)) {
        cor_dicomweb_priv_stow_upload_answer(upload, res);
        cor_dicomweb_priv_stow_upload_unref(upload);
        return;
    }
    if (!cor_http_park(req, &options, &park, &err)) {
        cor_dicomweb_priv_stow_upload_unref(upload);
        cor_http_fail(res, NULL, &err);
        return;
    }
    if (cor_dicomweb_priv_stow_upload_is_settled(upload, park)) {
        cor_http_park_wake(park);
    }
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Frames (PS3.18 section 10.4.1.1.6), in the media types of section 8.7.3.5:
 *
 *     as stored     plain little-endian values lie in one piece of the file, a compressed frame in
 *                   its fragments: they are sent from there
 *     as values     application/octet-stream in explicit VR little endian: a host decodes
 *     as another    image/jls and the like: a host decodes and encodes
 *
 * Plain values have no byte order or VR of their own, so those of implicit VR are explicit ones. */
#include "dicomweb/wado-frames.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/fd.h"
#include "base/hash.h"
#include "dicomweb/syntax.h"

/* What a host can make of a frame besides plain values; the default of each media type. */
static const char *const encodings[] = {
    "1.2.840.10008.1.2.4.70", /* image/jpeg */
    "1.2.840.10008.1.2.4.80", /* image/jls */
    "1.2.840.10008.1.2.4.90", /* image/jp2 */
    "1.2.840.10008.1.2.5",    /* image/dicom-rle */
};

/* One way to send the frames. */
typedef struct Form {
    const char *type;   /* media type of each */
    const char *syntax; /* that the part names */
    bool is_as_stored;  /* the bytes of the file */
    bool is_multipart;
    bool is_whole; /* all frames in one piece, as the value of Pixel Data */
} Form;

enum { FORMS_MAX = 2 * (COR_ARRAY_LEN(encodings) + 3) + 1 };

typedef struct Source {
    CorDicomweb *dicomweb;
    CorCatalogInstance *instance;
    uint32_t *frames; /* NULL: all */
    size_t len;
    Form form;
    int fd; /* of the file; opened for the first part, others may be made at once */
} Source;

/* --- the list --- */

static bool read_number(const char **at, uint32_t *ret_number)
{
    uint64_t number = 0;
    const char *begin = *at;

    for (; **at >= '0' && **at <= '9' && number <= UINT32_MAX; ++*at) {
        number = number * 10 + (uint64_t) (**at - '0');
    }
    *ret_number = (uint32_t) number;
    return *at > begin && number >= 1 && number <= UINT32_MAX;
}

bool cor_dicomweb_priv_read_frames(const char *text, uint32_t **ret_frames, size_t *ret_len,
                                   CorError *err)
{
    size_t max = 1;

    for (const char *at = text; *at; at++) {
        max += *at == ',';
    }
    COR_CLEANUP(cor_freep) uint32_t *frames = cor_new_array(uint32_t, max);
    if (!frames) {
        return cor_fail(err, COR_ERR_NOMEM, "out of memory for a list of frames");
    }
    const char *at = text;
    for (size_t i = 0; i < max; i++) {
        char end = i + 1 < max ? ',' : '\0';
        if (!read_number(&at, &frames[i]) || *at != end) {
            return cor_fail(err, COR_ERR_INVALID,
                            "frames must be numbers from 1 on, divided by commas");
        }
        at++;
    }
    *ret_frames = COR_TAKE(frames);
    *ret_len = max;
    return true;
}

static bool check_frames(const CorFramesRequest *request, CorError *err)
{
    const CorCatalogInstance *instance = request->instance;

    if (!instance->has_pixels || instance->frames < 1) {
        return cor_fail(err, COR_ERR_NOT_FOUND, "the instance has no frames");
    }
    for (size_t i = 0; request->frames && i < request->frames_len; i++) {
        if (request->frames[i] > (uint32_t) instance->frames) {
            return cor_fail(err, COR_ERR_NOT_FOUND, "there is no frame %u, the last one is %d",
                            request->frames[i], instance->frames);
        }
    }
    return true;
}

/* --- choosing a form --- */

typedef struct Forms {
    Form forms[FORMS_MAX];
    CorAcceptOffer offers[FORMS_MAX];
    size_t len;
} Forms;

static void add_form(Forms *forms, Form form, bool is_default)
{
    forms->offers[forms->len] = (CorAcceptOffer){.type = form.type,
                                                 .is_multipart = form.is_multipart,
                                                 .transfer_syntax = form.syntax,
                                                 .is_default = is_default};
    forms->forms[forms->len++] = form;
}

static void add_forms(Forms *forms, const CorCatalogInstance *instance, bool is_multipart)
{
    CorSyntax stored = cor_dicomweb_priv_syntax(instance->transfer_syntax_uid);
    Form form = {.type = stored.type,
                 .syntax = instance->transfer_syntax_uid,
                 .is_as_stored = true,
                 .is_multipart = is_multipart};

    if (!stored.is_native) {
        if (strcmp(form.type, COR_TYPE_OCTETS) != 0) {
            add_form(forms, form, true);
        }
        form.type = COR_TYPE_OCTETS;
        add_form(forms, form, false);
    }
    form.type = COR_TYPE_OCTETS;
    form.syntax = COR_SYNTAX_EXPLICIT_LE;
    form.is_as_stored = stored.is_native && instance->frame_bytes > 0;
    add_form(forms, form, true);
    form.is_as_stored = false;
    for (size_t i = 0; i < COR_ARRAY_LEN(encodings); i++) {
        if (strcmp(encodings[i], instance->transfer_syntax_uid) != 0 &&
            cor_host_can_encode(encodings[i])) {
            form.type = cor_dicomweb_priv_syntax(encodings[i]).type;
            form.syntax = encodings[i];
            add_form(forms, form, true);
        }
    }
}

/* The value of Pixel Data is one piece if it is not compressed. */
static void add_whole(Forms *forms, const CorCatalogInstance *instance)
{
    bool is_native = cor_dicomweb_priv_syntax(instance->transfer_syntax_uid).is_native;

    if (is_native && instance->frame_bytes > 0) {
        add_form(forms,
                 (Form){.type = COR_TYPE_OCTETS,
                        .syntax = COR_SYNTAX_EXPLICIT_LE,
                        .is_as_stored = true,
                        .is_whole = true},
                 true);
    }
}

static bool choose(const CorHttpRequest *req, const CorFramesRequest *request, size_t len,
                   Form *ret_form, CorError *err)
{
    CorAccept accept;
    Forms forms = {.len = 0};

    if (!cor_dicomweb_priv_accept_of(req, &accept, err)) {
        return false;
    }
    if (request->is_bulk) {
        add_whole(&forms, request->instance);
    }
    if (request->is_bulk && len == 1) {
        add_forms(&forms, request->instance, false);
    }
    add_forms(&forms, request->instance, true);
    if (!request->is_bulk && len == 1) {
        add_forms(&forms, request->instance, false);
    }
    size_t best = cor_dicomweb_priv_accept_best(&accept, forms.offers, forms.len);
    if (best == COR_ACCEPT_NONE) {
        return cor_fail(err, COR_ERR_UNSUPPORTED,
                        "frames come as multipart/related%s of application/octet-stream, of the"
                        " image type of a lossless transfer syntax, or as stored"
                        " (transfer-syntax=*)",
                        len == 1 ? " or alone, as a single part," : "");
    }
    *ret_form = forms.forms[best];
    return true;
}

/* --- parts --- */

typedef struct FragmentsQuery {
    const char *sop_instance_uid;
    uint32_t frame;
    CorCatalogRun *runs;
    size_t len;
} FragmentsQuery;

static bool run_fragments(CorSqlTxn *txn, void *arg, CorError *err)
{
    FragmentsQuery *query = arg;

    return cor_catalog_fragments(txn, query->sop_instance_uid, query->frame, &query->runs,
                                 &query->len, err);
}

static uint32_t frame_at(const Source *source, size_t index)
{
    return source->frames ? source->frames[index] : (uint32_t) index + 1;
}

/* Where the bytes lie in the file; false if only a host can tell. */
static bool find_bytes(const Source *source, uint32_t frame, CorPart *part)
{
    const CorCatalogInstance *instance = source->instance;
    FragmentsQuery query = {.sop_instance_uid = instance->sop_instance_uid, .frame = frame};

    if (!source->form.is_as_stored) {
        return false;
    }
    if (source->form.is_whole) {
        part->run = (CorCatalogRun){.offset = instance->pixel_offset,
                                    .size = instance->frame_bytes * (uint64_t) instance->frames};
        return true;
    }
    if (instance->frame_bytes > 0) {
        part->run =
            (CorCatalogRun){.offset = instance->pixel_offset + (frame - 1) * instance->frame_bytes,
                            .size = instance->frame_bytes};
        return true;
    }
    if (!cor_sql_read(source->dicomweb->options.catalog, run_fragments, &query, NULL) ||
        !query.runs) {
        return false;
    }
    if (query.len == 1) { /* as nearly always: then it can go out by sendfile() */
        part->run = query.runs[0];
        free(query.runs);
    } else {
        part->runs = query.runs;
        part->runs_len = query.len;
    }
    return true;
}

static void describe(void *context, size_t index, CorPart *part)
{
    const Source *source = context;
    uint32_t frame = frame_at(source, index);

    part->is_work = !find_bytes(source, frame, part);
    cor_dicomweb_priv_type_with_syntax(part->type, source->form.type, source->form.syntax);
    cor_dicomweb_priv_locate(source->dicomweb, source->instance, part->location, "/frames/%u",
                             frame);
}

static bool open_part(void *context, size_t index, CorPart *part, CorError *err)
{
    Source *source = context;
    CorHostFile made = {.fd = -1};

    if (source->fd < 0 &&
        !cor_dicomweb_priv_open_instance(source->dicomweb, source->instance, &source->fd, err)) {
        return false;
    }
    if (!part->is_work) {
        part->fd = fcntl(source->fd, F_DUPFD_CLOEXEC, 3);
        return part->fd >= 0 || cor_fail_errno(err, errno, "open an instance");
    }
    const CorHostFrameOf of = {.fd = source->fd,
                               .frame = frame_at(source, index),
                               .transfer_syntax_uid =
                                   source->form.is_as_stored ? NULL : source->form.syntax,
                               .timeout_ms = COR_WADO_HOST_MS};
    if (!cor_host_frame(source->dicomweb->options.hosts, &of, &made, err)) {
        return false;
    }
    cor_dicomweb_priv_part_set_file(part, COR_TAKE_FD(made.fd), made.size_bytes);
    cor_host_file_done(&made);
    return true;
}

static void release(void *context)
{
    Source *source = context;

    cor_fd_closep(&source->fd);
    free(source->instance);
    free(source->frames);
    free(source);
}

/* --- the handler --- */

static void make_etag(const CorFramesRequest *request, const Form *form,
                      char etag[COR_PART_ETAG_SIZE])
{
    uint8_t digest[COR_SHA256_SIZE] = {0};
    char list[17] = "all";

    if (request->frames) {
        cor_sha256(request->frames, request->frames_len * sizeof(uint32_t), digest);
        (void) cor_hex_encode(digest, sizeof(list) / 2, list);
    }
    (void) snprintf(etag, COR_PART_ETAG_SIZE, "%s-%s-%s%s%s-%s", request->instance->sha256, list,
                    form->type, form->is_multipart ? "-m" : "", form->is_whole ? "-w" : "",
                    form->syntax);
}

void cor_dicomweb_priv_send_frames(CorDicomweb *dicomweb, CorHttpRequest *req, CorHttpResponse *res,
                                   const CorFramesRequest *request)
{
    Source *source = cor_new(Source);
    CorError err = {0};
    CorParts parts = {
        .describe = describe, .open = open_part, .release = release, .context = source};

    if (!source) {
        free(request->instance);
        free(request->frames);
        (void) cor_fail(&err, COR_ERR_NOMEM, "out of memory for an answer");
        cor_http_fail(res, NULL, &err);
        return;
    }
    *source = (Source){
        .dicomweb = dicomweb, .instance = request->instance, .frames = request->frames, .fd = -1};
    source->len = request->frames ? request->frames_len : (size_t) request->instance->frames;
    if (!check_frames(request, &err) || !choose(req, request, source->len, &source->form, &err)) {
        release(source);
        cor_dicomweb_priv_refuse(res, &err);
        return;
    }
    parts.len = source->form.is_multipart ? source->len : 1;
    parts.type = source->form.type;
    parts.is_multipart = source->form.is_multipart;
    parts.made_bytes_max =
        source->form.is_as_stored ? 0 : cor_dicomweb_priv_made_bytes(source->instance);
    parts.is_slow_to_describe =
        source->form.is_as_stored && !source->form.is_whole && source->instance->frame_bytes == 0;
    make_etag(request, &source->form, parts.etag);
    if (cor_dicomweb_priv_is_unchanged(req, res, parts.etag)) {
        release(source);
        return;
    }
    cor_dicomweb_priv_send_parts(dicomweb->offload, req, res, &parts);
}

void cor_dicomweb_priv_retrieve_frames(CorHttpRequest *req, CorHttpResponse *res, void *context)
{
    CorDicomweb *dicomweb = context;
    CorCatalogUids uids = cor_dicomweb_priv_uids(req);
    const char *list = cor_http_req_param(req, "frames");
    CorFramesRequest request = {0};
    CorError err = {0};

    if ((list &&
         !cor_dicomweb_priv_read_frames(list, &request.frames, &request.frames_len, &err)) ||
        !cor_dicomweb_priv_find_instance(dicomweb, &uids, &request.instance, &err)) {
        free(request.frames);
        cor_dicomweb_priv_refuse(res, &err);
        return;
    }
    cor_dicomweb_priv_send_frames(dicomweb, req, res, &request);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Whole objects (PS3.18 section 10.4.1.1.1): a study, a series or an instance as application/dicom.
 *
 * What a transfer syntax in Accept means (section 8.7.3.5.2): "*" each object as it is stored; a
 * UID that syntax; none explicit VR little endian, and then what cannot be decoded comes as it is
 * stored.  Who accepts anything gets what is stored. */
#include "dicomweb/wado-instances.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/fd.h"
#include "dicomweb/syntax.h"

#define TYPE "application/dicom"

typedef struct Source {
    CorDicomweb *dicomweb;
    CorCatalogInstances *instances;
    char syntax[COR_UID_SIZE]; /* "": as stored */
    bool may_be_as_is;
} Source;

/* --- choosing --- */

static bool are_stored_as(const CorCatalogInstances *instances, const char *uid)
{
    for (size_t i = 0; i < instances->len; i++) {
        if (strcmp(instances->items[i]->transfer_syntax_uid, uid) != 0) {
            return false;
        }
    }
    return true;
}

static void offer(CorAcceptOffer *offers, size_t *len, const char *syntax, bool has_single)
{
    CorAcceptOffer one = {.type = TYPE,
                          .is_multipart = true,
                          .transfer_syntax = syntax,
                          .is_default = syntax && strcmp(syntax, COR_SYNTAX_EXPLICIT_LE) == 0};

    offers[(*len)++] = one;
    if (has_single) {
        one.is_multipart = false;
        offers[(*len)++] = one;
    }
}

/* As stored first; then explicit VR little endian, and whatever the client names if we can do it.
 */
static bool choose(const CorAccept *accept, const CorCatalogInstances *instances,
                   CorInstancesForm *ret_form, CorError *err)
{
    CorAcceptOffer offers[2 * (COR_ACCEPT_RANGES_MAX + 2)];
    size_t len = 0;
    bool has_single = instances->len == 1;

    offer(offers, &len, NULL, has_single);
    offer(offers, &len, COR_SYNTAX_EXPLICIT_LE, has_single);
    for (size_t i = 0; i < accept->len; i++) {
        const char *uid = accept->ranges[i].transfer_syntax;
        if (cor_uid_is_legal(uid) && (cor_host_can_encode(uid) || are_stored_as(instances, uid))) {
            offer(offers, &len, uid, has_single);
        }
    }
    size_t best = cor_dicomweb_priv_accept_best(accept, offers, len);
    if (best == COR_ACCEPT_NONE) {
        return cor_fail(err, COR_ERR_UNSUPPORTED,
                        "objects come as multipart/related; type=\"application/dicom\"%s, in a"
                        " transfer syntax that this server can write, or as stored"
                        " (transfer-syntax=*)",
                        has_single ? " or application/dicom" : "");
    }
    *ret_form = (CorInstancesForm){.is_multipart = offers[best].is_multipart,
                                   .syntax = offers[best].transfer_syntax,
                                   .may_be_as_is = offers[best].is_default};
    return true;
}

/* Explicit VR little endian that was named is wanted, not only preferred. */
static bool is_named(const CorAccept *accept, const char *uid)
{
    for (size_t i = 0; i < accept->len; i++) {
        if (strcmp(accept->ranges[i].transfer_syntax, uid) == 0) {
            return true;
        }
    }
    return false;
}

/* --- parts --- */

/* Let a host write the file in a syntax, or (NULL) as it is behind a meta header. */
static bool make(const Source *source, int fd, const char *syntax, CorPart *part, CorError *err)
{
    CorHostFile made = {.fd = -1};

    if (!cor_host_transcode(source->dicomweb->options.hosts, fd, syntax, COR_WADO_HOST_MS, &made,
                            err)) {
        return err->code == COR_ERR_LIMIT
                   ? cor_fail(err, COR_ERR_UNSUPPORTED,
                              "made anew the object would be larger than host_memory allows; it can"
                              " be had frame by frame, or as it is stored (transfer-syntax=*)")
                   : false;
    }
    cor_dicomweb_priv_part_set_file(part, COR_TAKE_FD(made.fd), made.size_bytes);
    cor_host_file_done(&made);
    return true;
}

static bool is_as_stored(const Source *source, const CorCatalogInstance *instance)
{
    return source->syntax[0] == '\0' || strcmp(source->syntax, instance->transfer_syntax_uid) == 0;
}

static void describe(void *context, size_t index, CorPart *part)
{
    const Source *source = context;
    const CorCatalogInstance *instance = source->instances->items[index];

    bool is_as_it_is = is_as_stored(source, instance);

    part->is_work = !is_as_it_is || instance->lacks_meta;
    part->run = (CorCatalogRun){.offset = 0, .size = instance->size};
    cor_dicomweb_priv_type_with_syntax(
        part->type, TYPE, is_as_it_is ? instance->transfer_syntax_uid : source->syntax);
    cor_dicomweb_priv_locate(source->dicomweb, instance, part->location, "%s", "");
}

/* What application/dicom is: a file of PS3.10.  One that was stored as a bare data set is given a
 * meta header. */
static bool open_as_stored(const Source *source, const CorCatalogInstance *instance, int *fd,
                           CorPart *part, CorError *err)
{
    if (instance->lacks_meta) {
        return make(source, *fd, NULL, part, err);
    }
    cor_dicomweb_priv_part_set_file(part, COR_TAKE_FD(*fd), instance->size);
    return true;
}

static bool open_part(void *context, size_t index, CorPart *part, CorError *err)
{
    const Source *source = context;
    const CorCatalogInstance *instance = source->instances->items[index];
    COR_CLEANUP(cor_fd_closep) int fd = -1;

    if (!cor_dicomweb_priv_open_instance(source->dicomweb, instance, &fd, err)) {
        return false;
    }
    if (is_as_stored(source, instance)) {
        return open_as_stored(source, instance, &fd, part, err);
    }
    if (make(source, fd, source->syntax, part, err)) {
        return true;
    }
    if (!source->may_be_as_is || (err->code != COR_ERR_UNSUPPORTED &&
                                  err->code != COR_ERR_CORRUPT && err->code != COR_ERR_INVALID)) {
        return false;
    }
    *err = (CorError){0};
    cor_dicomweb_priv_type_with_syntax(part->type, TYPE, instance->transfer_syntax_uid);
    return open_as_stored(source, instance, &fd, part, err);
}

static void release(void *context)
{
    Source *source = context;

    cor_catalog_instances_free(source->instances);
    free(source);
}

/* --- the handler --- */

static uint64_t largest_made(const CorCatalogInstances *instances)
{
    uint64_t largest = 1;

    for (size_t i = 0; i < instances->len; i++) {
        const CorCatalogInstance *instance = instances->items[i];
        uint64_t frames = (uint64_t) COR_MAX(instance->frames, 1);
        largest =
            COR_MAX(largest, instance->size + frames * cor_dicomweb_priv_made_bytes(instance));
    }
    return largest;
}

/* One instance is known by its digest, several by the last change among them. */
static void make_etag(const CorCatalogInstances *instances, const CorInstancesForm *form,
                      char etag[COR_PART_ETAG_SIZE])
{
    int64_t last = 0;
    const char *packing = form->is_multipart ? "-m" : "";
    const char *syntax = form->syntax ? form->syntax : "";

    if (instances->len == 1) {
        (void) snprintf(etag, COR_PART_ETAG_SIZE, "%s%s%s%s%s", instances->items[0]->sha256,
                        instances->items[0]->lacks_meta ? "-h" : "", packing, *syntax ? "-" : "",
                        syntax);
        return;
    }
    for (size_t i = 0; i < instances->len; i++) {
        last = COR_MAX(last, instances->items[i]->change_seq);
    }
    (void) snprintf(etag, COR_PART_ETAG_SIZE, "%s-%lld-%zu%s%s",
                    instances->items[0]->series_instance_uid, (long long) last, instances->len,
                    *syntax ? "-" : "", syntax);
}

void cor_dicomweb_priv_send_instances(CorDicomweb *dicomweb, CorHttpRequest *req,
                                      CorHttpResponse *res, CorCatalogInstances *instances,
                                      const CorInstancesForm *form)
{
    CorParts parts = {.len = instances->len,
                      .type = TYPE,
                      .is_multipart = form->is_multipart,
                      .describe = describe,
                      .open = open_part,
                      .release = release};
    Source *source = cor_new(Source);
    CorError err = {0};

    make_etag(instances, form, parts.etag);
    if (!source || cor_dicomweb_priv_is_unchanged(req, res, parts.etag)) {
        if (!source) {
            (void) cor_fail(&err, COR_ERR_NOMEM, "out of memory for an answer");
            cor_http_fail(res, NULL, &err);
        }
        cor_catalog_instances_free(instances);
        free(source);
        return;
    }
    *source =
        (Source){.dicomweb = dicomweb, .instances = instances, .may_be_as_is = form->may_be_as_is};
    (void) snprintf(source->syntax, sizeof(source->syntax), "%s", form->syntax ? form->syntax : "");
    parts.context = source;
    parts.made_bytes_max = largest_made(instances);
    cor_dicomweb_priv_send_parts(dicomweb->offload, req, res, &parts);
}

void cor_dicomweb_priv_retrieve_instances(CorHttpRequest *req, CorHttpResponse *res, void *context)
{
    CorDicomweb *dicomweb = context;
    CorCatalogUids uids = cor_dicomweb_priv_uids(req);
    COR_CLEANUP(cor_catalog_instances_freep) CorCatalogInstances *instances = NULL;
    CorAccept accept;
    CorInstancesForm form = {0};
    CorError err = {0};

    if (!cor_dicomweb_priv_accept_of(req, &accept, &err) ||
        !cor_dicomweb_priv_find_instances(dicomweb, &uids, &instances, &err) ||
        !choose(&accept, instances, &form, &err)) {
        cor_dicomweb_priv_refuse(res, &err);
        return;
    }
    form.may_be_as_is = form.may_be_as_is && !is_named(&accept, COR_SYNTAX_EXPLICIT_LE);
    cor_dicomweb_priv_send_instances(dicomweb, req, res, COR_TAKE(instances), &form);
}

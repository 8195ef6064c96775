/* SPDX-License-Identifier: Apache-2.0 */
/* Bulk data (PS3.18 section 10.4.1.1.5), by the URIs that metadata has: "bulkdata/" and a tag, or
 * tags and items down to one.  Pixel Data is the frames where they lie in the file and where it is
 * compressed; the rest a host reads, each value as a whole. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/array.h"
#include "base/fd.h"
#include "base/hash.h"
#include "dicomweb/syntax.h"
#include "dicomweb/wado-frames.h"

enum { PATH_MAX_BYTES = 512, TAG_DIGITS = 8, ITEM_DIGITS_MAX = 9 };

typedef struct Source {
    CorDicomweb *dicomweb;
    CorCatalogInstance *instance;
    char path[PATH_MAX_BYTES];
} Source;

static size_t span(const char *text, int (*is_part)(int))
{
    size_t len = 0;

    while (is_part((unsigned char) text[len])) {
        len++;
    }
    return len;
}

/* "<tag>" or "<tag>/<item>/<tag>", as deep as it fits. */
static bool is_path(const char *path)
{
    if (strlen(path) >= PATH_MAX_BYTES) {
        return false;
    }
    for (;;) {
        if (span(path, isxdigit) != TAG_DIGITS) {
            return false;
        }
        path += TAG_DIGITS;
        if (*path == '\0') {
            return true;
        }
        size_t digits = *path == '/' ? span(path + 1, isdigit) : 0;
        if (digits == 0 || digits > ITEM_DIGITS_MAX || path[1 + digits] != '/') {
            return false;
        }
        path += 1 + digits + 1;
    }
}

/* Pixel Data; float ones are values like others. */
static bool is_pixel_data(const char *path)
{
    return strcasecmp(path, "7FE00010") == 0;
}

/* Plain values that are not simply the frames: swapped, of single bits, inflated, or more of them
 * than there are frames. */
static bool is_one_value(const CorCatalogInstance *instance)
{
    CorSyntax syntax = cor_dicomweb_priv_syntax(instance->transfer_syntax_uid);

    return syntax.is_native && !syntax.is_encapsulated && instance->frame_bytes == 0;
}

static void describe(void *context, size_t index, CorPart *part)
{
    const Source *source = context;
    (void) index;

    part->is_work = true;
    cor_dicomweb_priv_type_with_syntax(part->type, COR_TYPE_OCTETS, COR_SYNTAX_EXPLICIT_LE);
    cor_dicomweb_priv_locate(source->dicomweb, source->instance, part->location, "/bulkdata/%s",
                             source->path);
}

static bool open_part(void *context, size_t index, CorPart *part, CorError *err)
{
    const Source *source = context;
    COR_CLEANUP(cor_fd_closep) int fd = -1;
    CorHostFile made = {.fd = -1};
    (void) index;

    if (!cor_dicomweb_priv_open_instance(source->dicomweb, source->instance, &fd, err) ||
        !cor_host_bulk(source->dicomweb->options.hosts, fd, source->path, COR_WADO_HOST_MS, &made,
                       err)) {
        return err->code == COR_ERR_LIMIT
                   ? cor_fail(err, COR_ERR_UNSUPPORTED,
                              "the value is larger than host_memory allows; Pixel Data can be had"
                              " frame by frame")
                   : false;
    }
    cor_dicomweb_priv_part_set_file(part, COR_TAKE_FD(made.fd), made.size_bytes);
    cor_host_file_done(&made);
    return true;
}

static void release(void *context)
{
    Source *source = context;

    free(source->instance);
    free(source);
}

static bool choose(const CorHttpRequest *req, bool *ret_is_multipart, CorError *err)
{
    static const CorAcceptOffer offers[] = {
        {.type = COR_TYPE_OCTETS, .transfer_syntax = COR_SYNTAX_EXPLICIT_LE, .is_default = true},
        {.type = COR_TYPE_OCTETS,
         .is_multipart = true,
         .transfer_syntax = COR_SYNTAX_EXPLICIT_LE,
         .is_default = true},
    };
    CorAccept accept;

    if (!cor_dicomweb_priv_accept_of(req, &accept, err)) {
        return false;
    }
    size_t best = cor_dicomweb_priv_accept_best(&accept, offers, 2);
    if (best == COR_ACCEPT_NONE) {
        return cor_fail(err, COR_ERR_UNSUPPORTED,
                        "bulk data comes as application/octet-stream, alone or in"
                        " multipart/related");
    }
    *ret_is_multipart = offers[best].is_multipart;
    return true;
}

static void send_value(CorDicomweb *dicomweb, CorHttpRequest *req, CorHttpResponse *res,
                       CorCatalogInstance *instance, const char *path)
{
    uint8_t digest[COR_SHA256_SIZE];
    char name[17];
    Source *source = cor_new(Source);
    CorParts parts = {.len = 1,
                      .type = COR_TYPE_OCTETS,
                      .describe = describe,
                      .open = open_part,
                      .release = release,
                      .context = source};
    CorError err = {0};

    if (!source) {
        free(instance);
        (void) cor_fail(&err, COR_ERR_NOMEM, "out of memory for an answer");
        cor_http_fail(res, NULL, &err);
        return;
    }
    *source = (Source){.dicomweb = dicomweb, .instance = instance};
    (void) snprintf(source->path, sizeof(source->path), "%s", path);
    if (!choose(req, &parts.is_multipart, &err)) {
        release(source);
        cor_dicomweb_priv_refuse(res, &err);
        return;
    }
    cor_sha256(path, strlen(path), digest);
    (void) cor_hex_encode(digest, sizeof(name) / 2, name);
    (void) snprintf(parts.etag, sizeof(parts.etag), "%s-b%s%s", instance->sha256, name,
                    parts.is_multipart ? "-m" : "");
    if (cor_dicomweb_priv_is_unchanged(req, res, parts.etag)) {
        release(source);
        return;
    }
    cor_dicomweb_priv_send_parts(dicomweb->offload, req, res, &parts);
}

void cor_dicomweb_priv_retrieve_bulkdata(CorHttpRequest *req, CorHttpResponse *res, void *context)
{
    CorDicomweb *dicomweb = context;
    CorCatalogUids uids = cor_dicomweb_priv_uids(req);
    const char *path = cor_http_req_param(req, "path");
    CorCatalogInstance *instance = NULL;
    CorError err = {0};

    if (!is_path(path)) {
        cor_http_problem(res, 400, NULL,
                         "a path of bulk data is a tag of eight hexadecimal digits, or tags with"
                         " the numbers of items between them");
        return;
    }
    if (!cor_dicomweb_priv_find_instance(dicomweb, &uids, &instance, &err)) {
        cor_dicomweb_priv_refuse(res, &err);
        return;
    }
    if (is_pixel_data(path) && instance->has_pixels && !is_one_value(instance)) {
        const CorFramesRequest request = {.instance = instance, .is_bulk = true};
        cor_dicomweb_priv_send_frames(dicomweb, req, res, &request);
        return;
    }
    send_value(dicomweb, req, res, instance, path);
}

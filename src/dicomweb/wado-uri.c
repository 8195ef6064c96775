/* SPDX-License-Identifier: Apache-2.0 */
/* WADO-URI (PS3.18 section 9): one object or one picture, all of it said in query parameters.
 *
 * contentType (else Accept) chooses between application/dicom and a picture.  If nothing is said,
 * an object with one frame is a picture and all others are objects (section 9.4.1). */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "dicomweb/syntax.h"
#include "dicomweb/wado-instances.h"
#include "dicomweb/wado-rendered.h"

#define TYPE_DICOM "application/dicom"

/* --- parameters --- */

static const char *required(const CorHttpRequest *req, const char *name, CorError *err)
{
    const char *value = cor_http_req_query(req, name);

    if (!value || value[0] == '\0') {
        (void) cor_fail(err, COR_ERR_INVALID, "%s is missing", name);
        return NULL;
    }
    return value;
}

/* What changes the picture or the object in ways that are not done must not pass in silence. */
static bool refuse_undone(const CorHttpRequest *req, CorError *err)
{
    static const char *const names[] = {"anonymize", "presentationUID", "presentationSeriesUID"};

    for (size_t i = 0; i < COR_ARRAY_LEN(names); i++) {
        if (cor_http_req_query(req, names[i])) {
            return cor_fail(err, COR_ERR_INVALID, "%s is not supported by this server", names[i]);
        }
    }
    return true;
}

static bool read_uids(const CorHttpRequest *req, CorCatalogUids *uids, CorError *err)
{
    const char *type = required(req, "requestType", err);

    if (!type) {
        return false;
    }
    if (strcmp(type, "WADO") != 0) {
        return cor_fail(err, COR_ERR_INVALID, "requestType must be WADO");
    }
    return refuse_undone(req, err) && (uids->study_instance_uid = required(req, "studyUID", err)) &&
           (uids->series_instance_uid = required(req, "seriesUID", err)) &&
           (uids->sop_instance_uid = required(req, "objectUID", err));
}

static bool read_window(const CorHttpRequest *req, CorRenderParams *params, CorError *err)
{
    const char *center = cor_http_req_query(req, "windowCenter");
    const char *width = cor_http_req_query(req, "windowWidth");

    if (!center && !width) {
        return true;
    }
    if (!center || !width || !cor_dicomweb_priv_read_decimal(center, &params->window_center) ||
        !cor_dicomweb_priv_read_decimal(width, &params->window_width) ||
        !(params->window_width > 0)) {
        return cor_fail(err, COR_ERR_INVALID,
                        "windowCenter and windowWidth must both be numbers, the width above 0");
    }
    params->has_window = true;
    return true;
}

/* region=xmin,ymin,xmax,ymax, each from 0 to 1 (section 9.1.2.4.1). */
static bool read_region(const CorHttpRequest *req, const CorCatalogInstance *instance,
                        CorRenderParams *params, CorError *err)
{
    const char *text = cor_http_req_query(req, "region");
    double values[4] = {0};
    char field[32];

    if (!text) {
        return true;
    }
    bool ok = true;
    for (size_t i = 0; ok && i < COR_ARRAY_LEN(values); i++) {
        size_t len = strcspn(text, ",");
        ok = len < sizeof(field) && (text[len] == ',') == (i + 1 < COR_ARRAY_LEN(values));
        if (ok) {
            memcpy(field, text, len);
            field[len] = '\0';
            ok = cor_dicomweb_priv_read_decimal(field, &values[i]) && values[i] >= 0 &&
                 values[i] <= 1;
            text += len + (text[len] == ',');
        }
    }
    if (!ok || values[0] >= values[2] || values[1] >= values[3]) {
        return cor_fail(err, COR_ERR_INVALID,
                        "region must be four numbers from 0 to 1, left and top before right and"
                        " bottom");
    }
    double left = floor(values[0] * instance->columns);
    double top = floor(values[1] * instance->rows);
    double right = ceil(values[2] * instance->columns);
    double bottom = ceil(values[3] * instance->rows);
    params->has_region = true;
    params->region = (CorHostRegion){.left_px = (size_t) left,
                                     .top_px = (size_t) top,
                                     .width_px = (size_t) COR_MAX(right - left, 1.0),
                                     .height_px = (size_t) COR_MAX(bottom - top, 1.0)};
    return true;
}

static bool read_params(const CorHttpRequest *req, const CorCatalogInstance *instance,
                        CorRenderParams *ret_params, CorError *err)
{
    const int64_t sides[] = {1, COR_RENDER_SIDE_MAX};
    const int64_t qualities[] = {1, 100};
    CorRenderParams params = {0};
    int64_t rows = 0;
    int64_t columns = 0;
    int64_t quality = 0;

    if (!cor_http_req_query_integer(req, "rows", sides, 0, &rows, err) ||
        !cor_http_req_query_integer(req, "columns", sides, 0, &columns, err) ||
        !cor_http_req_query_integer(req, "imageQuality", qualities, 0, &quality, err) ||
        !read_window(req, &params, err) || !read_region(req, instance, &params, err)) {
        return false;
    }
    if (rows > 0 || columns > 0) { /* one of them alone leaves the other one open */
        params.may_enlarge = true;
        params.height_px = (size_t) (rows ? rows : COR_RENDER_SIDE_MAX);
        params.width_px = (size_t) (columns ? columns : COR_RENDER_SIDE_MAX);
    }
    params.quality = (int) quality;
    params.is_annotated = cor_http_req_query(req, "annotation") != NULL;
    *ret_params = params;
    return true;
}

/* --- answers --- */

static void send_picture(CorDicomweb *dicomweb, CorHttpRequest *req, CorHttpResponse *res,
                         CorCatalogInstances *instances, const CorAccept *accept)
{
    const CorCatalogInstance *instance = instances->items[0];
    const int64_t frames[] = {1, INT32_MAX};
    int64_t frame = 0;
    CorPicturesRequest request = {.instances = instances, .len = 1, .accept = accept};
    CorError err = {0};

    bool ok = cor_http_req_query_integer(req, "frameNumber", frames, 1, &frame, &err) &&
              read_params(req, instance, &request.params, &err);
    if (ok && (!instance->has_pixels || frame > instance->frames)) {
        ok = cor_fail(&err, COR_ERR_NOT_FOUND, "the object has no such frame");
    }
    if (ok) {
        request.pictures = cor_new_array(CorPicture, 1);
        ok = request.pictures || cor_fail(&err, COR_ERR_NOMEM, "out of memory for a picture");
    }
    if (!ok) {
        cor_catalog_instances_free(instances);
        cor_dicomweb_priv_refuse(res, &err);
        return;
    }
    request.pictures[0].frame = (uint32_t) frame;
    cor_dicomweb_priv_send_pictures(dicomweb, req, res, &request);
}

static void send_object(CorDicomweb *dicomweb, CorHttpRequest *req, CorHttpResponse *res,
                        CorCatalogInstances *instances)
{
    const char *syntax = cor_http_req_query(req, "transferSyntax");
    CorInstancesForm form = {.syntax = COR_SYNTAX_EXPLICIT_LE, .may_be_as_is = !syntax};
    CorError err = {0};
    bool is_as_stored = syntax && (strcmp(syntax, "*") == 0 ||
                                   strcmp(syntax, instances->items[0]->transfer_syntax_uid) == 0);

    if (is_as_stored) {
        form.syntax = NULL;
    } else if (syntax && !cor_uid_is_legal(syntax)) {
        (void) cor_fail(&err, COR_ERR_INVALID, "transferSyntax must be a UID");
    } else if (syntax && !cor_host_can_encode(syntax)) {
        (void) cor_fail(&err, COR_ERR_UNSUPPORTED, "this server cannot write that transfer syntax");
    } else if (syntax) {
        form.syntax = syntax;
    }
    if (cor_http_req_query(req, "frameNumber")) {
        (void) cor_fail(&err, COR_ERR_INVALID, "frameNumber does not go with application/dicom");
    }
    if (err.code != COR_OK) {
        cor_catalog_instances_free(instances);
        cor_dicomweb_priv_refuse(res, &err);
        return;
    }
    cor_dicomweb_priv_send_instances(dicomweb, req, res, instances, &form);
}

/* What is accepted: the list in contentType, else the header. */
static bool read_accept(const CorHttpRequest *req, CorAccept *ret_accept, CorError *err)
{
    const char *types = cor_http_req_query(req, "contentType");

    ret_accept->len = 0;
    return types ? cor_dicomweb_priv_accept_add(ret_accept, types, err)
                 : cor_dicomweb_priv_accept_of(req, ret_accept, err);
}

static void retrieve(CorDicomweb *dicomweb, CorHttpRequest *req, CorHttpResponse *res)
{
    static const char *const picture_first[] = {"image/jpeg", "image/png", TYPE_DICOM};
    static const char *const object_first[] = {TYPE_DICOM, "image/jpeg", "image/png"};
    CorCatalogUids uids = {0};
    COR_CLEANUP(cor_catalog_instances_freep) CorCatalogInstances *instances = NULL;
    CorAccept accept;
    CorError err = {0};

    if (!read_uids(req, &uids, &err) || !read_accept(req, &accept, &err) ||
        !cor_dicomweb_priv_find_instances(dicomweb, &uids, &instances, &err)) {
        cor_dicomweb_priv_refuse(res, &err);
        return;
    }
    const CorCatalogInstance *instance = instances->items[0];
    bool is_picture =
        instance->has_pixels && (instance->frames == 1 || cor_http_req_query(req, "frameNumber"));
    const char *const *types = is_picture ? picture_first : object_first;
    size_t best = cor_dicomweb_priv_accept_type(&accept, types, COR_ARRAY_LEN(picture_first));
    if (best == COR_ACCEPT_NONE) {
        cor_http_problem(res, 406, NULL,
                         "objects come as application/dicom, image/jpeg or image/png");
    } else if (strcmp(types[best], TYPE_DICOM) == 0) {
        send_object(dicomweb, req, res, COR_TAKE(instances));
    } else {
        /* contentType may be what chose it: the picture must be of that type. */
        CorAccept chosen = {.len = 0};
        if (!cor_dicomweb_priv_accept_add(&chosen, types[best], &err)) {
            cor_dicomweb_priv_refuse(res, &err);
            return;
        }
        send_picture(dicomweb, req, res, COR_TAKE(instances), &chosen);
    }
}

/* The root of the services, for people who try the URL. */
static void show_services(CorDicomweb *dicomweb, CorHttpResponse *res)
{
    const char *url = dicomweb->options.public_url(dicomweb->options.context);

    cor_http_res_json(res, 200,
                      json_pack("{s:s, s:s+, s:s+, s:s+}", "service", "DICOMweb (PS3.18)",
                                "studies", url, "/dicom-web/studies", "wado", url,
                                "/dicom-web/wado?requestType=WADO", "changes", url,
                                "/dicom-web/changes"));
}

void cor_dicomweb_priv_retrieve_uri(CorHttpRequest *req, CorHttpResponse *res, void *context)
{
    bool is_root = strstr(cor_http_req_pattern(req), "wado") == NULL;

    if (is_root && !cor_http_req_query(req, "requestType")) {
        show_services(context, res);
    } else {
        retrieve(context, req, res);
    }
}

/* SPDX-License-Identifier: Apache-2.0 */
/* One mask, every rendition.
 *
 * Names are a function of the inputs (invariant 5).  The overlay's instance: of source SOP Instance
 * UID, algorithm, version and parameters; its series: of source Series UID, algorithm, version and
 * parameters.  Segmentation and report: of all source SOP Instance UIDs and the same.  The frame is
 * taken in where an image has several, the scope where the mask depends on the other slices.
 *
 * Where nothing was found there is no Segmentation, which has no frame to hold, and no report,
 * which has nothing to refer to.
 */
#include "host/host-renditions.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "dicom/dicom-capture.h"
#include "dicom/dicom-gate.h"
#include "host/host-report.h"
#include "image/encode.h"
#include "image/overlay.h"
#include "image/scale.h"

enum { THUMBNAIL_PX = 128 };

static const size_t picture_max_bytes = (size_t) 256 * 1024 * 1024;
static const size_t figures_max_bytes = (size_t) 64 * 1024 * 1024;

/* --- pictures --- */

/* Grey slice with its mask, in the run's buffer. */
static bool draw(CorHostRunning *run, const uint8_t *mask, CorPlane *ret_plane, CorError *err)
{
    const CorPlane *grey = cor_dicom_frame_plane(run->values);
    size_t row_bytes = 0;
    size_t size = 0;

    if (!cor_size_mul(grey->width_px, 3, &row_bytes, err) ||
        !cor_size_mul(row_bytes, grey->height_px, &size, err)) {
        return false;
    }
    if (size > run->picture_bytes) {
        free(run->picture);
        run->picture = malloc(size);
        run->picture_bytes = run->picture ? size : 0;
    }
    if (!run->picture) {
        return cor_fail(err, COR_ERR_NOMEM, "out of memory for an overlay");
    }
    *ret_plane = (CorPlane){.data = run->picture,
                            .width_px = grey->width_px,
                            .height_px = grey->height_px,
                            .row_bytes = row_bytes,
                            .type = COR_PIXEL_RGB8};
    /* The reference's magenta has a kernel of its own. */
    if (!cor_image_overlay(grey, run->is_magenta ? mask : NULL, run->picture, NULL, err)) {
        return false;
    }
    if (!run->is_magenta) {
        cor_image_paint_labels(mask, grey->width_px * grey->height_px, run->palette, run->picture);
    }
    return true;
}

static bool send_png(CorHostRunning *run, const char *role, const CorPlane *plane,
                     const char *refusal, CorError *err)
{
    COR_CLEANUP(cor_string_freep) CorString *file = cor_string_new(picture_max_bytes);
    COR_CLEANUP(cor_json_freep)
    json_t *output = json_pack("{s:s, s:s, s:I, s:I, s:s*}", "role", role, "media_type",
                               "image/png", "width", (json_int_t) plane->width_px, "height",
                               (json_int_t) plane->height_px, "refusal", refusal);

    return cor_image_append_png(plane, file, err) && cor_string_check(file, err) &&
           cor_host_priv_output(run->host, output, cor_string_text(file), cor_string_size(file),
                                err);
}

/* --- through the gate, and out --- */

/* The catalogue record of what was written: whoever stores it need not look into it. */
static bool make_record(const CorHostObject *object, json_t **ret_record, CorError *err)
{
    COR_CLEANUP(cor_dicom_freep) CorDicom *dicom = NULL;
    const CorDicomLimits limits = {.json_bytes_max = 512 * 1024};
    char *text = NULL;
    size_t text_size = 0;

    if (!cor_dicom_open_memory(object->file, object->size, &limits, &dicom, err) ||
        !cor_dicom_index_json(dicom, &text, &text_size, err)) {
        cor_error_wrap(err, "derived object");
        return false;
    }
    bool ok = cor_json_parse(text, text_size, ret_record, err);
    free(text);
    return ok;
}

bool cor_host_priv_note_uid(CorHostRunning *run, const char *uid, CorError *err)
{
    for (size_t i = 0; i < run->uid_len; i++) {
        if (strcmp(run->uids[i], uid) == 0) {
            return cor_fail(err, COR_ERR_DENIED, "it has the UID of another object of its job");
        }
    }
    if (run->uid_len == run->uid_room) {
        size_t room = run->uid_room ? 2 * run->uid_room : 64;
        char(*more)[COR_UID_SIZE] = realloc(run->uids, room * COR_UID_SIZE);
        if (!more) {
            return cor_fail(err, COR_ERR_NOMEM, "out of memory for UIDs");
        }
        run->uids = more;
        run->uid_room = room;
    }
    (void) snprintf(run->uids[run->uid_len++], COR_UID_SIZE, "%s", uid);
    return true;
}

static json_t *describe_object(const CorHostObject *object)
{
    json_t *json = json_pack("{s:s, s:s, s:I, s:s, s:s}", "role", object->role, "media_type",
                             "application/dicom", "source", (json_int_t) object->first->input,
                             "sop_instance_uid", object->sop_instance_uid, "series_instance_uid",
                             object->series_instance_uid);

    if (json && object->first->source.frames > 1) {
        (void) json_object_set_new(json, "frame",
                                   json_integer((json_int_t) object->first->source.frame + 1));
    }
    return json;
}

/* What the gate refused goes to where people can look at it, with the picture that was drawn last.
 */
static bool send_refused(CorHostRunning *run, const CorHostObject *object, const CorError *why,
                         CorError *err)
{
    COR_CLEANUP(cor_json_freep) json_t *output = describe_object(object);
    CorPlane picture = {.type = COR_PIXEL_RGB8};

    if (!output || json_object_set_new(output, "refusal", json_string(why->text)) != 0) {
        return cor_fail(err, COR_ERR_NOMEM, "out of memory for an output");
    }
    if (!cor_host_priv_output(run->host, output, object->file, object->size, err)) {
        return false;
    }
    if (run->values && run->picture) {
        const CorPlane *grey = cor_dicom_frame_plane(run->values);
        picture.data = run->picture;
        picture.width_px = grey->width_px;
        picture.height_px = grey->height_px;
        picture.row_bytes = 3 * grey->width_px;
        if (!send_png(run, "preview", &picture, why->text, err)) {
            return false;
        }
    }
    return cor_fail(err, COR_ERR_DENIED, "the gate refused the %s: %s", object->role, why->text);
}

#ifdef COR_FAILPOINTS
/* For tests: put the object that COR_BREAK_RENDITION names somewhere else, to prove that the gate
 * finds it. */
static void break_rendition(const CorHostObject *object)
{
    const char *role = getenv("COR_BREAK_RENDITION");
    const char *position = object->first->source.position;
    char *at = role && position[0] && strcmp(role, object->role) == 0
                   ? memmem(object->file, object->size, position, strlen(position))
                   : NULL;
    char *digit = at ? at + strcspn(at, "0123456789") : NULL;

    if (digit) {
        *digit = *digit == '9' ? '8' : (char) (*digit + 1);
    }
}
#else
static void break_rendition(const CorHostObject *object)
{
    (void) object;
}
#endif

static bool send_object(CorHostRunning *run, const CorHostObject *object, CorError *err)
{
    COR_CLEANUP(cor_json_freep) json_t *output = NULL;
    const CorDicomGate gate = {.sources = object->sources,
                               .source_len = object->source_len,
                               .sibling_uids = object->sibling_uids,
                               .sibling_len = object->sibling_len};
    json_t *record = NULL;
    CorError why = {0};

    break_rendition(object);
    if (!cor_dicom_gate(&gate, object->file, object->size, &why) ||
        !cor_host_priv_note_uid(run, object->sop_instance_uid, &why)) {
        return why.code == COR_ERR_DENIED ? send_refused(run, object, &why, err)
                                          : cor_fail(err, why.code, "%s", why.text);
    }
    if (!make_record(object, &record, err)) {
        return false;
    }
    output = describe_object(object);
    if (!output || json_object_set_new(output, "record", record) != 0 ||
        (object->details && json_object_update(output, object->details) != 0)) {
        return cor_fail(err, COR_ERR_NOMEM, "out of memory for an output");
    }
    return cor_host_priv_output(run->host, output, object->file, object->size, err);
}

bool cor_host_priv_send_object(CorHostRunning *run, CorHostObject *object, CorError *err)
{
    bool ok = send_object(run, object, err);

    free(object->file);
    json_decref(object->details);
    object->file = NULL;
    object->details = NULL;
    return ok;
}

/* --- the overlay of a slice --- */

static bool send_overlay(CorHostRunning *run, const CorAlgoResult *result, const CorPlane *picture,
                         CorError *err)
{
    const CorHostSlice *slice = &run->slices.items[result->slice];
    const CorDicomSource *source = &slice->source;
    const CorAlgorithm *algorithm = run->algorithm;
    char frame[24];
    const char *names[6] = {source->sop_instance_uid, algorithm->id, algorithm->version,
                            run->params_text};
    size_t len = 4;
    char sop_instance_uid[COR_UID_SIZE];
    char series_instance_uid[COR_UID_SIZE];
    CorDicomCapture capture = {.algo_id = algorithm->id,
                               .algo_version = algorithm->version,
                               .algo_title = algorithm->title,
                               .params_text = run->params_text,
                               .sop_instance_uid = sop_instance_uid,
                               .series_instance_uid = series_instance_uid,
                               .content_unix_ms = run->accepted_unix_ms,
                               .plane = *picture};
    CorHostObject object = {.role = "overlay",
                            .first = slice,
                            .sources = source,
                            .source_len = 1,
                            .sop_instance_uid = sop_instance_uid,
                            .series_instance_uid = series_instance_uid};

    if (source->frames > 1) {
        snprintf(frame, sizeof(frame), "frame %u", source->frame + 1);
        names[len++] = frame;
    }
    if (algorithm->is_volumetric) {
        names[len++] = run->scope;
    }
    cor_uid_from_texts(names, len, sop_instance_uid);
    names[0] = source->series_instance_uid;
    cor_uid_from_texts(names, 4, series_instance_uid);
    if (!cor_dicom_write_secondary_capture(run->dicom, source->frame, &capture, &object.file,
                                           &object.size, err)) {
        return false;
    }
    object.details =
        json_pack("{s:s, s:b, s:O}", "source_sop_instance_uid", source->sop_instance_uid, "found",
                  result->is_found, "measurements", run->measurements);
    return cor_host_priv_send_object(run, &object, err);
}

static bool note_figures(CorHostRunning *run, const CorAlgoResult *result, CorError *err)
{
    const CorDicomSource *source = &run->slices.items[result->slice].source;
    json_t *figures = json_pack("{s:s, s:b, s:O}", "sop_instance_uid", source->sop_instance_uid,
                                "found", result->is_found, "measurements", run->measurements);

    if (figures && source->frames > 1) {
        (void) json_object_set_new(figures, "frame", json_integer(source->frame + 1));
    }
    if (!run->slice_figures) {
        run->slice_figures = json_array();
    }
    return json_array_append_new(run->slice_figures, figures) == 0 ||
           cor_fail(err, COR_ERR_NOMEM, "out of memory for measurements");
}

bool cor_host_priv_render_slice(CorHostRunning *run, const CorAlgoResult *result, CorError *err)
{
    CorPlane picture;

    if (run->wishes.measurements && !note_figures(run, result, err)) {
        return false;
    }
    return !run->wishes.overlay ||
           (draw(run, result->mask, &picture, err) && send_overlay(run, result, &picture, err));
}

/* --- of the whole run --- */

/* The slice on which most was found, or the middle one, drawn. */
static bool draw_largest(CorHostRunning *run, CorPlane *ret_picture, CorError *err)
{
    size_t slice = run->tally.largest_px > 0 ? run->tally.largest : run->slices.len / 2;

    if (!cor_host_priv_run_load(run, slice, err)) {
        return false;
    }
    const CorPlane *plane = cor_dicom_frame_plane(run->values);
    size_t len = plane->width_px * plane->height_px;
    uint8_t *mask = cor_new_array(uint8_t, len);
    if (!mask) {
        return cor_fail(err, COR_ERR_NOMEM, "out of memory for a picture");
    }
    cor_host_priv_tally_draw(&run->tally, slice, mask, len);
    bool ok = draw(run, mask, ret_picture, err);
    free(mask);
    return ok;
}

static bool send_thumbnail(CorHostRunning *run, const CorPlane *picture, CorError *err)
{
    double longest = (double) COR_MAX(picture->width_px, picture->height_px);
    double factor = COR_MIN(THUMBNAIL_PX / longest, 1.0);
    CorPlane small = {
        .width_px = COR_MAX((size_t) ((double) picture->width_px * factor + 0.5), (size_t) 1),
        .height_px = COR_MAX((size_t) ((double) picture->height_px * factor + 0.5), (size_t) 1),
        .type = picture->type,
    };

    small.row_bytes = small.width_px * cor_pixel_size(small.type);
    size_t thumbnail_bytes = small.row_bytes * small.height_px; /* at most 3 * 128 * 128 */
    uint8_t *bytes = cor_new_array(uint8_t, thumbnail_bytes);
    if (!bytes) {
        return cor_fail(err, COR_ERR_NOMEM, "out of memory for a picture");
    }
    small.data = bytes;
    bool ok =
        cor_image_scale(picture, &small, err) && send_png(run, "thumbnail", &small, NULL, err);
    free(bytes);
    return ok;
}

static json_t *describe_labels(const CorAlgorithm *algorithm)
{
    json_t *labels = json_array();

    for (size_t i = 0; i < algorithm->label_len; i++) {
        const CorAlgoLabel *label = &algorithm->labels[i];
        const CorAlgoCode *codes[] = {&label->category, &label->type, &label->side};
        static const char *const names[] = {"category", "type", "side"};
        json_t *json =
            json_pack("{s:i, s:s, s:s, s:[i, i, i]}", "number", label->number, "id", label->id,
                      "name", label->name, "rgb", label->rgb[0], label->rgb[1], label->rgb[2]);
        for (size_t n = 0; n < COR_ARRAY_LEN(codes); n++) {
            if (codes[n]->value) {
                (void) json_object_set_new(json, names[n],
                                           json_pack("{s:s, s:s, s:s}", "value", codes[n]->value,
                                                     "scheme", codes[n]->scheme, "meaning",
                                                     codes[n]->meaning));
            }
        }
        (void) json_array_append_new(labels, json);
    }
    return labels;
}

static bool send_figures(CorHostRunning *run, CorError *err)
{
    const CorDicomSource *first = &run->slices.items[0].source;
    const CorAlgorithm *algorithm = run->algorithm;
    COR_CLEANUP(cor_json_freep)
    json_t *output =
        json_pack("{s:s, s:s}", "role", "measurements", "media_type", "application/json");
    COR_CLEANUP(cor_json_freep)
    json_t *json = json_pack(
        "{s:s, s:s, s:O, s:s, s:s, s:s, s:o, s:O, s:O*}", "algo_id", algorithm->id, "algo_version",
        algorithm->version, "params", run->params, "scope", run->scope, "study_instance_uid",
        first->study_instance_uid, "series_instance_uid", first->series_instance_uid, "labels",
        describe_labels(algorithm), "measurements", run->summary, "slices", run->slice_figures);
    char *text = json ? cor_json_canonical(json) : NULL;

    if (!text) {
        return cor_fail(err, COR_ERR_NOMEM, "out of memory for measurements");
    }
    size_t size = strlen(text);
    bool ok = size <= figures_max_bytes
                  ? cor_host_priv_output(run->host, output, text, size, err)
                  : cor_fail(err, COR_ERR_LIMIT, "there are too many measurements for a file");
    free(text);
    return ok;
}

bool cor_host_priv_render_run(CorHostRunning *run, CorError *err)
{
    const CorHostWishes *wishes = &run->wishes;
    bool is_found = run->tally.mask_len > 0;
    CorPlane picture = {0};

    if (!cor_host_priv_check(run->host, err)) {
        return false;
    }
    if ((wishes->preview || (is_found && (wishes->segmentation || wishes->report))) &&
        !draw_largest(run, &picture, err)) {
        return false;
    }
    if (is_found && (wishes->segmentation || wishes->report) &&
        !cor_host_priv_report_run(run, err)) {
        return false;
    }
    return (!wishes->preview || (send_png(run, "preview", &picture, NULL, err) &&
                                 send_thumbnail(run, &picture, err))) &&
           (!wishes->measurements || send_figures(run, err));
}

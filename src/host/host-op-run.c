/* SPDX-License-Identifier: Apache-2.0 */
/* run: an algorithm over the slices of a request.
 *
 * Headers are read first, to put the slices in order; pixels when the algorithm asks for a slice,
 * so that one is in memory at a time.  What comes out for a slice is drawn, written as a Secondary
 * Capture and sent at once, so that a series of any length needs no more memory than one slice.
 *
 * Names are a function of the inputs (invariant 5): the instance of source SOP Instance UID,
 * algorithm, version and parameters; the series of source Series UID, algorithm, version and
 * parameters.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "algo/algo.h"
#include "base/array.h"
#include "base/id.h"
#include "base/time.h"
#include "dicom/dicom-capture.h"
#include "host/host-op.h"
#include "host/host-slices.h"
#include "image/overlay.h"

/* Over all slices; means and deviations are those of all pixels found. */
typedef struct Totals {
    size_t found_len;
    double area_px;
    double area_mm2;
    bool has_area_mm2;
    double sum;     /* of values */
    double squares; /* of values */
} Totals;

typedef struct Run {
    CorHostContext *host;
    const CorAlgorithm *algorithm;
    const json_t *params;
    char *params_text; /* canonical */
    int64_t accepted_unix_ms;
    bool wants_overlay;
    CorHostSlices slices;
    /* The slice that is loaded. */
    size_t loaded; /* index into slices; slices.len: none */
    CorDicom *dicom;
    CorDicomFrame *values;
    uint8_t *picture;
    size_t picture_bytes;
    Totals totals;
    json_t *measurements; /* of the latest slice */
    json_t *conclusion;   /* of the algorithm, NULL if it had none */
    bool has_reported;
    int64_t emit_us;
} Run;

static void unload(Run *run)
{
    cor_dicom_frame_free(run->values);
    cor_dicom_free(run->dicom);
    run->values = NULL;
    run->dicom = NULL;
    run->loaded = run->slices.len;
}

static void run_done(Run *run)
{
    unload(run);
    cor_host_priv_slices_done(&run->slices);
    free(run->picture);
    free(run->params_text);
    json_decref(run->measurements);
    json_decref(run->conclusion);
}

/* Report; the first report of a run is 0 and the last 1, whatever the algorithm says. */
static bool report(void *context, double fraction, CorError *err)
{
    Run *run = context;

    if (!run->has_reported) {
        run->has_reported = true;
        if (!cor_host_priv_progress(run->host, 0, "compute", err)) {
            return false;
        }
    }
    /* The 1 comes when everything has been sent. */
    return fraction >= 1 ? cor_host_priv_check(run->host, err)
                         : cor_host_priv_progress(run->host, fraction, "compute", err);
}

/* What the header says of a slice. */
static CorAlgoSlice describe_slice(const CorHostSlice *source)
{
    CorAlgoSlice slice = {.plane = {.width_px = source->columns, .height_px = source->rows},
                          .row_spacing_mm = source->row_spacing_mm,
                          .column_spacing_mm = source->column_spacing_mm,
                          .thickness_mm = source->thickness_mm,
                          .has_place = source->has_position};

    memcpy(slice.position_mm, source->position_mm, sizeof(slice.position_mm));
    memcpy(slice.orientation, source->orientation, sizeof(slice.orientation));
    return slice;
}

static bool describe(void *context, size_t slice, CorAlgoSlice *ret_slice, CorError *err)
{
    const Run *run = context;

    if (slice >= run->slices.len) {
        return cor_fail(err, COR_ERR_BUG, "the algorithm asks for a slice that there is not");
    }
    *ret_slice = describe_slice(&run->slices.items[slice]);
    return true;
}

static bool load(void *context, size_t slice, CorAlgoSlice *ret_slice, CorError *err)
{
    Run *run = context;

    if (!describe(run, slice, ret_slice, err)) {
        return false;
    }
    unload(run);
    run->loaded = slice;
    if (!cor_host_priv_check(run->host, err) ||
        !cor_host_priv_open_input(run->host, run->slices.items[slice].input, &run->dicom, err) ||
        !cor_dicom_modality_plane(run->dicom, 0, &run->values, err)) {
        return false;
    }
    ret_slice->plane = *cor_dicom_frame_plane(run->values);
    return true;
}

static void add_up(Totals *totals, const CorAlgoResult *result)
{
    const json_t *measured = result->measurements;
    double area = cor_json_number(measured, "area_px", 0);
    double mean = cor_json_number(measured, "mean_hu", 0);
    double deviation = cor_json_number(measured, "sd_hu", 0);

    if (!result->is_found) {
        return;
    }
    totals->found_len++;
    totals->area_px += area;
    totals->has_area_mm2 |= json_object_get(measured, "area_mm2") != NULL;
    totals->area_mm2 += cor_json_number(measured, "area_mm2", 0);
    totals->sum += area * mean;
    totals->squares += area * (deviation * deviation + mean * mean);
}

/* Grey slice with its mask, in the run's buffer. */
static bool draw(Run *run, const uint8_t *mask, CorPlane *ret_plane, CorError *err)
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
    return cor_image_overlay(grey, mask, run->picture, NULL, err);
}

/* The catalogue record of what was written: whoever stores it need not look into it. */
static bool make_record(const void *file, size_t size, json_t **ret_record, CorError *err)
{
    COR_CLEANUP(cor_dicom_freep) CorDicom *dicom = NULL;
    const CorDicomLimits limits = {.json_bytes_max = 512 * 1024};
    char *text = NULL;
    size_t text_size = 0;

    if (!cor_dicom_open_memory(file, size, &limits, &dicom, err) ||
        !cor_dicom_index_json(dicom, &text, &text_size, err)) {
        cor_error_wrap(err, "derived object");
        return false;
    }
    bool ok = cor_json_parse(text, text_size, ret_record, err);
    free(text);
    return ok;
}

static bool send_capture(Run *run, const CorAlgoResult *result, const CorDicomCapture *capture,
                         CorError *err)
{
    const CorHostSlice *source = &run->slices.items[result->slice];
    COR_CLEANUP(cor_json_freep) json_t *output = NULL;
    uint8_t *file = NULL;
    size_t size = 0;
    json_t *record = NULL;

    if (!cor_dicom_write_secondary_capture(run->dicom, 0, capture, &file, &size, err)) {
        return false;
    }
    bool ok = make_record(file, size, &record, err);
    if (ok) {
        output = json_pack("{s:s, s:s, s:I, s:s, s:s, s:s, s:b, s:O*, s:o}", "role", "overlay",
                           "media_type", "application/dicom", "source", (json_int_t) source->input,
                           "sop_instance_uid", capture->sop_instance_uid, "series_instance_uid",
                           capture->series_instance_uid, "source_sop_instance_uid",
                           source->sop_instance_uid, "found", result->is_found, "measurements",
                           result->measurements, "record", record);
        ok = cor_host_priv_output(run->host, output, file, size, err);
    }
    free(file);
    return ok;
}

static bool emit_overlay(Run *run, const CorAlgoResult *result, CorError *err)
{
    const CorHostSlice *source = &run->slices.items[result->slice];
    const CorAlgorithm *algorithm = run->algorithm;
    const char *instance[] = {source->sop_instance_uid, algorithm->id, algorithm->version,
                              run->params_text};
    const char *series[] = {source->series_instance_uid, algorithm->id, algorithm->version,
                            run->params_text};
    char sop_instance_uid[COR_UID_SIZE];
    char series_instance_uid[COR_UID_SIZE];
    CorDicomCapture capture = {.algo_id = algorithm->id,
                               .algo_version = algorithm->version,
                               .algo_title = algorithm->title,
                               .params_text = run->params_text,
                               .sop_instance_uid = sop_instance_uid,
                               .series_instance_uid = series_instance_uid,
                               .content_unix_ms = run->accepted_unix_ms};

    cor_uid_from_texts(instance, COR_ARRAY_LEN(instance), sop_instance_uid);
    cor_uid_from_texts(series, COR_ARRAY_LEN(series), series_instance_uid);
    return draw(run, result->mask, &capture.plane, err) && send_capture(run, result, &capture, err);
}

static bool emit(void *context, const CorAlgoResult *result, CorError *err)
{
    Run *run = context;
    int64_t before_us = cor_time_us();

    if (result->slice != run->loaded) {
        CorAlgoSlice again;
        if (!load(run, result->slice, &again, err)) {
            return false;
        }
    }
    if (run->slices.items[result->slice].is_emitted) {
        return cor_fail(err, COR_ERR_BUG, "the algorithm emits a slice twice");
    }
    run->slices.items[result->slice].is_emitted = true;
    add_up(&run->totals, result);
    json_decref(run->measurements);
    run->measurements = json_incref(result->measurements);
    bool ok = !run->wants_overlay || emit_overlay(run, result, err);
    run->emit_us += cor_time_us() - before_us;
    return ok;
}

static bool conclude(void *context, const json_t *measurements, CorError *err)
{
    Run *run = context;

    if (run->conclusion || !json_is_object(measurements)) {
        return cor_fail(err, COR_ERR_BUG, "the algorithm concludes twice, or with nothing");
    }
    run->conclusion = json_deep_copy(measurements);
    return run->conclusion || cor_fail(err, COR_ERR_NOMEM, "out of memory for measurements");
}

static bool is_wanted(const json_t *outputs, const char *role)
{
    size_t i = 0;
    json_t *name = NULL;

    if (!json_is_array(outputs)) {
        return true;
    }
    json_array_foreach(outputs, i, name)
    {
        if (json_is_string(name) && strcmp(json_string_value(name), role) == 0) {
            return true;
        }
    }
    return false;
}

static unsigned scope_bit(const char *name)
{
    return strcmp(name, "image") == 0    ? COR_SCOPE_IMAGE
           : strcmp(name, "series") == 0 ? COR_SCOPE_SERIES
           : strcmp(name, "study") == 0  ? COR_SCOPE_STUDY
                                         : 0;
}

static bool read_request(Run *run, const json_t *request, CorError *err)
{
    const char *scope = cor_json_string(request, "scope", "image");

    run->algorithm = cor_algo_find(cor_json_string(request, "algo_id", ""));
    if (!run->algorithm) {
        return cor_fail(err, COR_ERR_NOT_FOUND, "the host does not know this algorithm");
    }
    if (!(run->algorithm->scopes & scope_bit(scope))) {
        return cor_fail(err, COR_ERR_UNSUPPORTED, "%s does not work on this scope",
                        run->algorithm->id);
    }
    run->params = json_object_get(request, "params");
    if (!json_is_object(run->params)) {
        return cor_fail(err, COR_ERR_INVALID, "params must be an object");
    }
    run->params_text = cor_json_canonical(run->params);
    if (!run->params_text) {
        return cor_fail(err, COR_ERR_NOMEM, "out of memory for parameters");
    }
    run->accepted_unix_ms = cor_json_integer(request, "accepted_unix_ms", 0);
    run->wants_overlay = is_wanted(json_object_get(request, "outputs"), "overlay");
    return true;
}

/* A slice's own measurements, or those of a whole series. */
static json_t *summarise(const Run *run)
{
    const Totals *totals = &run->totals;

    if (run->slices.len == 1 && run->measurements && !run->conclusion) {
        return json_incref(run->measurements);
    }
    json_t *json =
        json_pack("{s:b, s:I, s:I, s:I}", "found", totals->found_len > 0, "slices",
                  (json_int_t) run->slices.len, "found_slices", (json_int_t) totals->found_len,
                  "area_px", (json_int_t) totals->area_px);
    if (json && totals->has_area_mm2) {
        (void) json_object_set_new(json, "area_mm2", json_real(totals->area_mm2));
    }
    if (json && totals->area_px > 0) {
        double mean = totals->sum / totals->area_px;
        double variance = totals->squares / totals->area_px - mean * mean;
        (void) json_object_set_new(json, "mean_hu", json_real(mean));
        (void) json_object_set_new(json, "sd_hu", json_real(sqrt(COR_MAX(variance, 0.0))));
    }
    if (json && run->conclusion) {
        (void) json_object_update(json, run->conclusion);
    }
    return json;
}

static bool compute(Run *run, json_t **ret_result, CorError *err)
{
    CorAlgoJob job = {.params = run->params,
                      .slice_len = run->slices.len,
                      .describe = describe,
                      .load = load,
                      .emit = emit,
                      .progress = report,
                      .conclude = conclude,
                      .context = run};
    int64_t before_us = cor_time_us();

    if (!report(run, 0, err)) {
        return false;
    }
    if (!run->algorithm->run(&job, err)) {
        if (run->loaded < run->slices.len && err->code != COR_ERR_CANCELLED) {
            cor_error_wrap(err, "image %s", run->slices.items[run->loaded].sop_instance_uid);
        }
        return false;
    }
    if (!cor_host_priv_progress(run->host, 1, "compute", err)) {
        return false;
    }
    double total_ms = (double) (cor_time_us() - before_us) / 1000;
    *ret_result = json_pack("{s:b, s:s, s:o, s:{s:f, s:f}}", "found", run->totals.found_len > 0,
                            "algo_version", run->algorithm->version, "measurements", summarise(run),
                            "timing_ms", "compute", total_ms - (double) run->emit_us / 1000,
                            "total", total_ms);
    return *ret_result || cor_fail(err, COR_ERR_NOMEM, "out of memory for a result");
}

static bool run_request(CorHostContext *context, const json_t *request, json_t **ret_result,
                        CorError *err)
{
    COR_CLEANUP(run_done) Run run = {.host = context};

    if (!read_request(&run, request, err) ||
        !cor_host_priv_slices_read(context, &run.slices, err)) {
        return false;
    }
    run.loaded = run.slices.len;
    return compute(&run, ret_result, err);
}

const CorHostOperation cor_host_priv_op_run = {.name = "run", .run = run_request};

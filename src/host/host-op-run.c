/* SPDX-License-Identifier: Apache-2.0 */
/* run: an algorithm over the slices of a request.
 *
 * Headers are read first, to put the slices in order; pixels when the algorithm asks for a slice,
 * so that one is in memory at a time.  What comes out for a slice is drawn, written and sent at
 * once; what is made of the whole run, at the end, from masks of one bit per pixel.  So a series of
 * any length needs little more memory than the algorithm.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/time.h"
#include "host/host-image.h"
#include "host/host-part.h"
#include "host/host-renditions.h"

enum { KEPT_SHARE = 4 }; /* of the memory, for slices that are decoded once */

static const size_t kept_max_bytes = (size_t) 512 * 1024 * 1024;

/* Over all slices of an algorithm that measures by itself; means and deviations are those of all
 * pixels found. */
typedef struct Totals {
    double area_px;
    double area_mm2;
    bool has_area_mm2;
    double sum;     /* of values */
    double squares; /* of values */
} Totals;

typedef struct Run {
    CorHostRunning running; /* first */
    Totals totals;
    bool is_part;      /* the slices are some of a job's */
    CorHostPart part;  /* that is written then */
    size_t source_len; /* inputs that are images; what is behind them are parts to join */
    bool has_reported;
    int64_t emit_us;
} Run;

static void forget_values(CorHostRunning *run)
{
    if (!run->kept || run->loaded >= run->slices.len || !run->kept[run->loaded]) {
        cor_dicom_frame_free(run->values);
    }
    run->values = NULL;
}

void cor_host_priv_run_unload(CorHostRunning *run)
{
    forget_values(run);
    cor_dicom_free(run->dicom);
    run->dicom = NULL;
    run->loaded = run->slices.len;
}

/* A volume is read and drawn on: as much of it as fits into a part of the memory is decoded once.
 */
static bool keep_slices(CorHostRunning *run, CorError *err)
{
    if (run->algorithm->comes_back) {
        run->kept = cor_new_array(CorDicomFrame *, run->slices.len);
        return run->kept || cor_fail(err, COR_ERR_NOMEM, "out of memory for slices");
    }
    return true;
}

static void keep_values(CorHostRunning *run)
{
    size_t limit = cor_host_priv_memory_max(run->host);
    size_t bytes = cor_dicom_frame_bytes(run->values);
    size_t most = limit > 0 ? COR_MIN(limit / KEPT_SHARE, kept_max_bytes) : kept_max_bytes;

    if (run->kept && bytes <= most - run->kept_bytes) {
        run->kept[run->loaded] = run->values;
        run->kept_bytes += bytes;
    }
}

static void free_kept(CorHostRunning *run)
{
    for (size_t i = 0; run->kept && i < run->slices.len; i++) {
        cor_dicom_frame_free(run->kept[i]);
    }
    free(run->kept);
    run->kept = NULL;
}

static void run_done(Run *run)
{
    CorHostRunning *running = &run->running;

    cor_host_priv_run_unload(running);
    free_kept(running);
    cor_host_priv_part_done(&run->part);
    cor_host_priv_slices_done(&running->slices);
    cor_host_priv_tally_done(&running->tally);
    free(running->picture);
    free(running->params_text);
    free(running->uids);
    json_decref(running->measurements);
    json_decref(running->conclusion);
    json_decref(running->slice_figures);
    json_decref(running->summary);
}

/* --- what the algorithm calls --- */

/* Report; the first report of a run is 0 and the last 1, whatever the algorithm says. */
static bool report(void *context, double fraction, CorError *err)
{
    Run *run = context;
    CorHostContext *host = run->running.host;

    if (!run->has_reported) {
        run->has_reported = true;
        if (!cor_host_priv_progress(host, 0, "compute", err)) {
            return false;
        }
    }
    /* The 1 comes when everything has been sent. */
    return fraction >= 1 ? cor_host_priv_check(host, err)
                         : cor_host_priv_progress(host, fraction, "compute", err);
}

static bool describe(void *context, size_t slice, CorAlgoSlice *ret_slice, CorError *err)
{
    const Run *run = context;

    if (slice >= run->running.slices.len) {
        return cor_fail(err, COR_ERR_BUG, "the algorithm asks for a slice that there is not");
    }
    const CorDicomSource *source = &run->running.slices.items[slice].source;
    *ret_slice = (CorAlgoSlice){
        .plane = {.width_px = source->columns, .height_px = source->rows},
        .row_spacing_mm = source->row_spacing_mm,
        .column_spacing_mm = source->column_spacing_mm,
        .thickness_mm = source->thickness_mm,
        .has_place = source->has_place,
    };
    memcpy(ret_slice->position_mm, source->position_mm, sizeof(source->position_mm));
    memcpy(ret_slice->orientation, source->orientation, sizeof(source->orientation));
    return true;
}

/* Open the file of a slice; its values are not looked at. */
static bool open_slice(CorHostRunning *run, size_t slice, CorError *err)
{
    size_t input = run->slices.items[slice].input;

    if (run->loaded == slice && run->dicom) {
        return true;
    }
    forget_values(run);
    if (!run->dicom || run->opened_input != input) {
        cor_host_priv_run_unload(run);
        run->loaded = slice; /* for whoever names the image that failed */
        run->opened_input = input;
        if (!cor_host_priv_open_input(run->host, input, &run->dicom, err)) {
            return false;
        }
    }
    run->loaded = slice;
    return true;
}

bool cor_host_priv_run_load(CorHostRunning *run, size_t slice, CorError *err)
{
    if (run->loaded == slice && run->values) {
        return true;
    }
    if (!open_slice(run, slice, err)) {
        return false;
    }
    if (run->kept && run->kept[slice]) {
        run->values = run->kept[slice];
        return true;
    }
    if (!cor_dicom_modality_plane(run->dicom, run->slices.items[slice].source.frame, &run->values,
                                  err)) {
        return false;
    }
    run->decoded_len++;
    keep_values(run);
    return true;
}

static bool load(void *context, size_t slice, CorAlgoSlice *ret_slice, CorError *err)
{
    CorHostRunning *run = context;

    if (!describe(context, slice, ret_slice, err) || !cor_host_priv_check(run->host, err) ||
        !cor_host_priv_run_load(run, slice, err)) {
        return false;
    }
    ret_slice->plane = *cor_dicom_frame_plane(run->values);
    return true;
}

static void add_up(Totals *totals, const json_t *measured)
{
    double area = cor_json_number(measured, "area_px", 0);
    double mean = cor_json_number(measured, "mean_hu", 0);
    double deviation = cor_json_number(measured, "sd_hu", 0);

    totals->area_px += area;
    totals->has_area_mm2 |= json_object_get(measured, "area_mm2") != NULL;
    totals->area_mm2 += cor_json_number(measured, "area_mm2", 0);
    totals->sum += area * mean;
    totals->squares += area * (deviation * deviation + mean * mean);
}

/* What the algorithm says of a slice, and what was measured of each label. */
static bool measure(CorHostRunning *run, const json_t *said, bool is_found, CorError *err)
{
    json_t *json =
        said ? json_copy((json_t *) (uintptr_t) said) : json_pack("{s:b}", "found", is_found);

    if (!json || json_object_set_new(json, "labels", cor_host_priv_tally_slice(&run->tally)) != 0) {
        json_decref(json);
        return cor_fail(err, COR_ERR_NOMEM, "out of memory for measurements");
    }
    json_decref(run->measurements);
    run->measurements = json;
    return true;
}

/* An image takes the place of its slice: nothing is measured beyond what the algorithm says. */
static bool take_image(CorHostRunning *run, const CorAlgoResult *result, CorError *err)
{
    json_decref(run->measurements);
    run->measurements = json_incref(result->measurements);
    return open_slice(run, result->slice, err) && cor_host_priv_render_image(run, result, err);
}

static bool take_mask(CorHostRunning *run, const CorAlgoResult *result, CorError *err)
{
    CorAlgoSlice slice;

    return load(run, result->slice, &slice, err) &&
           cor_host_priv_tally_add(&run->tally, result->slice, &slice, result->mask,
                                   run->slices.items[result->slice].extent_mm, err) &&
           measure(run, result->measurements, result->is_found, err) &&
           cor_host_priv_render_slice(run, result, err);
}

static bool take(Run *run, const CorAlgoResult *result, CorError *err)
{
    CorHostRunning *running = &run->running;

    if (result->slice >= running->slices.len) {
        return cor_fail(err, COR_ERR_BUG, "the algorithm emits a slice that there is not");
    }
    if (!cor_host_priv_check(running->host, err)) {
        return false;
    }
    CorHostSlice *emitted = &running->slices.items[result->slice];
    if (emitted->is_emitted) {
        return cor_fail(err, COR_ERR_BUG, "the algorithm emits a slice twice");
    }
    emitted->is_emitted = true;
    if (result->is_found) {
        running->found_len++;
        add_up(&run->totals, result->measurements);
    }
    return (result->image ? take_image(running, result, err) : take_mask(running, result, err)) &&
           (!run->is_part || cor_host_priv_part_add(&run->part, running, result, err));
}

static bool emit(void *context, const CorAlgoResult *result, CorError *err)
{
    Run *run = context;
    int64_t before_us = cor_time_us();

    bool ok = take(run, result, err);
    run->emit_us += cor_time_us() - before_us;
    return ok;
}

static bool conclude(void *context, const json_t *measurements, CorError *err)
{
    CorHostRunning *run = context;

    if (run->conclusion || !json_is_object(measurements)) {
        return cor_fail(err, COR_ERR_BUG, "the algorithm concludes twice, or with nothing");
    }
    run->conclusion = json_deep_copy(measurements);
    return run->conclusion || cor_fail(err, COR_ERR_NOMEM, "out of memory for measurements");
}

/* --- parts --- */

/* A slice of which another host has made everything that belongs to it alone. */
static bool join_slice(Run *run, size_t index, const CorHostPartSlice *slice, CorError *err)
{
    CorHostRunning *running = &run->running;
    const CorAlgoResult result = {.slice = index, .is_found = slice->is_found};
    CorAlgoSlice values;

    if (slice->is_found) {
        running->found_len++;
        add_up(&run->totals, slice->said);
    }
    if (slice->is_image) {
        return true;
    }
    const CorHostCountedSlice counted = {.slice = index,
                                         .labels = slice->labels,
                                         .label_len = slice->label_len,
                                         .interval_mm = running->slices.items[index].extent_mm};
    return describe(run, index, &values, err) &&
           cor_host_priv_tally_join(&running->tally, &counted, &values, err) &&
           measure(running, slice->said, slice->is_found, err) &&
           cor_host_priv_render_slice(running, &result, err);
}

static bool join(Run *run, CorError *err)
{
    COR_CLEANUP(cor_host_priv_parts_done) CorHostParts parts = {0};
    CorHostRunning *running = &run->running;

    if (!cor_host_priv_parts_read(running, run->source_len, &parts, err)) {
        return false;
    }
    for (size_t i = 0; i < parts.slice_len; i++) {
        if (!cor_host_priv_check(running->host, err) ||
            !join_slice(run, i, &parts.slices[i], err)) {
            return false;
        }
    }
    return true;
}

/* What is asked for is shared between the parts, which make the objects of their slices, and the
 * run that joins them, which makes the rest. */
static bool read_division(Run *run, const json_t *request, CorError *err)
{
    CorHostRunning *running = &run->running;
    CorHostWishes *wishes = &running->wishes;
    size_t input_len = cor_host_priv_input_len(running->host);
    json_int_t part_len = cor_json_integer(request, "parts", 0);

    run->is_part = cor_json_boolean(request, "part", false);
    if (part_len < 0 || (uint64_t) part_len > input_len || (run->is_part && part_len > 0)) {
        return cor_fail(err, COR_ERR_INVALID, "a run has %lld parts", (long long) part_len);
    }
    run->source_len = input_len - (size_t) part_len;
    if ((run->is_part || part_len > 0) && running->algorithm->is_volumetric) {
        return cor_fail(err, COR_ERR_UNSUPPORTED, "%s needs all slices at once",
                        running->algorithm->id);
    }
    if (run->is_part) {
        *wishes = (CorHostWishes){.overlay = wishes->overlay, .image = wishes->image};
        return cor_host_priv_part_begin(&run->part, err);
    }
    wishes->overlay = wishes->overlay && part_len == 0;
    wishes->image = wishes->image && part_len == 0;
    return true;
}

/* --- the request --- */

static bool is_wanted(const json_t *outputs, const CorAlgorithm *algorithm, const char *role)
{
    size_t i = 0;
    json_t *name = NULL;
    bool is_made = false;

    for (const char *const *made = algorithm->outputs; *made; made++) {
        is_made = is_made || strcmp(*made, role) == 0;
    }
    if (!json_is_array(outputs)) {
        return is_made;
    }
    json_array_foreach(outputs, i, name)
    {
        if (json_is_string(name) && strcmp(json_string_value(name), role) == 0) {
            return is_made;
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

static void read_wishes(CorHostRunning *run, const json_t *outputs)
{
    const CorAlgorithm *algorithm = run->algorithm;

    run->wishes = (CorHostWishes){
        .overlay = is_wanted(outputs, algorithm, "overlay"),
        .image = is_wanted(outputs, algorithm, "image"),
        .segmentation = is_wanted(outputs, algorithm, "segmentation"),
        .report = is_wanted(outputs, algorithm, "report"),
        .preview = is_wanted(outputs, algorithm, "preview"),
        .measurements = is_wanted(outputs, algorithm, "measurements"),
    };
    run->tally.keeps_masks = run->wishes.segmentation || run->wishes.report || run->wishes.preview;
}

static bool read_request(CorHostRunning *run, const json_t *request, CorError *err)
{
    run->scope = cor_json_string(request, "scope", "image");
    run->algorithm = cor_algo_find(cor_json_string(request, "algo_id", ""));
    if (!run->algorithm) {
        return cor_fail(err, COR_ERR_NOT_FOUND, "the host does not know this algorithm");
    }
    if (!(run->algorithm->scopes & scope_bit(run->scope))) {
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
    if (!cor_host_priv_tally_init(&run->tally, run->algorithm->labels, run->algorithm->label_len,
                                  err)) {
        return false;
    }
    run->is_magenta = true;
    for (size_t i = 0; i < run->algorithm->label_len; i++) {
        static const uint8_t magenta[3] = {255, 0, 255};
        const CorAlgoLabel *label = &run->algorithm->labels[i];
        run->is_magenta = run->is_magenta && memcmp(label->rgb, magenta, sizeof(magenta)) == 0;
        memcpy(run->palette + 3 * (size_t) label->number, label->rgb, sizeof(label->rgb));
    }
    read_wishes(run, json_object_get(request, "outputs"));
    return true;
}

/* --- the result --- */

/* Sums over the slices of an algorithm that measures each by itself. */
static json_t *summarise_slices(const Run *run)
{
    const Totals *totals = &run->totals;
    json_t *json =
        json_pack("{s:b, s:I, s:I, s:I}", "found", run->running.found_len > 0, "slices",
                  (json_int_t) run->running.slices.len, "found_slices",
                  (json_int_t) run->running.found_len, "area_px", (json_int_t) totals->area_px);

    if (json && totals->has_area_mm2) {
        (void) json_object_set_new(json, "area_mm2", json_real(totals->area_mm2));
    }
    if (json && totals->area_px > 0) {
        double mean = totals->sum / totals->area_px;
        double variance = totals->squares / totals->area_px - mean * mean;
        (void) json_object_set_new(json, "mean_hu", json_real(mean));
        (void) json_object_set_new(json, "sd_hu", json_real(sqrt(COR_MAX(variance, 0.0))));
    }
    return json;
}

/* What the algorithm concluded of a label comes before what was measured of it. */
static void conclude_labels(json_t *labels, const json_t *said)
{
    const char *id = NULL;
    json_t *figures = NULL;

    json_object_foreach((json_t *) (uintptr_t) said, id, figures)
    {
        json_t *measured = json_object_get(labels, id);
        if (json_is_object(measured)) {
            (void) json_object_update(measured, figures);
        } else {
            (void) json_object_set(labels, id, figures);
        }
    }
}

/* A slice's own measurements, or those of a whole series; all labels in both. */
static bool summarise(Run *run, CorError *err)
{
    CorHostRunning *running = &run->running;
    json_t *labels = cor_host_priv_tally_total(&running->tally);
    json_t *json = running->slices.len == 1 && running->measurements
                       ? json_copy(running->measurements)
                       : summarise_slices(run);

    if (running->conclusion) {
        conclude_labels(labels, json_object_get(running->conclusion, "labels"));
        (void) json_object_update(json, running->conclusion);
    }
    if (json_object_set_new(json, "labels", labels) != 0) {
        json_decref(json);
        return cor_fail(err, COR_ERR_NOMEM, "out of memory for measurements");
    }
    running->summary = json;
    return true;
}

static bool run_algorithm(Run *run, CorError *err)
{
    CorHostRunning *running = &run->running;
    CorAlgoJob job = {.params = running->params,
                      .slice_len = running->slices.len,
                      .describe = describe,
                      .load = load,
                      .emit = emit,
                      .progress = report,
                      .conclude = conclude,
                      .context = run};

    if (running->algorithm->run(&job, err)) {
        return true;
    }
    if (running->loaded < running->slices.len && err->code != COR_ERR_CANCELLED) {
        cor_error_wrap(err, "image %s",
                       running->slices.items[running->loaded].source.sop_instance_uid);
    }
    return false;
}

static bool compute(Run *run, CorError *err)
{
    CorHostRunning *running = &run->running;
    bool is_join = run->source_len < cor_host_priv_input_len(running->host);

    if (!report(run, 0, err) || !(is_join ? join(run, err) : run_algorithm(run, err))) {
        return false;
    }
    int64_t before_us = cor_time_us();
    bool ok = run->is_part ? cor_host_priv_part_send(&run->part, running, err)
                           : summarise(run, err) && cor_host_priv_render_run(running, err);
    run->emit_us += cor_time_us() - before_us;
    return ok && cor_host_priv_progress(running->host, 1, "compute", err);
}

/* Where the slices lie in the patient: [index of the input, frame from 1 or 0], one per slice. */
static json_t *describe_order(const CorHostSlices *slices)
{
    json_t *order = json_array();

    for (size_t i = 0; i < slices->len; i++) {
        const CorHostSlice *slice = &slices->items[i];
        json_int_t frame = slice->source.frames > 1 ? (json_int_t) slice->source.frame + 1 : 0;
        (void) json_array_append_new(order, json_pack("[I, I]", (json_int_t) slice->input, frame));
    }
    return order;
}

static bool run_request(CorHostContext *context, const json_t *request, json_t **ret_result,
                        CorError *err)
{
    COR_CLEANUP(run_done) Run run = {.running = {.host = context}, .part = {.fd = -1}};
    CorHostRunning *running = &run.running;

    if (!read_request(running, request, err) || !read_division(&run, request, err) ||
        !cor_host_priv_slices_read(context, run.source_len, &running->slices, err)) {
        return false;
    }
    running->loaded = running->slices.len;
    if (!keep_slices(running, err)) {
        return false;
    }
    int64_t before_us = cor_time_us();
    if (!compute(&run, err)) {
        return false;
    }
    double total_ms = (double) (cor_time_us() - before_us) / 1000;
    *ret_result =
        json_pack("{s:b, s:s, s:O*, s:I, s:{s:f, s:f}}", "found", running->found_len > 0,
                  "algo_version", running->algorithm->version, "measurements", running->summary,
                  "decoded", (json_int_t) running->decoded_len, "timing_ms", "compute",
                  total_ms - (double) run.emit_us / 1000, "total", total_ms);
    if (*ret_result && run.source_len < cor_host_priv_input_len(context)) {
        (void) json_object_set_new(*ret_result, "order", describe_order(&running->slices));
    }
    return *ret_result || cor_fail(err, COR_ERR_NOMEM, "out of memory for a result");
}

const CorHostOperation cor_host_priv_op_run = {.name = "run", .run = run_request};

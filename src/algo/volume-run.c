/* SPDX-License-Identifier: Apache-2.0 */
/* The run of an algorithm that works on a volume: every slice is loaded twice, once for the grid
 * and once to be drawn on.  Whoever loads them decides how many it keeps in between.
 */
#include <math.h>
#include <string.h>

#include "algo/algo-volume.h"
#include "base/array.h"

enum { LABELS_MAX = 8 };

/* Of what is left after reading, measured over liver, lungs, bone and body. */
static const double find_share = 0.2;

/* Sums over the pixels of a label. */
typedef struct Sums {
    uint64_t count;
    double sum;
    double squares;
    size_t slices; /* on which there is one */
} Sums;

typedef struct Report {
    const CorAlgoOrgan *organ;
    const CorAlgoVolume *volume;
    CorAlgoProgress progress;
    Sums totals[LABELS_MAX];
} Report;

static void add_pixel(Sums *sums, double value)
{
    sums->count++;
    sums->sum += value;
    sums->squares += value * value;
}

/* Sums of one slice, per label. */
static void sum_up(const CorPlane *plane, const uint8_t *mask, Sums *sums)
{
    for (size_t y = 0; y < plane->height_px; y++) {
        const void *row = cor_plane_row(plane, y);
        const uint8_t *labels = mask + y * plane->width_px;

        for (size_t x = 0; x < plane->width_px; x++) {
            if (labels[x]) {
                add_pixel(&sums[labels[x] - 1], plane->type == COR_PIXEL_S16
                                                    ? ((const int16_t *) row)[x]
                                                    : ((const double *) row)[x]);
            }
        }
    }
}

static void add_sums(Sums *to, const Sums *from)
{
    to->count += from->count;
    to->sum += from->sum;
    to->squares += from->squares;
    to->slices += from->count > 0;
}

static bool set_values(json_t *json, const Sums *sums, CorError *err)
{
    if (sums->count > 0) {
        double mean = sums->sum / (double) sums->count;
        double variance = sums->squares / (double) sums->count - mean * mean;

        if (!isfinite(variance) || json_object_set_new(json, "mean_hu", json_real(mean)) != 0 ||
            json_object_set_new(json, "sd_hu", json_real(sqrt(COR_MAX(variance, 0.0)))) != 0) {
            return cor_fail(err, COR_ERR_NOMEM, "no memory for measurements");
        }
    }
    return true;
}

/* What is told about the pixels of one label, or of all. */
static json_t *describe(const Report *report, const Sums *sums, bool is_series, CorError *err)
{
    const double *spacing = report->volume->spacing_mm;
    double area = (double) sums->count * spacing[0] * spacing[1];
    json_t *json =
        is_series ? json_pack("{s:b, s:f, s:I}", "found", sums->count > 0, "volume_ml",
                              area * spacing[2] / 1000, "found_slices", (json_int_t) sums->slices)
                  : json_pack("{s:b, s:I, s:f}", "found", sums->count > 0, "area_px",
                              (json_int_t) sums->count, "area_mm2", area);

    if (!json) {
        cor_fail(err, COR_ERR_NOMEM, "no memory for measurements");
        return NULL;
    }
    if (!set_values(json, sums, err)) {
        json_decref(json);
        return NULL;
    }
    return json;
}

/* Measurements of all labels together, and of each if there are several. */
static json_t *measure(const Report *report, const Sums *sums, bool is_series, CorError *err)
{
    const CorAlgorithm *algorithm = report->organ->algorithm;
    Sums all = {0};
    size_t slices = 0;

    for (size_t i = 0; i < algorithm->label_len; i++) {
        add_sums(&all, &sums[i]);
        slices = COR_MAX(slices, sums[i].slices);
    }
    all.slices = slices;
    COR_CLEANUP(cor_json_freep) json_t *json = describe(report, &all, is_series, err);
    for (size_t i = 0; json && i < algorithm->label_len; i++) {
        json_t *labels = json_object_get(json, "labels");

        if (!labels) {
            labels = json_object();
            (void) json_object_set_new(json, "labels", labels);
        }
        json_t *label = describe(report, &sums[i], is_series, err);
        if (!label || json_object_set_new(labels, algorithm->labels[i].id, label) != 0) {
            return NULL;
        }
    }
    return COR_TAKE(json);
}

static bool report_slice(Report *report, size_t slice, const CorAlgoSlice *loaded,
                         const uint8_t *mask, CorError *err)
{
    const CorAlgoJob *job = report->progress.job;
    Sums sums[LABELS_MAX] = {0};
    CorAlgoResult result = {.slice = slice, .mask = mask};

    sum_up(&loaded->plane, mask, sums);
    for (size_t i = 0; i < report->organ->algorithm->label_len; i++) {
        result.is_found |= sums[i].count > 0;
        add_sums(&report->totals[i], &sums[i]);
    }
    COR_CLEANUP(cor_json_freep) json_t *measurements = measure(report, sums, false, err);
    if (!measurements) {
        return false;
    }
    result.measurements = measurements;
    if (!job->emit(job->context, &result, err)) {
        return err && err->code == COR_OK
                   ? cor_fail(err, COR_ERR_CANCELLED, "a result was not taken")
                   : false;
    }
    return cor_algo_priv_volume_report(
        &report->progress, (double) (slice + 1) / (double) report->volume->slice_len, err);
}

static bool report_end(Report *report, json_t *extra, CorError *err)
{
    const CorAlgoJob *job = report->progress.job;
    COR_CLEANUP(cor_json_freep) json_t *added = extra;
    COR_CLEANUP(cor_json_freep) json_t *json = measure(report, report->totals, true, err);

    if (!json) {
        return false;
    }
    if (added && json_object_update(json, added) != 0) {
        return cor_fail(err, COR_ERR_NOMEM, "no memory for measurements");
    }
    return !job->conclude || job->conclude(job->context, json, err);
}

static bool draw_slices(Report *report, CorAlgoDrawing *drawing, void *state, bool is_found,
                        CorError *err)
{
    const CorAlgoVolume *volume = report->volume;

    for (size_t i = 0; i < volume->slice_len; i++) {
        CorAlgoSlice slice = {0};

        if (!cor_algo_priv_volume_load(volume, report->progress.job, i, &slice, err)) {
            return false;
        }
        memset(drawing->mask, 0, volume->width_px * volume->height_px);
        if (is_found && !report->organ->draw(state, drawing, &slice, i, err)) {
            return false;
        }
        if (!report_slice(report, i, &slice, drawing->mask, err)) {
            return false;
        }
    }
    return true;
}

bool cor_algo_priv_organ_run(const CorAlgoJob *job, const CorAlgoOrgan *organ, void *state,
                             CorError *err)
{
    COR_CLEANUP(cor_algo_priv_volume_done) CorAlgoVolume volume = {0};
    COR_CLEANUP(cor_algo_priv_drawing_done) CorAlgoDrawing drawing = {0};
    CorAlgoProgress progress = {.job = job};
    Report report = {.organ = organ, .volume = &volume};
    const char *reason = NULL;

    if (!cor_algo_priv_volume_read(&volume, &progress, organ->slices_min, err)) {
        return false;
    }
    double read_share = progress.share; /* as it turned out */
    double begin = read_share + (1 - read_share) * find_share;
    progress = (CorAlgoProgress){.job = job, .begin = read_share, .share = begin - read_share};
    if (!organ->find(state, &volume, &progress, &reason, err) ||
        !cor_algo_priv_drawing_make(&drawing, &volume, err)) {
        return false;
    }
    report.progress = (CorAlgoProgress){.job = job, .begin = begin, .share = 1 - begin};
    if (!draw_slices(&report, &drawing, state, !reason, err)) {
        return false;
    }
    json_t *extra = reason            ? json_pack("{s:s}", "reason", reason)
                    : organ->describe ? organ->describe(state)
                                      : NULL;
    return report_end(&report, extra, err);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "host/host-report.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "dicom/dicom-report.h"

/* How a figure of a label is said in a report.  Areas are of planar groups, volumes of the others.
 */
typedef struct Figure {
    const char *name;
    CorDicomCode concept; /* value NULL: the value of the modality's pixels */
    CorDicomCode derivation;
    CorDicomCode unit;
    bool is_planar;
    bool is_volumetric;
} Figure;

static const Figure figures[] = {
    {"volume_ml", {"118565006", "SCT", "Volume"}, {0}, {"ml", "UCUM", "milliliter"}, false, true},
    {"area_mm2",
     {"42798000", "SCT", "Area"},
     {0},
     {"mm2", "UCUM", "square millimeter"},
     true,
     false},
    {"mean_hu", {0}, {"373098007", "SCT", "Mean"}, {0}, true, true},
    {"sd_hu", {0}, {"386136009", "SCT", "Standard Deviation"}, {0}, true, true},
    {"min_hu", {0}, {"255605001", "SCT", "Minimum"}, {0}, true, true},
    {"max_hu", {0}, {"56851009", "SCT", "Maximum"}, {0}, true, true},
};

/* What pixels of a modality mean (CID 7180); others have no common concept and are left out. */
typedef struct Meaning {
    const char *modality;
    CorDicomCode concept;
    CorDicomCode unit;
} Meaning;

static const Meaning meanings[] = {
    {"CT", {"112031", "DCM", "Attenuation Coefficient"}, {"[hnsf'U]", "UCUM", "Hounsfield unit"}},
    {"MR", {"110852", "DCM", "MR signal intensity"}, {"1", "UCUM", "no units"}},
};

/* Everything of both objects of the slices of one size. */
typedef struct Work {
    CorHostRunning *run;
    const uint32_t *sizes; /* of each slice of the run: the first slice of its size */
    uint32_t group;        /* that this is about */
    int64_t number;        /* of these objects among those of the run, from 1 */
    json_t *labels_found;  /* figures of the labels on these slices */
    CorDicomSource *sources;
    uint32_t *places; /* of each slice of the run: index into sources, if it is of the group */
    size_t source_len;
    CorDicomMask *masks;
    size_t mask_len;
    CorDicomSegment *segments;
    size_t *labels; /* of the segments: index into the algorithm's labels */
    size_t segment_len;
    char (*tracking_ids)[COR_DICOM_PLACE_SIZE];
    char (*tracking_uids)[COR_UID_SIZE];
    CorDicomMeasureGroup *groups;
    CorDicomMeasure *measures; /* COR_ARRAY_LEN(figures) per group */
    const char **names;        /* all source UIDs, and room for what else a UID is made of */
    size_t name_len;
    char *params; /* ASCII */
    const Meaning *meaning;
    char segmentation_uid[COR_UID_SIZE];
    char segmentation_series_uid[COR_UID_SIZE];
} Work;

enum { MORE_NAMES = 8 };

static void work_done(Work *work)
{
    json_decref(work->labels_found);
    free(work->sources);
    free(work->places);
    free(work->masks);
    free(work->segments);
    free(work->labels);
    free(work->tracking_ids);
    free(work->tracking_uids);
    free(work->groups);
    free(work->measures);
    free(work->names);
    free(work->params);
}

/* --- names --- */

/* A UID of all sources, the algorithm and what the object is. */
static void name_instance(Work *work, const char *kind, const char *detail, char uid[COR_UID_SIZE])
{
    const CorHostRunning *run = work->run;
    const char **more = work->names + work->name_len;
    size_t len = 0;

    more[len++] = kind;
    more[len++] = detail;
    more[len++] = run->algorithm->id;
    more[len++] = run->algorithm->version;
    more[len++] = run->params_text;
    if (run->algorithm->is_volumetric) {
        more[len++] = run->scope;
    }
    cor_uid_from_texts(work->names, work->name_len + len, uid);
}

static void name_series(const Work *work, const char *kind, char uid[COR_UID_SIZE])
{
    const CorHostRunning *run = work->run;
    const char *names[] = {kind, work->sources[0].series_instance_uid, run->algorithm->id,
                           run->algorithm->version, run->params_text};

    cor_uid_from_texts(names, COR_ARRAY_LEN(names), uid);
}

/* --- preparing --- */

static bool allocate(Work *work, CorError *err)
{
    CorHostRunning *run = work->run;
    size_t label_len = run->algorithm->label_len;
    size_t measure_len = label_len * COR_ARRAY_LEN(figures);

    work->sources = cor_new_array(CorDicomSource, run->slices.len);
    work->places = cor_new_array(uint32_t, run->slices.len);
    work->masks = cor_new_array(CorDicomMask, run->tally.mask_len);
    work->segments = cor_new_array(CorDicomSegment, label_len);
    work->labels = cor_new_array(size_t, label_len);
    work->tracking_ids = calloc(label_len, sizeof(*work->tracking_ids));
    work->tracking_uids = calloc(label_len, sizeof(*work->tracking_uids));
    work->groups = cor_new_array(CorDicomMeasureGroup, label_len);
    work->measures = cor_new_array(CorDicomMeasure, measure_len);
    work->names = cor_new_array(const char *, run->slices.len + MORE_NAMES);
    work->params = strdup(run->params_text);
    if (!work->sources || !work->places || !work->masks || !work->segments || !work->labels ||
        !work->tracking_ids || !work->tracking_uids || !work->groups || !work->measures ||
        !work->names || !work->params) {
        return cor_fail(err, COR_ERR_NOMEM, "out of memory for a Segmentation");
    }
    for (char *c = work->params; *c; c++) {
        if (*c < 0x20 || *c > 0x7E) {
            *c = '?'; /* the source's character set is not ours */
        }
    }
    return true;
}

static void take_sources(Work *work)
{
    CorHostRunning *run = work->run;

    for (size_t i = 0; i < run->slices.len; i++) {
        size_t n = work->source_len;
        if (work->sizes[i] != work->group) {
            continue;
        }
        work->sources[n] = run->slices.items[i].source;
        work->places[i] = (uint32_t) n;
        if (n == 0 ||
            strcmp(work->sources[n].sop_instance_uid, work->sources[n - 1].sop_instance_uid) != 0) {
            work->names[work->name_len++] = work->sources[n].sop_instance_uid;
        }
        work->source_len++;
    }
}

static CorDicomCode code(const CorAlgoCode *from)
{
    return (CorDicomCode){from->value, from->scheme, from->meaning};
}

static void add_segment(Work *work, size_t label_index)
{
    const CorAlgorithm *algorithm = work->run->algorithm;
    const CorAlgoLabel *label = &algorithm->labels[label_index];
    size_t n = work->segment_len++;

    (void) snprintf(work->tracking_ids[n], sizeof(work->tracking_ids[n]), "%s %s", algorithm->id,
                    label->name);
    name_instance(work, "tracking", label->id, work->tracking_uids[n]);
    work->labels[n] = label_index;
    work->segments[n] = (CorDicomSegment){.label = label->name,
                                          .category = code(&label->category),
                                          .type = code(&label->type),
                                          .side = code(&label->side),
                                          .tracking_id = work->tracking_ids[n],
                                          .tracking_uid = work->tracking_uids[n]};
    memcpy(work->segments[n].rgb, label->rgb, sizeof(label->rgb));
}

/* Labels that were found become segments 1, 2, ... in the order of the algorithm's table. */
static void take_masks(Work *work)
{
    const CorHostTally *tally = &work->run->tally;

    for (size_t i = 0; i < tally->mask_len; i++) {
        const CorHostMask *mask = &tally->masks[i];

        if (work->sizes[mask->slice] != work->group) {
            continue;
        }
        if (work->segment_len == 0 || work->labels[work->segment_len - 1] != mask->label) {
            add_segment(work, mask->label);
        }
        work->masks[work->mask_len++] = (CorDicomMask){.segment = (uint32_t) work->segment_len - 1,
                                                       .source = work->places[mask->slice],
                                                       .bits = mask->bits};
    }
}

static CorDicomAlgorithm algorithm_of(const Work *work)
{
    const CorAlgorithm *algorithm = work->run->algorithm;

    return (CorDicomAlgorithm){.id = algorithm->id,
                               .version = algorithm->version,
                               .title = algorithm->title,
                               .family = code(&algorithm->family),
                               .params_text = work->params};
}

/* Which of several it is, for its name. */
static json_t *describe_number(const Work *work)
{
    return work->number > 1 ? json_pack("{s:I}", "number", (json_int_t) work->number) : NULL;
}

/* --- the Segmentation --- */

static bool send_segmentation(Work *work, const CorDicom *first, CorError *err)
{
    CorHostRunning *run = work->run;
    char dimension_uid[COR_UID_SIZE];
    CorDicomSegmentation segmentation = {
        .algorithm = algorithm_of(work),
        .sop_instance_uid = work->segmentation_uid,
        .series_instance_uid = work->segmentation_series_uid,
        .dimension_organization_uid = dimension_uid,
        .content_unix_ms = run->accepted_unix_ms,
        .sources = work->sources,
        .source_len = work->source_len,
        .segments = work->segments,
        .segment_len = work->segment_len,
        .masks = work->masks,
        .mask_len = work->mask_len,
    };
    CorHostObject object = {.role = "segmentation",
                            .first = &run->slices.items[work->group],
                            .sources = work->sources,
                            .source_len = work->source_len,
                            .sop_instance_uid = work->segmentation_uid,
                            .series_instance_uid = work->segmentation_series_uid};

    name_instance(work, "segmentation", "dimensions", dimension_uid);
    if (!cor_dicom_write_segmentation(first, &segmentation, &object.file, &object.size, err)) {
        cor_error_wrap(err, "segmentation");
        return false;
    }
    object.details = describe_number(work);
    return cor_host_priv_send_object(run, &object, err);
}

/* --- the report --- */

static const Meaning *find_meaning(const CorDicom *first)
{
    char modality[17] = "";

    (void) cor_dicom_text(first, COR_DICOM_TAG(0x0008, 0x0060), modality, sizeof(modality));
    for (size_t i = 0; i < COR_ARRAY_LEN(meanings); i++) {
        if (strcmp(meanings[i].modality, modality) == 0) {
            return &meanings[i];
        }
    }
    return NULL;
}

/* Turn the figures of a label into numbers of a group. */
static void measure(const Work *work, const json_t *measured, bool is_planar,
                    CorDicomMeasure *measures, size_t *ret_len)
{
    size_t len = 0;

    for (size_t i = 0; i < COR_ARRAY_LEN(figures); i++) {
        const Figure *figure = &figures[i];
        const json_t *value = json_object_get(measured, figure->name);
        const Meaning *meaning = figure->concept.value ? NULL : work->meaning;

        if (!json_is_number(value) || !isfinite(json_number_value(value)) ||
            (is_planar ? !figure->is_planar : !figure->is_volumetric) ||
            (!figure->concept.value && !meaning)) {
            continue;
        }
        measures[len++] = (CorDicomMeasure){.concept = meaning ? meaning->concept : figure->concept,
                                            .derivation = figure->derivation,
                                            .unit = meaning ? meaning->unit : figure->unit,
                                            .value = json_number_value(value)};
    }
    *ret_len = len;
}

static void make_groups(Work *work)
{
    CorHostRunning *run = work->run;
    bool is_planar = work->source_len == 1;

    for (size_t n = 0; n < work->segment_len; n++) {
        CorDicomMeasureGroup *group = &work->groups[n];
        CorDicomMeasure *measures = work->measures + n * COR_ARRAY_LEN(figures);

        *group = (CorDicomMeasureGroup){.segment = &work->segments[n],
                                        .segment_number = (uint32_t) n + 1,
                                        .frame_number = is_planar ? (uint32_t) n + 1 : 0,
                                        .measures = measures};
        measure(work,
                json_object_get(work->labels_found, run->algorithm->labels[work->labels[n]].id),
                is_planar, measures, &group->measure_len);
    }
}

static bool send_report(Work *work, const CorDicom *first, CorError *err)
{
    CorHostRunning *run = work->run;
    const char *const observer[] = {"device", run->algorithm->id, run->algorithm->version};
    const char *const siblings[] = {work->segmentation_uid};
    char observer_uid[COR_UID_SIZE];
    char sop_instance_uid[COR_UID_SIZE];
    char series_instance_uid[COR_UID_SIZE];
    CorDicomReport report = {
        .algorithm = algorithm_of(work),
        .sop_instance_uid = sop_instance_uid,
        .series_instance_uid = series_instance_uid,
        .observer_uid = observer_uid,
        .content_unix_ms = run->accepted_unix_ms,
        .sources = work->sources,
        .source_len = work->source_len,
        .segmentation_sop_instance_uid = work->segmentation_uid,
        .segmentation_series_instance_uid = work->segmentation_series_uid,
        .groups = work->groups,
        .group_len = work->segment_len,
    };
    CorHostObject object = {.role = "report",
                            .first = &run->slices.items[work->group],
                            .sources = work->sources,
                            .source_len = work->source_len,
                            .sibling_uids = siblings,
                            .sibling_len = COR_ARRAY_LEN(siblings),
                            .sop_instance_uid = sop_instance_uid,
                            .series_instance_uid = series_instance_uid};

    work->meaning = find_meaning(first);
    make_groups(work);
    cor_uid_from_texts(observer, COR_ARRAY_LEN(observer), observer_uid);
    name_instance(work, "report", "instance", sop_instance_uid);
    name_series(work, "report", series_instance_uid);
    if (!cor_dicom_write_report(first, &report, &object.file, &object.size, err)) {
        cor_error_wrap(err, "report");
        return false;
    }
    object.details = describe_number(work);
    return cor_host_priv_send_object(run, &object, err);
}

/* Make both objects of the slices of one size. */
static bool report_group(Work *work, CorError *err)
{
    CorHostRunning *run = work->run;
    COR_CLEANUP(cor_dicom_freep) CorDicom *first = NULL;

    if (!allocate(work, err) ||
        !cor_host_priv_open_input(run->host, run->slices.items[work->group].input, &first, err)) {
        return false;
    }
    take_sources(work);
    take_masks(work);
    name_instance(work, "segmentation", "instance", work->segmentation_uid);
    name_series(work, "segmentation", work->segmentation_series_uid);
    return send_segmentation(work, first, err) &&
           (!run->wishes.report || send_report(work, first, err));
}

static bool is_same_size(const CorHostSlices *slices, size_t i, size_t k)
{
    const CorDicomSource *one = &slices->items[i].source;
    const CorDicomSource *other = &slices->items[k].source;

    return one->rows == other->rows && one->columns == other->columns;
}

/* The first slice of the size of each slice; how many sizes there are.  Slices of one size follow
 * each other, as a rule. */
static size_t group_slices(const CorHostSlices *slices, uint32_t *sizes)
{
    size_t len = 0;

    for (uint32_t i = 0; i < slices->len; i++) {
        uint32_t first = i > 0 ? sizes[i - 1] : 0;

        if (!is_same_size(slices, i, first)) {
            for (first = 0; !is_same_size(slices, i, first);) {
                first++; /* i itself at the latest */
            }
        }
        sizes[i] = first;
        len += first == i;
    }
    return len;
}

static bool has_masks(const CorHostTally *tally, const uint32_t *sizes, uint32_t group)
{
    for (size_t i = 0; i < tally->mask_len; i++) {
        if (sizes[tally->masks[i].slice] == group) {
            return true;
        }
    }
    return false;
}

bool cor_host_priv_report_run(CorHostRunning *run, CorError *err)
{
    COR_CLEANUP(cor_freep) uint32_t *sizes = cor_new_array(uint32_t, run->slices.len);
    int64_t number = 0;

    if (!sizes) {
        return cor_fail(err, COR_ERR_NOMEM, "out of memory for a Segmentation");
    }
    cor_host_priv_tally_sort(&run->tally);
    bool is_one = group_slices(&run->slices, sizes) == 1;
    for (uint32_t i = 0; i < run->slices.len; i++) {
        if (sizes[i] != i || !has_masks(&run->tally, sizes, i)) {
            continue;
        }
        COR_CLEANUP(work_done)
        Work work = {.run = run, .sizes = sizes, .group = i, .number = ++number};
        work.labels_found = is_one ? json_incref(json_object_get(run->summary, "labels"))
                                   : cor_host_priv_tally_group(&run->tally, sizes, i);
        if (!work.labels_found) {
            return cor_fail(err, COR_ERR_NOMEM, "out of memory for a Segmentation");
        }
        if (!report_group(&work, err)) {
            return false;
        }
    }
    return true;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* TID 1500 "Measurement Report" (PS3.16), written front to back:
 *
 *     Imaging Measurement Report
 *       Language, Observer (TID 1001), Procedure reported
 *       Image Library (TID 1600): every source image
 *       Imaging Measurements
 *         Measurement Group (TID 1410, 1411), one per segment:
 *           tracking, finding, segment, source, finding site, algorithm (TID 4019), numbers
 */
#include "dicom/dicom-report.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "dicom/dicom-derived.h"

#define REPORT_UID "1.2.840.10008.5.1.4.1.1.88.34"
#define SEGMENTATION_UID "1.2.840.10008.5.1.4.1.1.66.4"

enum {
    HEADER_BYTES = 64 << 10,
    SOURCE_BYTES = 1024, /* in the library and in the evidence */
    GROUP_BYTES = 16 << 10,
    MEASURE_BYTES = 1024,
};

#define DCM(value, meaning) (&(const CorDicomCode){(value), "DCM", (meaning)})

static const char contains[] = "CONTAINS";
static const char has_context[] = "HAS OBS CONTEXT";
static const char has_modifier[] = "HAS CONCEPT MOD";

typedef struct Report {
    const CorDicomReport *options;
    CorDicomDerived derived;
} Report;

static CorDicomWriter *writer_of(Report *report)
{
    return &report->derived.writer;
}

static void text(Report *report, uint32_t tag, uint16_t vr, const char *value)
{
    cor_dicom_priv_write_text(writer_of(report), tag, vr, value);
}

static void number(Report *report, uint32_t tag, int64_t value)
{
    cor_dicom_priv_write_is(writer_of(report), tag, value);
}

static void copy(Report *report, uint32_t tag, uint16_t vr)
{
    cor_dicom_priv_derived_copy(&report->derived, COR_DICOM_GROUP_NONE, tag, vr);
}

/* --- content items (section C.17.3) --- */

static void begin_item(Report *report, const char *relationship, const char *type,
                       const CorDicomCode *name)
{
    text(report, 0x0040A010, VR_CS, relationship);
    text(report, 0x0040A040, VR_CS, type);
    if (name) {
        cor_dicom_priv_write_concept(writer_of(report), 0x0040A043, name);
    }
}

static void begin_container(Report *report, const CorDicomCode *name)
{
    cor_dicom_priv_begin_member(writer_of(report));
    begin_item(report, contains, "CONTAINER", name);
    text(report, 0x0040A050, VR_CS, "SEPARATE");
}

static void text_item(Report *report, const char *relationship, const CorDicomCode *name,
                      const char *value)
{
    cor_dicom_priv_begin_member(writer_of(report));
    begin_item(report, relationship, "TEXT", name);
    text(report, 0x0040A160, VR_UT, value);
    cor_dicom_priv_end_member(writer_of(report));
}

static void uid_item(Report *report, const char *relationship, const CorDicomCode *name,
                     const char *uid)
{
    cor_dicom_priv_begin_member(writer_of(report));
    begin_item(report, relationship, "UIDREF", name);
    text(report, 0x0040A124, VR_UI, uid);
    cor_dicom_priv_end_member(writer_of(report));
}

static void code_item(Report *report, const char *relationship, const CorDicomCode *name,
                      const CorDicomCode *value)
{
    cor_dicom_priv_begin_member(writer_of(report));
    begin_item(report, relationship, "CODE", name);
    cor_dicom_priv_write_concept(writer_of(report), 0x0040A168, value);
    cor_dicom_priv_end_member(writer_of(report));
}

static void image_item(Report *report, const CorDicomCode *name, const CorDicomSource *source)
{
    cor_dicom_priv_begin_member(writer_of(report));
    cor_dicom_priv_begin_item(writer_of(report), 0x00081199);
    text(report, 0x00081150, VR_UI, source->sop_class_uid);
    text(report, 0x00081155, VR_UI, source->sop_instance_uid);
    if (name && source->frames > 1) {
        number(report, 0x00081160, (int64_t) source->frame + 1);
    }
    cor_dicom_priv_end_item(writer_of(report));
    begin_item(report, contains, "IMAGE", name);
    cor_dicom_priv_end_member(writer_of(report));
}

static void segment_item(Report *report, const CorDicomMeasureGroup *group)
{
    bool is_planar = group->frame_number > 0;

    cor_dicom_priv_begin_member(writer_of(report));
    cor_dicom_priv_begin_item(writer_of(report), 0x00081199);
    text(report, 0x00081150, VR_UI, SEGMENTATION_UID);
    text(report, 0x00081155, VR_UI, report->options->segmentation_sop_instance_uid);
    if (is_planar) {
        number(report, 0x00081160, group->frame_number);
    } else {
        cor_dicom_priv_write_us(writer_of(report), 0x0062000B, (uint16_t) group->segment_number);
    }
    cor_dicom_priv_end_item(writer_of(report));
    begin_item(report, contains, "IMAGE",
               is_planar ? DCM("121214", "Referenced Segmentation Frame")
                         : DCM("121191", "Referenced Segment"));
    cor_dicom_priv_end_member(writer_of(report));
}

static void number_item(Report *report, const CorDicomMeasure *measure)
{
    CorDicomWriter *writer = writer_of(report);
    char value[24];

    snprintf(value, sizeof(value), "%.9g", measure->value);
    cor_dicom_priv_begin_member(writer);
    begin_item(report, contains, "NUM", &measure->concept);
    cor_dicom_priv_begin_item(writer, 0x0040A300);
    cor_dicom_priv_write_concept(writer, 0x004008EA, &measure->unit);
    text(report, 0x0040A30A, VR_DS, value);
    cor_dicom_priv_end_item(writer);
    if (measure->derivation.value) {
        cor_dicom_priv_begin_sequence(writer, 0x0040A730);
        code_item(report, has_modifier, DCM("121401", "Derivation"), &measure->derivation);
        cor_dicom_priv_end_sequence(writer);
    }
    cor_dicom_priv_end_member(writer);
}

/* --- the tree --- */

/* What was done, as far as the source tells (CID 100). */
static CorDicomCode procedure_of(const Report *report)
{
    char modality[17];

    if (cor_dicom_priv_code(report->derived.source,
                            cor_dicom_priv_derived_find(&report->derived, 0x00080060), 0, modality,
                            sizeof(modality))) {
        if (strcmp(modality, "CT") == 0) {
            return (CorDicomCode){"77477000", "SCT", "Computed tomography"};
        }
        if (strcmp(modality, "MR") == 0) {
            return (CorDicomCode){"113091000", "SCT", "Magnetic resonance imaging"};
        }
    }
    return (CorDicomCode){"363679005", "SCT", "Imaging procedure"};
}

static void write_context(Report *report)
{
    const CorDicomReport *options = report->options;
    const CorDicomCode english = {"eng", "RFC5646", "English"};
    const CorDicomCode procedure = procedure_of(report);

    code_item(report, has_modifier, DCM("121049", "Language of Content Item and Descendants"),
              &english);
    code_item(report, has_context, DCM("121005", "Observer Type"), DCM("121007", "Device"));
    uid_item(report, has_context, DCM("121012", "Device Observer UID"), options->observer_uid);
    text_item(report, has_context, DCM("121013", "Device Observer Name"), options->algorithm.id);
    text_item(report, has_context, DCM("121014", "Device Observer Manufacturer"), "Corsia");
    text_item(report, has_context, DCM("121015", "Device Observer Model Name"),
              options->algorithm.id);
    code_item(report, has_modifier, DCM("121058", "Procedure reported"), &procedure);
}

static bool is_next_frame(const CorDicomReport *options, size_t i)
{
    return i > 0 && strcmp(options->sources[i].sop_instance_uid,
                           options->sources[i - 1].sop_instance_uid) == 0;
}

static void write_library(Report *report)
{
    const CorDicomReport *options = report->options;
    CorDicomWriter *writer = writer_of(report);

    begin_container(report, DCM("111028", "Image Library"));
    cor_dicom_priv_begin_sequence(writer, 0x0040A730);
    begin_container(report, DCM("126200", "Image Library Group"));
    cor_dicom_priv_begin_sequence(writer, 0x0040A730);
    for (size_t i = 0; i < options->source_len; i++) {
        if (!is_next_frame(options, i)) {
            image_item(report, NULL, &options->sources[i]);
        }
    }
    cor_dicom_priv_end_sequence(writer);
    cor_dicom_priv_end_member(writer);
    cor_dicom_priv_end_sequence(writer);
    cor_dicom_priv_end_member(writer);
}

static void write_site(Report *report, const CorDicomSegment *segment)
{
    CorDicomWriter *writer = writer_of(report);
    const CorDicomCode site = {"363698007", "SCT", "Finding Site"};
    const CorDicomCode laterality = {"272741003", "SCT", "Laterality"};

    cor_dicom_priv_begin_member(writer);
    begin_item(report, has_modifier, "CODE", &site);
    cor_dicom_priv_write_concept(writer, 0x0040A168, &segment->type);
    if (segment->side.value) {
        cor_dicom_priv_begin_sequence(writer, 0x0040A730);
        code_item(report, has_modifier, &laterality, &segment->side);
        cor_dicom_priv_end_sequence(writer);
    }
    cor_dicom_priv_end_member(writer);
}

static void write_algorithm(Report *report)
{
    const CorDicomAlgorithm *algorithm = &report->options->algorithm;

    text_item(report, has_modifier, DCM("111001", "Algorithm Name"), algorithm->id);
    text_item(report, has_modifier, DCM("111003", "Algorithm Version"), algorithm->version);
    text_item(report, has_modifier, DCM("111002", "Algorithm Parameters"), algorithm->params_text);
}

static void write_group(Report *report, const CorDicomMeasureGroup *group)
{
    CorDicomWriter *writer = writer_of(report);
    const CorDicomReport *options = report->options;
    bool is_planar = group->frame_number > 0;

    begin_container(report, DCM("125007", "Measurement Group"));
    cor_dicom_priv_write_template(writer, is_planar ? "1410" : "1411");
    cor_dicom_priv_begin_sequence(writer, 0x0040A730);
    text_item(report, has_context, DCM("112039", "Tracking Identifier"),
              group->segment->tracking_id);
    uid_item(report, has_context, DCM("112040", "Tracking Unique Identifier"),
             group->segment->tracking_uid);
    code_item(report, contains, DCM("121071", "Finding"), &group->segment->type);
    segment_item(report, group);
    if (is_planar) {
        image_item(report, DCM("121233", "Source image for segmentation"),
                   &options->sources[group->source]);
    } else {
        uid_item(report, contains, DCM("121232", "Source series for segmentation"),
                 options->sources[0].series_instance_uid);
    }
    write_site(report, group->segment);
    write_algorithm(report);
    for (size_t i = 0; i < group->measure_len; i++) {
        number_item(report, &group->measures[i]);
    }
    cor_dicom_priv_end_sequence(writer);
    cor_dicom_priv_end_member(writer);
}

static void write_tree(Report *report)
{
    CorDicomWriter *writer = writer_of(report);

    cor_dicom_priv_begin_sequence(writer, 0x0040A730);
    write_context(report);
    write_library(report);
    begin_container(report, DCM("126010", "Imaging Measurements"));
    cor_dicom_priv_begin_sequence(writer, 0x0040A730);
    for (size_t i = 0; i < report->options->group_len; i++) {
        write_group(report, &report->options->groups[i]);
    }
    cor_dicom_priv_end_sequence(writer);
    cor_dicom_priv_end_member(writer);
    cor_dicom_priv_end_sequence(writer);
}

/* --- the modules, merged into the order of tags --- */

static void write_identification(Report *report)
{
    CorDicomDerived *derived = &report->derived;
    const CorDicomReport *options = report->options;
    char description[COR_DICOM_LO_SIZE];

    copy(report, 0x00080005, VR_CS);
    text(report, 0x00080012, VR_DA, derived->date);
    text(report, 0x00080013, VR_TM, derived->time);
    text(report, 0x00080016, VR_UI, REPORT_UID);
    text(report, 0x00080018, VR_UI, options->sop_instance_uid);
    cor_dicom_priv_derived_copy_moment(derived, 0x00080020, VR_DA);
    text(report, 0x00080023, VR_DA, derived->date);
    cor_dicom_priv_derived_copy_moment(derived, 0x00080030, VR_TM);
    text(report, 0x00080033, VR_TM, derived->time);
    cor_dicom_priv_derived_copy_or_empty(derived, 0x00080050, VR_SH);
    text(report, 0x00080060, VR_CS, "SR");
    text(report, 0x00080070, VR_LO, "Corsia");
    cor_dicom_priv_derived_copy_or_empty(derived, 0x00080090, VR_PN);
    copy(report, 0x00080201, VR_SH);
    copy(report, 0x00081030, VR_LO);
    snprintf(description, sizeof(description), "%s Measurements", options->algorithm.id);
    text(report, 0x0008103E, VR_LO, description);
    text(report, 0x00081090, VR_LO, options->algorithm.id);
    cor_dicom_priv_write_empty_sequence(writer_of(report), 0x00081111);
    cor_dicom_priv_derived_patient(derived);
    text(report, 0x00181000, VR_LO, options->algorithm.id);
    text(report, 0x00181020, VR_LO, options->algorithm.version);
    text(report, 0x0020000D, VR_UI, derived->study_instance_uid);
    text(report, 0x0020000E, VR_UI, options->series_instance_uid);
    cor_dicom_priv_derived_copy_or_empty(derived, 0x00200010, VR_SH);
    number(report, 0x00200011, 997);
    number(report, 0x00200013, 1);
}

static void reference(Report *report, const char *sop_class_uid, const char *sop_instance_uid)
{
    cor_dicom_priv_begin_member(writer_of(report));
    text(report, 0x00081150, VR_UI, sop_class_uid);
    text(report, 0x00081155, VR_UI, sop_instance_uid);
    cor_dicom_priv_end_member(writer_of(report));
}

/* Everything that the tree refers to (section C.17.2): the images and the Segmentation. */
static void write_evidence(Report *report)
{
    const CorDicomReport *options = report->options;
    CorDicomWriter *writer = writer_of(report);

    cor_dicom_priv_begin_item(writer, 0x0040A375);
    cor_dicom_priv_begin_sequence(writer, 0x00081115);
    cor_dicom_priv_begin_member(writer);
    cor_dicom_priv_begin_sequence(writer, 0x00081199);
    for (size_t i = 0; i < options->source_len; i++) {
        if (!is_next_frame(options, i)) {
            reference(report, options->sources[i].sop_class_uid,
                      options->sources[i].sop_instance_uid);
        }
    }
    cor_dicom_priv_end_sequence(writer);
    text(report, 0x0020000E, VR_UI, options->sources[0].series_instance_uid);
    cor_dicom_priv_end_member(writer);
    cor_dicom_priv_begin_member(writer);
    cor_dicom_priv_begin_sequence(writer, 0x00081199);
    reference(report, SEGMENTATION_UID, options->segmentation_sop_instance_uid);
    cor_dicom_priv_end_sequence(writer);
    text(report, 0x0020000E, VR_UI, options->segmentation_series_instance_uid);
    cor_dicom_priv_end_member(writer);
    cor_dicom_priv_end_sequence(writer);
    text(report, 0x0020000D, VR_UI, report->derived.study_instance_uid);
    cor_dicom_priv_end_item(writer);
}

static void write_document(Report *report)
{
    CorDicomWriter *writer = writer_of(report);

    text(report, 0x0040A040, VR_CS, "CONTAINER");
    cor_dicom_priv_write_concept(writer, 0x0040A043, DCM("126000", "Imaging Measurement Report"));
    text(report, 0x0040A050, VR_CS, "SEPARATE");
    cor_dicom_priv_write_empty_sequence(writer, 0x0040A372);
    write_evidence(report);
    text(report, 0x0040A491, VR_CS, "COMPLETE");
    text(report, 0x0040A493, VR_CS, "UNVERIFIED");
    cor_dicom_priv_write_template(writer, "1500");
    write_tree(report);
}

static bool check_options(const CorDicomReport *options, size_t *ret_room, CorError *err)
{
    size_t room = HEADER_BYTES + SOURCE_BYTES * options->source_len;

    if (!cor_uid_is_legal(options->sop_instance_uid) ||
        !cor_uid_is_legal(options->series_instance_uid) ||
        !cor_uid_is_legal(options->observer_uid) ||
        !cor_uid_is_legal(options->segmentation_sop_instance_uid) ||
        !cor_uid_is_legal(options->segmentation_series_instance_uid)) {
        return cor_fail(err, COR_ERR_INVALID, "the report's UIDs are not legal");
    }
    if (options->source_len < 1 || options->group_len < 1) {
        return cor_fail(err, COR_ERR_INVALID, "a report needs a source and a group");
    }
    for (size_t i = 0; i < options->group_len; i++) {
        const CorDicomMeasureGroup *group = &options->groups[i];
        room += GROUP_BYTES + MEASURE_BYTES * group->measure_len;
        for (size_t n = 0; n < group->measure_len; n++) {
            if (!isfinite(group->measures[n].value)) {
                return cor_fail(err, COR_ERR_INVALID, "a measurement is no number");
            }
        }
        if (group->source >= options->source_len) {
            return cor_fail(err, COR_ERR_INVALID, "group %zu is of no source", i + 1);
        }
    }
    *ret_room = room;
    return true;
}

bool cor_dicom_write_report(const CorDicom *first, const CorDicomReport *report, uint8_t **ret_file,
                            size_t *ret_size, CorError *err)
{
    Report state = {.options = report};
    CorDicomWriter *writer = &state.derived.writer;
    size_t room = 0;

    if (!check_options(report, &room, err) ||
        !cor_dicom_priv_derived_init(&state.derived, first, report->sources[0].frame,
                                     report->content_unix_ms, err)) {
        return false;
    }
    writer->room = room;
    writer->data = malloc(room);
    if (!writer->data) {
        return cor_fail(err, COR_ERR_NOMEM, "out of memory for a report");
    }
    cor_dicom_priv_write_meta(writer, REPORT_UID, report->sop_instance_uid, COR_DICOM_EXPLICIT_UID);
    write_identification(&state);
    write_document(&state);
    if (writer->is_full) {
        free(writer->data);
        return cor_fail(err, COR_ERR_LIMIT, "the report is too large");
    }
    *ret_file = writer->data;
    *ret_size = writer->size;
    return true;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The Segmentation IOD (PS3.3 section A.51), written front to back in the order of tags.
 *
 * Frames are ordered by dimensions: the segment first, then the place of the slice.  Where every
 * slice has a place of its own the second dimension is Image Position (Patient); where several
 * share one, or none is known, it is the number in the stack, so that no two frames have the same
 * index (section C.7.6.17).  Where sources differ in their Frame of Reference, as in a series that
 * was anonymised slice by slice, frames say of which source they are and nothing of places.  What
 * all frames share - orientation, spacing - stands once.
 */
#include "dicom/dicom-seg.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "dicom/dicom-derived.h"

#define SEGMENTATION_UID "1.2.840.10008.5.1.4.1.1.66.4"

enum {
    HEADER_BYTES = 96 << 10, /* all but what is counted by the piece */
    SOURCE_BYTES = 256,
    SEGMENT_BYTES = 16 << 10, /* most of it the parameters */
    FRAME_BYTES = 1536,
    PARAMS_MAX = 10240, /* of an LT (PS3.5 section 6.2) */
};

static const double place_tolerance_mm = 1e-3;

typedef struct Seg {
    const CorDicomSegmentation *options;
    CorDicomDerived derived;
    bool has_frame_of_reference;
    bool has_places;          /* of all sources */
    bool has_distinct_places; /* and no two are the same */
    bool is_orientation_shared;
    bool is_measure_shared;
    double interval_mm; /* between neighbours; 0: it differs or is not known */
} Seg;

static void text(Seg *seg, uint32_t tag, uint16_t vr, const char *value)
{
    cor_dicom_priv_write_text(&seg->derived.writer, tag, vr, value);
}

static void us(Seg *seg, uint32_t tag, uint16_t value)
{
    cor_dicom_priv_write_us(&seg->derived.writer, tag, value);
}

static void number(Seg *seg, uint32_t tag, int64_t value)
{
    cor_dicom_priv_write_is(&seg->derived.writer, tag, value);
}

static void copy(Seg *seg, uint32_t tag, uint16_t vr)
{
    cor_dicom_priv_derived_copy(&seg->derived, COR_DICOM_GROUP_NONE, tag, vr);
}

/* --- before writing --- */

static bool check_sources(const CorDicomSegmentation *options, CorError *err)
{
    const CorDicomSource *first = &options->sources[0];

    for (size_t i = 1; i < options->source_len; i++) {
        const CorDicomSource *source = &options->sources[i];
        if (source->rows != first->rows || source->columns != first->columns) {
            return cor_fail(err, COR_ERR_UNSUPPORTED,
                            "a Segmentation needs slices of one size, these have %u x %u and "
                            "%u x %u pixels",
                            first->columns, first->rows, source->columns, source->rows);
        }
        if (strcmp(source->series_instance_uid, first->series_instance_uid) != 0) {
            return cor_fail(err, COR_ERR_UNSUPPORTED, "a Segmentation needs slices of one series");
        }
    }
    return true;
}

static bool check_options(const CorDicomSegmentation *options, CorError *err)
{
    if (!cor_uid_is_legal(options->sop_instance_uid) ||
        !cor_uid_is_legal(options->series_instance_uid) ||
        !cor_uid_is_legal(options->dimension_organization_uid)) {
        return cor_fail(err, COR_ERR_INVALID, "the Segmentation's UIDs are not legal");
    }
    if (options->source_len < 1 || options->mask_len < 1 || options->segment_len < 1 ||
        options->segment_len > COR_DICOM_SEGMENTS_MAX || options->mask_len > INT32_MAX) {
        return cor_fail(err, COR_ERR_INVALID,
                        "a Segmentation needs a source, a segment and a frame");
    }
    for (size_t i = 0; i < options->mask_len; i++) {
        if (options->masks[i].segment >= options->segment_len ||
            options->masks[i].source >= options->source_len) {
            return cor_fail(err, COR_ERR_INVALID, "frame %zu is of nothing that there is", i + 1);
        }
    }
    if (strlen(options->algorithm.params_text) > PARAMS_MAX) {
        return cor_fail(err, COR_ERR_LIMIT, "the parameters are too long for a Segmentation");
    }
    return check_sources(options, err);
}

/* The distance between neighbours if it is the same everywhere. */
static void find_interval(Seg *seg)
{
    const CorDicomSegmentation *options = seg->options;
    double normal[3];
    double interval = 0;
    bool is_regular = options->source_len > 1;

    cor_dicom_normal(options->sources[0].orientation, normal);
    seg->has_distinct_places = true;
    for (size_t i = 1; i < options->source_len; i++) {
        double step = cor_dicom_place(normal, options->sources[i].position_mm) -
                      cor_dicom_place(normal, options->sources[i - 1].position_mm);
        seg->has_distinct_places = seg->has_distinct_places && step > place_tolerance_mm;
        interval = i == 1 ? step : interval;
        is_regular = is_regular && fabs(step - interval) <= 0.01 * fabs(interval);
    }
    seg->interval_mm =
        is_regular && seg->has_distinct_places && seg->is_orientation_shared ? interval : 0;
}

static void prepare_geometry(Seg *seg)
{
    const CorDicomSegmentation *options = seg->options;
    const CorDicomSource *first = &options->sources[0];

    seg->has_places = true;
    seg->is_orientation_shared = true;
    seg->is_measure_shared = true;
    for (size_t i = 0; i < options->source_len; i++) {
        const CorDicomSource *source = &options->sources[i];
        seg->has_places = seg->has_places && source->has_place && source->spacing[0];
        seg->is_orientation_shared = seg->is_orientation_shared &&
                                     strcmp(source->orientation_text, first->orientation_text) == 0;
        seg->is_measure_shared = seg->is_measure_shared &&
                                 strcmp(source->spacing, first->spacing) == 0 &&
                                 strcmp(source->thickness, first->thickness) == 0;
    }
    /* Places without a frame of reference are places nowhere. */
    seg->has_frame_of_reference =
        cor_dicom_common_frame_of_reference(options->sources, options->source_len)[0] != '\0';
    seg->has_places = seg->has_places && seg->has_frame_of_reference;
    if (seg->has_places) {
        find_interval(seg);
    }
}

/* --- codes --- */

static void code(Seg *seg, uint32_t tag, const CorDicomCode *concept)
{
    cor_dicom_priv_write_concept(&seg->derived.writer, tag, concept);
}

/* Derived from sRGB under D65, as most who write and read this attribute do (section C.10.7.1.1;
 * IEC 61966-2-1, CIE 15). */
static void write_colour(Seg *seg, const uint8_t rgb[3])
{
    double linear[3];
    double f[3];
    uint16_t values[3];

    for (size_t i = 0; i < 3; i++) {
        double share = rgb[i] / 255.0;
        linear[i] = share <= 0.04045 ? share / 12.92 : pow((share + 0.055) / 1.055, 2.4);
    }
    const double xyz[3] = {
        (0.4124564 * linear[0] + 0.3575761 * linear[1] + 0.1804375 * linear[2]) / 0.950456,
        0.2126729 * linear[0] + 0.7151522 * linear[1] + 0.0721750 * linear[2],
        (0.0193339 * linear[0] + 0.1191920 * linear[1] + 0.9503041 * linear[2]) / 1.088754,
    };
    for (size_t i = 0; i < 3; i++) {
        f[i] = xyz[i] > 216.0 / 24389 ? cbrt(xyz[i]) : (24389.0 / 27 * xyz[i] + 16) / 116;
    }
    const double shares[3] = {(116 * f[1] - 16) / 100, (500 * (f[0] - f[1]) + 128) / 255,
                              (200 * (f[1] - f[2]) + 128) / 255};
    for (size_t i = 0; i < 3; i++) {
        values[i] = (uint16_t) lround(COR_MIN(COR_MAX(shares[i], 0.0), 1.0) * 65535);
    }
    cor_dicom_priv_write_us_values(&seg->derived.writer, 0x0062000D, values, 3);
}

/* --- the modules, merged into the order of tags --- */

static void write_sources(Seg *seg)
{
    const CorDicomSegmentation *options = seg->options;
    CorDicomWriter *writer = &seg->derived.writer;

    cor_dicom_priv_begin_item(writer, 0x00081115);
    cor_dicom_priv_begin_sequence(writer, 0x0008114A);
    for (size_t i = 0; i < options->source_len; i++) {
        const CorDicomSource *source = &options->sources[i];
        if (i > 0 && strcmp(source->sop_instance_uid, source[-1].sop_instance_uid) == 0) {
            continue; /* the next frame of the same image */
        }
        cor_dicom_priv_begin_member(writer);
        text(seg, 0x00081150, VR_UI, source->sop_class_uid);
        text(seg, 0x00081155, VR_UI, source->sop_instance_uid);
        cor_dicom_priv_end_member(writer);
    }
    cor_dicom_priv_end_sequence(writer);
    text(seg, 0x0020000E, VR_UI, options->sources[0].series_instance_uid);
    cor_dicom_priv_end_item(writer);
}

static void write_identification(Seg *seg)
{
    CorDicomDerived *derived = &seg->derived;
    const CorDicomAlgorithm *algorithm = &seg->options->algorithm;
    char description[COR_DICOM_LO_SIZE];

    copy(seg, 0x00080005, VR_CS);
    text(seg, 0x00080008, VR_CS, "DERIVED\\PRIMARY");
    text(seg, 0x00080012, VR_DA, derived->date);
    text(seg, 0x00080013, VR_TM, derived->time);
    text(seg, 0x00080016, VR_UI, SEGMENTATION_UID);
    text(seg, 0x00080018, VR_UI, seg->options->sop_instance_uid);
    cor_dicom_priv_derived_copy_moment(derived, 0x00080020, VR_DA);
    text(seg, 0x00080023, VR_DA, derived->date);
    cor_dicom_priv_derived_copy_moment(derived, 0x00080030, VR_TM);
    text(seg, 0x00080033, VR_TM, derived->time);
    cor_dicom_priv_derived_copy_or_empty(derived, 0x00080050, VR_SH);
    text(seg, 0x00080060, VR_CS, "SEG");
    text(seg, 0x00080070, VR_LO, "Corsia");
    cor_dicom_priv_derived_copy_or_empty(derived, 0x00080090, VR_PN);
    copy(seg, 0x00080201, VR_SH);
    copy(seg, 0x00081030, VR_LO);
    snprintf(description, sizeof(description), "%s Segmentation", algorithm->id);
    text(seg, 0x0008103E, VR_LO, description);
    text(seg, 0x00081090, VR_LO, algorithm->id);
    write_sources(seg);
    cor_dicom_priv_derived_patient(derived);
    text(seg, 0x00181000, VR_LO, algorithm->id);
    text(seg, 0x00181020, VR_LO, algorithm->version);
}

static void write_dimension(Seg *seg, uint32_t attribute, uint32_t group, const char *label)
{
    CorDicomWriter *writer = &seg->derived.writer;

    cor_dicom_priv_begin_member(writer);
    text(seg, 0x00209164, VR_UI, seg->options->dimension_organization_uid);
    cor_dicom_priv_write_at(writer, 0x00209165, attribute);
    cor_dicom_priv_write_at(writer, 0x00209167, group);
    text(seg, 0x00209421, VR_LO, label);
    cor_dicom_priv_end_member(writer);
}

static void write_dimensions(Seg *seg)
{
    CorDicomWriter *writer = &seg->derived.writer;

    cor_dicom_priv_begin_item(writer, 0x00209221);
    text(seg, 0x00209164, VR_UI, seg->options->dimension_organization_uid);
    cor_dicom_priv_end_item(writer);
    cor_dicom_priv_begin_sequence(writer, 0x00209222);
    write_dimension(seg, 0x0062000B, 0x0062000A, "Referenced Segment Number");
    if (seg->has_distinct_places) {
        write_dimension(seg, 0x00200032, 0x00209113, "Image Position (Patient)");
    } else {
        write_dimension(seg, 0x00209057, 0x00209111, "In-Stack Position Number");
    }
    cor_dicom_priv_end_sequence(writer);
}

static void write_place(Seg *seg)
{
    CorDicomDerived *derived = &seg->derived;

    text(seg, 0x0020000D, VR_UI, derived->study_instance_uid);
    text(seg, 0x0020000E, VR_UI, seg->options->series_instance_uid);
    cor_dicom_priv_derived_copy_or_empty(derived, 0x00200010, VR_SH);
    number(seg, 0x00200011, 998);
    number(seg, 0x00200013, 1);
    if (!seg->has_places) {
        cor_dicom_priv_derived_orientation(derived);
    }
    if (seg->has_frame_of_reference) {
        text(seg, 0x00200052, VR_UI, seg->options->sources[0].frame_of_reference_uid);
    }
    copy(seg, 0x00200060, VR_CS);
    if (seg->has_frame_of_reference) {
        cor_dicom_priv_derived_copy_or_empty(derived, 0x00201040, VR_LO);
    }
    write_dimensions(seg);
}

static void write_image(Seg *seg)
{
    const CorDicomSource *first = &seg->options->sources[0];
    bool is_lossy = false;

    for (size_t i = 0; i < seg->options->source_len; i++) {
        is_lossy = is_lossy || seg->options->sources[i].is_lossy;
    }
    us(seg, 0x00280002, 1);
    text(seg, 0x00280004, VR_CS, "MONOCHROME2");
    number(seg, 0x00280008, (int64_t) seg->options->mask_len);
    us(seg, 0x00280010, (uint16_t) first->rows);
    us(seg, 0x00280011, (uint16_t) first->columns);
    us(seg, 0x00280100, 1);
    us(seg, 0x00280101, 1);
    us(seg, 0x00280102, 0);
    us(seg, 0x00280103, 0);
    if (is_lossy) {
        cor_dicom_priv_derived_lossy(&seg->derived, true);
    } else {
        text(seg, 0x00282110, VR_CS, "00");
    }
}

/* Algorithm Identification Macro (section 10.16). */
static void write_algorithm(Seg *seg)
{
    const CorDicomAlgorithm *algorithm = &seg->options->algorithm;

    cor_dicom_priv_begin_item(&seg->derived.writer, 0x00620007);
    code(seg, 0x0066002F, &algorithm->family);
    text(seg, 0x00660031, VR_LO, algorithm->version);
    text(seg, 0x00660032, VR_LT, algorithm->params_text);
    text(seg, 0x00660036, VR_LO, algorithm->id);
    cor_dicom_priv_end_item(&seg->derived.writer);
}

static void write_type(Seg *seg, const CorDicomSegment *segment)
{
    CorDicomWriter *writer = &seg->derived.writer;

    cor_dicom_priv_begin_item(writer, 0x0062000F);
    text(seg, 0x00080100, VR_SH, segment->type.value);
    text(seg, 0x00080102, VR_SH, segment->type.scheme);
    text(seg, 0x00080104, VR_LO, segment->type.meaning);
    if (segment->side.value) {
        code(seg, 0x00620011, &segment->side);
    }
    cor_dicom_priv_end_item(writer);
}

static void write_segments(Seg *seg)
{
    CorDicomWriter *writer = &seg->derived.writer;

    text(seg, 0x00620001, VR_CS, "BINARY");
    cor_dicom_priv_begin_sequence(writer, 0x00620002);
    for (size_t i = 0; i < seg->options->segment_len; i++) {
        const CorDicomSegment *segment = &seg->options->segments[i];

        cor_dicom_priv_begin_member(writer);
        code(seg, 0x00620003, &segment->category);
        us(seg, 0x00620004, (uint16_t) (i + 1));
        text(seg, 0x00620005, VR_LO, segment->label);
        write_algorithm(seg);
        text(seg, 0x00620008, VR_CS, "AUTOMATIC");
        text(seg, 0x00620009, VR_LO, seg->options->algorithm.id);
        write_colour(seg, segment->rgb);
        write_type(seg, segment);
        text(seg, 0x00620020, VR_UT, segment->tracking_id);
        text(seg, 0x00620021, VR_UI, segment->tracking_uid);
        cor_dicom_priv_end_member(writer);
    }
    cor_dicom_priv_end_sequence(writer);
}

static void write_content(Seg *seg)
{
    char description[COR_DICOM_LO_SIZE];

    text(seg, 0x00700080, VR_CS, "SEGMENTATION");
    snprintf(description, sizeof(description), "%s", seg->options->algorithm.title);
    cor_dicom_priv_to_ascii(description);
    text(seg, 0x00700081, VR_LO, description);
    text(seg, 0x00700084, VR_PN, NULL);
}

/* --- functional groups (section A.51.5) --- */

static void write_orientation(Seg *seg, const CorDicomSource *source)
{
    cor_dicom_priv_begin_item(&seg->derived.writer, COR_DICOM_GROUP_PLANE_ORIENTATION);
    text(seg, 0x00200037, VR_DS, source->orientation_text);
    cor_dicom_priv_end_item(&seg->derived.writer);
}

static void write_measures(Seg *seg, const CorDicomSource *source)
{
    char interval[24];

    snprintf(interval, sizeof(interval), "%.10g", seg->interval_mm);
    cor_dicom_priv_begin_item(&seg->derived.writer, COR_DICOM_GROUP_PIXEL_MEASURES);
    if (source->thickness[0] || seg->interval_mm > 0) {
        text(seg, 0x00180050, VR_DS, source->thickness[0] ? source->thickness : interval);
    }
    if (seg->interval_mm > 0) {
        text(seg, 0x00180088, VR_DS, interval);
    }
    text(seg, 0x00280030, VR_DS, source->spacing);
    cor_dicom_priv_end_item(&seg->derived.writer);
}

static void write_derivation(Seg *seg, const CorDicomSource *source)
{
    CorDicomWriter *writer = &seg->derived.writer;

    cor_dicom_priv_begin_item(writer, 0x00089124);
    cor_dicom_priv_begin_item(writer, 0x00082112);
    text(seg, 0x00081150, VR_UI, source->sop_class_uid);
    text(seg, 0x00081155, VR_UI, source->sop_instance_uid);
    if (source->frames > 1) {
        number(seg, 0x00081160, (int64_t) source->frame + 1);
    }
    text(seg, 0x0028135A, VR_CS, "YES"); /* Spatial Locations Preserved */
    cor_dicom_priv_write_code(writer, 0x0040A170, "121322",
                              "Source image for image processing operation");
    cor_dicom_priv_end_item(writer);
    cor_dicom_priv_write_code(writer, 0x00089215, "113076", "Segmentation");
    cor_dicom_priv_end_item(writer);
}

static void write_frame(Seg *seg, const CorDicomMask *mask)
{
    CorDicomWriter *writer = &seg->derived.writer;
    const CorDicomSource *source = &seg->options->sources[mask->source];
    const uint32_t index[2] = {mask->segment + 1, mask->source + 1};

    cor_dicom_priv_begin_member(writer);
    write_derivation(seg, source);
    cor_dicom_priv_begin_item(writer, 0x00209111);
    text(seg, 0x00209056, VR_SH, "1");
    cor_dicom_priv_write_ul_values(writer, 0x00209057, &index[1], 1);
    cor_dicom_priv_write_ul_values(writer, 0x00209157, index, 2);
    cor_dicom_priv_end_item(writer);
    if (seg->has_places) {
        cor_dicom_priv_begin_item(writer, COR_DICOM_GROUP_PLANE_POSITION);
        text(seg, 0x00200032, VR_DS, source->position);
        cor_dicom_priv_end_item(writer);
        if (!seg->is_orientation_shared) {
            write_orientation(seg, source);
        }
        if (!seg->is_measure_shared) {
            write_measures(seg, source);
        }
    }
    cor_dicom_priv_begin_item(writer, 0x0062000A);
    us(seg, 0x0062000B, (uint16_t) (mask->segment + 1));
    cor_dicom_priv_end_item(writer);
    cor_dicom_priv_end_member(writer);
}

static void write_groups(Seg *seg)
{
    CorDicomWriter *writer = &seg->derived.writer;

    cor_dicom_priv_begin_item(writer, 0x52009229);
    if (seg->has_places && seg->is_orientation_shared) {
        write_orientation(seg, &seg->options->sources[0]);
    }
    if (seg->has_places && seg->is_measure_shared) {
        write_measures(seg, &seg->options->sources[0]);
    }
    cor_dicom_priv_end_item(writer);
    cor_dicom_priv_begin_sequence(writer, 0x52009230);
    for (size_t i = 0; i < seg->options->mask_len; i++) {
        write_frame(seg, &seg->options->masks[i]);
    }
    cor_dicom_priv_end_sequence(writer);
}

/* --- pixels --- */

/* Frames follow each other bit by bit, the first in the lowest bit (PS3.5 section 8.1.1 and annex
 * D): a frame whose bits do not fill its last byte shares it with the next. */
static void write_pixels(Seg *seg, size_t frame_bits, size_t size)
{
    size_t frame_bytes = (frame_bits + 7) / 8;
    uint8_t *pixels = cor_dicom_priv_write_head(&seg->derived.writer, COR_DICOM_TAG_PIXELS,
                                                COR_DICOM_VR('O', 'B'), size);

    if (!pixels) {
        return;
    }
    memset(pixels, 0, size);
    for (size_t i = 0; i < seg->options->mask_len; i++) {
        const uint8_t *bits = seg->options->masks[i].bits;
        size_t at = i * frame_bits;
        unsigned shift = (unsigned) (at % 8);
        uint8_t *to = pixels + at / 8;

        if (shift == 0) {
            memcpy(to, bits, frame_bytes);
            continue;
        }
        for (size_t n = 0; n < frame_bytes; n++) {
            unsigned both = (unsigned) bits[n] << shift;
            to[n] |= (uint8_t) both;
            if (both >> 8) {
                to[n + 1] |= (uint8_t) (both >> 8);
            }
        }
    }
}

/* Bytes of the pixels, and of the whole at most. */
static bool find_sizes(const CorDicomSegmentation *options, size_t *ret_pixels, size_t *ret_room,
                       CorError *err)
{
    size_t frame_bits = (size_t) options->sources[0].rows * options->sources[0].columns;
    size_t bits = 0;

    if (!cor_size_mul(frame_bits, options->mask_len, &bits, err)) {
        return false;
    }
    *ret_pixels = bits / 8 + (bits % 8 ? 1 : 0);
    *ret_room = HEADER_BYTES + SOURCE_BYTES * options->source_len +
                SEGMENT_BYTES * options->segment_len + FRAME_BYTES * options->mask_len +
                *ret_pixels;
    return *ret_pixels < 0xFFFFFFFE ||
           cor_fail(err, COR_ERR_LIMIT, "the Segmentation is too large");
}

bool cor_dicom_write_segmentation(const CorDicom *first, const CorDicomSegmentation *segmentation,
                                  uint8_t **ret_file, size_t *ret_size, CorError *err)
{
    Seg seg = {.options = segmentation};
    CorDicomWriter *writer = &seg.derived.writer;
    size_t pixels = 0;
    size_t room = 0;

    if (!check_options(segmentation, err) ||
        !cor_dicom_priv_derived_init(&seg.derived, first, segmentation->sources[0].frame,
                                     segmentation->content_unix_ms, err) ||
        !find_sizes(segmentation, &pixels, &room, err)) {
        return false;
    }
    prepare_geometry(&seg);
    writer->room = room;
    writer->data = malloc(room);
    if (!writer->data) {
        return cor_fail(err, COR_ERR_NOMEM, "out of memory for a Segmentation");
    }
    cor_dicom_priv_write_meta(writer, SEGMENTATION_UID, segmentation->sop_instance_uid,
                              COR_DICOM_EXPLICIT_UID);
    write_identification(&seg);
    write_place(&seg);
    write_image(&seg);
    write_segments(&seg);
    write_content(&seg);
    write_groups(&seg);
    write_pixels(&seg, (size_t) segmentation->sources[0].rows * segmentation->sources[0].columns,
                 pixels);
    if (writer->is_full) {
        free(writer->data);
        return cor_fail(err, COR_ERR_LIMIT, "the Segmentation is too large");
    }
    *ret_file = writer->data;
    *ret_size = writer->size;
    return true;
}

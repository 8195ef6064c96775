/* SPDX-License-Identifier: Apache-2.0 */
/* The Secondary Capture Image IOD (PS3.3 section A.8), written front to back in the order of tags.
 *
 * Beyond what the IOD asks for it carries the source's frame of reference, position, orientation
 * and spacing, so that viewers can scroll the result in step with its source.
 */
#include "dicom/dicom-capture.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/id.h"
#include "dicom/dicom-derived.h"

#define SECONDARY_CAPTURE_UID "1.2.840.10008.5.1.4.1.1.7"

enum { HEADER_MAX = 64 << 10 }; /* everything but the pixels */

/* The call's arguments and what was worked out from them. */
typedef struct Capture {
    CorDicomDerived derived;
    uint32_t frames;
    const CorDicomCapture *options;
} Capture;

static void copy(Capture *capture, uint32_t group, uint32_t tag, uint16_t vr)
{
    cor_dicom_priv_derived_copy(&capture->derived, group, tag, vr);
}

static void copy_or_empty(Capture *capture, uint32_t tag, uint16_t vr)
{
    cor_dicom_priv_derived_copy_or_empty(&capture->derived, tag, vr);
}

static void copy_moment(Capture *capture, uint32_t tag, uint16_t vr)
{
    cor_dicom_priv_derived_copy_moment(&capture->derived, tag, vr);
}

static void text(Capture *capture, uint32_t tag, uint16_t vr, const char *value)
{
    cor_dicom_priv_write_text(&capture->derived.writer, tag, vr, value);
}

static bool has(const Capture *capture, uint32_t tag)
{
    return cor_dicom_priv_derived_has(&capture->derived, tag);
}

static bool check_options(const CorDicomCapture *options, CorError *err)
{
    const CorPlane *plane = &options->plane;

    if (!cor_uid_is_legal(options->sop_instance_uid) ||
        !cor_uid_is_legal(options->series_instance_uid)) {
        return cor_fail(err, COR_ERR_INVALID, "the derived object's UIDs are not legal");
    }
    if (plane->type != COR_PIXEL_RGB8 || plane->width_px < 1 || plane->width_px > 65535 ||
        plane->height_px < 1 || plane->height_px > 65535) {
        return cor_fail(err, COR_ERR_INVALID,
                        "the picture must be RGB8 of 1 to 65535 rows and columns");
    }
    if (strlen(options->algo_id) > 40 || strlen(options->algo_version) > 20) {
        return cor_fail(err, COR_ERR_INVALID, "the algorithm's id or version is too long");
    }
    return true;
}

/* --- the modules, merged into the order of tags --- */

static void derivation_text(const Capture *capture, char *sentence, size_t size)
{
    const CorDicomCapture *options = capture->options;
    const char *title = options->algo_title ? options->algo_title : options->algo_id;

    snprintf(sentence, size, "%s (%s %s)%s%s%s%s", title, options->algo_id, options->algo_version,
             options->params_text ? ", parameters " : "",
             options->params_text ? options->params_text : "", options->derivation ? ". " : "",
             options->derivation ? options->derivation : "");
    cor_dicom_priv_to_ascii(sentence);
}

static void write_identification(Capture *capture)
{
    char description[COR_DICOM_LO_SIZE];
    char sentence[COR_DICOM_ST_SIZE];

    copy(capture, COR_DICOM_GROUP_NONE, 0x00080005, VR_CS);
    text(capture, 0x00080008, VR_CS, "DERIVED\\SECONDARY");
    text(capture, 0x00080012, VR_DA, capture->derived.date);
    text(capture, 0x00080013, VR_TM, capture->derived.time);
    text(capture, 0x00080016, VR_UI, SECONDARY_CAPTURE_UID);
    text(capture, 0x00080018, VR_UI, capture->options->sop_instance_uid);
    copy_moment(capture, 0x00080020, VR_DA);
    text(capture, 0x00080023, VR_DA, capture->derived.date);
    copy_moment(capture, 0x00080030, VR_TM);
    text(capture, 0x00080033, VR_TM, capture->derived.time);
    copy_or_empty(capture, 0x00080050, VR_SH);
    text(capture, 0x00080060, VR_CS, "OT");
    text(capture, 0x00080064, VR_CS, "WSD");
    text(capture, 0x00080070, VR_LO, "Corsia");
    copy_or_empty(capture, 0x00080090, VR_PN);
    copy(capture, COR_DICOM_GROUP_NONE, 0x00080201, VR_SH);
    copy(capture, COR_DICOM_GROUP_NONE, 0x00081030, VR_LO);
    snprintf(description, sizeof(description), "%s Derived", capture->options->algo_id);
    text(capture, 0x0008103E, VR_LO, description);
    text(capture, 0x00081090, VR_LO, capture->options->algo_id);
    derivation_text(capture, sentence, sizeof(sentence));
    text(capture, 0x00082111, VR_ST, sentence);
}

/* What the picture was made of, and how (PS3.3 sections C.7.6.1.1.3 and C.7.6.1.1.4). */
static void write_source(Capture *capture)
{
    CorDicomWriter *writer = &capture->derived.writer;
    char number[16];

    cor_dicom_priv_begin_item(writer, 0x00082112);
    text(capture, 0x00081150, VR_UI, capture->derived.sop_class_uid);
    text(capture, 0x00081155, VR_UI, capture->derived.sop_instance_uid);
    if (capture->frames > 1) {
        snprintf(number, sizeof(number), "%" PRIu32, capture->derived.frame + 1);
        text(capture, 0x00081160, VR_IS, number);
    }
    text(capture, 0x0028135A, VR_CS, "YES"); /* Spatial Locations Preserved */
    cor_dicom_priv_write_code(writer, 0x0040A170, "121322",
                              "Source image for image processing operation");
    cor_dicom_priv_end_item(writer);
    cor_dicom_priv_write_code(writer, 0x00089215, "113076", "Segmentation");
}

static void write_equipment(Capture *capture)
{
    const CorDicomCapture *options = capture->options;
    char protocol[COR_DICOM_LO_SIZE];
    char moment[32];

    copy(capture, COR_DICOM_GROUP_NONE, 0x00180015, VR_CS);
    copy(capture, COR_DICOM_GROUP_PIXEL_MEASURES, 0x00180050, VR_DS);
    copy(capture, COR_DICOM_GROUP_PIXEL_MEASURES, 0x00180088, VR_DS);
    text(capture, 0x00181016, VR_LO, "Corsia");
    text(capture, 0x00181018, VR_LO, options->algo_id);
    text(capture, 0x00181019, VR_LO, options->algo_version);
    text(capture, 0x00181020, VR_LO, options->algo_version);
    snprintf(protocol, sizeof(protocol), "Post-processed with %s", options->algo_id);
    text(capture, 0x00181030, VR_LO, protocol);
    copy(capture, COR_DICOM_GROUP_NONE, 0x00181164, VR_DS);

    cor_dicom_priv_begin_item(&capture->derived.writer, 0x0018A001);
    text(capture, 0x00080070, VR_LO, "Corsia");
    text(capture, 0x00081090, VR_LO, options->algo_id);
    text(capture, 0x00181020, VR_LO, options->algo_version);
    snprintf(moment, sizeof(moment), "%s%s", capture->derived.date, capture->derived.time);
    text(capture, 0x0018A002, COR_DICOM_VR('D', 'T'), moment);
    text(capture, 0x0018A003, VR_ST, "Post-processing");
    cor_dicom_priv_write_code(&capture->derived.writer, 0x0040A170, "109102",
                              "Processing Equipment");
    cor_dicom_priv_end_item(&capture->derived.writer);
}

static void write_instance_number(Capture *capture)
{
    int64_t number = (int64_t) capture->derived.frame + 1;

    if (capture->options->has_instance_number) {
        number = capture->options->instance_number;
    } else if (capture->frames == 1) {
        (void) cor_dicom_priv_integer(capture->derived.source,
                                      cor_dicom_priv_derived_find(&capture->derived, 0x00200013), 0,
                                      &number);
    }
    cor_dicom_priv_write_is(&capture->derived.writer, 0x00200013, number);
}

static void write_place(Capture *capture)
{
    bool has_frame_of_reference = has(capture, 0x00200052);

    text(capture, 0x0020000D, VR_UI, capture->derived.study_instance_uid);
    text(capture, 0x0020000E, VR_UI, capture->options->series_instance_uid);
    copy_or_empty(capture, 0x00200010, VR_SH);
    text(capture, 0x00200011, VR_IS, "999");
    write_instance_number(capture);
    cor_dicom_priv_derived_orientation(&capture->derived);
    copy(capture, COR_DICOM_GROUP_PLANE_POSITION, 0x00200032, VR_DS);
    copy(capture, COR_DICOM_GROUP_PLANE_ORIENTATION, 0x00200037, VR_DS);
    copy(capture, COR_DICOM_GROUP_NONE, 0x00200052, VR_UI);
    cor_dicom_priv_derived_laterality(&capture->derived);
    if (has_frame_of_reference) {
        copy_or_empty(capture, 0x00201040, VR_LO);
    }
    copy(capture, COR_DICOM_GROUP_NONE, 0x00201041, VR_DS);
}

static void write_image(Capture *capture, const CorDicomImage *image)
{
    const CorPlane *plane = &capture->options->plane;
    CorDicomWriter *writer = &capture->derived.writer;
    size_t row = plane->width_px * 3;

    cor_dicom_priv_write_us(writer, 0x00280002, 3);
    text(capture, 0x00280004, VR_CS, "RGB");
    cor_dicom_priv_write_us(writer, 0x00280006, 0);
    cor_dicom_priv_write_us(writer, 0x00280010, (uint16_t) plane->height_px);
    cor_dicom_priv_write_us(writer, 0x00280011, (uint16_t) plane->width_px);
    copy(capture, COR_DICOM_GROUP_PIXEL_MEASURES, 0x00280030, VR_DS);
    cor_dicom_priv_write_us(writer, 0x00280100, 8);
    cor_dicom_priv_write_us(writer, 0x00280101, 8);
    cor_dicom_priv_write_us(writer, 0x00280102, 7);
    cor_dicom_priv_write_us(writer, 0x00280103, 0);
    text(capture, 0x00280301, VR_CS, "NO");
    cor_dicom_priv_derived_lossy(&capture->derived, image->is_lossy);

    uint8_t *pixels = cor_dicom_priv_write_head(writer, COR_DICOM_TAG_PIXELS,
                                                COR_DICOM_VR('O', 'B'), row * plane->height_px);
    for (size_t y = 0; pixels && y < plane->height_px; y++) {
        memcpy(pixels + y * row, (const uint8_t *) plane->data + y * plane->row_bytes, row);
    }
}

bool cor_dicom_write_secondary_capture(const CorDicom *source, uint32_t frame,
                                       const CorDicomCapture *capture, uint8_t **ret_file,
                                       size_t *ret_size, CorError *err)
{
    Capture state = {.options = capture};
    CorDicomImage image = {0};

    if (!check_options(capture, err) || !cor_dicom_image(source, &image, err)) {
        return false;
    }
    if (frame >= image.frames) {
        return cor_fail(err, COR_ERR_INVALID, "the source has no frame %" PRIu32, frame + 1);
    }
    state.frames = image.frames;
    if (!cor_dicom_priv_derived_init(&state.derived, source, frame, capture->content_unix_ms,
                                     err)) {
        return false;
    }
    state.derived.writer.room = HEADER_MAX + 3 * capture->plane.width_px * capture->plane.height_px;
    state.derived.writer.data = malloc(state.derived.writer.room);
    if (!state.derived.writer.data) {
        return cor_fail(err, COR_ERR_NOMEM, "out of memory for a file of %zu bytes",
                        state.derived.writer.room);
    }
    cor_dicom_priv_write_meta(&state.derived.writer, SECONDARY_CAPTURE_UID,
                              capture->sop_instance_uid, COR_DICOM_EXPLICIT_UID);
    write_identification(&state);
    write_source(&state);
    cor_dicom_priv_derived_patient(&state.derived);
    write_equipment(&state);
    write_place(&state);
    write_image(&state, &image);
    if (state.derived.writer.is_full) {
        free(state.derived.writer.data);
        return cor_fail(err, COR_ERR_LIMIT, "the derived object is too large");
    }
    *ret_file = state.derived.writer.data;
    *ret_size = state.derived.writer.size;
    return true;
}

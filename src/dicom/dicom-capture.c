/* SPDX-License-Identifier: Apache-2.0 */
/* The Secondary Capture Image IOD (PS3.3 section A.8), written front to back in the order of tags.
 *
 * Beyond what the IOD asks for it carries the source's frame of reference, position, orientation
 * and spacing, so that viewers can scroll the result in step with its source.  Text of the source
 * is copied as the bytes that it is, together with its Specific Character Set; our own text is
 * ASCII and so right in any of them.
 */
#include "dicom/dicom-capture.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/array.h"
#include "base/id.h"
#include "dicom/dicom-pixels.h"
#include "dicom/dicom-writer.h"

#define SECONDARY_CAPTURE_UID "1.2.840.10008.5.1.4.1.1.7"
#define EXPLICIT_UID "1.2.840.10008.1.2.1"

#define GROUP_NONE 0u
#define GROUP_PLANE_POSITION 0x00209113u
#define GROUP_PLANE_ORIENTATION 0x00209116u
#define GROUP_PIXEL_MEASURES 0x00289110u

enum {
    HEADER_MAX = 64 << 10, /* everything but the pixels */
    COPIED_MAX = 1024,     /* bytes of a value that is copied: more than any of their VRs allows */
    LO_SIZE = 65,
    ST_SIZE = 1025,
};

#define VR_CS COR_DICOM_VR('C', 'S')
#define VR_DA COR_DICOM_VR('D', 'A')
#define VR_DS COR_DICOM_VR('D', 'S')
#define VR_IS COR_DICOM_VR('I', 'S')
#define VR_LO COR_DICOM_VR('L', 'O')
#define VR_PN COR_DICOM_VR('P', 'N')
#define VR_SH COR_DICOM_VR('S', 'H')
#define VR_ST COR_DICOM_VR('S', 'T')
#define VR_TM COR_DICOM_VR('T', 'M')
#define VR_UI COR_DICOM_VR('U', 'I')

/* Body parts that have no side (PS3.3 section C.7.3.1; terms of PS3.16 annex L that are not
 * paired). */
static const char *const unpaired_parts[] = {
    "ABDOMEN",
    "ABDOMENPELVIS",
    "AORTA",
    "BLADDER",
    "BRAIN",
    "CERVIX",
    "CHEST",
    "CHESTABDOMEN",
    "CHESTABDPELVIS",
    "COCCYX",
    "COLON",
    "CSPINE",
    "CTSPINE",
    "DUODENUM",
    "ESOPHAGUS",
    "GALLBLADDER",
    "HEAD",
    "HEADNECK",
    "HEART",
    "JAW",
    "LARYNX",
    "LIVER",
    "LSPINE",
    "LSSPINE",
    "MEDIASTINUM",
    "MOUTH",
    "NECK",
    "NECKCHEST",
    "NECKCHESTABDOMEN",
    "NOSE",
    "PANCREAS",
    "PELVIS",
    "PENIS",
    "PHARYNX",
    "PROSTATE",
    "RECTUM",
    "SCROTUM",
    "SELLA",
    "SKULL",
    "SPINE",
    "SPLEEN",
    "SSPINE",
    "STERNUM",
    "STOMACH",
    "TLSPINE",
    "TRACHEA",
    "TSPINE",
    "UTERUS",
    "VAGINA",
    "WHOLEBODY",
};

/* The call's arguments and what was worked out from them. */
typedef struct Capture {
    const CorDicom *source;
    uint32_t frame;
    uint32_t frames;
    const CorDicomCapture *options;
    CorDicomWriter writer;
    char date[9];                     /* 20260131 */
    char time[16];                    /* 235959.123 */
    char sop_class_uid[COR_UID_SIZE]; /* of the source, like the rest */
    char sop_instance_uid[COR_UID_SIZE];
    char study_instance_uid[COR_UID_SIZE];
    char series_instance_uid[COR_UID_SIZE];
} Capture;

static const CorDicomElement *find(const Capture *capture, uint32_t tag)
{
    return cor_dicom_priv_find(capture->source, cor_dicom_priv_root(capture->source), tag);
}

static bool is_copied(const CorDicomElement *element)
{
    return element && element->size > 0 && element->size <= COPIED_MAX &&
           cor_dicom_priv_vr_is_text(element->vr);
}

/* Copy a text element of the source; one that is absent is left out (type 3). */
static void copy(Capture *capture, uint32_t group, uint32_t tag, uint16_t vr)
{
    const CorDicomElement *element =
        cor_dicom_priv_frame_element(capture->source, capture->frame, group, tag);

    if (is_copied(element)) {
        cor_dicom_priv_write(&capture->writer, tag, vr,
                             cor_dicom_priv_bytes(capture->source, element), element->size);
    }
}

/* As above; one that is absent is written empty (type 2). */
static void copy_or_empty(Capture *capture, uint32_t tag, uint16_t vr)
{
    if (is_copied(find(capture, tag))) {
        copy(capture, GROUP_NONE, tag, vr);
    } else {
        cor_dicom_priv_write(&capture->writer, tag, vr, NULL, 0);
    }
}

/* Copy a date or time (type 2) without the dots and colons that ACR-NEMA had in them. */
static void copy_moment(Capture *capture, uint32_t tag, uint16_t vr)
{
    const CorDicomElement *element = find(capture, tag);
    char moment[32];
    size_t len = 0;

    for (size_t i = 0; is_copied(element) && i < element->size && len < sizeof(moment); i++) {
        char c = (char) cor_dicom_priv_bytes(capture->source, element)[i];

        if ((c >= '0' && c <= '9') || (c == '.' && vr == VR_TM)) {
            moment[len++] = c;
        }
    }
    cor_dicom_priv_write(&capture->writer, tag, vr, moment, len);
}

static void text(Capture *capture, uint32_t tag, uint16_t vr, const char *value)
{
    cor_dicom_priv_write_text(&capture->writer, tag, vr, value);
}

/* --- before writing --- */

/* The offset in ms that the source states, "+0130"; 0 if it states none. */
static int64_t timezone_ms(const Capture *capture)
{
    char offset[8];
    int hours = 0;
    int minutes = 0;

    if (!cor_dicom_priv_code(capture->source, find(capture, 0x00080201), 0, offset,
                             sizeof(offset)) ||
        strlen(offset) != 5 || sscanf(offset + 1, "%2d%2d", &hours, &minutes) != 2) {
        return 0;
    }
    int64_t ms = (hours * 60 + minutes) * INT64_C(60000);
    return offset[0] == '-' ? -ms : ms;
}

static bool prepare_time(Capture *capture, CorError *err)
{
    int64_t unix_ms = capture->options->content_unix_ms;
    struct tm parts;

    /* Years of four digits. */
    if (unix_ms < 0 || unix_ms > INT64_C(253402000000000)) {
        return cor_fail(err, COR_ERR_INVALID, "content time is out of range");
    }
    unix_ms += timezone_ms(capture);
    time_t seconds = (time_t) (unix_ms / 1000);
    if (unix_ms < 0 || !gmtime_r(&seconds, &parts)) {
        return cor_fail(err, COR_ERR_INVALID, "content time is out of range");
    }
    (void) strftime(capture->date, sizeof(capture->date), "%Y%m%d", &parts);
    (void) strftime(capture->time, sizeof(capture->time), "%H%M%S", &parts);
    snprintf(capture->time + 6, sizeof(capture->time) - 6, ".%03d", (int) (unix_ms % 1000));
    return true;
}

static bool prepare_uids(Capture *capture, CorError *err)
{
    const struct {
        uint32_t tag;
        const char *name;
        char *uid;
    } uids[] = {
        {0x00080016, "SOP Class UID", capture->sop_class_uid},
        {0x00080018, "SOP Instance UID", capture->sop_instance_uid},
        {0x0020000D, "Study Instance UID", capture->study_instance_uid},
        {0x0020000E, "Series Instance UID", capture->series_instance_uid},
    };

    for (size_t i = 0; i < COR_ARRAY_LEN(uids); i++) {
        if (!cor_dicom_priv_code(capture->source, find(capture, uids[i].tag), 0, uids[i].uid,
                                 COR_UID_SIZE) ||
            !cor_uid_is_legal(uids[i].uid)) {
            return cor_fail(err, COR_ERR_INVALID, "the source has no legal %s", uids[i].name);
        }
    }
    return true;
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
    for (char *c = sentence; *c; c++) {
        if (*c < 0x20 || *c > 0x7E) {
            *c = '?'; /* the source's character set is not ours */
        }
    }
}

static void write_identification(Capture *capture)
{
    char description[LO_SIZE];
    char sentence[ST_SIZE];

    copy(capture, GROUP_NONE, 0x00080005, VR_CS);
    text(capture, 0x00080008, VR_CS, "DERIVED\\SECONDARY");
    text(capture, 0x00080012, VR_DA, capture->date);
    text(capture, 0x00080013, VR_TM, capture->time);
    text(capture, 0x00080016, VR_UI, SECONDARY_CAPTURE_UID);
    text(capture, 0x00080018, VR_UI, capture->options->sop_instance_uid);
    copy_moment(capture, 0x00080020, VR_DA);
    text(capture, 0x00080023, VR_DA, capture->date);
    copy_moment(capture, 0x00080030, VR_TM);
    text(capture, 0x00080033, VR_TM, capture->time);
    copy_or_empty(capture, 0x00080050, VR_SH);
    text(capture, 0x00080060, VR_CS, "OT");
    text(capture, 0x00080064, VR_CS, "WSD");
    text(capture, 0x00080070, VR_LO, "Corsia");
    copy_or_empty(capture, 0x00080090, VR_PN);
    copy(capture, GROUP_NONE, 0x00080201, VR_SH);
    copy(capture, GROUP_NONE, 0x00081030, VR_LO);
    snprintf(description, sizeof(description), "%s Derived", capture->options->algo_id);
    text(capture, 0x0008103E, VR_LO, description);
    text(capture, 0x00081090, VR_LO, capture->options->algo_id);
    derivation_text(capture, sentence, sizeof(sentence));
    text(capture, 0x00082111, VR_ST, sentence);
}

/* What the picture was made of, and how (PS3.3 sections C.7.6.1.1.3 and C.7.6.1.1.4). */
static void write_source(Capture *capture)
{
    CorDicomWriter *writer = &capture->writer;
    char number[16];

    cor_dicom_priv_begin_item(writer, 0x00082112);
    text(capture, 0x00081150, VR_UI, capture->sop_class_uid);
    text(capture, 0x00081155, VR_UI, capture->sop_instance_uid);
    if (capture->frames > 1) {
        snprintf(number, sizeof(number), "%" PRIu32, capture->frame + 1);
        text(capture, 0x00081160, VR_IS, number);
    }
    text(capture, 0x0028135A, VR_CS, "YES"); /* Spatial Locations Preserved */
    cor_dicom_priv_write_code(writer, 0x0040A170, "121322",
                              "Source image for image processing operation");
    cor_dicom_priv_end_item(writer);
    cor_dicom_priv_write_code(writer, 0x00089215, "113076", "Segmentation");
}

static void write_patient(Capture *capture)
{
    copy_or_empty(capture, 0x00100010, VR_PN);
    copy_or_empty(capture, 0x00100020, VR_LO);
    copy(capture, GROUP_NONE, 0x00100021, VR_LO);
    copy_moment(capture, 0x00100030, VR_DA);
    copy_or_empty(capture, 0x00100040, VR_CS);
    copy(capture, GROUP_NONE, 0x00101010, COR_DICOM_VR('A', 'S'));
    copy(capture, GROUP_NONE, 0x00101020, VR_DS);
    copy(capture, GROUP_NONE, 0x00101030, VR_DS);
}

static void write_equipment(Capture *capture)
{
    const CorDicomCapture *options = capture->options;
    char protocol[LO_SIZE];
    char moment[32];

    copy(capture, GROUP_NONE, 0x00180015, VR_CS);
    copy(capture, GROUP_PIXEL_MEASURES, 0x00180050, VR_DS);
    copy(capture, GROUP_PIXEL_MEASURES, 0x00180088, VR_DS);
    text(capture, 0x00181016, VR_LO, "Corsia");
    text(capture, 0x00181018, VR_LO, options->algo_id);
    text(capture, 0x00181019, VR_LO, options->algo_version);
    text(capture, 0x00181020, VR_LO, options->algo_version);
    snprintf(protocol, sizeof(protocol), "Post-processed with %s", options->algo_id);
    text(capture, 0x00181030, VR_LO, protocol);
    copy(capture, GROUP_NONE, 0x00181164, VR_DS);

    cor_dicom_priv_begin_item(&capture->writer, 0x0018A001);
    text(capture, 0x00080070, VR_LO, "Corsia");
    text(capture, 0x00081090, VR_LO, options->algo_id);
    text(capture, 0x00181020, VR_LO, options->algo_version);
    snprintf(moment, sizeof(moment), "%s%s", capture->date, capture->time);
    text(capture, 0x0018A002, COR_DICOM_VR('D', 'T'), moment);
    text(capture, 0x0018A003, VR_ST, "Post-processing");
    cor_dicom_priv_write_code(&capture->writer, 0x0040A170, "109102", "Processing Equipment");
    cor_dicom_priv_end_item(&capture->writer);
}

static void write_instance_number(Capture *capture)
{
    int64_t number = (int64_t) capture->frame + 1;
    char digits[24];

    if (capture->options->has_instance_number) {
        number = capture->options->instance_number;
    } else if (capture->frames == 1) {
        (void) cor_dicom_priv_integer(capture->source, find(capture, 0x00200013), 0, &number);
    }
    snprintf(digits, sizeof(digits), "%" PRId64, number);
    text(capture, 0x00200013, VR_IS, digits);
}

/* Append the letters of one direction, the longest component first: "L", "AF" (PS3.3 section
 * C.7.6.1.1.1).  Directions less than 0.1 off a plane are taken as in it. */
static void append_direction(const double direction[3], char *letters)
{
    static const char names[3][2] = {{'R', 'L'}, {'A', 'P'}, {'F', 'H'}}; /* minus, plus */
    double left[3] = {direction[0], direction[1], direction[2]};

    for (int n = 0; n < 3; n++) {
        int longest = 0;

        for (int i = 1; i < 3; i++) {
            longest = fabs(left[i]) > fabs(left[longest]) ? i : longest;
        }
        if (!(fabs(left[longest]) > 0.1)) {
            break;
        }
        *letters++ = names[longest][left[longest] > 0];
        left[longest] = 0;
    }
    *letters = '\0';
}

/* Patient Orientation, type 2C: the source's, or what its direction cosines mean, or empty. */
static void write_patient_orientation(Capture *capture)
{
    CorDicomFrameInfo info = {0};
    char letters[16] = "";

    if (is_copied(find(capture, 0x00200020))) {
        copy(capture, GROUP_NONE, 0x00200020, VR_CS);
        return;
    }
    if (cor_dicom_frame_info(capture->source, capture->frame, &info, NULL) &&
        info.has_orientation) {
        append_direction(info.orientation, letters);
        size_t len = strlen(letters);
        letters[len++] = '\\';
        append_direction(info.orientation + 3, letters + len);
    }
    text(capture, 0x00200020, VR_CS, letters);
}

/* Laterality, type 2C: not for body parts of which there is one, empty when nobody knows. */
static void write_laterality(Capture *capture)
{
    char part[32];

    if (cor_dicom_priv_code(capture->source, find(capture, 0x00180015), 0, part, sizeof(part))) {
        for (size_t i = 0; i < COR_ARRAY_LEN(unpaired_parts); i++) {
            if (strcmp(part, unpaired_parts[i]) == 0) {
                return;
            }
        }
    }
    copy_or_empty(capture, 0x00200060, VR_CS);
}

static void write_place(Capture *capture)
{
    bool has_frame_of_reference = is_copied(find(capture, 0x00200052));

    text(capture, 0x0020000D, VR_UI, capture->study_instance_uid);
    text(capture, 0x0020000E, VR_UI, capture->options->series_instance_uid);
    copy_or_empty(capture, 0x00200010, VR_SH);
    text(capture, 0x00200011, VR_IS, "999");
    write_instance_number(capture);
    write_patient_orientation(capture);
    copy(capture, GROUP_PLANE_POSITION, 0x00200032, VR_DS);
    copy(capture, GROUP_PLANE_ORIENTATION, 0x00200037, VR_DS);
    copy(capture, GROUP_NONE, 0x00200052, VR_UI);
    write_laterality(capture);
    if (has_frame_of_reference) {
        copy_or_empty(capture, 0x00201040, VR_LO);
    }
    copy(capture, GROUP_NONE, 0x00201041, VR_DS);
}

/* Lossy once, lossy for ever (PS3.3 section C.7.6.1.1.5). */
static void write_lossy(Capture *capture, bool is_lossy)
{
    if (!is_lossy) {
        return;
    }
    text(capture, 0x00282110, VR_CS, "01");
    copy(capture, GROUP_NONE, 0x00282112, VR_DS);
    copy(capture, GROUP_NONE, 0x00282114, VR_CS);
}

static void write_image(Capture *capture, const CorDicomImage *image)
{
    const CorPlane *plane = &capture->options->plane;
    CorDicomWriter *writer = &capture->writer;
    size_t row = plane->width_px * 3;

    cor_dicom_priv_write_us(writer, 0x00280002, 3);
    text(capture, 0x00280004, VR_CS, "RGB");
    cor_dicom_priv_write_us(writer, 0x00280006, 0);
    cor_dicom_priv_write_us(writer, 0x00280010, (uint16_t) plane->height_px);
    cor_dicom_priv_write_us(writer, 0x00280011, (uint16_t) plane->width_px);
    copy(capture, GROUP_PIXEL_MEASURES, 0x00280030, VR_DS);
    cor_dicom_priv_write_us(writer, 0x00280100, 8);
    cor_dicom_priv_write_us(writer, 0x00280101, 8);
    cor_dicom_priv_write_us(writer, 0x00280102, 7);
    cor_dicom_priv_write_us(writer, 0x00280103, 0);
    text(capture, 0x00280301, VR_CS, "NO");
    write_lossy(capture, image->is_lossy);

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
    Capture state = {.source = source, .frame = frame, .options = capture};
    CorDicomImage image = {0};

    if (!check_options(capture, err) || !cor_dicom_image(source, &image, err)) {
        return false;
    }
    if (frame >= image.frames) {
        return cor_fail(err, COR_ERR_INVALID, "the source has no frame %" PRIu32, frame + 1);
    }
    state.frames = image.frames;
    if (!prepare_uids(&state, err) || !prepare_time(&state, err)) {
        return false;
    }
    state.writer.room = HEADER_MAX + 3 * capture->plane.width_px * capture->plane.height_px;
    state.writer.data = malloc(state.writer.room);
    if (!state.writer.data) {
        return cor_fail(err, COR_ERR_NOMEM, "out of memory for a file of %zu bytes",
                        state.writer.room);
    }
    cor_dicom_priv_write_meta(&state.writer, SECONDARY_CAPTURE_UID, capture->sop_instance_uid,
                              EXPLICIT_UID);
    write_identification(&state);
    write_source(&state);
    write_patient(&state);
    write_equipment(&state);
    write_place(&state);
    write_image(&state, &image);
    if (state.writer.is_full) {
        free(state.writer.data);
        return cor_fail(err, COR_ERR_LIMIT, "the derived object is too large");
    }
    *ret_file = state.writer.data;
    *ret_size = state.writer.size;
    return true;
}

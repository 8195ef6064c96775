/* SPDX-License-Identifier: Apache-2.0 */
/* Tolerances are far below what can be seen and far above what rounding to the 16 characters of a
 * decimal string does. */
#include "dicom/dicom-gate.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "dicom/dicom-derived.h"

#define TAG_REFERENCED_INSTANCE 0x00081155u
#define TAG_PER_FRAME_GROUPS 0x52009230u

static const double position_tolerance_mm = 1e-2;
static const double direction_tolerance = 1e-4;
static const double spacing_tolerance = 1e-4; /* of the spacing */

typedef struct Check {
    const CorDicomGate *gate;
    const CorDicom *dicom;
    CorDicomSource itself;              /* the object, as if it were a source */
    size_t latest;                      /* source that was found last: the next one is near */
    const char *frame_of_reference_uid; /* of all sources, or "" */
    uint64_t *indices;                  /* of the frames so far */
    CorError *err;
} Check;

static bool refuse(Check *check, const char *reason)
{
    return cor_fail(check->err, COR_ERR_DENIED, "%s", reason);
}

static bool refuse_frame(Check *check, uint32_t frame, const char *reason)
{
    return cor_fail(check->err, COR_ERR_DENIED, "frame %" PRIu32 ": %s", frame + 1, reason);
}

static const CorDicomElement *find(const Check *check, uint32_t tag)
{
    return cor_dicom_priv_find(check->dicom, cor_dicom_priv_root(check->dicom), tag);
}

static bool code_at(const Check *check, uint32_t tag, char *text, size_t size)
{
    return cor_dicom_priv_code(check->dicom, find(check, tag), 0, text, size);
}

/* --- names --- */

static bool check_names(Check *check)
{
    CorDicomSource *itself = &check->itself;
    const CorDicomSource *source = check->gate->sources;

    if (!code_at(check, 0x00080016, itself->sop_class_uid, COR_UID_SIZE) ||
        !code_at(check, 0x00080018, itself->sop_instance_uid, COR_UID_SIZE) ||
        !code_at(check, 0x0020000D, itself->study_instance_uid, COR_UID_SIZE) ||
        !code_at(check, 0x0020000E, itself->series_instance_uid, COR_UID_SIZE) ||
        !cor_uid_is_legal(itself->sop_instance_uid) ||
        !cor_uid_is_legal(itself->series_instance_uid)) {
        return refuse(check, "a UID is missing or not legal");
    }
    for (size_t i = 0; i < check->gate->source_len; i++) {
        if (strcmp(itself->sop_instance_uid, source[i].sop_instance_uid) == 0 ||
            strcmp(itself->series_instance_uid, source[i].series_instance_uid) == 0) {
            return refuse(check, "it has a UID of its source");
        }
        if (strcmp(itself->study_instance_uid, source[i].study_instance_uid) != 0) {
            return refuse(check, "it lies in another study than its source");
        }
    }
    for (size_t i = 0; i < check->gate->sibling_len; i++) {
        if (strcmp(itself->sop_instance_uid, check->gate->sibling_uids[i]) == 0) {
            return refuse(check, "it has a UID of another derived object");
        }
    }
    return true;
}

/* The source of a UID and a frame from 1; 0 for any frame. */
static const CorDicomSource *find_source(Check *check, const char *uid, int64_t frame)
{
    size_t len = check->gate->source_len;

    for (size_t n = 0; n < len; n++) {
        size_t i = (check->latest + n) % len;
        const CorDicomSource *source = &check->gate->sources[i];
        if ((frame == 0 || (int64_t) source->frame + 1 == frame) &&
            strcmp(source->sop_instance_uid, uid) == 0) {
            check->latest = i;
            return source;
        }
    }
    return NULL;
}

static bool is_sibling(const Check *check, const char *uid)
{
    for (size_t i = 0; i < check->gate->sibling_len; i++) {
        if (strcmp(check->gate->sibling_uids[i], uid) == 0) {
            return true;
        }
    }
    return false;
}

static bool check_references(Check *check)
{
    const CorDicom *dicom = check->dicom;
    size_t seen = 0;
    char uid[COR_UID_SIZE];

    for (uint32_t i = 0; i < dicom->elements_len; i++) {
        if (dicom->elements[i].tag != TAG_REFERENCED_INSTANCE) {
            continue;
        }
        if (!cor_dicom_priv_code(dicom, &dicom->elements[i], 0, uid, sizeof(uid))) {
            return refuse(check, "a reference is empty");
        }
        if (!find_source(check, uid, 0) && !is_sibling(check, uid)) {
            return refuse(check, "it refers to an object that is not among the job's inputs");
        }
        seen++;
    }
    return seen > 0 || refuse(check, "it refers to no source");
}

/* --- places --- */

static bool is_near(const double *one, const double *other, size_t len, double tolerance)
{
    for (size_t i = 0; i < len; i++) {
        if (!(fabs(one[i] - other[i]) <= tolerance)) {
            return false;
        }
    }
    return true;
}

static bool is_near_share(double one, double other)
{
    return fabs(one - other) <= spacing_tolerance * fabs(other);
}

/* Made of sources that do not agree in their frame of reference, it lies nowhere. */
static bool is_nowhere(const Check *check, const CorDicomFrameInfo *info)
{
    return check->frame_of_reference_uid[0] == '\0' && info->frame_of_reference_uid[0] == '\0';
}

static bool check_place(Check *check, uint32_t frame, const CorDicomSource *source)
{
    CorDicomFrameInfo info;
    CorError why = {0};

    if (!cor_dicom_frame_info(check->dicom, frame, &info, &why)) {
        return refuse_frame(check, frame, why.text);
    }
    if (check->itself.rows != source->rows || check->itself.columns != source->columns) {
        return refuse_frame(check, frame, "it is not as large as its source");
    }
    if (!is_nowhere(check, &info) &&
        strcmp(info.frame_of_reference_uid, source->frame_of_reference_uid) != 0) {
        return refuse_frame(check, frame, "it has another frame of reference than its source");
    }
    /* What lies where nobody knows, or in no frame of reference, need not say where. */
    if (is_nowhere(check, &info) || !source->has_place || !(source->row_spacing_mm > 0)) {
        return true;
    }
    if (!info.has_position || !info.has_orientation || !info.has_spacing) {
        return refuse_frame(check, frame, "it does not say where it lies");
    }
    if (!is_near(info.position_mm, source->position_mm, 3, position_tolerance_mm)) {
        return refuse_frame(check, frame, "it does not lie on its source");
    }
    if (!is_near(info.orientation, source->orientation, 6, direction_tolerance)) {
        return refuse_frame(check, frame, "it is not oriented as its source");
    }
    if (!is_near_share(info.row_spacing_mm, source->row_spacing_mm) ||
        !is_near_share(info.column_spacing_mm, source->column_spacing_mm)) {
        return refuse_frame(check, frame, "its spacing is not that of its source");
    }
    return true;
}

/* --- frames --- */

/* The one source that an item of Source Image Sequence names. */
static const CorDicomSource *named_source(Check *check, CorDicomScope scope)
{
    const CorDicom *dicom = check->dicom;
    const CorDicomElement *sequence = cor_dicom_priv_find(dicom, scope, 0x00082112);
    CorDicomScope item;
    char uid[COR_UID_SIZE];
    int64_t number = 1; /* what is no multi-frame image has no number of the frame */

    if (!cor_dicom_priv_first_item(dicom, scope, 0x00082112, &item) ||
        cor_dicom_priv_item(dicom, sequence, 1) ||
        !cor_dicom_priv_code(dicom, cor_dicom_priv_find(dicom, item, TAG_REFERENCED_INSTANCE), 0,
                             uid, sizeof(uid))) {
        return NULL;
    }
    (void) cor_dicom_priv_integer(dicom, cor_dicom_priv_find(dicom, item, 0x00081160), 0, &number);
    return find_source(check, uid, number);
}

static bool check_index(Check *check, uint32_t frame, CorDicomScope item, int64_t segment)
{
    const CorDicom *dicom = check->dicom;
    CorDicomScope content;
    int64_t first = 0;
    int64_t second = 0;

    if (!cor_dicom_priv_first_item(dicom, item, 0x00209111, &content)) {
        return refuse_frame(check, frame, "it has no frame content");
    }
    const CorDicomElement *values = cor_dicom_priv_find(dicom, content, 0x00209157);
    if (!cor_dicom_priv_integer(dicom, values, 0, &first) ||
        !cor_dicom_priv_integer(dicom, values, 1, &second) || first != segment || second < 1 ||
        second > UINT32_MAX) {
        return refuse_frame(check, frame, "its dimension index is not that of its segment");
    }
    check->indices[frame] = (uint64_t) first << 32 | (uint64_t) second;
    return true;
}

static bool check_pixels(Check *check, uint32_t frame)
{
    COR_CLEANUP(cor_dicom_frame_freep) CorDicomFrame *values = NULL;
    CorError why = {0};

    if (!cor_dicom_decode_frame(check->dicom, frame, 0, &values, &why)) {
        return refuse_frame(check, frame, why.text);
    }
    const CorPlane *plane = cor_dicom_frame_plane(values);
    if (!memchr(plane->data, 1, cor_dicom_frame_bytes(values))) {
        return refuse_frame(check, frame, "its mask is empty");
    }
    return true;
}

static bool check_mask(Check *check, uint32_t frame, const CorDicomElement *item, int64_t segments)
{
    const CorDicom *dicom = check->dicom;
    CorDicomScope inside = cor_dicom_priv_inside(dicom, item);
    CorDicomScope derivation;
    CorDicomScope identification;
    int64_t segment = 0;

    if (!cor_dicom_priv_first_item(dicom, inside, 0x00089124, &derivation)) {
        return refuse_frame(check, frame, "it does not say what it was made of");
    }
    const CorDicomSource *source = named_source(check, derivation);
    if (!source) {
        return refuse_frame(check, frame, "it is not of exactly one of the job's inputs");
    }
    if (!cor_dicom_priv_first_item(dicom, inside, 0x0062000A, &identification) ||
        !cor_dicom_priv_integer(dicom, cor_dicom_priv_find(dicom, identification, 0x0062000B), 0,
                                &segment) ||
        segment < 1 || segment > segments) {
        return refuse_frame(check, frame, "it is of no segment that there is");
    }
    return check_place(check, frame, source) && check_index(check, frame, inside, segment) &&
           check_pixels(check, frame);
}

static int64_t count_items(const Check *check, const CorDicomElement *sequence)
{
    int64_t len = 0;
    uint32_t at = sequence ? (uint32_t) (sequence - check->dicom->elements) + 1 : 0;

    while (sequence && at < sequence->end) {
        len++;
        at = check->dicom->elements[at].end;
    }
    return len;
}

static int compare(const void *a, const void *b)
{
    uint64_t one = *(const uint64_t *) a;
    uint64_t other = *(const uint64_t *) b;

    return one < other ? -1 : one > other;
}

static bool check_masks(Check *check)
{
    const CorDicomElement *groups = find(check, TAG_PER_FRAME_GROUPS);
    int64_t segments = count_items(check, find(check, 0x00620002));
    uint32_t at = groups ? (uint32_t) (groups - check->dicom->elements) + 1 : 0;

    if (count_items(check, groups) != check->itself.frames) {
        return refuse(check, "it does not describe each of its frames");
    }
    for (uint32_t frame = 0; frame < check->itself.frames; frame++) {
        const CorDicomElement *item = &check->dicom->elements[at];
        if (!check_mask(check, frame, item, segments)) {
            return false;
        }
        at = item->end;
    }
    qsort(check->indices, check->itself.frames, sizeof(*check->indices), compare);
    for (uint32_t i = 1; i < check->itself.frames; i++) {
        if (check->indices[i] == check->indices[i - 1]) {
            return refuse(check, "two of its frames have the same index");
        }
    }
    return true;
}

/* The source, of those that a projection names, that lies where the image says that it lies. */
static const CorDicomSource *projected_source(Check *check)
{
    const CorDicom *dicom = check->dicom;
    const CorDicomElement *sequence = find(check, 0x00082112);
    const CorDicomElement *item = NULL;
    CorDicomFrameInfo info = {0};
    char uid[COR_UID_SIZE];

    if (!sequence || !cor_dicom_frame_info(dicom, 0, &info, NULL)) {
        return NULL;
    }
    for (uint32_t n = 0; (item = cor_dicom_priv_item(dicom, sequence, n)) != NULL; n++) {
        const CorDicomElement *named =
            cor_dicom_priv_find(dicom, cor_dicom_priv_inside(dicom, item), TAG_REFERENCED_INSTANCE);
        const CorDicomSource *source = cor_dicom_priv_code(dicom, named, 0, uid, sizeof(uid))
                                           ? find_source(check, uid, 0)
                                           : NULL;

        if (source && is_near(info.position_mm, source->position_mm, 3, position_tolerance_mm)) {
            return source;
        }
    }
    return NULL;
}

/* A picture of one frame of one source, or a projection of several slices onto one of them. */
static bool check_picture(Check *check)
{
    const CorDicomSource *source = named_source(check, cor_dicom_priv_root(check->dicom));

    source = source ? source : projected_source(check);
    if (!source) {
        return refuse(check, "it is not of one of the job's inputs, and lies on none");
    }
    return check_place(check, 0, source);
}

static bool check_image(Check *check)
{
    CorDicomImage image;
    CorError why = {0};

    if (!cor_dicom_image(check->dicom, &image, &why)) {
        return why.code == COR_ERR_NOT_FOUND || refuse(check, why.text); /* a report has none */
    }
    check->itself.rows = image.rows;
    check->itself.columns = image.columns;
    check->itself.frames = image.frames;
    if (!find(check, TAG_PER_FRAME_GROUPS)) {
        return image.frames == 1 ? check_picture(check)
                                 : refuse(check, "it does not describe its frames");
    }
    check->indices = cor_new_array(uint64_t, image.frames);
    if (!check->indices) {
        return cor_fail(check->err, COR_ERR_NOMEM, "out of memory at the gate");
    }
    bool ok = check_masks(check);
    free(check->indices);
    return ok;
}

bool cor_dicom_gate(const CorDicomGate *gate, const void *file, size_t size, CorError *err)
{
    COR_CLEANUP(cor_dicom_freep) CorDicom *dicom = NULL;
    Check check = {.gate = gate, .err = err};
    CorError why = {0};

    if (gate->source_len == 0) {
        return refuse(&check, "it has no source");
    }
    if (!cor_dicom_open_memory(file, size, NULL, &dicom, &why)) {
        return why.code == COR_ERR_NOMEM ? cor_fail(err, COR_ERR_NOMEM, "%s", why.text)
                                         : refuse(&check, why.text);
    }
    check.dicom = dicom;
    check.frame_of_reference_uid =
        cor_dicom_common_frame_of_reference(gate->sources, gate->source_len);
    if (cor_dicom_is_truncated(dicom)) {
        return refuse(&check, "it is cut off");
    }
    return check_names(&check) && check_references(&check) && check_image(&check);
}

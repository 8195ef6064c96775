/* SPDX-License-Identifier: Apache-2.0 */
/* The source's data set, element by element as the bytes that it is, with our own elements in the
 * place of what changes (PS3.3 sections C.7.6.1 and C.12.1; PS3.5 section 7.1).
 *
 * Bytes can be taken as they are from explicit VR little endian only, compressed or not, since
 * pixels are written anew; another source is rewritten in memory first.
 */
#include "dicom/dicom-variant.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/string.h"
#include "dicom/dicom-derived.h"
#include "dicom/dicom-transcode.h"

#define PET_UID "1.2.840.10008.5.1.4.1.1.128"

#define VR_OB COR_DICOM_VR('O', 'B')
#define VR_OW COR_DICOM_VR('O', 'W')
#define VR_SQ COR_DICOM_VR('S', 'Q')

enum {
    OURS_MAX = 16 << 10, /* bytes of our own elements, but for references and pixels */
    REFERENCE_MAX = 512, /* bytes of one reference */
    REFERENCES_MAX = 4096,
    COPY_MAX = 256 << 20, /* bytes of a source that has to be rewritten */
};

typedef struct Variant {
    CorDicomDerived derived; /* the source, the writer, names and time */
    const CorDicomVariant *options;
    CorDicomImage image;
    CorDicomFrameInfo info;
} Variant;

static void text(Variant *variant, uint32_t tag, uint16_t vr, const char *value)
{
    cor_dicom_priv_write_text(&variant->derived.writer, tag, vr, value);
}

/* --- before writing --- */

static bool check_source(Variant *variant, CorError *err)
{
    const CorDicomImage *image = &variant->image;
    const CorPlane *plane = &variant->options->plane;

    if (!cor_dicom_image(variant->derived.source, &variant->image, err) ||
        !cor_dicom_frame_info(variant->derived.source, 0, &variant->info, err)) {
        return false;
    }
    if (image->frames != 1 || image->samples_per_pixel != 1 || image->has_palette ||
        image->is_float || variant->info.has_modality_lut || image->bits_allocated % 8 != 0 ||
        image->bits_allocated > 32) {
        return cor_fail(err, COR_ERR_UNSUPPORTED,
                        "images are derived from grey single-frame images of whole numbers without "
                        "a modality LUT");
    }
    if (!cor_plane_check(plane, err)) {
        return false;
    }
    if (plane->width_px != image->columns || plane->height_px != image->rows ||
        (plane->type != COR_PIXEL_S16 && plane->type != COR_PIXEL_F64)) {
        return cor_fail(err, COR_ERR_INVALID, "the derived image has another size or type");
    }
    if (!(fabs(variant->info.rescale_slope) > 0)) {
        return cor_fail(err, COR_ERR_INVALID, "the source has a rescale slope of 0");
    }
    return true;
}

static bool check_names(const Variant *variant, CorError *err)
{
    const CorDicomVariant *options = variant->options;

    if (!cor_uid_is_legal(options->sop_instance_uid) ||
        !cor_uid_is_legal(options->series_instance_uid)) {
        return cor_fail(err, COR_ERR_INVALID, "the derived object's UIDs are not legal");
    }
    if (options->source_len == 0 || options->source_len > REFERENCES_MAX) {
        return cor_fail(err, COR_ERR_LIMIT, "the derived image refers to %zu images",
                        options->source_len);
    }
    return true;
}

/* --- our own elements, each by its tag --- */

/* DERIVED, SECONDARY, and what the source says of its plane: AXIAL (PS3.3 section C.7.6.1.1.2).  A
 * PET image is PRIMARY whatever was done to it (section C.8.9.4.1.2). */
static void write_image_type(Variant *variant)
{
    bool is_pet = strcmp(variant->derived.sop_class_uid, PET_UID) == 0;
    char plane[17] = "";
    char type[64];

    (void) cor_dicom_priv_code(variant->derived.source,
                               cor_dicom_priv_derived_find(&variant->derived, 0x00080008), 2, plane,
                               sizeof(plane));
    snprintf(type, sizeof(type), "DERIVED\\%s%s%s", is_pet ? "PRIMARY" : "SECONDARY",
             plane[0] ? "\\" : "", plane);
    text(variant, 0x00080008, VR_CS, type);
}

static void write_series_description(Variant *variant)
{
    char description[COR_DICOM_LO_SIZE];

    snprintf(description, sizeof(description), "%s Derived", variant->options->algorithm->id);
    text(variant, 0x0008103E, VR_LO, description);
}

static void write_derivation(Variant *variant)
{
    const CorDicomAlgorithm *algorithm = variant->options->algorithm;
    char sentence[COR_DICOM_ST_SIZE];

    snprintf(sentence, sizeof(sentence), "%s (%s %s)%s%s", algorithm->title, algorithm->id,
             algorithm->version, algorithm->params_text ? ", parameters " : "",
             algorithm->params_text ? algorithm->params_text : "");
    cor_dicom_priv_to_ascii(sentence);
    text(variant, 0x00082111, VR_ST, sentence);
}

/* One item of Source Image Sequence, its length told. */
static void append_reference(CorDicomWriter *items, const CorDicomSource *source)
{
    size_t start = items->size;
    uint8_t *head = NULL;

    if (items->room - items->size < REFERENCE_MAX) {
        items->is_full = true;
        return;
    }
    head = items->data + items->size;
    items->size += 8;
    cor_dicom_priv_write_text(items, 0x00081150, VR_UI, source->sop_class_uid);
    cor_dicom_priv_write_text(items, 0x00081155, VR_UI, source->sop_instance_uid);
    cor_dicom_priv_write_text(items, 0x0028135A, VR_CS, "YES");
    cor_dicom_priv_write_code(items, 0x0040A170, "121322",
                              "Source image for image processing operation");
    (void) cor_dicom_priv_head(head, COR_DICOM_TAG_ITEM, COR_DICOM_VR_NONE,
                               (uint32_t) (items->size - start - 8));
}

static void write_references(Variant *variant)
{
    const CorDicomVariant *options = variant->options;
    CorDicomWriter items = {.room = options->source_len * REFERENCE_MAX};

    items.data = cor_new_array(uint8_t, items.room);
    if (!items.data) {
        variant->derived.writer.is_full = true;
        return;
    }
    for (size_t i = 0; i < options->source_len; i++) {
        append_reference(&items, &options->sources[i]);
    }
    variant->derived.writer.is_full |= items.is_full;
    cor_dicom_priv_write(&variant->derived.writer, 0x00082112, VR_SQ, items.data, items.size);
    free(items.data);
}

static void write_code(Variant *variant)
{
    cor_dicom_priv_write_code(&variant->derived.writer, 0x00089215,
                              variant->options->derivation.value,
                              variant->options->derivation.meaning);
}

static void write_thickness(Variant *variant)
{
    char number[17];

    snprintf(number, sizeof(number), "%.10g", variant->options->thickness_mm);
    text(variant, 0x00180050, VR_DS, number);
}

static void write_lossy(Variant *variant)
{
    text(variant, 0x00282110, VR_CS, variant->image.is_lossy ? "01" : "00");
}

static double value_at(const CorPlane *plane, size_t x, size_t y)
{
    const void *row = cor_plane_row(plane, y);

    return plane->type == COR_PIXEL_S16 ? ((const int16_t *) row)[x] : ((const double *) row)[x];
}

static void write_pixels(Variant *variant)
{
    const CorPlane *plane = &variant->options->plane;
    const CorDicomImage *image = &variant->image;
    size_t size = image->bits_allocated / 8u;
    unsigned shift = image->high_bit + 1u - image->bits_stored;
    double low = image->is_signed ? -ldexp(1, image->bits_stored - 1) : 0;
    double high = ldexp(1, image->is_signed ? image->bits_stored - 1 : image->bits_stored) - 1;
    uint8_t *to = cor_dicom_priv_write_head(&variant->derived.writer, COR_DICOM_TAG_PIXELS,
                                            size == 1 ? VR_OB : VR_OW,
                                            plane->width_px * plane->height_px * size);

    for (size_t y = 0; to && y < plane->height_px; y++) {
        for (size_t x = 0; x < plane->width_px; x++) {
            double stored = (value_at(plane, x, y) - variant->info.rescale_intercept) /
                            variant->info.rescale_slope;
            int64_t whole = llrint(COR_MIN(COR_MAX(stored, low), high));
            uint64_t bits = (uint64_t) whole << shift;

            for (size_t i = 0; i < size; i++) {
                *to++ = (uint8_t) (bits >> (8 * i));
            }
        }
    }
}

static void write_sop_instance(Variant *variant)
{
    text(variant, 0x00080018, VR_UI, variant->options->sop_instance_uid);
}

static void write_series(Variant *variant)
{
    text(variant, 0x0020000E, VR_UI, variant->options->series_instance_uid);
}

static void write_series_number(Variant *variant)
{
    text(variant, 0x00200011, VR_IS, "998");
}

static void write_creation_date(Variant *variant)
{
    text(variant, 0x00080012, VR_DA, variant->derived.date);
}

static void write_creation_time(Variant *variant)
{
    text(variant, 0x00080013, VR_TM, variant->derived.time);
}

static void write_content_date(Variant *variant)
{
    text(variant, 0x00080023, VR_DA, variant->derived.date);
}

static void write_content_time(Variant *variant)
{
    text(variant, 0x00080033, VR_TM, variant->derived.time);
}

/* In the order of tags. */
static const struct {
    uint32_t tag;
    void (*write)(Variant *variant);
} ours[] = {
    {0x00080008, write_image_type},         {0x00080012, write_creation_date},
    {0x00080013, write_creation_time},      {0x00080018, write_sop_instance},
    {0x00080023, write_content_date},       {0x00080033, write_content_time},
    {0x0008103E, write_series_description}, {0x00082111, write_derivation},
    {0x00082112, write_references},         {0x00089215, write_code},
    {0x00180050, write_thickness},          {0x0020000E, write_series},
    {0x00200011, write_series_number},      {0x00282110, write_lossy},
    {COR_DICOM_TAG_PIXELS, write_pixels},
};

/* --- the walk --- */

static bool is_ours(const Variant *variant, uint32_t tag)
{
    return tag != 0x00180050 || variant->options->thickness_mm > 0;
}

/* What speaks of the old pixels, or of the encoding, or is nobody's business. */
static bool is_dropped(const Variant *variant, uint32_t tag)
{
    uint32_t group = tag >> 16;
    bool is_thick = variant->options->thickness_mm > 0;

    return group == 0x0002 || (group & 1) != 0 || (tag & 0xFFFF) == 0 || group >= 0x7FE0 ||
           (group >= 0x6000 && group <= 0x60FF) || tag == 0x00280106 || tag == 0x00280107 ||
           tag == 0x00880200 || (is_thick && tag == 0x00180088) || group == 0x4FFE ||
           tag == 0x00081072 || tag == 0x00080015;
}

/* Where an element begins. */
static uint64_t begin_of(const CorDicomElement *element)
{
    return element->offset - (cor_dicom_priv_vr_is_long(element->vr) ? 12 : 8);
}

/* The bytes of a top-level element, with its head and with what ends it. */
static void copy_element(Variant *variant, uint32_t index)
{
    const CorDicom *source = variant->derived.source;
    const CorDicomElement *element = &source->elements[index];
    uint64_t begin = begin_of(element);
    uint64_t end = element->end < source->elements_len ? begin_of(&source->elements[element->end])
                                                       : source->size;

    CorDicomWriter *writer = &variant->derived.writer;
    if (end < begin || end > source->size || end - begin > writer->room - writer->size) {
        writer->is_full = true;
        return;
    }
    memcpy(writer->data + writer->size, source->data + begin, end - begin);
    writer->size += end - begin;
}

static void write_elements(Variant *variant)
{
    const CorDicom *source = variant->derived.source;
    size_t next = 0;

    for (uint32_t i = 0; i < source->elements_len; i = source->elements[i].end) {
        uint32_t tag = source->elements[i].tag;
        bool is_replaced = false;

        for (; next < COR_ARRAY_LEN(ours) && ours[next].tag <= tag; next++) {
            if (is_ours(variant, ours[next].tag)) {
                ours[next].write(variant);
                is_replaced |= ours[next].tag == tag;
            }
        }
        if (!is_replaced && !is_dropped(variant, tag)) {
            copy_element(variant, i);
        }
    }
    for (; next < COR_ARRAY_LEN(ours); next++) {
        if (is_ours(variant, ours[next].tag)) {
            ours[next].write(variant);
        }
    }
}

static bool write_file(Variant *variant, uint8_t **ret_file, size_t *ret_size, CorError *err)
{
    const CorPlane *plane = &variant->options->plane;
    CorDicomWriter *writer = &variant->derived.writer;
    size_t pixels = plane->width_px * plane->height_px * 4;

    writer->room = OURS_MAX + pixels + variant->derived.source->size +
                   variant->options->source_len * REFERENCE_MAX;
    writer->data = malloc(writer->room);
    if (!writer->data) {
        return cor_fail(err, COR_ERR_NOMEM, "out of memory for a file of %zu bytes", writer->room);
    }
    cor_dicom_priv_write_meta(writer, variant->derived.sop_class_uid,
                              variant->options->sop_instance_uid, COR_DICOM_EXPLICIT);
    write_elements(variant);
    if (writer->is_full) {
        free(writer->data);
        return cor_fail(err, COR_ERR_LIMIT, "the derived image is too large");
    }
    *ret_file = writer->data;
    *ret_size = writer->size;
    return true;
}

/* --- sources whose bytes cannot be taken as they are --- */

static bool append(void *context, const void *bytes, size_t size, CorError *err)
{
    cor_string_append(context, bytes, size);
    return cor_string_check(context, err);
}

static bool replace(void *context, uint64_t offset, const void *bytes, size_t size, CorError *err)
{
    (void) context;
    (void) offset;
    (void) bytes;
    (void) size;
    return cor_fail(err, COR_ERR_BUG, "native pixels have no tables of offsets");
}

/* Explicit VR little endian, and every head is what it was read as: readers are lenient. */
static bool can_be_copied(const CorDicom *source)
{
    if (source->syntax.is_implicit || source->syntax.is_big_endian) {
        return false;
    }
    for (uint32_t i = 0; i < source->elements_len; i = source->elements[i].end) {
        const CorDicomElement *element = &source->elements[i];
        uint64_t begin = begin_of(element);
        const uint8_t *head = source->data + begin;

        if (element->offset < 12 || begin > source->size ||
            cor_dicom_priv_u16(head, false) != element->tag >> 16 ||
            cor_dicom_priv_u16(head + 2, false) != (element->tag & 0xFFFF) ||
            head[4] != element->vr >> 8 || head[5] != (element->vr & 0xFF)) {
            return false;
        }
    }
    return true;
}

static bool write_from(const CorDicom *source, const CorDicomVariant *options, uint8_t **ret_file,
                       size_t *ret_size, CorError *err)
{
    Variant variant = {.options = options};

    return cor_dicom_priv_derived_init(&variant.derived, source, 0, options->content_unix_ms,
                                       err) &&
           check_source(&variant, err) && check_names(&variant, err) &&
           write_file(&variant, ret_file, ret_size, err);
}

bool cor_dicom_write_variant(const CorDicom *source, const CorDicomVariant *variant,
                             uint8_t **ret_file, size_t *ret_size, CorError *err)
{
    COR_CLEANUP(cor_string_freep) CorString *copy = NULL;
    COR_CLEANUP(cor_dicom_freep) CorDicom *rewritten = NULL;

    if (source->is_truncated) {
        return cor_fail(err, COR_ERR_CORRUPT, "the source is truncated");
    }
    if (can_be_copied(source)) {
        return write_from(source, variant, ret_file, ret_size, err);
    }
    copy = cor_string_new(COPY_MAX);
    const CorDicomSink sink = {.write = append, .write_at = replace, .context = copy};
    return cor_dicom_transcode(source, COR_DICOM_EXPLICIT, &sink, err) &&
           cor_dicom_open_memory(cor_string_text(copy), cor_string_size(copy), &source->limits,
                                 &rewritten, err) &&
           write_from(rewritten, variant, ret_file, ret_size, err);
}

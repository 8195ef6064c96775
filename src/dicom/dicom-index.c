/* SPDX-License-Identifier: Apache-2.0 */
/* What the catalogue wants to know of a file, single texts, and the listing for logs. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/id.h"
#include "dicom/dicom-json.h"
#include "dicom/dicom-pixels.h"

#define TAG_PER_FRAME_GROUPS 0x52009230u

/* The UIDs without which a file has no place in the catalogue (PS3.3 sections C.7 and C.12.1). */
static const struct {
    uint32_t tag;
    const char *member;
    const char *name;
} required_uids[] = {
    {0x00080016, "sop_class_uid", "SOP Class UID (0008,0016)"},
    {0x00080018, "sop_instance_uid", "SOP Instance UID (0008,0018)"},
    {0x0020000D, "study_instance_uid", "Study Instance UID (0020,000D)"},
    {0x0020000E, "series_instance_uid", "Series Instance UID (0020,000E)"},
};

static const CorDicomElement *find_at_top(const CorDicom *dicom, uint32_t tag)
{
    return cor_dicom_priv_find(dicom, cor_dicom_priv_root(dicom), tag);
}

bool cor_dicom_has(const CorDicom *dicom, uint32_t tag)
{
    const CorDicomElement *element = find_at_top(dicom, tag);

    return element && element->size > 0;
}

bool cor_dicom_text(const CorDicom *dicom, uint32_t tag, char *text, size_t size)
{
    const CorDicomElement *element = find_at_top(dicom, tag);
    COR_CLEANUP(cor_string_freep) CorString *utf8 = NULL;

    text[0] = '\0';
    if (!element || !cor_dicom_priv_vr_is_text(element->vr)) {
        return false;
    }
    utf8 = cor_string_new(3 * (size_t) element->size + 64);
    cor_dicom_priv_utf8(dicom, element, dicom->charset, utf8);
    const char *value = cor_string_text(utf8);
    size_t len = cor_string_size(utf8);
    const char *stop = memchr(value, '\\', len);
    if (stop && cor_dicom_priv_vr_is_multiple(element->vr)) {
        len = (size_t) (stop - value);
    }
    while (len > 0 && value[len - 1] == ' ') {
        len--;
    }
    while (len > 0 && *value == ' ') {
        value++;
        len--;
    }
    if (len >= size) {
        len = size - 1;
        while (len > 0 && ((unsigned char) value[len] & 0xC0) == 0x80) {
            len--; /* not in the middle of a character */
        }
    }
    memcpy(text, value, len);
    text[len] = '\0';
    return len > 0;
}

static bool append_uids(const CorDicom *dicom, CorString *text, CorError *err)
{
    for (size_t i = 0; i < COR_ARRAY_LEN(required_uids); i++) {
        const CorDicomElement *element = find_at_top(dicom, required_uids[i].tag);
        char uid[COR_UID_SIZE];

        if (!element || element->size == 0) {
            return cor_fail(err, COR_ERR_INVALID, "%s is missing or empty", required_uids[i].name);
        }
        if (!cor_dicom_priv_code(dicom, element, 0, uid, sizeof(uid)) || !cor_uid_is_legal(uid)) {
            return cor_fail(err, COR_ERR_INVALID, "%s is no legal UID", required_uids[i].name);
        }
        cor_string_printf(text, "\"%s\":\"%s\",", required_uids[i].member, uid);
    }
    return true;
}

static int64_t integer_at(const CorDicom *dicom, uint32_t tag, int64_t fallback)
{
    int64_t value = fallback;

    (void) cor_dicom_priv_integer(dicom, find_at_top(dicom, tag), 0, &value);
    return value;
}

static void append_places(const CorDicom *dicom, CorString *text)
{
    cor_string_printf(text, ",\"lacks_meta\":%s", dicom->lacks_meta ? "true" : "false");
    if (dicom->syntax.is_deflated) {
        cor_string_append_text(text, ",\"data_set_offset\":null");
    } else {
        cor_string_printf(text, ",\"data_set_offset\":%zu", dicom->start);
    }
    cor_string_append_text(text, ",\"pixel_data\":");
    cor_dicom_priv_append_layout(dicom, text);
}

static void append_facts(const CorDicom *dicom, CorString *text)
{
    bool has_pixels = cor_dicom_has(dicom, COR_DICOM_TAG_PIXELS) ||
                      cor_dicom_has(dicom, COR_DICOM_TAG_FLOAT_PIXELS) ||
                      cor_dicom_has(dicom, COR_DICOM_TAG_DOUBLE_PIXELS);
    char modality[32];
    int64_t instance_number = 0;

    (void) cor_dicom_priv_code(dicom, find_at_top(dicom, 0x00080060), 0, modality,
                               sizeof(modality));
    cor_string_printf(text, "\"transfer_syntax_uid\":\"%s\",\"modality\":", dicom->syntax_uid);
    cor_dicom_priv_json_string(modality, strlen(modality), text);
    cor_string_printf(text, ",\"rows\":%" PRId64 ",\"columns\":%" PRId64 ",\"frames\":%" PRId64,
                      integer_at(dicom, 0x00280010, 0), integer_at(dicom, 0x00280011, 0),
                      integer_at(dicom, 0x00280008, has_pixels ? 1 : 0));
    if (cor_dicom_priv_integer(dicom, find_at_top(dicom, 0x00200013), 0, &instance_number)) {
        cor_string_printf(text, ",\"instance_number\":%" PRId64, instance_number);
    } else {
        cor_string_append_text(text, ",\"instance_number\":null");
    }
    cor_string_printf(text, ",\"has_pixels\":%s,\"truncated\":%s", has_pixels ? "true" : "false",
                      dicom->is_truncated ? "true" : "false");
    append_places(dicom, text);
    cor_string_append_text(text, ",\"attributes\":");
}

typedef bool (*Appender)(const CorDicom *dicom, bool without_per_frame, CorString *text,
                         CorError *err);

static bool append_record(const CorDicom *dicom, bool without_per_frame, CorString *text,
                          CorError *err)
{
    cor_string_append(text, "{", 1);
    if (!append_uids(dicom, text, err)) {
        return false;
    }
    append_facts(dicom, text);
    if (!cor_dicom_priv_json_attributes(dicom, without_per_frame, text, err)) {
        return false;
    }
    cor_string_append(text, "}", 1);
    return cor_string_check(text, err);
}

/* Make a text, a second time without the per-frame groups if it grew too long with them. */
static bool make_json(const CorDicom *dicom, Appender append, char **ret_json, size_t *ret_size,
                      CorError *err)
{
    COR_CLEANUP(cor_string_freep) CorString *text = cor_string_new(dicom->limits.json_bytes_max);
    CorError why = {0};

    if (!append(dicom, false, text, &why)) {
        if (why.code != COR_ERR_LIMIT || !cor_dicom_has(dicom, TAG_PER_FRAME_GROUPS)) {
            return cor_fail(err, why.code, "%s", why.text);
        }
        cor_string_truncate(text, 0);
        if (!append(dicom, true, text, err)) {
            return false;
        }
    }
    size_t size = cor_string_size(text);
    char *json = cor_string_take(COR_TAKE(text));
    if (!json) {
        return cor_fail(err, COR_ERR_NOMEM, "out of memory for DICOM JSON");
    }
    if (ret_size) {
        *ret_size = size;
    }
    *ret_json = json;
    return true;
}

bool cor_dicom_index_json(const CorDicom *dicom, char **ret_json, size_t *ret_size, CorError *err)
{
    return make_json(dicom, append_record, ret_json, ret_size, err);
}

bool cor_dicom_attributes_json(const CorDicom *dicom, char **ret_json, size_t *ret_size,
                               CorError *err)
{
    return make_json(dicom, cor_dicom_priv_json_attributes, ret_json, ret_size, err);
}

char *cor_dicom_describe(const CorDicom *dicom, size_t lines_max)
{
    CorString *text = cor_string_new((size_t) 16 << 20);

    for (uint32_t i = 0; i < dicom->elements_len && i < lines_max; i++) {
        const CorDicomElement *element = &dicom->elements[i];
        bool has_vr = element->vr != COR_DICOM_VR_NONE;

        cor_string_printf(text, "%*s(%04" PRIX32 ",%04" PRIX32 ") %c%c %" PRIu64 "\n",
                          2 * element->depth, "", element->tag >> 16, element->tag & 0xFFFF,
                          has_vr ? element->vr >> 8 : '-', has_vr ? element->vr & 0xFF : '-',
                          element->size);
    }
    if (!text || !cor_string_check(text, NULL)) {
        cor_string_free(text);
        return NULL;
    }
    return cor_string_take(text);
}

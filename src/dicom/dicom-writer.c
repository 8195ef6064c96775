/* SPDX-License-Identifier: Apache-2.0 */
#include "dicom/dicom-writer.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/id.h"
#include "dicom/dicom-capture.h"
#include "dicom/dicom-priv.h"

#define UNDEFINED_LENGTH 0xFFFFFFFFu

static void put(CorDicomWriter *writer, const void *bytes, size_t size)
{
    if (writer->is_full || size > writer->room - writer->size) {
        writer->is_full = true;
        return;
    }
    if (size > 0) {
        memcpy(writer->data + writer->size, bytes, size);
    }
    writer->size += size;
}

static void set_u16(uint8_t *bytes, uint32_t value)
{
    bytes[0] = (uint8_t) value;
    bytes[1] = (uint8_t) (value >> 8);
}

static void set_u32(uint8_t *bytes, uint32_t value)
{
    set_u16(bytes, value);
    set_u16(bytes + 2, value >> 16);
}

size_t cor_dicom_priv_head(uint8_t head[COR_DICOM_HEAD_MAX], uint32_t tag, uint16_t vr,
                           uint32_t length)
{
    set_u16(head, tag >> 16);
    set_u16(head + 2, tag);
    if (vr == COR_DICOM_VR_NONE) {
        set_u32(head + 4, length);
        return 8;
    }
    head[4] = (uint8_t) (vr >> 8);
    head[5] = (uint8_t) vr;
    if (!cor_dicom_priv_vr_is_long(vr)) {
        set_u16(head + 6, length);
        return 8;
    }
    set_u16(head + 6, 0);
    set_u32(head + 8, length);
    return 12;
}

static void put_u32(CorDicomWriter *writer, uint32_t value)
{
    uint8_t bytes[4];

    set_u32(bytes, value);
    put(writer, bytes, sizeof(bytes));
}

static void put_head(CorDicomWriter *writer, uint32_t tag, uint16_t vr, uint32_t length)
{
    uint8_t head[COR_DICOM_HEAD_MAX];

    put(writer, head, cor_dicom_priv_head(head, tag, vr, length));
}

uint8_t *cor_dicom_priv_write_head(CorDicomWriter *writer, uint32_t tag, uint16_t vr, size_t size)
{
    bool is_spaced = cor_dicom_priv_vr_is_text(vr) && vr != COR_DICOM_VR('U', 'I');
    size_t even = size + (size & 1);

    if (even > (cor_dicom_priv_vr_is_long(vr) ? 0xFFFFFFFEu : 0xFFFEu)) {
        writer->is_full = true;
        return NULL;
    }
    put_head(writer, tag, vr, (uint32_t) even);
    if (writer->is_full || even > writer->room - writer->size) {
        writer->is_full = true;
        return NULL;
    }
    uint8_t *value = writer->data + writer->size;
    writer->size += even;
    if (even > size) {
        value[size] = is_spaced ? ' ' : 0;
    }
    return value;
}

void cor_dicom_priv_write(CorDicomWriter *writer, uint32_t tag, uint16_t vr, const void *value,
                          size_t size)
{
    uint8_t *room = cor_dicom_priv_write_head(writer, tag, vr, size);

    if (room && size > 0) {
        memcpy(room, value, size);
    }
}

void cor_dicom_priv_write_text(CorDicomWriter *writer, uint32_t tag, uint16_t vr, const char *text)
{
    cor_dicom_priv_write(writer, tag, vr, text, text ? strlen(text) : 0);
}

void cor_dicom_priv_write_is(CorDicomWriter *writer, uint32_t tag, int64_t value)
{
    char digits[24];

    (void) snprintf(digits, sizeof(digits), "%" PRId64, value);
    cor_dicom_priv_write_text(writer, tag, COR_DICOM_VR('I', 'S'), digits);
}

void cor_dicom_priv_write_us(CorDicomWriter *writer, uint32_t tag, uint16_t value)
{
    uint8_t bytes[2];

    set_u16(bytes, value);
    cor_dicom_priv_write(writer, tag, COR_DICOM_VR('U', 'S'), bytes, sizeof(bytes));
}

void cor_dicom_priv_write_us_values(CorDicomWriter *writer, uint32_t tag, const uint16_t *values,
                                    size_t len)
{
    uint8_t *value = cor_dicom_priv_write_head(writer, tag, COR_DICOM_VR('U', 'S'), 2 * len);

    for (size_t i = 0; value && i < len; i++) {
        set_u16(value + 2 * i, values[i]);
    }
}

void cor_dicom_priv_write_ul_values(CorDicomWriter *writer, uint32_t tag, const uint32_t *values,
                                    size_t len)
{
    uint8_t *value = cor_dicom_priv_write_head(writer, tag, COR_DICOM_VR('U', 'L'), 4 * len);

    for (size_t i = 0; value && i < len; i++) {
        set_u32(value + 4 * i, values[i]);
    }
}

void cor_dicom_priv_write_at(CorDicomWriter *writer, uint32_t tag, uint32_t value)
{
    const uint16_t words[2] = {(uint16_t) (value >> 16), (uint16_t) value};
    uint8_t *bytes = cor_dicom_priv_write_head(writer, tag, COR_DICOM_VR('A', 'T'), 4);

    for (size_t i = 0; bytes && i < 2; i++) {
        set_u16(bytes + 2 * i, words[i]);
    }
}

void cor_dicom_priv_begin_sequence(CorDicomWriter *writer, uint32_t sequence_tag)
{
    put_head(writer, sequence_tag, COR_DICOM_VR('S', 'Q'), UNDEFINED_LENGTH);
}

void cor_dicom_priv_begin_member(CorDicomWriter *writer)
{
    put_head(writer, COR_DICOM_TAG_ITEM, COR_DICOM_VR_NONE, UNDEFINED_LENGTH);
}

void cor_dicom_priv_end_member(CorDicomWriter *writer)
{
    put_head(writer, COR_DICOM_TAG_ITEM_END, COR_DICOM_VR_NONE, 0);
}

void cor_dicom_priv_end_sequence(CorDicomWriter *writer)
{
    put_head(writer, COR_DICOM_TAG_SEQUENCE_END, COR_DICOM_VR_NONE, 0);
}

void cor_dicom_priv_write_empty_sequence(CorDicomWriter *writer, uint32_t sequence_tag)
{
    put_head(writer, sequence_tag, COR_DICOM_VR('S', 'Q'), 0);
}

void cor_dicom_priv_begin_item(CorDicomWriter *writer, uint32_t sequence_tag)
{
    cor_dicom_priv_begin_sequence(writer, sequence_tag);
    cor_dicom_priv_begin_member(writer);
}

void cor_dicom_priv_end_item(CorDicomWriter *writer)
{
    cor_dicom_priv_end_member(writer);
    cor_dicom_priv_end_sequence(writer);
}

void cor_dicom_priv_write_concept(CorDicomWriter *writer, uint32_t sequence_tag,
                                  const CorDicomCode *concept)
{
    cor_dicom_priv_begin_item(writer, sequence_tag);
    cor_dicom_priv_write_text(writer, 0x00080100, COR_DICOM_VR('S', 'H'), concept->value);
    cor_dicom_priv_write_text(writer, 0x00080102, COR_DICOM_VR('S', 'H'), concept->scheme);
    cor_dicom_priv_write_text(writer, 0x00080104, COR_DICOM_VR('L', 'O'), concept->meaning);
    cor_dicom_priv_end_item(writer);
}

void cor_dicom_priv_write_code(CorDicomWriter *writer, uint32_t sequence_tag, const char *code,
                               const char *meaning)
{
    const CorDicomCode concept = {code, "DCM", meaning};

    cor_dicom_priv_write_concept(writer, sequence_tag, &concept);
}

void cor_dicom_priv_write_template(CorDicomWriter *writer, const char *identifier)
{
    cor_dicom_priv_begin_item(writer, 0x0040A504);
    cor_dicom_priv_write_text(writer, 0x00080105, COR_DICOM_VR('C', 'S'), "DCMR");
    cor_dicom_priv_write_text(writer, 0x0040DB00, COR_DICOM_VR('C', 'S'), identifier);
    cor_dicom_priv_end_item(writer);
}

void cor_dicom_priv_write_meta(CorDicomWriter *writer, const char *sop_class_uid,
                               const char *sop_instance_uid, const char *transfer_syntax_uid)
{
    static const uint8_t preamble[132] = {[128] = 'D', 'I', 'C', 'M'};
    static const uint8_t version[2] = {0, 1};
    static const char *const implementation[] = {COR_DICOM_IMPLEMENTATION_VERSION};
    char implementation_uid[COR_UID_SIZE];

    cor_uid_from_texts(implementation, 1, implementation_uid);
    put(writer, preamble, sizeof(preamble));
    put_head(writer, 0x00020000, COR_DICOM_VR('U', 'L'), 4);
    size_t length_at = writer->size;
    put_u32(writer, 0);
    cor_dicom_priv_write(writer, 0x00020001, COR_DICOM_VR('O', 'B'), version, sizeof(version));
    cor_dicom_priv_write_text(writer, 0x00020002, COR_DICOM_VR('U', 'I'), sop_class_uid);
    cor_dicom_priv_write_text(writer, 0x00020003, COR_DICOM_VR('U', 'I'), sop_instance_uid);
    cor_dicom_priv_write_text(writer, 0x00020010, COR_DICOM_VR('U', 'I'), transfer_syntax_uid);
    cor_dicom_priv_write_text(writer, 0x00020012, COR_DICOM_VR('U', 'I'), implementation_uid);
    cor_dicom_priv_write_text(writer, 0x00020013, COR_DICOM_VR('S', 'H'),
                              COR_DICOM_IMPLEMENTATION_VERSION);
    if (!writer->is_full) {
        CorDicomWriter patch = {.data = writer->data + length_at, .room = 4};

        put_u32(&patch, (uint32_t) (writer->size - length_at - 4));
    }
}

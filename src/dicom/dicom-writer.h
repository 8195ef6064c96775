/* SPDX-License-Identifier: Apache-2.0 */
/* Writing explicit VR little endian into one buffer (PS3.5 section 7.1).  Private to this room.
 *
 * Elements are to be written in the order of their tags.  A writer that runs out of room is
 * poisoned: later writes do nothing and the end is checked once.
 *
 * Ownership  The buffer is whoever's set it up.
 * Threads    One thread at a time.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dicom/dicom-source.h"

typedef struct CorDicomWriter {
    uint8_t *data;
    size_t size; /* written so far */
    size_t room;
    bool is_full; /* something did not fit */
} CorDicomWriter;

#define COR_DICOM_HEAD_MAX 12

/** Compose what stands before a value: tag, VR (none for items and delimiters) and length.  Returns
 * its bytes, 8 or 12. */
size_t cor_dicom_priv_head(uint8_t head[COR_DICOM_HEAD_MAX], uint32_t tag, uint16_t vr,
                           uint32_t length);

/** Write an element; an odd value is padded as its VR wants it. */
void cor_dicom_priv_write(CorDicomWriter *writer, uint32_t tag, uint16_t vr, const void *value,
                          size_t size);

/** Write an element's head and leave the value to the caller: size bytes at the pointer that is
 * returned, NULL if there is no room. */
uint8_t *cor_dicom_priv_write_head(CorDicomWriter *writer, uint32_t tag, uint16_t vr, size_t size);

/** Write text; NULL is an empty value. */
void cor_dicom_priv_write_text(CorDicomWriter *writer, uint32_t tag, uint16_t vr, const char *text);

/** Write one IS (PS3.5 section 6.2: an integer as text). */
void cor_dicom_priv_write_is(CorDicomWriter *writer, uint32_t tag, int64_t value);

/** Write one US. */
void cor_dicom_priv_write_us(CorDicomWriter *writer, uint32_t tag, uint16_t value);

/** Begin a sequence of one item, both of undefined length. */
void cor_dicom_priv_begin_item(CorDicomWriter *writer, uint32_t sequence_tag);

/** End the item and its sequence. */
void cor_dicom_priv_end_item(CorDicomWriter *writer);

/** Begin a sequence of any number of items; each is begun and ended inside it. */
void cor_dicom_priv_begin_sequence(CorDicomWriter *writer, uint32_t sequence_tag);
void cor_dicom_priv_begin_member(CorDicomWriter *writer);
void cor_dicom_priv_end_member(CorDicomWriter *writer);
void cor_dicom_priv_end_sequence(CorDicomWriter *writer);

/** Write a sequence of no items. */
void cor_dicom_priv_write_empty_sequence(CorDicomWriter *writer, uint32_t sequence_tag);

/** Write several US. */
void cor_dicom_priv_write_us_values(CorDicomWriter *writer, uint32_t tag, const uint16_t *values,
                                    size_t len);

/** Write several UL. */
void cor_dicom_priv_write_ul_values(CorDicomWriter *writer, uint32_t tag, const uint32_t *values,
                                    size_t len);

/** Write an attribute tag. */
void cor_dicom_priv_write_at(CorDicomWriter *writer, uint32_t tag, uint32_t value);

/** Write a sequence of one coded concept of DICOM's own vocabulary (PS3.16 annex D). */
void cor_dicom_priv_write_code(CorDicomWriter *writer, uint32_t sequence_tag, const char *code,
                               const char *meaning);

/** Write a sequence of one coded concept of any vocabulary. */
void cor_dicom_priv_write_concept(CorDicomWriter *writer, uint32_t sequence_tag,
                                  const CorDicomCode *concept);

/** Write which template of PS3.16 a content item follows. */
void cor_dicom_priv_write_template(CorDicomWriter *writer, const char *identifier);

/** Write preamble and meta header; call it first (PS3.10 section 7.1). */
void cor_dicom_priv_write_meta(CorDicomWriter *writer, const char *sop_class_uid,
                               const char *sop_instance_uid, const char *transfer_syntax_uid);

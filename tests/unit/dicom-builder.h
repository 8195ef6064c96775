/* SPDX-License-Identifier: Apache-2.0 */
/* Small DICOM files for tests, element by element, in explicit VR little endian.
 *
 *     Builder builder = builder_new("1.2.840.10008.1.2.1");
 *     add_text(&builder, 0x00080060, "CS", "CT");
 *     add_us(&builder, 0x00280010, 4);
 */
#pragma once

#include <stdint.h>
#include <stdio.h>
#include <string.h>

typedef struct Builder {
    uint8_t data[80 * 1024];
    size_t size;
} Builder;

static inline void add_bytes(Builder *builder, const void *bytes, size_t size)
{
    assert_true(size <= sizeof(builder->data) - builder->size);
    memcpy(builder->data + builder->size, bytes, size);
    builder->size += size;
}

static inline void add_number(Builder *builder, uint64_t value, size_t size)
{
    uint8_t bytes[8];

    for (size_t i = 0; i < size; i++) {
        bytes[i] = (uint8_t) (value >> (8 * i));
    }
    add_bytes(builder, bytes, size);
}

/* Tag, VR and a length that need not be true. */
static inline void add_head(Builder *builder, uint32_t tag, const char *vr, uint32_t length)
{
    add_number(builder, tag >> 16, 2);
    add_number(builder, tag & 0xFFFF, 2);
    add_bytes(builder, vr, 2);
    if (strstr("OB OD OF OL OV OW SQ SV UC UN UR UT UV", vr)) {
        add_number(builder, 0, 2);
        add_number(builder, length, 4);
    } else {
        add_number(builder, length, 2);
    }
}

static inline void add_value(Builder *builder, uint32_t tag, const char *vr, const void *value,
                             size_t size)
{
    add_head(builder, tag, vr, (uint32_t) (size + (size & 1)));
    add_bytes(builder, value, size);
    add_bytes(builder, strcmp(vr, "UI") == 0 || vr[0] == 'O' ? "\0" : " ", size & 1);
}

static inline void add_text(Builder *builder, uint32_t tag, const char *vr, const char *text)
{
    add_value(builder, tag, vr, text, strlen(text));
}

static inline void add_us(Builder *builder, uint32_t tag, uint16_t value)
{
    add_head(builder, tag, "US", 2);
    add_number(builder, value, 2);
}

/* An item or delimiter: a tag of group FFFE and a length. */
static inline void add_item(Builder *builder, uint16_t element, uint32_t length)
{
    add_number(builder, 0xFFFE, 2);
    add_number(builder, element, 2);
    add_number(builder, length, 4);
}

static inline void builder_init(Builder *builder, const char *transfer_syntax_uid)
{
    memset(builder, 0, sizeof(*builder));
    builder->size = 128;
    add_bytes(builder, "DICM", 4);
    add_text(builder, 0x00020010, "UI", transfer_syntax_uid);
}

/* What every file in the catalogue has. */
static inline void add_uids(Builder *builder)
{
    add_text(builder, 0x00080016, "UI", "1.2.840.10008.5.1.4.1.1.2");
    add_text(builder, 0x00080018, "UI", "2.25.3");
}

static inline void add_study_and_series(Builder *builder)
{
    add_text(builder, 0x0020000D, "UI", "2.25.1");
    add_text(builder, 0x0020000E, "UI", "2.25.2");
}

/* What describes grey pixels. */
static inline void add_grey(Builder *builder, uint16_t rows, uint16_t columns, uint16_t allocated,
                            uint16_t stored, uint16_t is_signed)
{
    add_us(builder, 0x00280002, 1);
    add_text(builder, 0x00280004, "CS", "MONOCHROME2");
    add_us(builder, 0x00280010, rows);
    add_us(builder, 0x00280011, columns);
    add_us(builder, 0x00280100, allocated);
    add_us(builder, 0x00280101, stored);
    add_us(builder, 0x00280102, (uint16_t) (stored - 1));
    add_us(builder, 0x00280103, is_signed);
}

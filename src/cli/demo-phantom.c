/* SPDX-License-Identifier: Apache-2.0 */
/* A DICOM file (PS3.10 section 7.1): preamble, "DICM", file meta group, data set, all explicit VR
 * little endian (PS3.5 section 7.1.2).  The attributes are those of the CT Image IOD (PS3.3 section
 * A.3) that are required (type 1 and 2), in the order of their tags. */
#include "cli/demo-phantom.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/id.h"
#include "base/string.h"

enum { SIDE = 512, INTERCEPT = -1024, FILE_MAX = 2 * SIDE * SIDE + 65536 };

typedef struct Ellipse {
    int x, y, x_radius, y_radius; /* pixels */
    int hu;
} Ellipse;

typedef struct Element {
    uint16_t group, element;
    char vr[3];
    const char *value;
} Element;

/* Painted in this order; the liver is the last.  137 x 83 x pi = 35 700 pixels are over both
 * algorithms' limits (20 000 and 25 000) with what smoothing and closing take off, 70 x 50 x pi =
 * 11 000 are not. */
static const Ellipse body[] = {
    {256, 256, 230, 180, -90}, /* fat */
    {256, 256, 215, 165, 30},  /* soft tissue */
    {256, 370, 28, 28, 420},   /* spine */
    {360, 230, 45, 35, 55},    /* another organ */
};
static const Ellipse livers[COR_PHANTOM_LEN] = {
    {190, 220, 137, 83, 150},
    {190, 220, 70, 50, 150},
};

/* The same for every slice: how the pixels are stored, and what they mean. */
static const Element image_elements[] = {
    {0x0028, 0x0002, "US", "\1\0"},  {0x0028, 0x0004, "CS", "MONOCHROME2"},
    {0x0028, 0x0010, "US", "\0\2"}, /* 512 */
    {0x0028, 0x0011, "US", "\0\2"},  {0x0028, 0x0030, "DS", "0.78125\\0.78125"},
    {0x0028, 0x0100, "US", "\20\0"}, /* 16 */
    {0x0028, 0x0101, "US", "\14\0"}, /* 12 */
    {0x0028, 0x0102, "US", "\13\0"}, /* 11 */
    {0x0028, 0x0103, "US", "\0\0"},  {0x0028, 0x1050, "DS", "60"},
    {0x0028, 0x1051, "DS", "400"},   {0x0028, 0x1052, "DS", "-1024"},
    {0x0028, 0x1053, "DS", "1"},     {0x0028, 0x1054, "LO", "HU"},
};

const char *cor_phantom_name(size_t slice)
{
    return slice == 0 ? "slice-1.dcm" : "slice-2.dcm";
}

static void paint(int16_t *hu, const Ellipse *ellipse)
{
    long long x_square = (long long) ellipse->x_radius * ellipse->x_radius;
    long long y_square = (long long) ellipse->y_radius * ellipse->y_radius;

    for (int y = 0; y < SIDE; y++) {
        for (int x = 0; x < SIDE; x++) {
            long long dx = x - ellipse->x;
            long long dy = y - ellipse->y;
            if (dx * dx * y_square + dy * dy * x_square <= x_square * y_square) {
                hu[y * SIDE + x] = (int16_t) ellipse->hu;
            }
        }
    }
}

/* Noise of a linear congruential generator: the same on every machine. */
static void add_noise(int16_t *hu)
{
    uint32_t state = 1;

    for (size_t i = 0; i < (size_t) SIDE * SIDE; i++) {
        state = state * 1664525u + 1013904223u;
        hu[i] = (int16_t) (hu[i] + (int) (state >> 28) - 8);
    }
}

static void put_u16(CorString *out, unsigned value)
{
    uint8_t bytes[2] = {(uint8_t) value, (uint8_t) (value >> 8)};

    cor_string_append(out, bytes, sizeof(bytes));
}

static void put_u32(CorString *out, size_t value)
{
    put_u16(out, (unsigned) (value & 0xFFFF));
    put_u16(out, (unsigned) (value >> 16) & 0xFFFF);
}

/* OB and OW have a 32-bit length after two reserved bytes, the others here a 16-bit one; values are
 * padded to even length, texts with a space and UIDs with NUL. */
static void put(CorString *out, uint16_t group, uint16_t element, const char *vr, const void *value,
                size_t size)
{
    bool is_long = vr[0] == 'O';

    put_u16(out, group);
    put_u16(out, element);
    cor_string_append(out, vr, 2);
    if (is_long) {
        put_u16(out, 0);
        put_u32(out, size + size % 2);
    } else {
        put_u16(out, (unsigned) (size + size % 2));
    }
    cor_string_append(out, value, size);
    if (size % 2) {
        cor_string_append(out, strcmp(vr, "UI") == 0 || is_long ? "\0" : " ", 1);
    }
}

static void put_elements(CorString *out, const Element *elements, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        const Element *one = &elements[i];
        if (strcmp(one->vr, "US") == 0) {
            uint8_t number[2] = {(uint8_t) one->value[0], (uint8_t) one->value[1]};
            put(out, one->group, one->element, one->vr, number, sizeof(number));
        } else {
            put(out, one->group, one->element, one->vr, one->value, strlen(one->value));
        }
    }
}

static void put_meta(CorString *out, const char *instance_uid)
{
    COR_CLEANUP(cor_string_freep) CorString *meta = cor_string_new(1024);
    char preamble[128] = {0};
    char implementation[COR_UID_SIZE];
    uint8_t size[4] = {0};

    cor_uid_from_texts((const char *const[]){"corsia", "demo", "implementation"}, 3,
                       implementation);
    put(meta, 0x0002, 0x0001, "OB", "\0\1", 2);
    put_elements(meta,
                 (const Element[]){
                     {0x0002, 0x0002, "UI", "1.2.840.10008.5.1.4.1.1.2"},
                     {0x0002, 0x0003, "UI", instance_uid},
                     {0x0002, 0x0010, "UI", "1.2.840.10008.1.2.1"},
                     {0x0002, 0x0012, "UI", implementation},
                 },
                 4);
    for (size_t i = 0; i < sizeof(size); i++) {
        size[i] = (uint8_t) (cor_string_size(meta) >> (8 * i));
    }
    cor_string_append(out, preamble, sizeof(preamble));
    cor_string_append_text(out, "DICM");
    put(out, 0x0002, 0x0000, "UL", size, sizeof(size));
    cor_string_append(out, cor_string_text(meta), cor_string_size(meta));
}

static void put_pixels(CorString *out, const int16_t *hu)
{
    size_t size = (size_t) SIDE * SIDE * 2;

    put_u16(out, 0x7FE0);
    put_u16(out, 0x0010);
    cor_string_append(out, "OW\0\0", 4);
    put_u32(out, size);
    for (size_t i = 0; i < (size_t) SIDE * SIDE; i++) {
        put_u16(out, (unsigned) (hu[i] - INTERCEPT));
    }
}

static void put_file(CorString *out, size_t slice, const int16_t *hu)
{
    char uids[4][COR_UID_SIZE]; /* study, series, instance, frame of reference */
    const char *const names[4] = {"study", "series", cor_phantom_name(slice), "frame"};

    for (size_t i = 0; i < COR_ARRAY_LEN(uids); i++) {
        cor_uid_from_texts((const char *const[]){"corsia", "demo", names[i]}, 3, uids[i]);
    }
    const Element elements[] = {
        {0x0008, 0x0005, "CS", "ISO_IR 192"},
        {0x0008, 0x0008, "CS", "ORIGINAL\\PRIMARY\\AXIAL"},
        {0x0008, 0x0016, "UI", "1.2.840.10008.5.1.4.1.1.2"},
        {0x0008, 0x0018, "UI", uids[2]},
        {0x0008, 0x0020, "DA", "20260101"},
        {0x0008, 0x0021, "DA", "20260101"},
        {0x0008, 0x0022, "DA", "20260101"},
        {0x0008, 0x0023, "DA", "20260101"},
        {0x0008, 0x0030, "TM", "120000"},
        {0x0008, 0x0031, "TM", "120000"},
        {0x0008, 0x0032, "TM", "120000"},
        {0x0008, 0x0033, "TM", "120000"},
        {0x0008, 0x0050, "SH", ""},
        {0x0008, 0x0060, "CS", "CT"},
        {0x0008, 0x0070, "LO", "Corsia"},
        {0x0008, 0x0090, "PN", ""},
        {0x0008, 0x1030, "LO", "Phantom made by corsia demo"},
        {0x0008, 0x103E, "LO", "Two slices, one liver"},
        {0x0010, 0x0010, "PN", "Phantom^Corsia"},
        {0x0010, 0x0020, "LO", "CORSIA-DEMO"},
        {0x0010, 0x0030, "DA", ""},
        {0x0010, 0x0040, "CS", "O"},
        {0x0018, 0x0050, "DS", "5"},
        {0x0018, 0x0060, "DS", "120"},
        {0x0018, 0x5100, "CS", "HFS"},
        {0x0020, 0x000D, "UI", uids[0]},
        {0x0020, 0x000E, "UI", uids[1]},
        {0x0020, 0x0010, "SH", "1"},
        {0x0020, 0x0011, "IS", "1"},
        {0x0020, 0x0012, "IS", "1"},
        {0x0020, 0x0013, "IS", slice == 0 ? "1" : "2"},
        {0x0020, 0x0032, "DS", slice == 0 ? "-200\\-200\\0" : "-200\\-200\\5"},
        {0x0020, 0x0037, "DS", "1\\0\\0\\0\\1\\0"},
        {0x0020, 0x0052, "UI", uids[3]},
        {0x0020, 0x0060, "CS", ""},
        {0x0020, 0x1040, "LO", ""},
    };

    put_meta(out, uids[2]);
    put_elements(out, elements, COR_ARRAY_LEN(elements));
    put_elements(out, image_elements, COR_ARRAY_LEN(image_elements));
    put_pixels(out, hu);
}

bool cor_phantom_write(size_t slice, const char *path, CorError *err)
{
    COR_CLEANUP(cor_string_freep) CorString *out = cor_string_new(FILE_MAX);
    int16_t *hu = cor_new_array(int16_t, (size_t) SIDE * SIDE);

    if (!hu) {
        return cor_fail(err, COR_ERR_NOMEM, "out of memory for a phantom");
    }
    for (size_t i = 0; i < (size_t) SIDE * SIDE; i++) {
        hu[i] = -1000; /* air */
    }
    for (size_t i = 0; i < COR_ARRAY_LEN(body); i++) {
        paint(hu, &body[i]);
    }
    paint(hu, &livers[slice]);
    add_noise(hu);
    put_file(out, slice, hu);
    free(hu);
    if (!cor_string_check(out, err)) {
        return false;
    }
    FILE *file = fopen(path, "wxe");
    if (!file) {
        return cor_fail_errno(err, errno, "%s", path);
    }
    bool is_written = fwrite(cor_string_text(out), cor_string_size(out), 1, file) == 1;
    return (fclose(file) == 0 && is_written) || cor_fail_errno(err, errno, "write %s", path);
}

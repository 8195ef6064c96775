/* SPDX-License-Identifier: Apache-2.0 */
/* PackBits by byte planes (PS3.5 annex G): a header of 64 bytes with the places of up to 15
 * segments, one for each byte of each sample, the most significant byte first.  Segments are
 * written straight to where their bytes belong, so that pixels come out interleaved.
 *
 * Pixels of one bit, of which the annex does not speak, are taken eight to a byte as in native
 * pixel data, which is what segmentation tools write. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "dicom/dicom-codec.h"
#include "dicom/dicom-priv.h"

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "sample bytes are placed little endian");

enum { HEADER_SIZE = 64, SEGMENTS_MAX = 15 };

/* Unpack one segment into every stride-th byte of out. */
static bool unpack(const uint8_t *in, size_t in_size, uint8_t *out, size_t count, size_t stride)
{
    const uint8_t *end = in + in_size;
    size_t done = 0;

    while (done < count) {
        if (end - in < 2) {
            return false;
        }
        int control = (int8_t) *in++;
        if (control >= 0) {
            size_t run = (size_t) control + 1;

            if (run > (size_t) (end - in)) {
                return false;
            }
            for (; run > 0 && done < count; run--) {
                out[stride * done++] = *in++;
            }
        } else if (control != -128) {
            size_t run = (size_t) (1 - control);

            for (; run > 0 && done < count; run--) {
                out[stride * done++] = *in;
            }
            in++;
        }
    }
    return true;
}

/* Pixels of one bit are packed eight to a byte before they are run-length encoded. */
static bool unpack_bits(const uint8_t *in, size_t in_size, uint8_t *out, size_t count)
{
    size_t packed_size = (count + 7) / 8;
    uint8_t *packed = malloc(packed_size);
    bool is_done = packed && unpack(in, in_size, packed, packed_size, 1);

    for (size_t i = 0; is_done && i < count; i++) {
        out[i] = packed[i / 8] >> (i % 8) & 1;
    }
    free(packed);
    return is_done;
}

bool cor_dicom_priv_rle(const uint8_t *data, size_t size, CorDicomSamples *samples, CorError *err)
{
    size_t pixels = (size_t) samples->rows * samples->columns;
    unsigned bytes = samples->bits_allocated == 1 ? 1 : samples->bits_allocated / 8;
    unsigned segments = samples->samples_per_pixel * bytes;

    if (size < HEADER_SIZE || segments > SEGMENTS_MAX ||
        cor_dicom_priv_u32(data, false) != segments) {
        return cor_fail(err, COR_ERR_CORRUPT, "RLE frame has %u segments instead of %u",
                        size < 4 ? 0 : cor_dicom_priv_u32(data, false), segments);
    }
    samples->bytes_per_sample = bytes;
    samples->data = reallocarray(NULL, pixels, segments);
    if (!samples->data) {
        return cor_fail(err, COR_ERR_NOMEM, "out of memory for a frame of %zu bytes",
                        pixels * segments);
    }
    for (unsigned i = 0; i < segments; i++) {
        size_t begin = cor_dicom_priv_u32(data + 4 + 4 * (size_t) i, false);
        size_t end = i + 1 < segments ? cor_dicom_priv_u32(data + 8 + 4 * (size_t) i, false) : size;
        uint8_t *out = samples->data + i / bytes * bytes + (bytes - 1 - i % bytes);

        if (begin < HEADER_SIZE || begin > end || end > size) {
            return cor_fail(err, COR_ERR_CORRUPT, "RLE segment %u lies outside its frame", i + 1);
        }
        bool is_done = samples->bits_allocated == 1
                           ? unpack_bits(data + begin, end - begin, out, pixels)
                           : unpack(data + begin, end - begin, out, pixels, segments);
        if (!is_done) {
            return cor_fail(err, COR_ERR_CORRUPT, "RLE segment %u is cut off", i + 1);
        }
    }
    return true;
}

/* --- encoding --- */

typedef struct Plane {
    const uint8_t *bytes; /* every stride-th of them */
    size_t stride;
} Plane;

static size_t run_length(const Plane *plane, size_t at, size_t end)
{
    uint8_t byte = plane->bytes[at * plane->stride];
    size_t stop = end - at > 128 ? at + 128 : end;
    size_t next = at + 1;

    while (next < stop && plane->bytes[next * plane->stride] == byte) {
        next++;
    }
    return next - at;
}

/* Pack one row: runs of three or more are repeated, what lies between is copied.  Rows do not share
 * runs (section G.3.1). */
static uint8_t *pack_row(const Plane *plane, size_t at, size_t end, uint8_t *out)
{
    while (at < end) {
        size_t run = run_length(plane, at, end);
        size_t literal = 0;

        if (run >= 3 || (run == 2 && at + 2 == end)) {
            *out++ = (uint8_t) (1 - (int) run);
            *out++ = plane->bytes[at * plane->stride];
            at += run;
            continue;
        }
        while (at + literal < end && literal < 128 && run_length(plane, at + literal, end) < 3) {
            literal++;
        }
        *out++ = (uint8_t) (literal - 1);
        for (; literal > 0; literal--) {
            *out++ = plane->bytes[at++ * plane->stride];
        }
    }
    return out;
}

/* One bit a pixel: eight to a byte, which then are the only plane; rows are none of its own. */
static bool pack_bits(const CorDicomRaw *raw, uint8_t *out, uint8_t **ret_end, CorError *err)
{
    size_t count = (size_t) raw->rows * raw->columns * raw->samples_per_pixel;
    uint8_t *bits = calloc((count + 7) / 8, 1);

    if (!bits) {
        return cor_fail(err, COR_ERR_NOMEM, "out of memory for a frame of %zu bits", count);
    }
    for (size_t i = 0; i < count; i++) {
        bits[i / 8] = (uint8_t) (bits[i / 8] | (raw->data[i] & 1) << (i % 8));
    }
    const Plane plane = {.bytes = bits, .stride = 1};
    *ret_end = pack_row(&plane, 0, (count + 7) / 8, out);
    free(bits);
    return true;
}

static void set_u32(uint8_t *bytes, uint32_t value)
{
    for (int i = 0; i < 4; i++) {
        bytes[i] = (uint8_t) (value >> (8 * i));
    }
}

bool cor_dicom_priv_rle_encode(const CorDicomRaw *raw, CorDicomPacked *packed, CorError *err)
{
    unsigned bytes = raw->bytes_per_sample;
    unsigned segments = raw->precision == 1 ? 1 : raw->samples_per_pixel * bytes;
    uint8_t *out = packed->data + HEADER_SIZE;

    if (packed->room > UINT32_MAX) {
        return cor_fail(err, COR_ERR_LIMIT, "the frame is too large for RLE");
    }
    memset(packed->data, 0, HEADER_SIZE);
    set_u32(packed->data, segments);
    for (unsigned i = 0; i < segments; i++) {
        const Plane plane = {.bytes = raw->data + i / bytes * bytes + (bytes - 1 - i % bytes),
                             .stride = (size_t) raw->samples_per_pixel * bytes};

        set_u32(packed->data + 4 + 4 * (size_t) i, (uint32_t) (out - packed->data));
        if (raw->precision == 1 && !pack_bits(raw, out, &out, err)) {
            return false;
        }
        for (size_t y = 0; raw->precision > 1 && y < raw->rows; y++) {
            out = pack_row(&plane, y * raw->columns, (y + 1) * raw->columns, out);
        }
        if ((out - packed->data) & 1) {
            *out++ = 0; /* segments have even lengths (section G.5) */
        }
    }
    packed->size = (size_t) (out - packed->data);
    return true;
}

bool cor_dicom_priv_packed_max(const CorDicomRaw *raw, size_t *ret_size, CorError *err)
{
    size_t samples = (size_t) raw->rows * raw->columns * raw->samples_per_pixel;
    size_t size = 0;

    /* Rows of RLE grow by a byte in 128 and one more for each row of each plane; the coefficients
     * of noise by some bits; small frames by headers. */
    return cor_size_mul(samples, raw->bytes_per_sample, &size, err) &&
           cor_size_add(size, size / 2, &size, err) &&
           cor_size_add(size, (size_t) raw->rows * raw->samples_per_pixel * raw->bytes_per_sample,
                        &size, err) &&
           cor_size_add(size, 64 * 1024, ret_size, err);
}

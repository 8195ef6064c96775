/* SPDX-License-Identifier: Apache-2.0 */
/* PackBits by byte planes (PS3.5 annex G): a header of 64 bytes with the places of up to 15
 * segments, one for each byte of each sample, the most significant byte first.  Segments are
 * written straight to where their bytes belong, so that pixels come out interleaved. */
#include <assert.h>
#include <stdlib.h>

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

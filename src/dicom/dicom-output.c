/* SPDX-License-Identifier: Apache-2.0 */
#include "dicom/dicom-output.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "dicom/dicom-writer.h"

enum { BUFFER_SIZE = 64 * 1024 };

bool cor_dicom_priv_output_init(CorDicomOutput *output, const CorDicomSink *sink, CorError *err)
{
    memset(output, 0, sizeof(*output));
    output->sink = sink;
    output->buffer = malloc(BUFFER_SIZE);
    return output->buffer || cor_fail(err, COR_ERR_NOMEM, "out of memory for output");
}

void cor_dicom_priv_output_done(CorDicomOutput *output)
{
    if (output->is_deflating) {
        (void) deflateEnd(&output->deflater);
    }
    free(output->buffer);
    memset(output, 0, sizeof(*output));
}

/* A sink that fails without saying why would not poison the output. */
static void note_failure(CorDicomOutput *output)
{
    if (output->why.code == COR_OK) {
        cor_error_wrap(&output->why, "output");
    }
}

static void give(CorDicomOutput *output, const void *bytes, size_t size)
{
    if (cor_dicom_priv_output_ok(output) && size > 0 &&
        !output->sink->write(output->sink->context, bytes, size, &output->why)) {
        note_failure(output);
    }
}

static void flush(CorDicomOutput *output)
{
    give(output, output->buffer, output->used);
    output->used = 0;
}

/* Run the deflater over some bytes; the buffer takes what comes out. */
static void deflate_bytes(CorDicomOutput *output, const void *bytes, size_t size, int mode)
{
    z_stream *stream = &output->deflater;
    size_t left = size;
    int result = Z_OK;

    stream->next_in = (Bytef *) (uintptr_t) bytes;
    do {
        uInt in = (uInt) COR_MIN(left, (size_t) 1 << 30);

        stream->avail_in = in;
        stream->next_out = output->buffer + output->used;
        stream->avail_out = (uInt) (BUFFER_SIZE - output->used);
        result = deflate(stream, mode);
        left -= in - stream->avail_in;
        output->used = BUFFER_SIZE - stream->avail_out;
        if (output->used == BUFFER_SIZE) {
            flush(output);
        }
    } while (cor_dicom_priv_output_ok(output) &&
             (left > 0 || (mode == Z_FINISH && result == Z_OK)));
}

void cor_dicom_priv_output_deflate(CorDicomOutput *output)
{
    flush(output);
    output->deflater = (z_stream){0};
    if (deflateInit2(&output->deflater, Z_DEFAULT_COMPRESSION, Z_DEFLATED, -MAX_WBITS, 8,
                     Z_DEFAULT_STRATEGY) != Z_OK) {
        (void) cor_fail(&output->why, COR_ERR_NOMEM, "out of memory to deflate");
        return;
    }
    output->is_deflating = true;
}

void cor_dicom_priv_put(CorDicomOutput *output, const void *bytes, size_t size)
{
    output->written += size;
    if (!cor_dicom_priv_output_ok(output) || size == 0) {
        return;
    }
    if (output->is_deflating) {
        deflate_bytes(output, bytes, size, Z_NO_FLUSH);
        return;
    }
    if (size > BUFFER_SIZE - output->used) {
        flush(output);
    }
    if (size >= BUFFER_SIZE) {
        give(output, bytes, size);
        return;
    }
    memcpy(output->buffer + output->used, bytes, size);
    output->used += size;
}

void cor_dicom_priv_put_swapped(CorDicomOutput *output, const uint8_t *bytes, size_t size,
                                unsigned word)
{
    uint8_t block[4096]; /* a multiple of every word */
    size_t whole = size / word * word;

    for (size_t done = 0; done < whole && cor_dicom_priv_output_ok(output);) {
        size_t part = COR_MIN(whole - done, sizeof(block));

        for (size_t i = 0; i < part; i++) {
            block[i] = bytes[done + (i ^ (word - 1))];
        }
        cor_dicom_priv_put(output, block, part);
        done += part;
    }
    cor_dicom_priv_put(output, bytes + whole, size - whole);
}

void cor_dicom_priv_put_head(CorDicomOutput *output, uint32_t tag, uint16_t vr, uint32_t length)
{
    uint8_t head[COR_DICOM_HEAD_MAX];

    cor_dicom_priv_put(output, head, cor_dicom_priv_head(head, tag, vr, length));
}

void cor_dicom_priv_put_item(CorDicomOutput *output, uint32_t tag, uint32_t length)
{
    uint8_t head[COR_DICOM_HEAD_MAX];

    cor_dicom_priv_put(output, head, cor_dicom_priv_head(head, tag, COR_DICOM_VR_NONE, length));
}

void cor_dicom_priv_put_at(CorDicomOutput *output, uint64_t offset, const void *bytes, size_t size)
{
    assert(!output->is_deflating);
    flush(output);
    if (cor_dicom_priv_output_ok(output) &&
        !output->sink->write_at(output->sink->context, offset, bytes, size, &output->why)) {
        note_failure(output);
    }
}

bool cor_dicom_priv_output_end(CorDicomOutput *output, CorError *err)
{
    if (output->is_deflating && cor_dicom_priv_output_ok(output)) {
        deflate_bytes(output, "", 0, Z_FINISH);
    }
    flush(output);
    return cor_dicom_priv_output_ok(output) ||
           cor_fail(err, output->why.code, "%s", output->why.text);
}

unsigned cor_dicom_priv_word_size(uint16_t vr)
{
    switch (vr) {
    case COR_DICOM_VR('O', 'W'):
    case COR_DICOM_VR('A', 'T'): /* two words */
        return 2;
    case COR_DICOM_VR('O', 'L'):
    case COR_DICOM_VR('O', 'F'):
        return 4;
    case COR_DICOM_VR('O', 'D'):
    case COR_DICOM_VR('O', 'V'):
        return 8;
    default:
        return COR_MAX(cor_dicom_priv_vr_number_size(vr), 1u);
    }
}

void cor_dicom_priv_put_value(CorDicomOutput *output, const CorDicom *dicom,
                              const CorDicomElement *element, unsigned word)
{
    const uint8_t *bytes = cor_dicom_priv_bytes(dicom, element);

    word = word > 0 ? word : cor_dicom_priv_word_size(element->vr);
    if ((element->flags & COR_DICOM_IS_BIG_ENDIAN) && word > 1) {
        cor_dicom_priv_put_swapped(output, bytes, element->size, word);
    } else {
        cor_dicom_priv_put(output, bytes, element->size);
    }
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "dicom/dicom-transcode.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/id.h"
#include "dicom/dicom-rewrite.h"
#include "dicom/dicom-writer.h"

enum { META_MAX = 1024 };

/* Copy a UID of the data set; "" if there is none that is legal. */
static void read_uid(const CorDicom *dicom, uint32_t tag, char uid[COR_UID_SIZE])
{
    const CorDicomElement *element = cor_dicom_priv_find(dicom, cor_dicom_priv_root(dicom), tag);

    if (!cor_dicom_priv_code(dicom, element, 0, uid, COR_UID_SIZE)) {
        uid[0] = '\0';
    }
}

static void write_meta(const CorDicom *dicom, const char *target_uid, CorDicomOutput *output)
{
    uint8_t meta[META_MAX];
    CorDicomWriter writer = {.data = meta, .room = sizeof(meta)};
    char class_uid[COR_UID_SIZE];
    char instance_uid[COR_UID_SIZE];

    read_uid(dicom, 0x00080016, class_uid);
    read_uid(dicom, 0x00080018, instance_uid);
    cor_dicom_priv_write_meta(&writer, class_uid, instance_uid, target_uid);
    cor_dicom_priv_put(output, meta, writer.size);
}

/* What is wrong before a byte is written. */
static bool check_request(const CorDicom *dicom, const char *target_uid, CorError *err)
{
    if (!cor_dicom_can_encode(target_uid)) {
        return cor_fail(err, COR_ERR_UNSUPPORTED, "transfer syntax %s is not written", target_uid);
    }
    if (!cor_dicom_priv_is_native_uid(target_uid) && !cor_dicom_priv_pixel_element(dicom)) {
        return cor_fail(err, COR_ERR_UNSUPPORTED, "an object without pixels in transfer syntax %s",
                        target_uid);
    }
    return true;
}

bool cor_dicom_transcode(const CorDicom *dicom, const char *transfer_syntax_uid,
                         const CorDicomSink *sink, CorError *err)
{
    CorDicomOutput output = {0};

    if (!check_request(dicom, transfer_syntax_uid, err) ||
        !cor_dicom_priv_output_init(&output, sink, err)) {
        return false;
    }
    write_meta(dicom, transfer_syntax_uid, &output);
    if (strcmp(transfer_syntax_uid, COR_DICOM_DEFLATED) == 0) {
        cor_dicom_priv_output_deflate(&output);
    }
    bool is_done = cor_dicom_priv_rewrite(dicom, transfer_syntax_uid, &output, err) &&
                   cor_dicom_priv_output_end(&output, err);
    cor_dicom_priv_output_done(&output);
    return is_done;
}

bool cor_dicom_write_file(const CorDicom *dicom, const CorDicomSink *sink, CorError *err)
{
    CorDicomOutput output = {0};

    if (dicom->syntax.is_deflated) {
        return cor_dicom_transcode(dicom, COR_DICOM_DEFLATED, sink, err);
    }
    if (!cor_dicom_priv_output_init(&output, sink, err)) {
        return false;
    }
    write_meta(dicom, dicom->syntax_uid, &output);
    cor_dicom_priv_put(&output, dicom->data + dicom->start, dicom->size - dicom->start);
    bool is_done = cor_dicom_priv_output_end(&output, err);
    cor_dicom_priv_output_done(&output);
    return is_done;
}

/* Fragments as they are. */
static bool write_stored_frame(const CorDicom *dicom, uint32_t frame, CorDicomOutput *output,
                               CorError *err)
{
    CorDicomFrameBytes bytes = {0};

    if (!cor_dicom_priv_encapsulated(dicom, frame, cor_dicom_priv_frames(dicom), &bytes, err)) {
        return false;
    }
    cor_dicom_priv_put(output, bytes.data, bytes.size);
    free(bytes.gathered);
    return true;
}

static bool write_recoded_frame(const CorDicom *dicom, uint32_t frame, const char *target_uid,
                                CorDicomOutput *output, CorDicomWritten *written, CorError *err)
{
    CorDicomRecoding recoding = {0};
    CorDicomBits bits = {0};

    if (!cor_dicom_priv_recoding_begin(dicom, target_uid, &recoding, err)) {
        return false;
    }
    bool is_done = cor_dicom_priv_recode(&recoding, frame, output, &bits, err);
    cor_dicom_priv_put_bits_end(output, &bits);
    snprintf(written->photometric, sizeof(written->photometric), "%s", recoding.photometric);
    cor_dicom_priv_recoding_done(&recoding);
    return is_done;
}

/* What a frame is to become, and whether that is what it is. */
static const char *frame_target(const CorDicom *dicom, const char *asked, bool *ret_is_stored)
{
    const CorDicomElement *pixels = cor_dicom_priv_pixel_element(dicom);
    bool is_fragmented = pixels->flags & COR_DICOM_IS_FRAGMENTED;

    *ret_is_stored = is_fragmented && (!asked || strcmp(asked, dicom->syntax_uid) == 0);
    if (*ret_is_stored) {
        return dicom->syntax_uid;
    }
    return !asked || cor_dicom_priv_is_native_uid(asked) ? COR_DICOM_EXPLICIT : asked;
}

bool cor_dicom_write_frame(const CorDicom *dicom, uint32_t frame, const char *transfer_syntax_uid,
                           const CorDicomSink *sink, CorDicomWritten *ret_written, CorError *err)
{
    CorDicomWritten written = {0};
    CorDicomOutput output = {0};
    bool is_stored = false;

    if (!cor_dicom_priv_pixel_element(dicom)) {
        return cor_fail(err, COR_ERR_NOT_FOUND, "the file has no pixel data");
    }
    if (transfer_syntax_uid && !cor_dicom_can_encode(transfer_syntax_uid)) {
        return cor_fail(err, COR_ERR_UNSUPPORTED, "transfer syntax %s is not written",
                        transfer_syntax_uid);
    }
    if (frame >= cor_dicom_priv_frames(dicom)) {
        return cor_fail(err, COR_ERR_INVALID,
                        "there is no frame %" PRIu32 ": the image has %" PRIu32, frame + 1,
                        cor_dicom_priv_frames(dicom));
    }
    const char *target = frame_target(dicom, transfer_syntax_uid, &is_stored);
    if (!cor_dicom_priv_output_init(&output, sink, err)) {
        return false;
    }
    bool is_done =
        (is_stored ? write_stored_frame(dicom, frame, &output, err)
                   : write_recoded_frame(dicom, frame, target, &output, &written, err)) &&
        cor_dicom_priv_output_end(&output, err);
    cor_dicom_priv_output_done(&output);
    if (is_done) {
        snprintf(written.transfer_syntax_uid, sizeof(written.transfer_syntax_uid), "%s", target);
        *ret_written = written;
    }
    return is_done;
}

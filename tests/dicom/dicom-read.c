/* SPDX-License-Identifier: Apache-2.0 */
/* Read one DICOM file through the room and say what came of it, for test_read_everything.py.
 *
 *     dicom-read FILE FOLDER      JSON on stdout; stored and modality values of every frame as raw
 * files in FOLDER (stored-<n>.raw, modality-<n>.raw) dicom-read --capture FILE FRAME OUTPUT a
 * derived Secondary Capture with a test picture
 *     dicom-read --write FILE         JSON on stdout: what came of it in every transfer syntax that
 *                                     we write, of its first frame, and of some of its values
 *
 * Exit 0 whenever it could say what came of it, refusals included; 2 on wrong usage.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/fd.h"
#include "base/json.h"
#include "dicom/dicom-capture.h"
#include "dicom/dicom-image.h"
#include "dicom/dicom-transcode.h"

static const char *const type_names[] = {
    [COR_PIXEL_U8] = "u1",  [COR_PIXEL_S8] = "i1",  [COR_PIXEL_U16] = "u2",
    [COR_PIXEL_S16] = "i2", [COR_PIXEL_U32] = "u4", [COR_PIXEL_S32] = "i4",
    [COR_PIXEL_F32] = "f4", [COR_PIXEL_F64] = "f8", [COR_PIXEL_RGB8] = "rgb",
};

static json_t *error_json(const CorError *err)
{
    return json_pack("{s:s, s:s}", "code", cor_error_code_name(err->code), "text", err->text);
}

static bool write_file(const char *path, const void *data, size_t size, CorError *err)
{
    FILE *file = fopen(path, "wbe");

    if (!file || fwrite(data, 1, size, file) != size || fclose(file) != 0) {
        return cor_fail_errno(err, errno, "write %s", path);
    }
    return true;
}

static json_t *frame_json(CorDicomFrame *frame, const char *folder, const char *kind, uint32_t n)
{
    const CorPlane *plane = cor_dicom_frame_plane(frame);
    CorError err = {0};
    char path[4096];

    snprintf(path, sizeof(path), "%s/%s-%" PRIu32 ".raw", folder, kind, n);
    if (!write_file(path, plane->data, cor_dicom_frame_bytes(frame), &err)) {
        return json_pack("{s:o}", "error", error_json(&err));
    }
    return json_pack("{s:s, s:i, s:i}", "type", type_names[plane->type], "width",
                     (int) plane->width_px, "height", (int) plane->height_px);
}

static json_t *info_json(const CorDicom *dicom, uint32_t n)
{
    CorDicomFrameInfo info = {0};
    CorError err = {0};

    if (!cor_dicom_frame_info(dicom, n, &info, &err)) {
        return json_pack("{s:o}", "error", error_json(&err));
    }
    json_t *json = json_pack("{s:f, s:f, s:b, s:s}", "slope", info.rescale_slope, "intercept",
                             info.rescale_intercept, "inverse", info.is_inverse,
                             "frame_of_reference", info.frame_of_reference_uid);
    if (info.has_position) {
        json_object_set_new(
            json, "position",
            json_pack("[f,f,f]", info.position_mm[0], info.position_mm[1], info.position_mm[2]));
    }
    if (info.has_orientation) {
        const double *o = info.orientation;
        json_object_set_new(json, "orientation",
                            json_pack("[f,f,f,f,f,f]", o[0], o[1], o[2], o[3], o[4], o[5]));
    }
    if (info.has_spacing) {
        json_object_set_new(json, "spacing",
                            json_pack("[f,f]", info.row_spacing_mm, info.column_spacing_mm));
    }
    if (info.has_window) {
        json_object_set_new(json, "window",
                            json_pack("[f,f]", info.window_center, info.window_width));
    }
    return json;
}

static json_t *read_frame(const CorDicom *dicom, uint32_t n, const char *folder)
{
    COR_CLEANUP(cor_dicom_frame_freep) CorDicomFrame *stored = NULL;
    COR_CLEANUP(cor_dicom_frame_freep) CorDicomFrame *shown = NULL;
    COR_CLEANUP(cor_dicom_frame_freep) CorDicomFrame *modality = NULL;
    json_t *json = json_object();
    CorError err = {0};

    json_object_set_new(json, "info", info_json(dicom, n));
    if (!cor_dicom_decode_frame(dicom, n, COR_DICOM_KEEP_SAMPLES, &stored, &err)) {
        json_object_set_new(json, "error", error_json(&err));
        return json;
    }
    json_object_set_new(json, "stored", frame_json(stored, folder, "stored", n));
    json_object_set_new(json, "shown",
                        cor_dicom_decode_frame(dicom, n, COR_DICOM_PALETTE_TO_RGB, &shown, &err)
                            ? frame_json(shown, folder, "shown", n)
                            : json_pack("{s:o}", "error", error_json(&err)));
    json_object_set_new(json, "modality",
                        cor_dicom_modality_plane(dicom, n, &modality, &err)
                            ? frame_json(modality, folder, "modality", n)
                            : json_pack("{s:o}", "error", error_json(&err)));
    return json;
}

static json_t *read_image(const CorDicom *dicom, const char *folder)
{
    CorDicomImage image = {0};
    CorError err = {0};

    if (!cor_dicom_image(dicom, &image, &err)) {
        return json_pack("{s:o}", "error", error_json(&err));
    }
    json_t *frames = json_array();
    for (uint32_t n = 0; n < image.frames; n++) {
        json_t *frame = read_frame(dicom, n, folder);

        json_array_append_new(frames, frame);
        if (json_object_get(frame, "error")) {
            break;
        }
    }
    return json_pack("{s:i, s:i, s:i, s:s, s:b, s:b, s:o}", "rows", (int) image.rows, "columns",
                     (int) image.columns, "frames", (int) image.frames, "photometric",
                     image.photometric, "lossy", image.is_lossy, "palette", image.has_palette,
                     "decoded", frames);
}

static json_t *read_index(const CorDicom *dicom)
{
    char *text = NULL;
    size_t size = 0;
    json_t *index = NULL;
    CorError err = {0};

    if (!cor_dicom_index_json(dicom, &text, &size, &err)) {
        json_t *json = json_pack("{s:o}", "error", error_json(&err));

        if (cor_dicom_attributes_json(dicom, &text, &size, &err) &&
            cor_json_parse(text, size, &index, &err)) {
            json_object_set_new(json, "attributes", index);
        }
        free(text);
        return json;
    }
    if (!cor_json_parse(text, size, &index, &err)) {
        index = json_pack("{s:o}", "broken", error_json(&err));
    }
    free(text);
    return index;
}

static bool open_file(const char *path, CorDicom **ret_dicom, CorError *err)
{
    COR_CLEANUP(cor_fd_closep) int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0) {
        return cor_fail_errno(err, errno, "open %s", path);
    }
    return cor_dicom_open_fd(fd, NULL, ret_dicom, err);
}

static int print(json_t *json)
{
    json_dumpf(json, stdout, JSON_COMPACT);
    json_decref(json);
    return fflush(stdout) == 0 ? 0 : 1;
}

static int read_everything(const char *path, const char *folder)
{
    COR_CLEANUP(cor_dicom_freep) CorDicom *dicom = NULL;
    CorError err = {0};

    if (!cor_dicom_init(&err) || !open_file(path, &dicom, &err)) {
        return print(json_pack("{s:o}", "error", error_json(&err)));
    }
    char *listing = cor_dicom_describe(dicom, 100000);
    size_t listing_size = listing ? strlen(listing) : 0;
    free(listing);
    return print(json_pack("{s:s, s:b, s:o, s:o, s:i}", "syntax",
                           cor_dicom_transfer_syntax_uid(dicom), "truncated",
                           cor_dicom_is_truncated(dicom), "index", read_index(dicom), "image",
                           read_image(dicom, folder), "listing", (int) listing_size));
}

static bool write_capture(const CorDicom *dicom, uint32_t frame, const char *output, CorError *err)
{
    CorDicomImage image = {0};
    uint8_t *file = NULL;
    size_t size = 0;

    if (!cor_dicom_image(dicom, &image, err)) {
        return false;
    }
    size_t bytes = (size_t) image.rows * image.columns * 3;
    uint8_t *pixels = malloc(bytes);
    for (size_t i = 0; pixels && i < bytes; i++) {
        pixels[i] = (uint8_t) (i % 251);
    }
    const CorDicomCapture capture = {
        .algo_id = "processing_1",
        .algo_version = "1.0.0",
        .algo_title = "Liver",
        .params_text = "{\"sigma\":2.0}",
        .sop_instance_uid = "2.25.1001",
        .series_instance_uid = "2.25.1002",
        .content_unix_ms = 1767225599123,
        .plane = {.data = pixels,
                  .width_px = image.columns,
                  .height_px = image.rows,
                  .row_bytes = (size_t) image.columns * 3,
                  .type = COR_PIXEL_RGB8},
    };
    bool is_done = pixels &&
                   cor_dicom_write_secondary_capture(dicom, frame, &capture, &file, &size, err) &&
                   write_file(output, file, size, err);
    free(pixels);
    free(file);
    return is_done;
}

static int capture_one(const char *path, const char *frame, const char *output)
{
    COR_CLEANUP(cor_dicom_freep) CorDicom *dicom = NULL;
    CorError err = {0};
    uint32_t number = 0;

    if (sscanf(frame, "%" SCNu32, &number) != 1) {
        return 2;
    }
    if (!cor_dicom_init(&err) || !open_file(path, &dicom, &err) ||
        !write_capture(dicom, number, output, &err)) {
        return print(json_pack("{s:o}", "error", error_json(&err)));
    }
    return print(json_object());
}

/* --- writing --- */

static bool count_bytes(void *context, const void *bytes, size_t size, CorError *err)
{
    (void) bytes;
    (void) err;
    *(uint64_t *) context += size;
    return true;
}

static bool ignore_bytes(void *context, uint64_t offset, const void *bytes, size_t size,
                         CorError *err)
{
    (void) bytes;
    return offset + size <= *(uint64_t *) context ||
           cor_fail(err, COR_ERR_BUG, "bytes are replaced that were not written");
}

static json_t *outcome(bool is_done, uint64_t size, const CorError *err)
{
    return is_done ? json_integer((json_int_t) size) : error_json(err);
}

static void write_in_syntax(const CorDicom *dicom, const char *uid, json_t *json)
{
    uint64_t size = 0;
    const CorDicomSink sink = {.write = count_bytes, .write_at = ignore_bytes, .context = &size};
    CorDicomWritten written;
    CorError err = {0};
    char name[80];

    bool is_done = cor_dicom_transcode(dicom, uid, &sink, &err);
    json_object_set_new(json, uid, outcome(is_done, size, &err));
    size = 0;
    is_done = cor_dicom_write_frame(dicom, 0, uid, &sink, &written, &err);
    snprintf(name, sizeof(name), "frame %s", uid);
    json_object_set_new(json, name, outcome(is_done, size, &err));
}

static int write_everything(const char *path)
{
    static const char *const uids[] = {
        COR_DICOM_EXPLICIT,      COR_DICOM_DEFLATED,          COR_DICOM_RLE,
        COR_DICOM_JPEG_LOSSLESS, COR_DICOM_JPEG_LOSSLESS_SV1, COR_DICOM_JPEG_LS,
        COR_DICOM_JPEG_2000};
    static const char *const values[] = {"7FE00010", "00880200", "52009230", "00081140/1/00081150"};
    COR_CLEANUP(cor_dicom_freep) CorDicom *dicom = NULL;
    uint64_t size = 0;
    const CorDicomSink sink = {.write = count_bytes, .write_at = ignore_bytes, .context = &size};
    CorDicomWritten written;
    CorError err = {0};

    if (!cor_dicom_init(&err) || !open_file(path, &dicom, &err)) {
        return print(json_pack("{s:o}", "error", error_json(&err)));
    }
    json_t *json = json_object();
    for (size_t i = 0; i < COR_ARRAY_LEN(uids); i++) {
        write_in_syntax(dicom, uids[i], json);
    }
    for (size_t i = 0; i < COR_ARRAY_LEN(values); i++) {
        size = 0;
        bool is_done = cor_dicom_write_bulk(dicom, values[i], &sink, &written, &err);
        json_object_set_new(json, values[i], outcome(is_done, size, &err));
    }
    return print(json);
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "--write") == 0) {
        return write_everything(argv[2]);
    }
    if (argc == 3) {
        return read_everything(argv[1], argv[2]);
    }
    if (argc == 5 && strcmp(argv[1], "--capture") == 0) {
        return capture_one(argv[2], argv[3], argv[4]);
    }
    fputs("usage: dicom-read FILE FOLDER | dicom-read --capture FILE FRAME OUTPUT | "
          "dicom-read --write FILE\n",
          stderr);
    return 2;
}

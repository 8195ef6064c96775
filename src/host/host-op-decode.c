/* SPDX-License-Identifier: Apache-2.0 */
/* decode: one frame to raw samples, row by row without padding. */
#include "base/array.h"
#include "dicom/dicom-image.h"
#include "host/host-op.h"
#include "host/host-slices.h"

#include <assert.h>
#include <string.h>

/* As NumPy calls them; colour is three samples of uint8. */
static const char *const type_names[] = {
    [COR_PIXEL_U8] = "uint8",    [COR_PIXEL_S8] = "int8",     [COR_PIXEL_U16] = "uint16",
    [COR_PIXEL_S16] = "int16",   [COR_PIXEL_U32] = "uint32",  [COR_PIXEL_S32] = "int32",
    [COR_PIXEL_F32] = "float32", [COR_PIXEL_F64] = "float64", [COR_PIXEL_RGB8] = "uint8",
};
static_assert(COR_ARRAY_LEN(type_names) == COR_PIXEL_TYPE_COUNT_, "name every type");

/* The frame that a request names, counted from 0; they count from 1 (PS3.18 section 8.3.3). */
static bool frame_index(const json_t *request, uint32_t *ret_frame, CorError *err)
{
    int64_t frame = cor_json_integer(request, "frame", 1);

    if (frame < 1 || frame > UINT32_MAX) {
        return cor_fail(err, COR_ERR_INVALID, "frames count from 1");
    }
    *ret_frame = (uint32_t) (frame - 1);
    return true;
}

static bool run(CorHostContext *context, const json_t *request, json_t **ret_result, CorError *err)
{
    COR_CLEANUP(cor_dicom_freep) CorDicom *dicom = NULL;
    COR_CLEANUP(cor_dicom_frame_freep) CorDicomFrame *frame = NULL;
    COR_CLEANUP(cor_json_freep) json_t *output = NULL;
    CorDicomImage image;
    uint32_t index = 0;
    bool is_modality = strcmp(cor_json_string(request, "values", "stored"), "modality") == 0;

    if (cor_host_priv_input_len(context) != 1) {
        return cor_fail(err, COR_ERR_INVALID, "decode takes one file");
    }
    if (!frame_index(request, &index, err) || !cor_host_priv_open_input(context, 0, &dicom, err) ||
        !cor_dicom_image(dicom, &image, err)) {
        return false;
    }
    if (is_modality ? !cor_dicom_modality_plane(dicom, index, &frame, err)
                    : !cor_dicom_decode_frame(dicom, index, 0, &frame, err)) {
        return false;
    }

    const CorPlane *plane = cor_dicom_frame_plane(frame);
    output = json_pack("{s:s, s:I, s:I, s:i, s:s, s:s, s:I}", "role", "pixels", "columns",
                       (json_int_t) plane->width_px, "rows", (json_int_t) plane->height_px,
                       "samples_per_pixel", plane->type == COR_PIXEL_RGB8 ? 3 : 1, "type",
                       type_names[plane->type], "photometric", image.photometric, "frames",
                       (json_int_t) image.frames);
    if (!cor_host_priv_output(context, output, plane->data, cor_dicom_frame_bytes(frame), err)) {
        return false;
    }
    *ret_result = json_object();
    return *ret_result || cor_fail(err, COR_ERR_NOMEM, "out of memory for an answer");
}

const CorHostOperation cor_host_priv_op_decode = {.name = "decode", .run = run};

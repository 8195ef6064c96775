/* SPDX-License-Identifier: Apache-2.0 */
/* frame: one frame as it would stand in Pixel Data of a transfer syntax. */
#include "base/json.h"
#include "host/host-sink.h"
#include "host/host-slices.h"

static bool run(CorHostContext *context, const json_t *request, json_t **ret_result, CorError *err)
{
    COR_CLEANUP(cor_dicom_freep) CorDicom *dicom = NULL;
    COR_CLEANUP(cor_host_priv_sink_done) CorHostSink sink = {.fd = -1};
    COR_CLEANUP(cor_json_freep) json_t *output = NULL;
    CorDicomWritten written = {0};
    const char *uid = cor_json_string(request, "transfer_syntax_uid", NULL);
    int64_t frame = cor_json_integer(request, "frame", 1);

    if (cor_host_priv_input_len(context) != 1 || frame < 1 || frame > UINT32_MAX) {
        return cor_fail(err, COR_ERR_INVALID, "frame takes one file and a frame from 1");
    }
    if (!cor_host_priv_open_input(context, 0, &dicom, err) ||
        !cor_host_priv_sink_init(&sink, context, err) ||
        !cor_dicom_write_frame(dicom, (uint32_t) (frame - 1), uid, &sink.sink, &written, err)) {
        return false;
    }
    output = json_pack("{s:s, s:s, s:s}", "role", "frame", "transfer_syntax_uid",
                       written.transfer_syntax_uid, "photometric", written.photometric);
    if (!cor_host_priv_output_fd(context, output, sink.fd, err)) {
        return false;
    }
    *ret_result = json_object();
    return *ret_result || cor_fail(err, COR_ERR_NOMEM, "out of memory for an answer");
}

const CorHostOperation cor_host_priv_op_frame = {.name = "frame", .run = run};

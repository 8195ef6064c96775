/* SPDX-License-Identifier: Apache-2.0 */
/* transcode: the whole file in another transfer syntax, or with the meta header that it lacks. */
#include "base/json.h"
#include "host/host-sink.h"
#include "host/host-slices.h"

static bool run(CorHostContext *context, const json_t *request, json_t **ret_result, CorError *err)
{
    COR_CLEANUP(cor_dicom_freep) CorDicom *dicom = NULL;
    COR_CLEANUP(cor_host_priv_sink_done) CorHostSink sink = {.fd = -1};
    COR_CLEANUP(cor_json_freep) json_t *output = json_pack("{s:s}", "role", "file");
    const char *uid = cor_json_string(request, "transfer_syntax_uid", "");

    if (cor_host_priv_input_len(context) != 1) {
        return cor_fail(err, COR_ERR_INVALID, "transcode takes one file");
    }
    if (!cor_host_priv_open_input(context, 0, &dicom, err) ||
        !cor_host_priv_sink_init(&sink, context, err) ||
        !(uid[0] ? cor_dicom_transcode(dicom, uid, &sink.sink, err)
                 : cor_dicom_write_file(dicom, &sink.sink, err)) ||
        !cor_host_priv_output_fd(context, output, sink.fd, err)) {
        return false;
    }
    *ret_result = json_object();
    return *ret_result || cor_fail(err, COR_ERR_NOMEM, "out of memory for an answer");
}

const CorHostOperation cor_host_priv_op_transcode = {.name = "transcode", .run = run};

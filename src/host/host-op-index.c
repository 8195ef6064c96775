/* SPDX-License-Identifier: Apache-2.0 */
/* index: one DICOM file to its catalogue record. */
#include <stdlib.h>

#include "dicom/dicom.h"
#include "host/host-op.h"
#include "host/host-slices.h"

/* Records beyond this travel as a file: a frame is bounded, and escaping may lengthen text. */
enum { INLINE_MAX_BYTES = 256 * 1024 };

static bool give_inline(const char *text, size_t size, json_t **ret_result, CorError *err)
{
    json_t *record = NULL;

    if (!cor_json_parse(text, size, &record, err)) {
        cor_error_wrap(err, "record");
        return false;
    }
    *ret_result = json_pack("{s:o}", "record", record);
    return *ret_result || cor_fail(err, COR_ERR_NOMEM, "out of memory for a record");
}

static bool give_as_file(CorHostContext *context, const char *text, size_t size,
                         json_t **ret_result, CorError *err)
{
    COR_CLEANUP(cor_json_freep) json_t *output = json_pack("{s:s}", "role", "record");

    if (!cor_host_priv_output(context, output, text, size, err)) {
        return false;
    }
    *ret_result = json_object();
    return *ret_result || cor_fail(err, COR_ERR_NOMEM, "out of memory for a record");
}

static bool run(CorHostContext *context, const json_t *request, json_t **ret_result, CorError *err)
{
    COR_CLEANUP(cor_dicom_freep) CorDicom *dicom = NULL;
    char *text = NULL;
    size_t size = 0;

    (void) request;
    if (cor_host_priv_input_len(context) != 1) {
        return cor_fail(err, COR_ERR_INVALID, "index takes one file");
    }
    if (!cor_host_priv_open_input(context, 0, &dicom, err) ||
        !cor_dicom_index_json(dicom, &text, &size, err)) {
        return false;
    }
    bool ok = size <= INLINE_MAX_BYTES ? give_inline(text, size, ret_result, err)
                                       : give_as_file(context, text, size, ret_result, err);
    free(text);
    return ok;
}

const CorHostOperation cor_host_priv_op_index = {.name = "index", .run = run};

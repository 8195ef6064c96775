/* SPDX-License-Identifier: Apache-2.0 */
/* index: one DICOM file to its catalogue record. */
#include <stdlib.h>
#include <string.h>

#include "dicom/dicom.h"
#include "host/host-op.h"
#include "host/host-slices.h"

/* Records beyond this travel as a file: a frame is bounded. */
enum { INLINE_MAX_BYTES = 256 * 1024 };

/* Bytes of the record's last member, which its last brace follows.  No string in JSON has a quote
 * without a backslash, so the name is found where it is meant. */
static size_t attributes_size(const char *text, size_t size)
{
    static const char name[] = "\"attributes\":";
    const char *found = strstr(text, name);

    return found ? size - 1 - (size_t) (found + sizeof(name) - 1 - text) : 0;
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
    *ret_result = json_pack("{s:I}", "attributes_size", (json_int_t) attributes_size(text, size));
    if (size <= INLINE_MAX_BYTES) {
        cor_host_priv_result_text(context, "record", text);
        return *ret_result || cor_fail(err, COR_ERR_NOMEM, "out of memory for a record");
    }
    COR_CLEANUP(cor_json_freep) json_t *output = json_pack("{s:s}", "role", "record");
    bool is_sent = cor_host_priv_output(context, output, text, size, err);
    free(text);
    return is_sent;
}

const CorHostOperation cor_host_priv_op_index = {.name = "index", .run = run};

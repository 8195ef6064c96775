/* SPDX-License-Identifier: Apache-2.0 */
/* index: one DICOM file to its catalogue record.
 *
 * The record is made as one text that ends with its attributes.  It is cut before them where it
 * lies: what is in front becomes the record, and their text its annex.
 */
#include <string.h>

#include "dicom/dicom.h"
#include "host/host-op.h"
#include "host/host-slices.h"

/* Beyond this the attributes travel as a file: a frame is bounded. */
enum { INLINE_MAX_BYTES = 256 * 1024 };

/* Cut the attributes off: they lose the record's last brace, which the record gets back.  No string
 * in JSON has a quote without a backslash, so the name is found where it is meant. */
static char *cut(char *text, size_t size)
{
    static const char name[] = ",\"attributes\":";
    char *found = strstr(text, name);

    if (!found) {
        return NULL;
    }
    text[size - 1] = '\0';
    memcpy(found, "}", 2);
    return found + sizeof(name) - 1;
}

static bool send_file(CorHostContext *context, const char *attributes, size_t size, CorError *err)
{
    COR_CLEANUP(cor_json_freep) json_t *output = json_pack("{s:s}", "role", "attributes");

    return cor_host_priv_output(context, output, attributes, size, err);
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
    const char *attributes = cut(text, size);
    size_t attributes_size = attributes ? strlen(attributes) : 0;
    bool is_small = size <= INLINE_MAX_BYTES;
    cor_host_priv_result_text(context, "record", text, is_small ? attributes : NULL,
                              is_small ? attributes_size : 0);
    if (!attributes) {
        return cor_fail(err, COR_ERR_BUG, "a record without attributes");
    }
    if (!is_small && !send_file(context, attributes, attributes_size, err)) {
        return false;
    }
    *ret_result = json_object();
    return true;
}

const CorHostOperation cor_host_priv_op_index = {.name = "index", .run = run};

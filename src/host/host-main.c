/* SPDX-License-Identifier: Apache-2.0 */
/* What `corsia host` can do: DICOM and the built-in algorithms. */
#include "algo/algo.h"
#include "base/array.h"
#include "dicom/dicom.h"
#include "host/host-op.h"
#include "host/host.h"

static json_t *describe(void)
{
    size_t len = 0;
    const CorAlgorithm *const *algorithms = cor_algo_all(&len);
    json_t *array = json_array();

    for (size_t i = 0; array && i < len; i++) {
        (void) json_array_append_new(array, json_pack("{s:s, s:s}", "id", algorithms[i]->id,
                                                      "version", algorithms[i]->version));
    }
    return array;
}

int cor_host_main(void)
{
    const CorHostOperation operations[] = {
        cor_host_priv_op_bulk,      cor_host_priv_op_frame,  cor_host_priv_op_index,
        cor_host_priv_op_decode,    cor_host_priv_op_render, cor_host_priv_op_run,
        cor_host_priv_op_transcode,
    };
    const CorHostService service = {.operations = operations,
                                    .operation_len = COR_ARRAY_LEN(operations),
                                    .init = cor_dicom_init,
                                    .describe = describe};

    return cor_host_serve(&service);
}

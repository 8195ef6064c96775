/* SPDX-License-Identifier: Apache-2.0 */
#include "algo/algo.h"

#include <string.h>

#include "algo/algo-priv.h"
#include "base/array.h"

static const CorAlgorithm *const algorithms[] = {
    &cor_algo_priv_processing_1, &cor_algo_priv_processing_6, &cor_algo_priv_liver,
    &cor_algo_priv_lungs,        &cor_algo_priv_body,         &cor_algo_priv_bone,
    &cor_algo_priv_denoise,      &cor_algo_priv_projection,
};

const CorAlgorithm *const *cor_algo_all(size_t *ret_len)
{
    *ret_len = COR_ARRAY_LEN(algorithms);
    return algorithms;
}

const CorAlgorithm *cor_algo_find(const char *id)
{
    for (size_t i = 0; i < COR_ARRAY_LEN(algorithms); i++) {
        if (strcmp(algorithms[i]->id, id) == 0) {
            return algorithms[i];
        }
    }
    return NULL;
}

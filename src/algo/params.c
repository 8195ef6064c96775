/* SPDX-License-Identifier: Apache-2.0 */
/* Parameters as the platform hands them over: complete and valid.  They are checked again all the
 * same, because the kernels below have no bounds of their own.
 */
#include <math.h>
#include <string.h>

#include "algo/algo-priv.h"
#include "base/array.h"

static const char *const side_names[] = {
    [COR_ALGO_SIDE_LEFT] = "left",
    [COR_ALGO_SIDE_RIGHT] = "right",
    [COR_ALGO_SIDE_ANY] = "any",
};
_Static_assert(COR_ARRAY_LEN(side_names) == COR_ALGO_SIDE_COUNT_, "name every side");

bool cor_algo_priv_read_numbers(const json_t *params, const CorAlgoNumber *numbers, size_t len,
                                double *values, CorError *err)
{
    for (size_t i = 0; i < len; i++) {
        const CorAlgoNumber *number = &numbers[i];
        const json_t *member = json_object_get(params, number->name);
        double value = member ? json_number_value(member) : number->fallback;

        if (member && !json_is_number(member)) {
            return cor_fail(err, COR_ERR_INVALID, "parameter %s must be a number", number->name);
        }
        if (!(value >= number->minimum && value <= number->maximum)) {
            return cor_fail(err, COR_ERR_INVALID, "parameter %s must be %g to %g", number->name,
                            number->minimum, number->maximum);
        }
        if (number->is_integer && value != floor(value)) {
            return cor_fail(err, COR_ERR_INVALID, "parameter %s must be a whole number",
                            number->name);
        }
        values[i] = value;
    }
    return true;
}

bool cor_algo_priv_read_side(const json_t *params, CorAlgoSide fallback, CorAlgoSide *ret_side,
                             CorError *err)
{
    const char *name = cor_json_string(params, "side", side_names[fallback]);

    for (size_t i = 0; i < COR_ARRAY_LEN(side_names); i++) {
        if (strcmp(name, side_names[i]) == 0) {
            *ret_side = (CorAlgoSide) i;
            return true;
        }
    }
    return cor_fail(err, COR_ERR_INVALID, "parameter side must be left, right or any");
}

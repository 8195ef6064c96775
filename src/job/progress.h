/* SPDX-License-Identifier: Apache-2.0 */
/* How far a running job is: what a worker tells and a client may see.
 *
 * Ownership  All of it is borrowed for the call.
 */
#pragma once

#include "base/json.h"
#include "job/request.h"

typedef struct CorJobProgress {
    const CorRequest *request;
    double fraction;       /* 0 to 1 */
    const char *stage;     /* "fetch", "compute" or "store" */
    const json_t *preview; /* of several slices the overlay that was stored last, as it will be
                              among the outputs; NULL if there is none yet */
} CorJobProgress;

/* SPDX-License-Identifier: Apache-2.0 */
/* What every group of DICOM tests begins with. */
#pragma once

#include "test.h"

#include "dicom/dicom.h"

static inline int prepare(void **state)
{
    (void) state;
    return cor_dicom_init(NULL) ? 0 : -1;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* What a data set says, as DICOM JSON, for tests that look at single attributes. */
#pragma once

#include "test.h"

#include <stdlib.h>

#include "base/json.h"
#include "dicom/dicom.h"

static inline json_t *attributes_of(const CorDicom *dicom)
{
    char *text = NULL;
    size_t size = 0;
    json_t *json = NULL;
    CorError err = {0};

    assert_true(cor_dicom_attributes_json(dicom, &text, &size, &err));
    assert_true(cor_json_parse(text, size, &json, &err));
    free(text);
    return json;
}

/* Compare one attribute with JSON text, compact and with sorted members. */
static inline void assert_attribute(const CorDicom *dicom, const char *tag, const char *expected)
{
    json_t *json = attributes_of(dicom);
    char *text = cor_json_canonical(json_object_get(json, tag));

    assert_non_null(text);
    assert_string_equal(text, expected);
    free(text);
    json_decref(json);
}

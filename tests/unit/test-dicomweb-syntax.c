/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "base/array.h"
#include "dicomweb/syntax.h"

static void each_family_has_its_media_type(void **state)
{
    static const struct {
        const char *uid;
        const char *type;
        bool is_native;
        bool is_lossy;
    } cases[] = {
        {"1.2.840.10008.1.2", "application/octet-stream", true, false},
        {COR_SYNTAX_EXPLICIT_LE, "application/octet-stream", true, false},
        {"1.2.840.10008.1.2.2", "application/octet-stream", true, false},
        {"1.2.840.10008.1.2.1.99", "application/octet-stream", true, false},
        {"1.2.840.10008.1.2.4.50", "image/jpeg", false, true},
        {"1.2.840.10008.1.2.4.70", "image/jpeg", false, false},
        {"1.2.840.10008.1.2.4.81", "image/jls", false, true},
        {"1.2.840.10008.1.2.4.90", "image/jp2", false, false},
        {"1.2.840.10008.1.2.4.201", "image/jphc", false, false},
        {"1.2.840.10008.1.2.5", "image/dicom-rle", false, false},
        {"1.2.840.10008.1.2.4.102", "video/mp4", false, true},
    };
    (void) state;

    for (size_t i = 0; i < COR_ARRAY_LEN(cases); i++) {
        CorSyntax syntax = cor_dicomweb_priv_syntax(cases[i].uid);
        assert_string_equal(syntax.uid, cases[i].uid);
        assert_string_equal(syntax.type, cases[i].type);
        assert_int_equal(syntax.is_native, cases[i].is_native);
        assert_int_equal(syntax.is_lossy, cases[i].is_lossy);
    }
}

static void a_syntax_of_the_future_is_octets_that_cannot_be_read_as_they_are(void **state)
{
    CorSyntax syntax = cor_dicomweb_priv_syntax("1.2.840.10008.1.2.9.9");
    (void) state;

    assert_string_equal(syntax.uid, "1.2.840.10008.1.2.9.9");
    assert_string_equal(syntax.type, "application/octet-stream");
    assert_false(syntax.is_native);
    assert_false(syntax.is_type_default);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_family_has_its_media_type),
        cmocka_unit_test(a_syntax_of_the_future_is_octets_that_cannot_be_read_as_they_are),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

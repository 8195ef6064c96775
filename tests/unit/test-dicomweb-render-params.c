/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <string.h>

#include "base/array.h"
#include "dicomweb/render-params.h"

static void a_window_is_center_width_and_function(void **state)
{
    static const struct {
        const char *text;
        double center;
        double width;
        CorHostWindow function;
    } cases[] = {
        {"40,400,linear", 40, 400, COR_HOST_WINDOW_LINEAR},
        {"-600.5,1500,linear-exact", -600.5, 1500, COR_HOST_WINDOW_LINEAR_EXACT},
        {"1e2,0.5,sigmoid", 100, 0.5, COR_HOST_WINDOW_SIGMOID},
        {"40,400", 40, 400, COR_HOST_WINDOW_LINEAR}, /* as viewers leave the function out */
    };
    (void) state;

    for (size_t i = 0; i < COR_ARRAY_LEN(cases); i++) {
        CorRenderParams params = {0};
        assert_true(cor_dicomweb_priv_read_window(cases[i].text, &params, NULL));
        assert_true(params.has_window);
        assert_true(params.window_center == cases[i].center);
        assert_true(params.window_width == cases[i].width);
        assert_int_equal(params.window_function, cases[i].function);
    }
}

static void what_is_no_window_is_refused_by_name(void **state)
{
    static const char *const cases[] = {
        "",
        "40",
        "40,",
        "40,0,linear",
        "40,-1,linear",
        "nan,4,linear",
        "inf",
        "4,inf",
        "4,4,Linear",
        "4,4,linear,4",
        "4,4,",
        " 4,4,linear",
        "4;4",
        "4,1e400",
        "0x10,4",
        "4,4,linear ",
        "4,4,linearx",
        "1111111111111111111111111111111111111111111111111111111111,4,linear",
    };
    (void) state;

    for (size_t i = 0; i < COR_ARRAY_LEN(cases); i++) {
        CorRenderParams params = {0};
        CorError err = {0};
        assert_false(cor_dicomweb_priv_read_window(cases[i], &params, &err));
        assert_int_equal(err.code, COR_ERR_INVALID);
        assert_non_null(strstr(err.text, "window"));
        assert_false(params.has_window);
    }
}

static void a_viewport_has_a_size_and_maybe_a_source(void **state)
{
    CorRenderParams params = {0};
    (void) state;

    assert_true(cor_dicomweb_priv_read_viewport("512,256", &params, NULL));
    assert_int_equal(params.width_px, 512);
    assert_int_equal(params.height_px, 256);
    assert_true(params.may_enlarge);
    assert_false(params.has_region);

    assert_true(cor_dicomweb_priv_read_viewport("5,6,7.9,8,-9,10", &params, NULL));
    assert_true(params.has_region);
    assert_int_equal(params.region.left_px, 7);
    assert_int_equal(params.region.top_px, 8);
    assert_int_equal(params.region.width_px, 9);
    assert_int_equal(params.region.height_px, 10);
    assert_true(params.region.is_mirrored);
    assert_false(params.region.is_upside_down);

    assert_true(cor_dicomweb_priv_read_viewport("5,6,,,20", &params, NULL)); /* the rest is open */
    assert_int_equal(params.region.left_px, 0);
    assert_int_equal(params.region.width_px, 20);
    assert_true(params.region.height_px > COR_RENDER_SIDE_MAX);
}

static void what_is_no_viewport_is_refused_by_name(void **state)
{
    static const char *const cases[] = {
        "",      "5",      "5,",          "0,5",           "5,0",   "-5,5",          "8193,5",
        "5,1e9", "5,5,-1", "5,5,0,0,0,5", "5,5,0,0,0.5,5", "5,5,x", "5,5,1,1,1,1,1", "5,5,1e99",
    };
    (void) state;

    for (size_t i = 0; i < COR_ARRAY_LEN(cases); i++) {
        CorRenderParams params = {0};
        CorError err = {0};
        assert_false(cor_dicomweb_priv_read_viewport(cases[i], &params, &err));
        assert_int_equal(err.code, COR_ERR_INVALID);
        assert_non_null(strstr(err.text, "viewport"));
    }
}

static void pictures_that_differ_have_texts_that_differ(void **state)
{
    static const char *const windows[] = {"40,400,linear", "40,400,sigmoid", "40,401,linear",
                                          "4,0400,linear"};
    static const char *const viewports[] = {"5,6", "56,1", "5,6,0,0,5,6", "5,6,0,0,-5,6"};
    char texts[2 * COR_ARRAY_LEN(windows) + COR_ARRAY_LEN(viewports)][COR_RENDER_TEXT_SIZE];
    size_t len = 0;
    (void) state;

    for (size_t i = 0; i < COR_ARRAY_LEN(windows); i++) {
        CorRenderParams params = {0};
        assert_true(cor_dicomweb_priv_read_window(windows[i], &params, NULL));
        cor_dicomweb_priv_render_text(&params, "png", texts[len++]);
        params.quality = 7;
        cor_dicomweb_priv_render_text(&params, "jpeg", texts[len++]);
    }
    for (size_t i = 0; i < COR_ARRAY_LEN(viewports); i++) {
        CorRenderParams params = {0};
        assert_true(cor_dicomweb_priv_read_viewport(viewports[i], &params, NULL));
        cor_dicomweb_priv_render_text(&params, "png", texts[len++]);
    }
    for (size_t i = 0; i < len; i++) {
        for (size_t j = 0; j < i; j++) {
            assert_string_not_equal(texts[i], texts[j]);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_window_is_center_width_and_function),
        cmocka_unit_test(what_is_no_window_is_refused_by_name),
        cmocka_unit_test(a_viewport_has_a_size_and_maybe_a_source),
        cmocka_unit_test(what_is_no_viewport_is_refused_by_name),
        cmocka_unit_test(pictures_that_differ_have_texts_that_differ),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

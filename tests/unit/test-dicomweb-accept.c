/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "base/array.h"
#include "dicomweb/accept.h"

#define EXPLICIT_LE "1.2.840.10008.1.2.1"
#define JPEG_2000 "1.2.840.10008.1.2.4.90"

/* A frame that is stored as JPEG 2000, in the order in which the server likes to give it. */
static const CorAcceptOffer frame[] = {
    {.type = "image/jp2", .is_multipart = true, .transfer_syntax = JPEG_2000, .is_default = true},
    {.type = "application/octet-stream", .is_multipart = true, .transfer_syntax = JPEG_2000},
    {.type = "application/octet-stream",
     .is_multipart = true,
     .transfer_syntax = EXPLICIT_LE,
     .is_default = true},
    {.type = "image/jp2", .transfer_syntax = JPEG_2000, .is_default = true},
    {.type = "application/octet-stream", .transfer_syntax = EXPLICIT_LE, .is_default = true},
};
enum { STORED, STORED_BYTES, PLAIN, SINGLE_STORED, SINGLE_PLAIN };

static size_t best_frame(const char *header)
{
    CorAccept accept = {0};

    assert_true(cor_dicomweb_priv_accept_add(&accept, header, NULL));
    return cor_dicomweb_priv_accept_best(&accept, frame, COR_ARRAY_LEN(frame));
}

static size_t best_json(const char *header)
{
    static const char *const types[] = {"application/dicom+json", "application/json"};
    CorAccept accept = {0};

    assert_true(cor_dicomweb_priv_accept_add(&accept, header, NULL));
    return cor_dicomweb_priv_accept_type(&accept, types, COR_ARRAY_LEN(types));
}

static void a_viewer_that_takes_any_syntax_gets_what_is_stored(void **state)
{
    (void) state;
    /* Cornerstone and OHIF, as they send it, and as it ought to be. */
    assert_int_equal(
        best_frame("multipart/related; type=application/octet-stream; transfer-syntax=*"),
        STORED_BYTES);
    assert_int_equal(
        best_frame("multipart/related; type=\"application/octet-stream\"; transfer-syntax=\"*\""),
        STORED_BYTES);
    assert_int_equal(best_frame("multipart/related; type=\"image/jp2\"; transfer-syntax=*"),
                     STORED);
}

static void octets_without_a_syntax_are_explicit_little_endian(void **state)
{
    (void) state;
    assert_int_equal(best_frame("multipart/related; type=\"application/octet-stream\""), PLAIN);
    assert_int_equal(best_frame("multipart/related;type=application/octet-stream;"
                                "transfer-syntax=1.2.840.10008.1.2.1"),
                     PLAIN);
    assert_int_equal(best_frame("application/octet-stream"), SINGLE_PLAIN);
}

static void a_list_of_syntaxes_is_a_choice(void **state)
{
    (void) state;
    /* dicomweb-client (Python), which lists one range for each syntax. */
    assert_int_equal(
        best_frame("multipart/related; type=\"image/jls\"; transfer-syntax=1.2.840.10008.1.2.4.80, "
                   "multipart/related; type=\"image/jp2\"; transfer-syntax=1.2.840.10008.1.2.4.90"),
        STORED);
    assert_int_equal(best_frame("multipart/related; type=\"application/octet-stream\"; "
                                "transfer-syntax=\"1.2.840.10008.1.2.4.80, 1.2.840.10008.1.2.1\""),
                     PLAIN);
    assert_int_equal(best_frame("multipart/related; type=\"image/jp2\"; "
                                "transfer-syntax=1.2.840.10008.1.2.4.91"),
                     COR_ACCEPT_NONE);
}

static void wildcards_take_the_first_that_there_is(void **state)
{
    (void) state;
    assert_int_equal(best_frame("*/*"), STORED); /* curl */
    assert_int_equal(best_frame("*"), STORED);   /* Java */
    assert_int_equal(best_frame(""), STORED);    /* nothing said */
    assert_int_equal(best_frame("multipart/related"), STORED);
    assert_int_equal(best_frame("multipart/*"), STORED);
    assert_int_equal(best_frame("image/*"), SINGLE_STORED);
    /* Chromium's image request: image/jp2 is no name that it knows, but it takes anything. */
    assert_int_equal(best_frame("image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8"),
                     SINGLE_STORED);
}

static void the_higher_quality_wins_and_zero_refuses(void **state)
{
    (void) state;
    assert_int_equal(best_frame("image/jp2;q=0.3, application/octet-stream;q=0.7"), SINGLE_PLAIN);
    assert_int_equal(best_frame("image/jp2 ; Q=0.700, application/octet-stream; q=0.699"),
                     SINGLE_STORED);
    assert_int_equal(best_frame("application/octet-stream;q=0"), COR_ACCEPT_NONE);
    assert_int_equal(best_frame("*/*, image/jp2;q=0, multipart/related;type=image/jp2;q=0"),
                     STORED_BYTES);
}

static void the_more_specific_range_decides(void **state)
{
    (void) state;
    assert_int_equal(best_frame("*/*;q=1, multipart/related; type=image/jp2; q=0.1, "
                                "multipart/related; type=application/octet-stream; q=0.2, "
                                "image/jp2; q=0.3, application/octet-stream; q=0.4, "
                                "multipart/related; type=application/octet-stream; "
                                "transfer-syntax=1.2.840.10008.1.2.4.90; q=0.05"),
                     SINGLE_PLAIN);
}

static void json_is_found_in_what_clients_send(void **state)
{
    (void) state;
    assert_int_equal(best_json("application/dicom+json"), 0);
    assert_int_equal(best_json("application/dicom+json, application/json"), 0);
    assert_int_equal(best_json("application/json"), 1);
    assert_int_equal(best_json("application/dicom+json; transfer-syntax=*"), 0);
    assert_int_equal(best_json("application/json;q=0.9, application/dicom+json;q=0.1"), 1);
    assert_int_equal(best_json("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"),
                     0);
    assert_int_equal(best_json("application/dicom+json;charset=utf-8"), 0);
    assert_int_equal(best_json("multipart/related; type=\"application/dicom+xml\""),
                     COR_ACCEPT_NONE);
    assert_int_equal(best_json("text/html"), COR_ACCEPT_NONE);
}

static void objects_may_be_asked_for_as_they_are(void **state)
{
    static const CorAcceptOffer offers[] = {
        {.type = "application/dicom", .is_multipart = true},
        {.type = "application/dicom"},
        {.type = "application/dicom",
         .is_multipart = true,
         .transfer_syntax = EXPLICIT_LE,
         .is_default = true},
    };
    static const struct {
        const char *header;
        size_t best;
    } cases[] = {
        {"multipart/related; type=\"application/dicom\"; transfer-syntax=*", 0}, /* Orthanc */
        {"multipart/related; type=application/dicom", 2}, /* Orthanc, older */
        {"multipart/related; type=\"application/dicom\"; transfer-syntax=" EXPLICIT_LE, 2},
        {"application/dicom; transfer-syntax=*", 1},
        {"*/*", 0},
        {"application/dicom+json", COR_ACCEPT_NONE},
    };
    (void) state;

    for (size_t i = 0; i < COR_ARRAY_LEN(cases); i++) {
        CorAccept accept = {0};
        assert_true(cor_dicomweb_priv_accept_add(&accept, cases[i].header, NULL));
        assert_int_equal(cor_dicomweb_priv_accept_best(&accept, offers, COR_ARRAY_LEN(offers)),
                         cases[i].best);
    }
}

static void nonsense_is_passed_over_unless_there_is_nothing_else(void **state)
{
    CorAccept accept = {0};
    CorError err = {0};
    (void) state;

    assert_int_equal(best_frame("what, image/jp2;=;x, ;;, image/jp2"), SINGLE_STORED);
    assert_int_equal(best_frame("image/jp2; transfer-syntax=one, application/octet-stream"),
                     SINGLE_PLAIN);
    assert_false(cor_dicomweb_priv_accept_add(&accept, "what", &err));
    assert_int_equal(err.code, COR_ERR_INVALID);
    assert_int_equal(accept.len, 0);
}

static void more_ranges_than_there_is_room_for_are_ignored(void **state)
{
    CorAccept accept = {0};
    (void) state;

    for (size_t i = 0; i < 2 * COR_ACCEPT_RANGES_MAX; i++) {
        assert_true(cor_dicomweb_priv_accept_add(&accept, "image/png", NULL));
    }
    assert_int_equal(accept.len, COR_ACCEPT_RANGES_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_viewer_that_takes_any_syntax_gets_what_is_stored),
        cmocka_unit_test(octets_without_a_syntax_are_explicit_little_endian),
        cmocka_unit_test(a_list_of_syntaxes_is_a_choice),
        cmocka_unit_test(wildcards_take_the_first_that_there_is),
        cmocka_unit_test(the_higher_quality_wins_and_zero_refuses),
        cmocka_unit_test(the_more_specific_range_decides),
        cmocka_unit_test(json_is_found_in_what_clients_send),
        cmocka_unit_test(objects_may_be_asked_for_as_they_are),
        cmocka_unit_test(nonsense_is_passed_over_unless_there_is_nothing_else),
        cmocka_unit_test(more_ranges_than_there_is_room_for_are_ignored),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

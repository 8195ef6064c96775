/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/string.h"
#include "dicomweb/multipart.h"

enum { PARTS_MAX = 3 };

/* Read a body in pieces of this size and write down what is heard: "[type]data|" per part, "." at
 * the end, "!" and the code's name where it broke. */
static void hear(const char *boundary, const void *body, size_t size, size_t step, CorString *heard)
{
    COR_CLEANUP(cor_dicomweb_priv_multipart_freep) CorMultipart *reader = NULL;
    CorMultipartPiece piece = {.event = COR_MULTIPART_MORE};
    CorError err = {0};
    bool ok = cor_dicomweb_priv_multipart_new(boundary, PARTS_MAX, &reader, &err);

    for (size_t from = 0; ok && from < size; from += step) {
        const uint8_t *at = (const uint8_t *) body + from;
        const uint8_t *end = at + COR_MIN(step, size - from);
        while ((ok = cor_dicomweb_priv_multipart_next(reader, &at, end, &piece, &err)) &&
               piece.event != COR_MULTIPART_MORE) {
            const char *type = cor_dicomweb_priv_multipart_header(reader, "CONTENT-type");
            if (piece.event == COR_MULTIPART_PART) {
                cor_string_printf(heard, "[%s]", type ? type : "");
            } else if (piece.event == COR_MULTIPART_DATA) {
                cor_string_append(heard, piece.data, piece.size);
            } else {
                cor_string_append_text(heard, piece.event == COR_MULTIPART_END ? "." : "|");
            }
        }
    }
    if (!ok || !cor_dicomweb_priv_multipart_finish(reader, &err)) {
        cor_string_printf(heard, "!%s", cor_error_code_name(err.code));
    }
}

static void assert_heard(const char *body, const char *expected)
{
    for (size_t step = 1; step <= strlen(body); step++) {
        COR_CLEANUP(cor_string_freep) CorString *heard = cor_string_new(100000);
        hear("b", body, strlen(body), step, heard);
        assert_string_equal(cor_string_text(heard), expected);
    }
}

static void parts_come_with_their_headers_and_data(void **state)
{
    (void) state;

    assert_heard("preamble\r\n--b\r\nContent-Type: application/dicom\r\nX: y\r\n\r\none\r\n--b\r\n"
                 "content-type:a/b \r\n\r\ntwo\r\n\r\n--b--\r\nepilogue",
                 "[application/dicom]one|[a/b]two\r\n|.");
}

static void what_clients_leave_out_is_not_missed(void **state)
{
    (void) state;

    assert_heard("--b\n\none\n--b \t\r\nA: b\n\ntwo\n--b--", "[]one|[]two|.");
    assert_heard("\r\n--b\r\n\r\n\r\n--b--", "[]|.");
    assert_heard("--b\r\n\r\n--b--", "[]|.");
    assert_heard("--b--", ".");
    assert_heard("--b\r\nContent-Type: multi\r\n  part\r\n\there\r\n\r\nx\r\n--b--",
                 "[multi part here]x|.");
    assert_heard("--b\r\nContent-Length: 1\r\n\r\nlonger\r\n--b--", "[]longer|.");
}

static void what_looks_like_a_boundary_is_data(void **state)
{
    (void) state;

    assert_heard("--b\n\n\r\r\n\n-\n--\r\n--\r\r\n--a--b\r\n--b--",
                 "[]\r\r\n\n-\n--\r\n--\r\r\n--a--b|.");
    assert_heard("-\n--\n--\r--b\n--b\n\nx\n--b--", "[]x|.");
}

static void a_body_without_its_end_is_broken(void **state)
{
    (void) state;

    assert_heard("--b\r\n\r\none\r\n--b\r\n\r\ntwo", "[]one|[]two!invalid");
    assert_heard("--b\r\n\r\none\r\n--b", "[]one|!invalid");
    assert_heard("--b\r\n\r\none\r\n--b-", "[]one|!invalid");
    assert_heard("--b\r\nA: b", "!invalid");
    assert_heard("nothing", "!invalid");
}

static void what_is_malformed_breaks_the_reading(void **state)
{
    (void) state;

    assert_heard("--bc\r\n\r\none\r\n--b--", "!invalid");
    assert_heard("--b-\r\n", "!invalid");
    assert_heard("--b \r \n", "!invalid");
    assert_heard("--b\r\nno colon\r\n\r\nx\r\n--b--", "!invalid");
    assert_heard("--b\r\n folded: onto nothing\r\n\r\nx\r\n--b--", "!invalid");
    assert_heard("--b\r\nA: \001\r\n\r\nx\r\n--b--", "!invalid");
    assert_heard("--b\r\nContent-Type: Multipart/mixed; boundary=c\r\n\r\nx\r\n--b--", "!invalid");
}

static void a_nul_in_a_header_breaks_the_reading(void **state)
{
    static const char body[] = "--b\r\nContent-Type: a/b\0c\r\n\r\nx\r\n--b--";
    COR_CLEANUP(cor_string_freep) CorString *heard = cor_string_new(1000);
    (void) state;

    hear("b", body, sizeof(body) - 1, 7, heard);
    assert_string_equal(cor_string_text(heard), "!invalid");
}

/* head, then unit so many times, then tail. */
static void assert_repeated(const char *const texts[3], size_t times, const char *expected)
{
    COR_CLEANUP(cor_string_freep) CorString *body = cor_string_new(1 << 20);
    COR_CLEANUP(cor_string_freep) CorString *heard = cor_string_new(1 << 20);

    cor_string_append_text(body, texts[0]);
    for (size_t i = 0; i < times; i++) {
        cor_string_append_text(body, texts[1]);
    }
    cor_string_append_text(body, texts[2]);
    hear("b", cor_string_text(body), cor_string_size(body), 1000, heard);
    assert_string_equal(cor_string_text(heard), expected);
}

static void everything_has_a_bound(void **state)
{
    static const char *const headers[3] = {"--b\r\n", "A: b\r\n", "\r\nx\r\n--b--"};
    static const char *const bytes[3] = {"--b\r\nA: ", "x", "\r\n\r\nx\r\n--b--"};
    static const char *const padding[3] = {"--b", " ", "\r\n\r\nx\r\n--b--"};
    static const char *const parts[3] = {"--b", "\r\n\r\nx\r\n--b", "--"};
    static const char *const preamble[3] = {"", "x", "\r\n--b--"};
    static const char *const epilogue[3] = {"--b--", "x", ""};
    (void) state;

    assert_repeated(headers, COR_MULTIPART_HEADERS_MAX, "[]x|.");
    assert_repeated(headers, COR_MULTIPART_HEADERS_MAX + 1, "!limit");
    assert_repeated(bytes, COR_MULTIPART_HEADER_BYTES_MAX - 6, "[]x|.");
    assert_repeated(bytes, COR_MULTIPART_HEADER_BYTES_MAX, "!limit");
    assert_repeated(padding, COR_MULTIPART_PADDING_MAX, "[]x|.");
    assert_repeated(padding, COR_MULTIPART_PADDING_MAX + 1, "!invalid");
    assert_repeated(parts, PARTS_MAX, "[]x|[]x|[]x|.");
    assert_repeated(parts, PARTS_MAX + 1, "[]x|[]x|[]x|!limit");
    assert_repeated(preamble, COR_MULTIPART_AROUND_MAX, ".");
    assert_repeated(preamble, COR_MULTIPART_AROUND_MAX + 1, "!limit");
    assert_repeated(epilogue, COR_MULTIPART_AROUND_MAX, ".");
    assert_repeated(epilogue, COR_MULTIPART_AROUND_MAX + 1, ".!limit");
}

static void a_boundary_has_the_standards_characters_and_may_be_longer(void **state)
{
    static const char seventy[] =
        "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ'()+_,-.";
    static const char *const bad[] = {"", "a ", "a\nb", "a\"b", "\xC3\xA4", "a@b"};
    COR_CLEANUP(cor_string_freep) CorString *heard = cor_string_new(1000);
    char body[256];
    (void) state;

    (void) snprintf(body, sizeof(body), "--%s\r\n\r\nx\r\n--%s--", seventy, seventy);
    hear(seventy, body, strlen(body), 3, heard);
    assert_string_equal(cor_string_text(heard), "[]x|.");
    for (size_t i = 0; i < COR_ARRAY_LEN(bad); i++) {
        CorMultipart *reader = NULL;
        assert_false(cor_dicomweb_priv_multipart_new(bad[i], 1, &reader, NULL));
    }
    char longest[COR_MULTIPART_BOUNDARY_MAX + 2] = "";
    memset(longest, '-', COR_MULTIPART_BOUNDARY_MAX);
    COR_CLEANUP(cor_dicomweb_priv_multipart_freep) CorMultipart *reader = NULL;
    assert_true(cor_dicomweb_priv_multipart_new(longest, 1, &reader, NULL));
    CorMultipart *refused = NULL;
    longest[COR_MULTIPART_BOUNDARY_MAX] = '-';
    assert_false(cor_dicomweb_priv_multipart_new(longest, 1, &refused, NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parts_come_with_their_headers_and_data),
        cmocka_unit_test(what_clients_leave_out_is_not_missed),
        cmocka_unit_test(what_looks_like_a_boundary_is_data),
        cmocka_unit_test(a_body_without_its_end_is_broken),
        cmocka_unit_test(what_is_malformed_breaks_the_reading),
        cmocka_unit_test(a_nul_in_a_header_breaks_the_reading),
        cmocka_unit_test(everything_has_a_bound),
        cmocka_unit_test(a_boundary_has_the_standards_characters_and_may_be_longer),
    };

    return cmocka_run_group_tests_name("dicomweb-multipart", tests, NULL, NULL);
}

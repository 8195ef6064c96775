/* SPDX-License-Identifier: Apache-2.0 */
/* Published vectors: FIPS 180-4 (NIST's examples), RFC 4231, and the check value of CRC-32. */
#include "test.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/array.h"
#include "base/hash.h"
#include "temp.h"

#define EMPTY_SHA256 "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define ABC_SHA256 "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
#define MILLION_A_SHA256 "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"

static const char *hex_of(const uint8_t digest[COR_SHA256_SIZE])
{
    static char text[COR_SHA256_HEX_SIZE];

    return cor_hex_encode(digest, COR_SHA256_SIZE, text);
}

static void sha256_gives_the_published_digests(void **state)
{
    static const struct {
        const char *text;
        const char *digest;
    } vectors[] = {
        {"", EMPTY_SHA256},
        {"abc", ABC_SHA256},
        {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
         "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
    };
    uint8_t digest[COR_SHA256_SIZE];
    (void) state;

    for (size_t i = 0; i < COR_ARRAY_LEN(vectors); i++) {
        cor_sha256(vectors[i].text, strlen(vectors[i].text), digest);
        assert_string_equal(hex_of(digest), vectors[i].digest);
    }
}

static void a_digest_does_not_depend_on_how_its_input_is_cut(void **state)
{
    COR_CLEANUP(cor_sha256_freep) CorSha256 *sha = cor_sha256_new();
    char piece[997];
    uint8_t digest[COR_SHA256_SIZE];
    (void) state;

    memset(piece, 'a', sizeof(piece));
    cor_sha256_update(sha, piece, 0);
    for (size_t left = 1000000; left > 0;) {
        size_t size = COR_MIN(left, sizeof(piece));
        cor_sha256_update(sha, piece, size);
        left -= size;
    }
    cor_sha256_final(sha, digest);

    assert_string_equal(hex_of(digest), MILLION_A_SHA256);
}

static void a_file_is_digested_from_its_beginning_wherever_its_descriptor_stands(void **state)
{
    TempDir dir = temp_dir_make();
    const char *path = temp_path(&dir, "file");
    char *data = malloc(1000000);
    uint8_t digest[COR_SHA256_SIZE];
    (void) state;

    memset(data, 'a', 1000000);
    temp_overwrite(path, 0, data, 1000000);
    free(data);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_int_equal(lseek(fd, 77, SEEK_SET), 77);

    assert_true(cor_sha256_fd(fd, 1000000, digest, NULL));
    assert_string_equal(hex_of(digest), MILLION_A_SHA256);
    assert_true(cor_sha256_fd(fd, 0, digest, NULL));
    assert_string_equal(hex_of(digest), EMPTY_SHA256);
    assert_int_equal(lseek(fd, 0, SEEK_CUR), 77);
    assert_int_equal(close(fd), 0);
    temp_dir_remove(&dir);
}

static void a_file_that_is_shorter_than_promised_is_noticed(void **state)
{
    TempDir dir = temp_dir_make();
    const char *path = temp_path(&dir, "file");
    uint8_t digest[COR_SHA256_SIZE];
    CorError err = {0};
    (void) state;

    temp_overwrite(path, 0, "abc", 3);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_false(cor_sha256_fd(fd, 4, digest, &err));
    assert_int_equal(err.code, COR_ERR_CORRUPT);
    assert_int_equal(close(fd), 0);

    err = (CorError){0};
    assert_false(cor_sha256_fd(fd, 3, digest, &err)); /* closed */
    assert_int_not_equal(err.code, COR_OK);
    temp_dir_remove(&dir);
}

static void hmac_gives_the_digests_of_rfc_4231(void **state)
{
    uint8_t key[131];
    uint8_t data[50];
    uint8_t mac[COR_SHA256_SIZE];
    static const char long_key_text[] = "Test Using Larger Than Block-Size Key - Hash Key First";
    (void) state;

    memset(key, 0x0b, 20);
    cor_hmac_sha256(key, 20, "Hi There", 8, mac);
    assert_string_equal(hex_of(mac),
                        "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
    cor_hmac_sha256("Jefe", 4, "what do ya want for nothing?", 28, mac);
    assert_string_equal(hex_of(mac),
                        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    memset(key, 0xaa, sizeof(key));
    memset(data, 0xdd, sizeof(data));
    cor_hmac_sha256(key, 20, data, sizeof(data), mac);
    assert_string_equal(hex_of(mac),
                        "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe");
    cor_hmac_sha256(key, sizeof(key), long_key_text, sizeof(long_key_text) - 1, mac);
    assert_string_equal(hex_of(mac),
                        "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

static void crc32_gives_its_check_value(void **state)
{
    (void) state;

    assert_int_equal(cor_crc32("123456789", 9), 0xCBF43926);
    assert_int_equal(cor_crc32("", 0), 0);
    assert_int_equal(cor_crc32("\0", 1), 0xD202EF8D);
}

static void hexadecimal_goes_there_and_back(void **state)
{
    uint8_t all[256];
    uint8_t back[256];
    char text[2 * 256 + 1];
    (void) state;

    for (size_t i = 0; i < sizeof(all); i++) {
        all[i] = (uint8_t) i;
    }
    assert_ptr_equal(cor_hex_encode(all, sizeof(all), text), text);
    assert_int_equal(strlen(text), 512);
    assert_memory_equal(text, "000102", 6);
    assert_string_equal(text + 506, "fdfeff");
    assert_true(cor_hex_decode(text, back, sizeof(back)));
    assert_memory_equal(back, all, sizeof(all));
    assert_true(cor_hex_decode("fFAb09", back, 3));
    assert_memory_equal(back, "\xFF\xAB\x09", 3);
    assert_true(cor_hex_decode("", back, 0));
}

static void what_is_not_exactly_so_many_digits_is_refused(void **state)
{
    static const char *const bad[] = {"",
                                      "0",
                                      "000",
                                      "00000",
                                      "0g00",
                                      "00 0",
                                      "+000",
                                      "0x00",
                                      "00\xFF"
                                      "0"};
    uint8_t data[2];
    (void) state;

    for (size_t i = 0; i < COR_ARRAY_LEN(bad); i++) {
        assert_false(cor_hex_decode(bad[i], data, sizeof(data)));
    }
}

static void comparing_looks_at_every_byte_and_no_more(void **state)
{
    uint8_t one[COR_SHA256_SIZE + 1] = {0};
    uint8_t other[COR_SHA256_SIZE + 1] = {0};
    (void) state;

    one[COR_SHA256_SIZE] = 1;
    assert_true(cor_equal_constant_time(one, other, COR_SHA256_SIZE));
    for (size_t i = 0; i < COR_SHA256_SIZE; i++) {
        other[i] = 0x80;
        assert_false(cor_equal_constant_time(one, other, COR_SHA256_SIZE));
        other[i] = 0;
    }
}

static void random_bytes_differ_each_time(void **state)
{
    uint8_t one[256] = {0};
    uint8_t other[256] = {0};
    static const uint8_t zero[64];
    (void) state;

    assert_true(cor_random_bytes(one, sizeof(one), NULL));
    assert_true(cor_random_bytes(other, sizeof(other), NULL));

    for (size_t i = 0; i < sizeof(one); i += sizeof(zero)) {
        assert_memory_not_equal(one + i, other + i, sizeof(zero));
        assert_memory_not_equal(one + i, zero, sizeof(zero));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sha256_gives_the_published_digests),
        cmocka_unit_test(a_digest_does_not_depend_on_how_its_input_is_cut),
        cmocka_unit_test(a_file_is_digested_from_its_beginning_wherever_its_descriptor_stands),
        cmocka_unit_test(a_file_that_is_shorter_than_promised_is_noticed),
        cmocka_unit_test(hmac_gives_the_digests_of_rfc_4231),
        cmocka_unit_test(crc32_gives_its_check_value),
        cmocka_unit_test(hexadecimal_goes_there_and_back),
        cmocka_unit_test(what_is_not_exactly_so_many_digits_is_refused),
        cmocka_unit_test(comparing_looks_at_every_byte_and_no_more),
        cmocka_unit_test(random_bytes_differ_each_time),
    };

    return cmocka_run_group_tests_name("hash", tests, NULL, NULL);
}

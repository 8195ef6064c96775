/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/array.h"
#include "base/hash.h"
#include "blob/blob-digest.h"

enum { SIZE = 3 * 1000 * 1000, PIECE = 70 * 1000 };

static uint8_t data[SIZE];

static int fill(void **state)
{
    (void) state;
    for (size_t i = 0; i < SIZE; i++) {
        data[i] = (uint8_t) (i * 31 + i / 977);
    }
    return 0;
}

/* A file that grows by pieces; the digest hears of each. */
typedef struct Writer {
    int file;
    size_t written;
    CorBlobDigest digest;
} Writer;

static void begin(Writer *writer, CorBlobDigester *digester)
{
    writer->written = 0;
    writer->file = memfd_create("digest", MFD_CLOEXEC);
    assert_true(writer->file >= 0);
    assert_true(cor_blob_priv_digest_init(&writer->digest, digester, writer->file, NULL));
}

static void write_piece(Writer *writer, size_t size)
{
    const uint8_t *piece = data + writer->written;

    assert_int_equal(pwrite(writer->file, piece, size, (off_t) writer->written), (ssize_t) size);
    writer->written += size;
    cor_blob_priv_digest_written(&writer->digest, piece, size);
}

/* `rest` bytes are not in the file. */
static void end(Writer *writer, size_t rest)
{
    uint8_t got[COR_SHA256_SIZE];
    uint8_t again[COR_SHA256_SIZE];
    uint8_t expected[COR_SHA256_SIZE];

    cor_sha256(data, writer->written + rest, expected);
    assert_true(cor_blob_priv_digest_finish(&writer->digest, data + writer->written, rest, got));
    assert_memory_equal(got, expected, sizeof(got));
    assert_true(cor_blob_priv_digest_finish(&writer->digest, NULL, 0, again));
    assert_memory_equal(again, expected, sizeof(again));
    cor_blob_priv_digest_done(&writer->digest);
    (void) close(writer->file);
}

static void a_file_that_is_written_alone_gets_its_digest(void **state)
{
    static const size_t sizes[] = {0, 1, PIECE - 1, PIECE, 10 * PIECE, SIZE - 5};
    CorBlobDigester *digester = cor_blob_priv_digester_new();
    (void) state;

    for (size_t i = 0; i < COR_ARRAY_LEN(sizes); i++) {
        Writer writer;
        begin(&writer, digester);
        while (writer.written < sizes[i]) {
            write_piece(&writer, COR_MIN((size_t) PIECE, sizes[i] - writer.written));
        }
        end(&writer, i % 2 * 5);
    }
    cor_blob_priv_digester_free(digester);
}

static void files_that_are_written_in_turns_get_theirs(void **state)
{
    CorBlobDigester *digester = cor_blob_priv_digester_new();
    Writer writers[4];
    (void) state;

    for (size_t i = 0; i < COR_ARRAY_LEN(writers); i++) {
        begin(&writers[i], digester);
        write_piece(&writers[i], 10 * PIECE); /* alone at first */
    }
    for (int round = 0; round < 20; round++) {
        for (size_t i = 0; i < COR_ARRAY_LEN(writers); i++) {
            write_piece(&writers[i], (size_t) PIECE + i);
        }
    }
    for (size_t i = 0; i < COR_ARRAY_LEN(writers); i++) {
        end(&writers[i], 3);
    }
    cor_blob_priv_digester_free(digester);
}

static void what_is_given_up_in_the_middle_holds_nobody(void **state)
{
    CorBlobDigester *digester = cor_blob_priv_digester_new();
    (void) state;

    for (int i = 0; i < 50; i++) {
        Writer writer;
        begin(&writer, digester);
        write_piece(&writer, 10 * PIECE);
        cor_blob_priv_digest_done(&writer.digest);
        (void) close(writer.file);
    }
    cor_blob_priv_digester_free(digester);
}

static void a_file_that_is_shorter_than_what_was_written_has_no_digest(void **state)
{
    CorBlobDigester *digester = cor_blob_priv_digester_new();
    uint8_t got[COR_SHA256_SIZE];
    Writer writer;
    (void) state;

    begin(&writer, digester);
    write_piece(&writer, PIECE);
    cor_blob_priv_digest_written(&writer.digest, data + PIECE, PIECE); /* which it never got */
    assert_false(cor_blob_priv_digest_finish(&writer.digest, NULL, 0, got));
    cor_blob_priv_digest_done(&writer.digest);
    (void) close(writer.file);
    cor_blob_priv_digester_free(digester);
}

static void nothing_is_needed_to_give_up_nothing(void **state)
{
    CorBlobDigest digest = {0};
    (void) state;

    cor_blob_priv_digest_done(&digest);
    cor_blob_priv_digester_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_that_is_written_alone_gets_its_digest),
        cmocka_unit_test(files_that_are_written_in_turns_get_theirs),
        cmocka_unit_test(what_is_given_up_in_the_middle_holds_nobody),
        cmocka_unit_test(a_file_that_is_shorter_than_what_was_written_has_no_digest),
        cmocka_unit_test(nothing_is_needed_to_give_up_nothing),
    };

    return cmocka_run_group_tests_name("blob-digest", tests, fill, NULL);
}

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
    uint8_t *memory; /* has the bytes instead; NULL: the file has */
    CorBlobDigest digest;
} Writer;

static void begin(Writer *writer, CorBlobDigester *digester)
{
    writer->written = 0;
    writer->memory = NULL;
    writer->file = memfd_create("digest", MFD_CLOEXEC);
    assert_true(writer->file >= 0);
    assert_true(cor_blob_priv_digest_init(&writer->digest, digester, writer->file, NULL));
}

static void write_piece(Writer *writer, size_t size)
{
    const uint8_t *piece = data + writer->written;

    if (writer->memory) {
        memcpy(writer->memory + writer->written, piece, size);
    } else {
        ssize_t done = pwrite(writer->file, piece, size, (off_t) writer->written);
        assert_int_equal(done, (ssize_t) size);
    }
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
    free(writer->memory);
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

/* As begin(), but the bytes lie in memory, which is freed after the digest needs it no more. */
static void begin_in_memory(Writer *writer, CorBlobDigester *digester)
{
    begin(writer, digester);
    writer->memory = malloc(SIZE);
    assert_non_null(writer->memory);
    writer->digest.memory = writer->memory;
}

/* From now on the bytes lie in the file, those before too; nothing is left in memory. */
static void move_to_file(Writer *writer)
{
    cor_blob_priv_digest_rest(&writer->digest);
    assert_false(writer->digest.is_away);
    memset(writer->memory, 0, SIZE);
    free(COR_TAKE(writer->memory));
    assert_int_equal(pwrite(writer->file, data, writer->written, 0), (ssize_t) writer->written);
}

static void bytes_in_memory_are_digested_there(void **state)
{
    static const size_t sizes[] = {0, 1, PIECE - 1, PIECE, 10 * PIECE, SIZE - 5};
    CorBlobDigester *digester = cor_blob_priv_digester_new();
    (void) state;

    for (size_t i = 0; i < COR_ARRAY_LEN(sizes); i++) {
        Writer writer;
        begin_in_memory(&writer, digester);
        while (writer.written < sizes[i]) {
            write_piece(&writer, COR_MIN((size_t) PIECE, sizes[i] - writer.written));
        }
        end(&writer, i % 2 * 5);
    }
    cor_blob_priv_digester_free(digester);
}

static void memory_and_files_take_turns(void **state)
{
    CorBlobDigester *digester = cor_blob_priv_digester_new();
    Writer writers[6];
    (void) state;

    for (size_t i = 0; i < COR_ARRAY_LEN(writers); i++) {
        (i % 2 ? begin : begin_in_memory)(&writers[i], digester);
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

static void bytes_go_on_in_a_file_after_a_rest(void **state)
{
    static const size_t sizes[] = {0, 1, PIECE, 10 * PIECE, 14 * PIECE};
    CorBlobDigester *digester = cor_blob_priv_digester_new();
    (void) state;

    for (size_t i = 0; i < COR_ARRAY_LEN(sizes); i++) {
        for (size_t j = 0; j < COR_ARRAY_LEN(sizes); j++) {
            Writer writer;
            begin_in_memory(&writer, digester);
            write_piece(&writer, sizes[i]);
            move_to_file(&writer);
            write_piece(&writer, sizes[j]); /* by the thread, from the file, if it is long */
            write_piece(&writer, sizes[j]);
            end(&writer, 3);
        }
    }
    cor_blob_priv_digester_free(digester);
}

static void a_rest_after_the_end_changes_nothing(void **state)
{
    CorBlobDigester *digester = cor_blob_priv_digester_new();
    uint8_t got[COR_SHA256_SIZE];
    uint8_t expected[COR_SHA256_SIZE];
    Writer writer;
    (void) state;

    begin_in_memory(&writer, digester);
    write_piece(&writer, 10 * PIECE);
    assert_true(cor_blob_priv_digest_finish(&writer.digest, NULL, 0, got));
    cor_blob_priv_digest_rest(&writer.digest);
    assert_null(writer.digest.memory);
    cor_sha256(data, 10 * PIECE, expected);
    assert_true(cor_blob_priv_digest_finish(&writer.digest, NULL, 0, got));
    assert_memory_equal(got, expected, sizeof(got));
    end(&writer, 0);
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
        cmocka_unit_test(bytes_in_memory_are_digested_there),
        cmocka_unit_test(memory_and_files_take_turns),
        cmocka_unit_test(bytes_go_on_in_a_file_after_a_rest),
        cmocka_unit_test(a_rest_after_the_end_changes_nothing),
        cmocka_unit_test(what_is_given_up_in_the_middle_holds_nobody),
        cmocka_unit_test(a_file_that_is_shorter_than_what_was_written_has_no_digest),
        cmocka_unit_test(nothing_is_needed_to_give_up_nothing),
    };

    return cmocka_run_group_tests_name("blob-digest", tests, fill, NULL);
}

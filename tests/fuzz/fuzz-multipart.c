/* SPDX-License-Identifier: Apache-2.0 */
/* The first byte says how the rest, a body with the boundary "b-", is cut.  Properties:
 *   1. events and error do not depend on how the bytes are cut;
 *   2. events come in their order: PART, DATA ..., PART_END ..., END;
 *   3. parts and headers stay within their bounds; data are no more than what was given;
 *   4. reading ends: each call uses bytes up or gives an event;
 *   5. a header has no control characters.
 */
#include "fuzz.h"

#include <string.h>

#include "dicomweb/multipart.h"

enum { SIZE_MAX_ = 64 * 1024, PARTS_MAX = 100 };

/* Everything that was heard, data without the seams between pieces. */
typedef struct Heard {
    uint8_t log[2 * SIZE_MAX_ + 4096];
    size_t size;
    size_t data_size;
    size_t parts;
    CorMultipartEvent last;
    CorErrorCode error;
} Heard;

static void add(Heard *heard, const void *bytes, size_t size)
{
    FUZZ_CHECK(size <= sizeof(heard->log) - heard->size);
    memcpy(heard->log + heard->size, bytes, size);
    heard->size += size;
}

static void check_headers(const CorMultipart *reader, Heard *heard)
{
    const char *type = cor_dicomweb_priv_multipart_header(reader, "content-type");

    FUZZ_CHECK(++heard->parts <= PARTS_MAX);
    if (type) {
        size_t size = strlen(type);
        FUZZ_CHECK(size < COR_MULTIPART_HEADER_BYTES_MAX);
        for (size_t i = 0; i < size; i++) {
            FUZZ_CHECK((uint8_t) type[i] >= ' ' || type[i] == '\t');
        }
        add(heard, type, size);
    }
}

static bool is_in_order(CorMultipartEvent last, CorMultipartEvent next)
{
    switch (next) {
    case COR_MULTIPART_PART:
    case COR_MULTIPART_END:
        return last == COR_MULTIPART_MORE || last == COR_MULTIPART_PART_END;
    case COR_MULTIPART_DATA:
    case COR_MULTIPART_PART_END:
        return last == COR_MULTIPART_PART || last == COR_MULTIPART_DATA;
    default:
        return false;
    }
}

static void hear(const CorMultipart *reader, const CorMultipartPiece *piece, Heard *heard)
{
    static const char *const names[] = {"", "P", "", "E", "."};

    FUZZ_CHECK(is_in_order(heard->last, piece->event));
    heard->last = piece->event;
    if (piece->event == COR_MULTIPART_DATA) {
        FUZZ_CHECK(piece->size > 0);
        heard->data_size += piece->size;
        add(heard, piece->data, piece->size);
        return;
    }
    add(heard, names[piece->event], strlen(names[piece->event]));
    if (piece->event == COR_MULTIPART_PART) {
        check_headers(reader, heard);
    }
}

/* False when it broke. */
static bool feed(CorMultipart *reader, const uint8_t *data, size_t size, Heard *heard)
{
    const uint8_t *at = data;

    for (;;) {
        const uint8_t *before = at;
        CorMultipartPiece piece;
        CorError err = {0};
        if (!cor_dicomweb_priv_multipart_next(reader, &at, data + size, &piece, &err)) {
            FUZZ_CHECK(err.text[0] != '\0');
            heard->error = err.code;
            return false;
        }
        FUZZ_CHECK(at >= before && at <= data + size);
        if (piece.event == COR_MULTIPART_MORE) {
            FUZZ_CHECK(at == data + size);
            return true;
        }
        hear(reader, &piece, heard);
    }
}

static void read_cut(const uint8_t *data, size_t size, uint32_t seed, Heard *heard)
{
    COR_CLEANUP(cor_dicomweb_priv_multipart_freep) CorMultipart *reader = NULL;
    CorError err = {0};
    bool ok = true;

    *heard = (Heard){.last = COR_MULTIPART_MORE};
    FUZZ_CHECK(cor_dicomweb_priv_multipart_new("b-", PARTS_MAX, &reader, &err));
    while (ok && size > 0) {
        size_t piece = size;
        if (seed > 0) {
            seed = seed * 1664525u + 1013904223u;
            piece = 1 + (seed >> 24) % (seed & 0x10000 ? 3 : 97);
            piece = piece < size ? piece : size;
        }
        ok = feed(reader, data, piece, heard);
        data += piece;
        size -= piece;
    }
    if (ok && !cor_dicomweb_priv_multipart_finish(reader, &err)) {
        heard->error = err.code;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static Heard whole;
    static Heard cut;

    if (size < 1 || size > SIZE_MAX_) {
        return 0;
    }
    read_cut(data + 1, size - 1, 0, &whole);
    read_cut(data + 1, size - 1, data[0] + 1u, &cut);
    FUZZ_CHECK(whole.data_size <= size);
    FUZZ_CHECK(whole.error == cut.error && whole.last == cut.last && whole.parts == cut.parts);
    FUZZ_CHECK(whole.size == cut.size && memcmp(whole.log, cut.log, whole.size) == 0);
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* From a file's bytes to a CorDicom: preamble and meta header (PS3.10 section 7.1), the transfer
 * syntax or a guess at it, inflating (PS3.5 section A.5), and then the scan.
 *
 * Inflated data grows in an anonymous mapping by mremap(), so that it is never copied and never
 * needs twice its size.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <zlib.h>

#include "base/array.h"
#include "base/id.h"
#include "dicom/dicom-codec.h"
#include "dicom/dicom-priv.h"

#define IMPLICIT_UID "1.2.840.10008.1.2"
#define EXPLICIT_UID "1.2.840.10008.1.2.1"
#define BIG_ENDIAN_UID "1.2.840.10008.1.2.2"

enum {
    PREAMBLE_SIZE = 128,
    META_ELEMENTS_MAX = 64,
    INFLATED_FIRST = 1 << 20,
    INFLATED_FREE = 64 << 20, /* so much is always allowed */
    INFLATED_RATIO = 200,     /* beyond it, so many times the deflated size */
};

static const CorDicomLimits default_limits = {
    .depth_max = 64,
    .elements_max = 1000000,
    .inflated_bytes_max = (size_t) 4 << 30,
    .frame_bytes_max = (size_t) 512 << 20,
    .json_bytes_max = (size_t) 16 << 20,
};

/* Every transfer syntax that we know something about.  One that is not here is explicit little
 * endian with pixels that we cannot read: so are all that were ever added. */
static const CorDicomSyntax syntaxes[] = {
    {.uid = IMPLICIT_UID, .is_implicit = true},
    {.uid = EXPLICIT_UID},
    {.uid = BIG_ENDIAN_UID, .is_big_endian = true},
    {.uid = "1.2.840.10008.1.2.1.99", .is_deflated = true},
    {.uid = "1.2.840.113619.5.2", .codec = COR_CODEC_NONE, .is_implicit = true}, /* GE, private */
    {.uid = "1.2.840.10008.1.2.5", .codec = COR_CODEC_RLE},
    {.uid = "1.2.840.10008.1.2.8.1", .codec = COR_CODEC_DEFLATED_FRAME},
    {.uid = "1.2.840.10008.1.2.4.50", .codec = COR_CODEC_JPEG, .is_lossy = true},
    {.uid = "1.2.840.10008.1.2.4.51", .codec = COR_CODEC_JPEG, .is_lossy = true},
    {.uid = "1.2.840.10008.1.2.4.53", .codec = COR_CODEC_JPEG, .is_lossy = true},
    {.uid = "1.2.840.10008.1.2.4.55", .codec = COR_CODEC_JPEG, .is_lossy = true},
    {.uid = "1.2.840.10008.1.2.4.57", .codec = COR_CODEC_JPEG},
    {.uid = "1.2.840.10008.1.2.4.70", .codec = COR_CODEC_JPEG},
    {.uid = "1.2.840.10008.1.2.4.80", .codec = COR_CODEC_JPEG_LS},
    {.uid = "1.2.840.10008.1.2.4.81", .codec = COR_CODEC_JPEG_LS},
    {.uid = "1.2.840.10008.1.2.4.90", .codec = COR_CODEC_JPEG_2000},
    {.uid = "1.2.840.10008.1.2.4.91", .codec = COR_CODEC_JPEG_2000},
    {.uid = "1.2.840.10008.1.2.4.201", .codec = COR_CODEC_JPEG_2000},
    {.uid = "1.2.840.10008.1.2.4.202", .codec = COR_CODEC_JPEG_2000},
    {.uid = "1.2.840.10008.1.2.4.203", .codec = COR_CODEC_JPEG_2000},
};

static const CorDicomSyntax *find_syntax(const char *uid)
{
    for (size_t i = 0; i < COR_ARRAY_LEN(syntaxes); i++) {
        if (strcmp(syntaxes[i].uid, uid) == 0) {
            return &syntaxes[i];
        }
    }
    return NULL;
}

bool cor_dicom_init(CorError *err)
{
    static bool is_done = false;

    if (is_done) {
        return true;
    }
    if (!cor_dicom_priv_charset_load(err)) {
        return false;
    }
    cor_dicom_priv_jpeg_init();
    is_done = true;
    return true;
}

/* True if a VR of the standard stands at bytes + 4. */
static bool has_vr(const uint8_t *bytes)
{
    return cor_dicom_priv_vr_is_known(COR_DICOM_VR(bytes[4], bytes[5]));
}

/* Read the meta header that begins at `at`; group 2 is always explicit little endian, but some
 * write it implicit.  Its group length is not believed.  *ret_start receives where the data set
 * begins. */
static bool read_meta(CorDicom *dicom, size_t at, CorError *err)
{
    for (int i = 0; i < META_ELEMENTS_MAX; i++) {
        const uint8_t *head = dicom->data + at;
        size_t left = dicom->size - at;
        size_t head_size = 8;
        uint32_t length = 0;

        if (left < 8 || cor_dicom_priv_u16(head, false) != 0x0002) {
            dicom->start = at;
            return true;
        }
        uint16_t element = cor_dicom_priv_u16(head + 2, false);
        if (!has_vr(head)) {
            length = cor_dicom_priv_u32(head + 4, false);
        } else if (!cor_dicom_priv_vr_is_long(COR_DICOM_VR(head[4], head[5]))) {
            length = cor_dicom_priv_u16(head + 6, false);
        } else if (left >= 12) {
            head_size = 12;
            length = cor_dicom_priv_u32(head + 8, false);
        }
        if (length > left - head_size) {
            return cor_fail(err, COR_ERR_CORRUPT,
                            "element (0002,%04X): length %" PRIu32 " goes past the end of the file",
                            element, length);
        }
        if (element == 0x0010 && length < sizeof(dicom->syntax_uid)) {
            memcpy(dicom->syntax_uid, head + head_size, length);
            dicom->syntax_uid[length] = '\0';
            dicom->syntax_uid[strcspn(dicom->syntax_uid, " ")] = '\0';
        }
        at += head_size + length;
    }
    return cor_fail(err, COR_ERR_LIMIT, "the meta header has more than %d elements",
                    META_ELEMENTS_MAX);
}

/* Guess the encoding from the first element of a data set: its group is small in the right byte
 * order, its VR is known or its length fits.  False if it looks like no data set at all. */
static bool guess_syntax(const CorDicom *dicom, const char **ret_uid)
{
    const uint8_t *head = dicom->data + dicom->start;
    size_t left = dicom->size - dicom->start;

    if (left < 8) {
        return false;
    }
    uint16_t little = cor_dicom_priv_u16(head, false);
    uint16_t big = cor_dicom_priv_u16(head, true);
    uint16_t group = COR_MIN(little, big);
    if (group < 0x0004 || group > 0x0040) {
        return false;
    }
    if (has_vr(head)) {
        *ret_uid = big < little ? BIG_ENDIAN_UID : EXPLICIT_UID;
        return true;
    }
    *ret_uid = IMPLICIT_UID;
    return little < big && cor_dicom_priv_u32(head + 4, false) <= left - 8;
}

/* Choose how to read from what the meta header says and what the first element looks like. */
static bool choose_syntax(CorDicom *dicom, bool has_meta, CorError *err)
{
    const CorDicomSyntax *stated = find_syntax(dicom->syntax_uid);
    const uint8_t *head = dicom->data + dicom->start;
    const char *guess = NULL;

    if (dicom->syntax_uid[0] == '\0') {
        bool is_empty = has_meta && dicom->start == dicom->size;
        if (!is_empty && !guess_syntax(dicom, &guess)) {
            return cor_fail(err, COR_ERR_INVALID,
                            has_meta ? "no transfer syntax is stated and none can be guessed"
                                     : "this is not a DICOM file");
        }
        snprintf(dicom->syntax_uid, sizeof(dicom->syntax_uid), "%s", guess ? guess : EXPLICIT_UID);
        dicom->syntax = *find_syntax(dicom->syntax_uid);
        return true;
    }
    if (!cor_uid_is_legal(dicom->syntax_uid)) {
        return cor_fail(err, COR_ERR_INVALID, "Transfer Syntax UID (0002,0010) is no legal UID");
    }
    dicom->syntax = stated ? *stated : (CorDicomSyntax){.codec = COR_CODEC_NONE};
    dicom->syntax.uid = dicom->syntax_uid;
    if (!dicom->syntax.is_deflated && dicom->size - dicom->start >= 8) {
        bool is_little = head[1] <= head[0];

        if (dicom->syntax.is_implicit && has_vr(head)) {
            dicom->syntax.is_implicit = false;
        } else if (!has_vr(head) && !dicom->syntax.is_big_endian && is_little) {
            dicom->syntax.is_implicit = true;
        }
    }
    return true;
}

/* --- inflating --- */

static size_t inflated_max(const CorDicom *dicom, size_t deflated)
{
    size_t by_ratio = deflated > SIZE_MAX / INFLATED_RATIO ? SIZE_MAX : deflated * INFLATED_RATIO;
    size_t allowed = COR_MAX((size_t) INFLATED_FREE, by_ratio);

    return COR_MIN(allowed, dicom->limits.inflated_bytes_max);
}

/* Double the mapping, or begin it. */
static bool grow_mapping(CorDicom *dicom, uint8_t **mapping, size_t *size, size_t max,
                         CorError *err)
{
    size_t wanted = *size == 0 ? INFLATED_FIRST : *size * 2;
    void *grown = NULL;

    if (*size > max) {
        return cor_fail(err, COR_ERR_LIMIT, "the deflated data set grows beyond %zu bytes", max);
    }
    if (*size == 0) {
        grown = mmap(NULL, wanted, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    } else {
        grown = mremap(*mapping, *size, wanted, MREMAP_MAYMOVE);
    }
    if (grown == MAP_FAILED) {
        return cor_fail(err, COR_ERR_NOMEM, "out of memory for %zu inflated bytes", wanted);
    }
    *mapping = grown;
    *size = wanted;
    dicom->mapping = grown; /* so that cor_dicom_free() finds it */
    dicom->mapping_size = wanted;
    return true;
}

static bool inflate_into_mapping(CorDicom *dicom, z_stream *stream, size_t deflated, CorError *err)
{
    size_t max = inflated_max(dicom, deflated);
    uint8_t *mapping = NULL;
    size_t room = 0;
    size_t used = 0;
    int result = Z_OK;

    while (result == Z_OK) {
        if (used == room && !grow_mapping(dicom, &mapping, &room, max, err)) {
            return false;
        }
        uInt in = (uInt) COR_MIN(deflated, (size_t) 1 << 30);
        uInt out = (uInt) COR_MIN(room - used, (size_t) 1 << 30);
        stream->avail_in = in;
        stream->next_out = mapping + used;
        stream->avail_out = out;
        result = inflate(stream, Z_NO_FLUSH);
        deflated -= in - stream->avail_in;
        used += out - stream->avail_out;
    }
    if (result != Z_STREAM_END) {
        return cor_fail(err, result == Z_MEM_ERROR ? COR_ERR_NOMEM : COR_ERR_CORRUPT,
                        result == Z_BUF_ERROR ? "the deflated data set is cut off"
                                              : "the deflated data set is damaged");
    }
    if (used > max) {
        return cor_fail(err, COR_ERR_LIMIT, "the deflated data set grows beyond %zu bytes", max);
    }
    dicom->data = mapping;
    dicom->size = used;
    dicom->start = 0;
    return true;
}

static bool inflate_data_set(CorDicom *dicom, CorError *err)
{
    z_stream stream = {.next_in = (Bytef *) (uintptr_t) (dicom->data + dicom->start)};

    if (inflateInit2(&stream, -MAX_WBITS) != Z_OK) { /* no zlib header */
        return cor_fail(err, COR_ERR_NOMEM, "out of memory to inflate");
    }
    void *file_mapping = dicom->mapping;
    size_t file_mapping_size = dicom->mapping_size;
    dicom->mapping = NULL;
    bool is_done = inflate_into_mapping(dicom, &stream, dicom->size - dicom->start, err);

    (void) inflateEnd(&stream);
    if (file_mapping) {
        (void) munmap(file_mapping, file_mapping_size);
    }
    return is_done;
}

/* --- opening --- */

static CorDicomLimits complete_limits(const CorDicomLimits *given)
{
    CorDicomLimits limits = given ? *given : default_limits;

#define COMPLETE(member)                       \
    if (limits.member == 0) {                  \
        limits.member = default_limits.member; \
    }
    COMPLETE(depth_max)
    COMPLETE(elements_max)
    COMPLETE(inflated_bytes_max)
    COMPLETE(frame_bytes_max)
    COMPLETE(json_bytes_max)
#undef COMPLETE
    limits.depth_max = COR_MIN(limits.depth_max, default_limits.depth_max);
    return limits;
}

static bool open_data(CorDicom *dicom, CorError *err)
{
    bool has_meta = true;
    size_t meta = 0;

    if (dicom->size >= PREAMBLE_SIZE + 4 && memcmp(dicom->data + PREAMBLE_SIZE, "DICM", 4) == 0) {
        meta = PREAMBLE_SIZE + 4;
    } else if (dicom->size >= 4 && memcmp(dicom->data, "DICM", 4) == 0) {
        meta = 4;
    } else {
        has_meta = dicom->size >= 8 && cor_dicom_priv_u16(dicom->data, false) == 0x0002 &&
                   has_vr(dicom->data);
    }
    if (has_meta && !read_meta(dicom, meta, err)) {
        return false;
    }
    dicom->lacks_meta = meta <= PREAMBLE_SIZE || dicom->syntax_uid[0] == '\0';
    if (!choose_syntax(dicom, has_meta, err)) {
        return false;
    }
    if (dicom->syntax.is_deflated && !inflate_data_set(dicom, err)) {
        return false;
    }
    if (!cor_dicom_priv_scan(dicom, err)) {
        return false;
    }
    if (!has_meta && dicom->elements_len == 0) {
        return cor_fail(err, COR_ERR_INVALID, "this is not a DICOM file");
    }
    dicom->charset = cor_dicom_priv_charset_of(dicom, cor_dicom_priv_root(dicom), NULL);
    return true;
}

static bool open_mapped(const void *data, size_t size, void *mapping, const CorDicomLimits *limits,
                        CorDicom **ret_dicom, CorError *err)
{
    COR_CLEANUP(cor_dicom_freep) CorDicom *dicom = cor_new(CorDicom);

    if (!dicom) {
        if (mapping) {
            (void) munmap(mapping, size);
        }
        return cor_fail(err, COR_ERR_NOMEM, "out of memory for a data set");
    }
    dicom->data = data;
    dicom->size = size;
    dicom->mapping = mapping;
    dicom->mapping_size = size;
    dicom->limits = complete_limits(limits);
    if (!open_data(dicom, err)) {
        return false;
    }
    *ret_dicom = COR_TAKE(dicom);
    return true;
}

bool cor_dicom_open_memory(const void *data, size_t size, const CorDicomLimits *limits,
                           CorDicom **ret_dicom, CorError *err)
{
    return open_mapped(data, size, NULL, limits, ret_dicom, err);
}

bool cor_dicom_open_fd(int fd, const CorDicomLimits *limits, CorDicom **ret_dicom, CorError *err)
{
    struct stat status;

    if (fstat(fd, &status) != 0) {
        return cor_fail_errno(err, errno, "look at DICOM file");
    }
    if (!S_ISREG(status.st_mode) || status.st_size == 0) {
        return cor_fail(err, COR_ERR_INVALID, "the file is empty or no file");
    }
    size_t size = (size_t) status.st_size;
    void *mapping = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (mapping == MAP_FAILED) {
        return cor_fail_errno(err, errno, "map DICOM file");
    }
    return open_mapped(mapping, size, mapping, limits, ret_dicom, err);
}

void cor_dicom_free(CorDicom *dicom)
{
    if (!dicom) {
        return;
    }
    if (dicom->mapping) {
        (void) munmap(dicom->mapping, dicom->mapping_size);
    }
    free(dicom->elements);
    free(dicom);
}

const char *cor_dicom_transfer_syntax_uid(const CorDicom *dicom)
{
    return dicom->syntax_uid;
}

bool cor_dicom_is_truncated(const CorDicom *dicom)
{
    return dicom->is_truncated;
}

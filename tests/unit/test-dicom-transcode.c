/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "dicom/dicom-transcode.h"

#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/json.h"
#include "dicom-attributes.h"
#include "dicom-builder.h"
#include "dicom-prepare.h"
#include "dicom/dicom-image.h"

#define IMPLICIT "1.2.840.10008.1.2"

enum { ROWS = 5, COLUMNS = 7, FRAMES_MAX = 3 };

static const char *const targets[] = {
    COR_DICOM_EXPLICIT,          COR_DICOM_DEFLATED, COR_DICOM_RLE,       COR_DICOM_JPEG_LOSSLESS,
    COR_DICOM_JPEG_LOSSLESS_SV1, COR_DICOM_JPEG_LS,  COR_DICOM_JPEG_2000,
};

static Builder builder;

/* --- a sink in memory --- */

typedef struct Memory {
    uint8_t bytes[256 * 1024];
    size_t size;
    size_t room;
} Memory;

static Memory made;
static Memory again;

static bool append(void *context, const void *bytes, size_t size, CorError *err)
{
    Memory *memory = context;

    if (size > memory->room - memory->size) {
        return cor_fail(err, COR_ERR_LIMIT, "the test's memory is full");
    }
    memcpy(memory->bytes + memory->size, bytes, size);
    memory->size += size;
    return true;
}

static bool replace(void *context, uint64_t offset, const void *bytes, size_t size, CorError *err)
{
    Memory *memory = context;

    (void) err;
    assert_true(offset + size <= memory->size);
    memcpy(memory->bytes + offset, bytes, size);
    return true;
}

static CorDicomSink sink_of(Memory *memory)
{
    memory->size = 0;
    memory->room = sizeof(memory->bytes);
    return (CorDicomSink){.write = append, .write_at = replace, .context = memory};
}

static CorDicom *open_bytes(const void *bytes, size_t size)
{
    CorDicom *dicom = NULL;
    CorError err = {0};

    if (!cor_dicom_open_memory(bytes, size, NULL, &dicom, &err)) {
        fail_msg("%s", err.text);
    }
    return dicom;
}

/* Transcode the builder's file into `made` and open that. */
static CorDicom *transcode(const char *uid)
{
    COR_CLEANUP(cor_dicom_freep) CorDicom *source = open_bytes(builder.data, builder.size);
    CorDicomSink sink = sink_of(&made);
    CorError err = {0};

    if (!cor_dicom_transcode(source, uid, &sink, &err)) {
        fail_msg("%s: %s", uid, err.text);
    }
    CorDicom *dicom = open_bytes(made.bytes, made.size);
    assert_string_equal(cor_dicom_transfer_syntax_uid(dicom), uid);
    return dicom;
}

static void assert_refused(const char *uid, CorErrorCode code, const char *text)
{
    COR_CLEANUP(cor_dicom_freep) CorDicom *source = open_bytes(builder.data, builder.size);
    CorDicomSink sink = sink_of(&made);
    CorError err = {0};

    assert_false(cor_dicom_transcode(source, uid, &sink, &err));
    assert_string_equal(err.text, text);
    assert_int_equal(err.code, code);
}

/* --- pictures --- */

typedef struct Kind {
    const char *name;
    const char *photometric;
    uint16_t samples;
    uint16_t allocated;
    uint16_t stored;
    uint16_t is_signed;
    uint16_t planar;
    unsigned frames;
    bool has_high_bits; /* something stands above High Bit */
} Kind;

static const Kind kinds[] = {
    {"bytes", "MONOCHROME2", 1, 8, 8, 0, 0, 1, false},
    {"few bits in bytes", "MONOCHROME2", 1, 8, 5, 0, 0, 2, false},
    {"signed bytes", "MONOCHROME2", 1, 8, 8, 1, 0, 1, false},
    {"signed few bits", "MONOCHROME2", 1, 8, 6, 1, 0, 1, false},
    {"12 bits", "MONOCHROME2", 1, 16, 12, 0, 0, 3, false},
    {"12 bits signed", "MONOCHROME2", 1, 16, 12, 1, 0, 2, false},
    {"8 bits in words", "MONOCHROME2", 1, 16, 8, 0, 0, 1, false},
    {"8 bits signed in words", "MONOCHROME2", 1, 16, 8, 1, 0, 1, false},
    {"13 bits signed", "MONOCHROME1", 1, 16, 13, 1, 0, 1, false},
    {"words", "MONOCHROME2", 1, 16, 16, 0, 0, 2, false},
    {"signed words", "MONOCHROME2", 1, 16, 16, 1, 0, 1, false},
    {"high bits", "MONOCHROME2", 1, 16, 12, 0, 0, 2, true},
    {"signed high bits", "MONOCHROME2", 1, 16, 12, 1, 0, 1, true},
    {"palette", "PALETTE COLOR", 1, 8, 8, 0, 0, 1, false},
    {"colour by pixel", "RGB", 3, 8, 8, 0, 0, 2, false},
    {"colour by plane", "RGB", 3, 8, 8, 0, 1, 1, false},
    {"YBR", "YBR_FULL", 3, 8, 8, 0, 0, 1, false},
    {"wide colour", "RGB", 3, 16, 16, 0, 0, 1, false},
    {"wide colour by plane", "RGB", 3, 16, 12, 0, 1, 1, false},
};

static uint32_t next_random(uint32_t *seed)
{
    *seed = *seed * 1664525u + 1013904223u;
    return *seed >> 8;
}

static void begin_image(const char *syntax, const Kind *kind)
{
    char frames[16];

    snprintf(frames, sizeof(frames), "%u", kind->frames);
    builder_init(&builder, syntax);
    add_uids(&builder);
    add_text(&builder, 0x00080060, "CS", "OT");
    add_study_and_series(&builder);
    add_us(&builder, 0x00280002, kind->samples);
    add_text(&builder, 0x00280004, "CS", kind->photometric);
    if (kind->samples > 1) {
        add_us(&builder, 0x00280006, kind->planar);
    }
    add_text(&builder, 0x00280008, "IS", frames);
    add_us(&builder, 0x00280010, ROWS);
    add_us(&builder, 0x00280011, COLUMNS);
    add_us(&builder, 0x00280100, kind->allocated);
    add_us(&builder, 0x00280101, kind->stored);
    add_us(&builder, 0x00280102, (uint16_t) (kind->stored - 1));
    add_us(&builder, 0x00280103, kind->is_signed);
}

/* Runs, slopes and noise, so that every branch of an encoder has something to do. */
static void add_pixels(const Kind *kind)
{
    size_t count = (size_t) ROWS * COLUMNS * kind->samples * kind->frames;
    size_t width = kind->allocated / 8;
    uint32_t seed = 7;

    add_head(&builder, 0x7FE00010, kind->allocated > 8 ? "OW" : "OB",
             (uint32_t) (count * width + (count * width & 1)));
    for (size_t i = 0; i < count; i++) {
        uint32_t value = i % 19 < 6 ? 3 : next_random(&seed);
        uint32_t above = kind->has_high_bits ? next_random(&seed) << kind->stored : 0;

        value &= (uint32_t) ((1ull << kind->stored) - 1);
        if (kind->is_signed && !kind->has_high_bits && value >> (kind->stored - 1)) {
            above = UINT32_MAX << (kind->stored - 1) << 1; /* the sign's */
        }
        add_number(&builder, value | above, width);
    }
    add_number(&builder, 0, count * width & 1);
}

static void assert_same_frame(const CorDicom *a, const CorDicom *b, uint32_t n)
{
    COR_CLEANUP(cor_dicom_frame_freep) CorDicomFrame *first = NULL;
    COR_CLEANUP(cor_dicom_frame_freep) CorDicomFrame *second = NULL;
    CorError err = {0};

    if (!cor_dicom_decode_frame(a, n, COR_DICOM_KEEP_SAMPLES, &first, &err) ||
        !cor_dicom_decode_frame(b, n, COR_DICOM_KEEP_SAMPLES, &second, &err)) {
        fail_msg("%s", err.text);
    }
    assert_int_equal(cor_dicom_frame_plane(first)->type, cor_dicom_frame_plane(second)->type);
    assert_int_equal(cor_dicom_frame_bytes(first), cor_dicom_frame_bytes(second));
    assert_memory_equal(cor_dicom_frame_plane(first)->data, cor_dicom_frame_plane(second)->data,
                        cor_dicom_frame_bytes(first));
}

static void assert_same_frames(const CorDicom *b)
{
    COR_CLEANUP(cor_dicom_freep) CorDicom *a = open_bytes(builder.data, builder.size);
    CorDicomImage image = {0};
    CorError err = {0};

    assert_true(cor_dicom_image(a, &image, &err));
    for (uint32_t n = 0; n < image.frames; n++) {
        assert_same_frame(a, b, n);
    }
}

/* From one syntax to every other. */
static void assert_same_in_every_syntax(const CorDicom *middle, const char *name)
{
    for (size_t j = 0; j < COR_ARRAY_LEN(targets); j++) {
        CorDicomSink sink = sink_of(&again);
        CorError err = {0};

        if (!cor_dicom_transcode(middle, targets[j], &sink, &err)) {
            fail_msg("%s: %s", name, err.text);
        }
        COR_CLEANUP(cor_dicom_freep) CorDicom *last = open_bytes(again.bytes, again.size);
        assert_same_frames(last);
    }
}

static void every_kind_of_picture_keeps_its_values_from_any_syntax_to_any(void **state)
{
    (void) state;

    for (size_t k = 0; k < COR_ARRAY_LEN(kinds); k++) {
        begin_image(COR_DICOM_EXPLICIT, &kinds[k]);
        add_pixels(&kinds[k]);
        for (size_t i = 0; i < COR_ARRAY_LEN(targets); i++) {
            COR_CLEANUP(cor_dicom_freep) CorDicom *middle = transcode(targets[i]);

            assert_same_frames(middle);
            assert_same_in_every_syntax(middle, kinds[k].name);
        }
    }
}

static void assert_same_attributes(const CorDicom *b)
{
    COR_CLEANUP(cor_dicom_freep) CorDicom *a = open_bytes(builder.data, builder.size);
    json_t *first = attributes_of(a);
    json_t *second = attributes_of(b);
    char *texts[2] = {cor_json_canonical(first), cor_json_canonical(second)};

    assert_string_equal(texts[0], texts[1]);
    free(texts[0]);
    free(texts[1]);
    json_decref(first);
    json_decref(second);
}

/* --- what syntaxes cannot hold --- */

static void pixels_of_one_bit_go_to_run_lengths_and_jpeg_2000_only(void **state)
{
    const Kind kind = {"bits", "MONOCHROME2", 1, 1, 1, 0, 0, 3, false};
    static const char *const able[] = {COR_DICOM_EXPLICIT, COR_DICOM_DEFLATED, COR_DICOM_RLE,
                                       COR_DICOM_JPEG_2000};
    (void) state;

    begin_image(COR_DICOM_EXPLICIT, &kind); /* 35 bits a frame: none but the first is at a byte */
    add_value(&builder, 0x7FE00010, "OB",
              "\x5A\x3C\x91\x00\xFF\xE7\x12\x81\x77\xA5\x39\x0F\x01\x02", 14);
    for (size_t i = 0; i < COR_ARRAY_LEN(able); i++) {
        COR_CLEANUP(cor_dicom_freep) CorDicom *middle = transcode(able[i]);
        CorDicomSink sink = sink_of(&again);

        assert_same_frames(middle);
        assert_true(cor_dicom_transcode(middle, COR_DICOM_EXPLICIT, &sink, NULL));
        COR_CLEANUP(cor_dicom_freep) CorDicom *last = open_bytes(again.bytes, again.size);
        assert_same_frames(last);
    }
    assert_refused(COR_DICOM_JPEG_LS, COR_ERR_UNSUPPORTED,
                   "samples of 1 allocated bits in transfer syntax 1.2.840.10008.1.2.4.80");
}

static void samples_of_32_bits_go_to_run_lengths_only(void **state)
{
    const Kind kind = {"long", "MONOCHROME2", 1, 32, 32, 1, 0, 2, false};
    (void) state;

    begin_image(COR_DICOM_EXPLICIT, &kind);
    add_pixels(&kind);
    COR_CLEANUP(cor_dicom_freep) CorDicom *packed = transcode(COR_DICOM_RLE);
    assert_same_frames(packed);
    assert_refused(COR_DICOM_JPEG_2000, COR_ERR_UNSUPPORTED,
                   "samples of 32 allocated bits in transfer syntax 1.2.840.10008.1.2.4.90");
}

static void real_numbers_stay_native(void **state)
{
    static const float values[] = {1.5f, -2.0f, 0.0f, 3e30f};
    (void) state;

    builder_init(&builder, COR_DICOM_EXPLICIT);
    add_us(&builder, 0x00280002, 1);
    add_text(&builder, 0x00280004, "CS", "MONOCHROME2");
    add_us(&builder, 0x00280010, 2);
    add_us(&builder, 0x00280011, 2);
    add_value(&builder, 0x7FE00008, "OF", values, sizeof(values));
    COR_CLEANUP(cor_dicom_freep) CorDicom *deflated = transcode(COR_DICOM_DEFLATED);
    assert_same_frames(deflated);
    assert_refused(COR_DICOM_RLE, COR_ERR_UNSUPPORTED,
                   "real numbers in transfer syntax 1.2.840.10008.1.2.5");
}

static void a_bare_data_set_is_given_a_meta_header(void **state)
{
    static const char *const uids[] = {COR_DICOM_EXPLICIT, "1.2.840.10008.1.2"};
    (void) state;

    for (size_t i = 0; i < COR_ARRAY_LEN(uids); i++) {
        builder_init(&builder, uids[i]);
        size_t start = builder.size;
        add_number(&builder, 0x00160008, 4); /* implicit: no VR */
        add_number(&builder, 6, i == 0 ? 0 : 4);
        add_bytes(&builder,
                  i == 0 ? "UI\6\0"
                           "2.25.4"
                         : "2.25.4",
                  i == 0 ? 10 : 6);
        size_t size = builder.size - start;
        COR_CLEANUP(cor_dicom_freep) CorDicom *bare = open_bytes(builder.data + start, size);
        CorDicomSink sink = sink_of(&made);
        CorError err = {0};

        assert_true(cor_dicom_write_file(bare, &sink, &err));
        COR_CLEANUP(cor_dicom_freep) CorDicom *whole = open_bytes(made.bytes, made.size);
        assert_string_equal(cor_dicom_transfer_syntax_uid(whole), uids[i]);
        assert_memory_equal(made.bytes + 128, "DICM", 4);
        assert_true(made.size > 132 + size);
        assert_memory_equal(made.bytes + made.size - size, builder.data + start, size);
    }
}

static void an_object_without_pixels_is_not_compressed(void **state)
{
    (void) state;

    builder_init(&builder, IMPLICIT);
    builder_init(&builder, COR_DICOM_EXPLICIT);
    add_uids(&builder);
    COR_CLEANUP(cor_dicom_freep) CorDicom *dicom = transcode(COR_DICOM_DEFLATED);
    assert_same_attributes(dicom);
    assert_refused(COR_DICOM_JPEG_LS, COR_ERR_UNSUPPORTED,
                   "an object without pixels in transfer syntax 1.2.840.10008.1.2.4.80");
}

static void a_syntax_that_nobody_writes_is_refused(void **state)
{
    (void) state;

    builder_init(&builder, COR_DICOM_EXPLICIT);
    add_uids(&builder);
    assert_refused(IMPLICIT, COR_ERR_UNSUPPORTED,
                   "transfer syntax 1.2.840.10008.1.2 is not written");
}

static void frames_that_are_missing_are_refused_before_anything_is_made_for_them(void **state)
{
    const Kind kind = {"many", "MONOCHROME2", 1, 8, 8, 0, 0, 2000000000, false};
    (void) state;

    begin_image(COR_DICOM_EXPLICIT, &kind);
    add_value(&builder, 0x7FE00010, "OB", "abcd", 4);
    assert_refused(COR_DICOM_RLE, COR_ERR_CORRUPT,
                   "the pixel data has 4 bytes, too few for 2000000000 frames");
}

static void a_sink_that_is_full_ends_the_transcoding(void **state)
{
    (void) state;

    begin_image(COR_DICOM_EXPLICIT, &kinds[4]);
    add_pixels(&kinds[4]);
    for (size_t i = 0; i < COR_ARRAY_LEN(targets); i++) {
        COR_CLEANUP(cor_dicom_freep) CorDicom *source = open_bytes(builder.data, builder.size);
        CorDicomSink sink = sink_of(&made);
        CorError err = {0};

        made.room = 100;
        assert_false(cor_dicom_transcode(source, targets[i], &sink, &err));
        assert_int_equal(err.code, COR_ERR_LIMIT);
        assert_string_equal(err.text, "the test's memory is full");
    }
}

/* --- what describes the pixels --- */

static void the_description_follows_the_encoding(void **state)
{
    const Kind planar = {"colour by plane", "RGB", 3, 8, 8, 0, 1, 1, false};
    (void) state;

    begin_image(COR_DICOM_EXPLICIT, &planar);
    add_pixels(&planar);
    COR_CLEANUP(cor_dicom_freep) CorDicom *wavelets = transcode(COR_DICOM_JPEG_2000);
    assert_attribute(wavelets, "00280004", "{\"Value\":[\"YBR_RCT\"],\"vr\":\"CS\"}");
    assert_attribute(wavelets, "00280006", "{\"Value\":[0],\"vr\":\"US\"}");

    CorDicomSink sink = sink_of(&again);
    assert_true(cor_dicom_transcode(wavelets, COR_DICOM_EXPLICIT, &sink, NULL));
    COR_CLEANUP(cor_dicom_freep) CorDicom *native = open_bytes(again.bytes, again.size);
    assert_attribute(native, "00280004", "{\"Value\":[\"RGB\"],\"vr\":\"CS\"}");

    COR_CLEANUP(cor_dicom_freep) CorDicom *copied = transcode(COR_DICOM_EXPLICIT);
    assert_attribute(copied, "00280006",
                     "{\"Value\":[1],\"vr\":\"US\"}"); /* nothing had to change */
}

static void pixels_that_do_not_end_at_bits_stored_are_moved_for_a_codestream(void **state)
{
    (void) state;

    builder_init(&builder, COR_DICOM_EXPLICIT);
    add_us(&builder, 0x00280002, 1);
    add_text(&builder, 0x00280004, "CS", "MONOCHROME2");
    add_us(&builder, 0x00280010, 1);
    add_us(&builder, 0x00280011, 2);
    add_us(&builder, 0x00280100, 16);
    add_us(&builder, 0x00280101, 12);
    add_us(&builder, 0x00280102, 15);
    add_us(&builder, 0x00280103, 1);
    add_value(&builder, 0x7FE00010, "OW", "\x5A\x81\x0F\x12", 4);
    COR_CLEANUP(cor_dicom_freep) CorDicom *coded = transcode(COR_DICOM_JPEG_LS);
    assert_same_frames(coded);
    assert_attribute(coded, "00280102", "{\"Value\":[11],\"vr\":\"US\"}");
    COR_CLEANUP(cor_dicom_freep) CorDicom *runs = transcode(COR_DICOM_RLE);
    assert_same_frames(runs);
    assert_attribute(runs, "00280102", "{\"Value\":[15],\"vr\":\"US\"}");
}

/* A frame of the builder's file in some syntax, in `made`. */
static void write_frame(const CorDicom *dicom, uint32_t n, const char *uid)
{
    CorDicomSink sink = sink_of(&again);
    CorDicomWritten written = {0};
    CorError err = {0};

    if (!cor_dicom_write_frame(dicom, n, uid, &sink, &written, &err)) {
        fail_msg("%s", err.text);
    }
}

/* Overlays above High Bit (PS3.5 section 8.1.2, retired). */
static void overlays_in_the_bits_above_survive_there_and_back(void **state)
{
    const Kind kind = {"high bits", "MONOCHROME2", 1, 16, 12, 0, 0, 1, true};
    size_t frame_bytes = (size_t) 2 * ROWS * COLUMNS;
    (void) state;

    for (size_t i = 0; i < COR_ARRAY_LEN(targets); i++) {
        begin_image(COR_DICOM_EXPLICIT, &kind);
        add_us(&builder, 0x60000100, 16);
        add_us(&builder, 0x60000102, 12);
        add_pixels(&kind);
        COR_CLEANUP(cor_dicom_freep) CorDicom *coded = transcode(targets[i]);
        assert_same_frames(coded);
        if (strcmp(targets[i], COR_DICOM_EXPLICIT) == 0 || strcmp(targets[i], COR_DICOM_RLE) == 0 ||
            strcmp(targets[i], COR_DICOM_DEFLATED) == 0) {
            write_frame(coded, 0, COR_DICOM_EXPLICIT);
            assert_int_equal(again.size, frame_bytes);
            assert_memory_equal(again.bytes, builder.data + builder.size - frame_bytes,
                                frame_bytes);
        }
    }
}

static void a_basic_offset_table_points_to_every_frame(void **state)
{
    (void) state;

    begin_image(COR_DICOM_EXPLICIT, &kinds[4]); /* three frames */
    add_pixels(&kinds[4]);
    COR_CLEANUP(cor_dicom_freep) CorDicom *coded = transcode(COR_DICOM_JPEG_LS);
    char *text = NULL;
    json_t *record = NULL;

    assert_true(cor_dicom_index_json(coded, &text, NULL, NULL));
    assert_true(cor_json_parse(text, strlen(text), &record, NULL));
    free(text);
    const json_t *frames = json_object_get(json_object_get(record, "pixel_data"), "frames");
    assert_int_equal(json_array_size(frames), 3);
    size_t first = (size_t) json_integer_value(json_array_get(json_array_get(frames, 0), 0));
    const uint8_t *table = made.bytes + first - 8 - 12;
    for (size_t n = 0; n < 3; n++) {
        size_t at = (size_t) json_integer_value(json_array_get(json_array_get(frames, n), 0));
        uint32_t offset = (uint32_t) (table[4 * n] | table[4 * n + 1] << 8);

        assert_int_equal(first + offset, at);
        write_frame(coded, (uint32_t) n, NULL);
        assert_memory_equal(again.bytes, made.bytes + at, again.size);
    }
    json_decref(record);
}

static void a_single_frame_of_bits_begins_at_bit_0(void **state)
{
    const Kind kind = {"bits", "MONOCHROME2", 1, 1, 1, 0, 0, 2, false};
    (void) state;

    begin_image(COR_DICOM_EXPLICIT, &kind);
    add_value(&builder, 0x7FE00010, "OB", "\xFF\xFF\xFF\xFF\x07\x00\x00\x00\x3E\x00", 10);
    COR_CLEANUP(cor_dicom_freep) CorDicom *dicom = open_bytes(builder.data, builder.size);
    write_frame(dicom, 0, NULL);
    assert_int_equal(again.size, 5);
    assert_memory_equal(again.bytes, "\xFF\xFF\xFF\xFF\x07", 5);
    write_frame(dicom, 1, NULL); /* from bit 35 on */
    assert_int_equal(again.size, 5);
    assert_memory_equal(again.bytes, "\x00\x00\x00\xC0\x07", 5);
}

/* --- the data set --- */

static void add_implicit(uint32_t tag, const void *value, size_t size)
{
    add_number(&builder, tag >> 16, 2);
    add_number(&builder, tag & 0xFFFF, 2);
    add_number(&builder, size, 4);
    add_bytes(&builder, value, size);
}

static void implicit_vrs_are_looked_up_and_sequences_get_delimiters(void **state)
{
    (void) state;

    builder_init(&builder, IMPLICIT);
    add_implicit(0x00080000, "\x10\x00\x00\x00", 4); /* a group length, which would be wrong now */
    add_implicit(0x00080016, "1.2.840.10008.5.1.4.1.1.2", 25);
    add_implicit(0x00080018, "2.25.3", 6);
    add_number(&builder, 0x0008, 2);
    add_number(&builder, 0x1140, 2);
    add_number(&builder, 8 + 8 + 6, 4);
    add_item(&builder, 0xE000, 8 + 6);
    add_implicit(0x00081155, "2.25.9", 6);
    add_implicit(0x00091001, "private!", 8);
    add_implicit(0x00280103, "\x01\x00", 2);
    add_implicit(0x00280120, "\xFE\xFF", 2); /* US or SS */
    COR_CLEANUP(cor_dicom_freep) CorDicom *dicom = transcode(COR_DICOM_EXPLICIT);

    assert_same_attributes(dicom);
    assert_attribute(dicom, "00280120", "{\"Value\":[-2],\"vr\":\"SS\"}");
    assert_non_null(memmem(made.bytes, made.size, "\x08\x00\x40\x11SQ\0\0\xFF\xFF\xFF\xFF", 12));
    assert_non_null(memmem(made.bytes, made.size, "\x09\x00\x01\x10UN\0\0\x08\0\0\0private!", 20));
    assert_null(memmem(made.bytes, made.size, "\x08\x00\x00\x00UL", 6));
}

static void un_of_undefined_length_is_read_as_implicit_and_written_as_a_sequence(void **state)
{
    (void) state;

    builder_init(&builder, COR_DICOM_EXPLICIT);
    add_uids(&builder);
    add_head(&builder, 0x00091002, "UN", 0xFFFFFFFF);
    add_item(&builder, 0xE000, 0xFFFFFFFF);
    add_implicit(0x00080100, "CODE", 4);
    add_item(&builder, 0xE00D, 0);
    add_item(&builder, 0xE0DD, 0);
    add_text(&builder, 0x00100010, "PN", "A^B");
    COR_CLEANUP(cor_dicom_freep) CorDicom *dicom = transcode(COR_DICOM_EXPLICIT);

    assert_same_attributes(dicom);
    assert_attribute(
        dicom, "00091002",
        "{\"Value\":[{\"00080100\":{\"Value\":[\"CODE\"],\"vr\":\"SH\"}}],\"vr\":\"SQ\"}");
}

static void values_too_long_for_their_vr_become_un(void **state)
{
    static char text[66000];
    (void) state;

    memset(text, 'x', sizeof(text));
    builder_init(&builder, IMPLICIT);
    add_implicit(0x00080018, "2.25.3", 6);
    add_implicit(0x00204000, text, sizeof(text)); /* LT */
    COR_CLEANUP(cor_dicom_freep) CorDicom *dicom = transcode(COR_DICOM_EXPLICIT);
    assert_non_null(memmem(made.bytes, made.size, "\x20\x00\x00\x40UN\0\0\xD0\x01\x01\0xxx", 15));
    assert_true(cor_dicom_has(dicom, 0x00204000));
}

static void an_icon_that_is_compressed_becomes_native(void **state)
{
    const Kind kind = {"icon", "MONOCHROME2", 1, 8, 8, 0, 0, 1, false};
    size_t count = (size_t) ROWS * COLUMNS;
    (void) state;

    /* The fragment of an image of the same kind. */
    begin_image(COR_DICOM_EXPLICIT, &kind);
    add_pixels(&kind);
    COR_CLEANUP(cor_dicom_freep) CorDicom *plain = open_bytes(builder.data, builder.size);
    uint8_t pixels[ROWS * COLUMNS];
    memcpy(pixels, builder.data + builder.size - count - 1, count);
    write_frame(plain, 0, COR_DICOM_RLE);

    begin_image(COR_DICOM_RLE, &kind);
    add_head(&builder, 0x00880200, "SQ", 0xFFFFFFFF);
    add_item(&builder, 0xE000, 0xFFFFFFFF);
    add_grey(&builder, ROWS, COLUMNS, 8, 8, 0);
    for (int i = 0; i < 2; i++) { /* in the icon, then in the object itself */
        add_head(&builder, 0x7FE00010, "OB", 0xFFFFFFFF);
        add_item(&builder, 0xE000, 0);
        add_item(&builder, 0xE000, (uint32_t) again.size);
        add_bytes(&builder, again.bytes, again.size);
        add_item(&builder, 0xE0DD, 0);
        if (i == 0) {
            add_item(&builder, 0xE00D, 0);
            add_item(&builder, 0xE0DD, 0);
        }
    }
    COR_CLEANUP(cor_dicom_freep) CorDicom *dicom = transcode(COR_DICOM_JPEG_LS);
    assert_same_frames(dicom);
    const uint8_t *icon = memmem(made.bytes, made.size, "\xE0\x7F\x10\x00OB\0\0\x24\0\0\0", 12);
    assert_non_null(icon);
    assert_memory_equal(icon + 12, pixels, count);
}

/* --- single values --- */

static void assert_bulk(const CorDicom *dicom, const char *path, const char *vr, const void *bytes,
                        size_t size)
{
    CorDicomSink sink = sink_of(&again);
    CorDicomWritten written = {0};
    CorError err = {0};

    if (!cor_dicom_write_bulk(dicom, path, &sink, &written, &err)) {
        fail_msg("%s: %s", path, err.text);
    }
    assert_string_equal(written.vr, vr);
    assert_int_equal(again.size, size);
    assert_memory_equal(again.bytes, bytes, size);
}

static void assert_no_bulk(const CorDicom *dicom, const char *path, CorErrorCode code)
{
    CorDicomSink sink = sink_of(&again);
    CorDicomWritten written = {0};
    CorError err = {0};

    assert_false(cor_dicom_write_bulk(dicom, path, &sink, &written, &err));
    assert_int_equal(err.code, code);
    assert_true(err.text[0] != '\0');
}

static void values_are_found_by_their_path(void **state)
{
    static const char json[] = "[{\"00080100\":{\"vr\":\"SH\",\"Value\":[\"A\"]},"
                               "\"00091010\":{\"vr\":\"OB\",\"InlineBinary\":\"AQI=\"}}]";
    (void) state;

    builder_init(&builder, COR_DICOM_EXPLICIT);
    add_uids(&builder);
    add_head(&builder, 0x0040A730, "SQ", 0xFFFFFFFF);
    add_item(&builder, 0xE000, 0xFFFFFFFF);
    add_text(&builder, 0x00080100, "SH", "A");
    add_value(&builder, 0x00091010, "OB", "\1\2", 2);
    add_item(&builder, 0xE00D, 0);
    add_item(&builder, 0xE0DD, 0);
    COR_CLEANUP(cor_dicom_freep) CorDicom *dicom = open_bytes(builder.data, builder.size);

    assert_bulk(dicom, "00080018", "UI", "2.25.3", 6);
    assert_bulk(dicom, "0040A730/1/00091010", "OB", "\1\2", 2);
    assert_bulk(dicom, "0040a730", "SQ", json, strlen(json));
    assert_no_bulk(dicom, "0040A730/2/00091010", COR_ERR_NOT_FOUND);
    assert_no_bulk(dicom, "00080018/1/00091010", COR_ERR_NOT_FOUND);
    assert_no_bulk(dicom, "00080019", COR_ERR_NOT_FOUND);
    assert_no_bulk(dicom, "", COR_ERR_INVALID);
    assert_no_bulk(dicom, "0040A730/0/00091010", COR_ERR_INVALID);
    assert_no_bulk(dicom, "0040A730/1/", COR_ERR_INVALID);
    assert_no_bulk(dicom, "0040A730/1", COR_ERR_INVALID);
    assert_no_bulk(dicom, "../../etc/passwd", COR_ERR_INVALID);
    assert_no_bulk(dicom, "0040A730/99999999999999999999/00091010", COR_ERR_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_of_picture_keeps_its_values_from_any_syntax_to_any),
        cmocka_unit_test(pixels_of_one_bit_go_to_run_lengths_and_jpeg_2000_only),
        cmocka_unit_test(samples_of_32_bits_go_to_run_lengths_only),
        cmocka_unit_test(real_numbers_stay_native),
        cmocka_unit_test(a_bare_data_set_is_given_a_meta_header),
        cmocka_unit_test(an_object_without_pixels_is_not_compressed),
        cmocka_unit_test(a_syntax_that_nobody_writes_is_refused),
        cmocka_unit_test(frames_that_are_missing_are_refused_before_anything_is_made_for_them),
        cmocka_unit_test(a_sink_that_is_full_ends_the_transcoding),
        cmocka_unit_test(the_description_follows_the_encoding),
        cmocka_unit_test(pixels_that_do_not_end_at_bits_stored_are_moved_for_a_codestream),
        cmocka_unit_test(overlays_in_the_bits_above_survive_there_and_back),
        cmocka_unit_test(a_basic_offset_table_points_to_every_frame),
        cmocka_unit_test(a_single_frame_of_bits_begins_at_bit_0),
        cmocka_unit_test(implicit_vrs_are_looked_up_and_sequences_get_delimiters),
        cmocka_unit_test(un_of_undefined_length_is_read_as_implicit_and_written_as_a_sequence),
        cmocka_unit_test(values_too_long_for_their_vr_become_un),
        cmocka_unit_test(an_icon_that_is_compressed_becomes_native),
        cmocka_unit_test(values_are_found_by_their_path),
    };

    return cmocka_run_group_tests_name("dicom-transcode", tests, prepare, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* What the real host does with DICOM files: this program starts itself as `corsia host`. */
#include "test.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "algo/algo.h"
#include "base/array.h"
#include "base/fd.h"
#include "base/hash.h"
#include "base/id.h"
#include "host/host-memfd.h"
#include "host/host-pool.h"
#include "host/host.h"

enum { PATIENCE_MS = 60000, SIDE = 64, FILE_MAX = 16384, SLICES = 7 };

/* A DICOM file under construction: explicit VR little endian (PS3.5 section 7.1.2). */
typedef struct Builder {
    uint8_t bytes[FILE_MAX];
    size_t size;
} Builder;

static void put(Builder *file, const void *data, size_t size)
{
    assert_true(file->size + size <= FILE_MAX);
    memcpy(file->bytes + file->size, data, size);
    file->size += size;
}

static void put_u16(Builder *file, unsigned value)
{
    uint8_t bytes[2] = {(uint8_t) value, (uint8_t) (value >> 8)};

    put(file, bytes, sizeof(bytes));
}

static void put_u32(Builder *file, uint32_t value)
{
    put_u16(file, value & 0xffff);
    put_u16(file, value >> 16);
}

static void put_text(Builder *file, uint32_t tag, const char *vr, const char *text)
{
    size_t size = strlen(text);

    put_u16(file, tag >> 16);
    put_u16(file, tag & 0xffff);
    put(file, vr, 2);
    put_u16(file, (unsigned) (size + size % 2));
    put(file, text, size);
    if (size % 2) {
        put(file, strcmp(vr, "UI") == 0 ? "" : " ", 1);
    }
}

static void put_us(Builder *file, uint32_t tag, unsigned value)
{
    put_u16(file, tag >> 16);
    put_u16(file, tag & 0xffff);
    put(file, "US\2\0", 4);
    put_u16(file, value);
}

static int16_t pixel(int number, size_t x, size_t y)
{
    return (int16_t) (x * 3 + y * 5 - 100 + (size_t) number);
}

static const char *slice_uid(int number)
{
    static char uids[2][COR_UID_SIZE];
    static unsigned next;
    char *uid = uids[next++ % 2];

    (void) snprintf(uid, COR_UID_SIZE, "1.2.3.4.%d", number + 1);
    return uid;
}

/* A CT slice whose place along the patient is the opposite of its number. */
static void build_slice(Builder *file, int number)
{
    char position[64];
    char instance[16];

    file->size = 0;
    put(file, (uint8_t[128]){0}, 128);
    put(file, "DICM", 4);
    put_text(file, 0x00020010, "UI", "1.2.840.10008.1.2.1");
    put_text(file, 0x00080016, "UI", "1.2.840.10008.5.1.4.1.1.2");
    put_text(file, 0x00080018, "UI", slice_uid(number));
    put_text(file, 0x00080060, "CS", "CT");
    put_text(file, 0x00100010, "PN", "Secret^Name");
    put_text(file, 0x0020000d, "UI", "1.2.3.1");
    put_text(file, 0x0020000e, "UI", "1.2.3.2");
    (void) snprintf(instance, sizeof(instance), "%d", number + 1);
    put_text(file, 0x00200013, "IS", instance);
    (void) snprintf(position, sizeof(position), "-100\\-100\\%d", -5 * number);
    put_text(file, 0x00200032, "DS", position);
    put_text(file, 0x00200037, "DS", "1\\0\\0\\0\\1\\0");
    put_us(file, 0x00280002, 1);
    put_text(file, 0x00280004, "CS", "MONOCHROME2");
    put_us(file, 0x00280010, SIDE);
    put_us(file, 0x00280011, SIDE);
    put_text(file, 0x00280030, "DS", "0.5\\0.5");
    put_us(file, 0x00280100, 16);
    put_us(file, 0x00280101, 16);
    put_us(file, 0x00280102, 15);
    put_us(file, 0x00280103, 1);
    put_text(file, 0x00281052, "DS", "0");
    put_text(file, 0x00281053, "DS", "1");
    put_u16(file, 0x7fe0);
    put_u16(file, 0x0010);
    put(file, "OW\0\0", 4);
    put_u32(file, SIDE * SIDE * 2);
    for (size_t y = 0; y < SIDE; y++) {
        for (size_t x = 0; x < SIDE; x++) {
            put_u16(file, (uint16_t) pixel(number, x, y));
        }
    }
}

static int slice_fd(int number)
{
    Builder file;
    int fd = -1;
    CorError err = {0};

    build_slice(&file, number);
    assert_true(cor_host_priv_memfd_new("slice", file.bytes, file.size, &fd, &err));
    return fd;
}

static CorHostPool *pool; /* one for all tests: hosts live between jobs */

static int open_pool(void **state)
{
    CorHostPoolOptions options = {.name = "test", .min = 1, .max = 2};
    CorError err = {0};

    (void) state;
    if (!cor_host_pool_new(&options, &pool, &err) ||
        !cor_host_pool_wait_ready(pool, PATIENCE_MS, &err)) {
        print_error("%s\n", err.text);
        return -1;
    }
    return 0;
}

static int close_pool(void **state)
{
    (void) state;
    cor_host_pool_free(pool);
    return 0;
}

/* The attributes of a record, parsed. */
static json_t *attributes_of(const json_t *record)
{
    const char *text = cor_json_string(record, "attributes_text", "");
    json_t *attributes = NULL;

    assert_true(cor_json_parse(text, strlen(text), &attributes, NULL));
    return attributes;
}

static const char *value_at(const json_t *attributes, const char *tag)
{
    return json_string_value(
        json_array_get(json_object_get(json_object_get(attributes, tag), "Value"), 0));
}

static void a_file_is_indexed(void **state)
{
    COR_CLEANUP(cor_fd_closep) int fd = slice_fd(0);
    json_t *record = NULL;
    CorError err = {0};

    (void) state;
    if (!cor_host_index(pool, fd, PATIENCE_MS, &record, &err)) {
        fail_msg("%s", err.text);
    }
    assert_string_equal(cor_json_string(record, "sop_instance_uid", ""), slice_uid(0));
    assert_string_equal(cor_json_string(record, "study_instance_uid", ""), "1.2.3.1");
    assert_int_equal(cor_json_integer(record, "rows", 0), SIDE);
    assert_null(json_object_get(record, "attributes"));
    json_t *attributes = attributes_of(record);
    assert_string_equal(value_at(attributes, "00080018"), slice_uid(0));
    assert_non_null(json_object_get(attributes, "7FE00010"));
    json_decref(attributes);
    json_decref(record);
}

/* A slice with so many texts before its pixels. */
static int slice_with_texts(size_t len, size_t text_size)
{
    size_t pixels_size = 12 + SIDE * SIDE * 2;
    uint8_t *bytes = cor_new_array(uint8_t, FILE_MAX + len * (8 + text_size));
    int fd = -1;
    Builder file;

    build_slice(&file, 0);
    size_t size = file.size - pixels_size;
    assert_non_null(bytes);
    memcpy(bytes, file.bytes, size);
    for (size_t i = 0; i < len; i++) {
        uint8_t head[8] = {0x29, 0,   (uint8_t) i,         0x10,
                           'L',  'T', (uint8_t) text_size, (uint8_t) (text_size >> 8)};
        memcpy(bytes + size, head, sizeof(head));
        memset(bytes + size + sizeof(head), 'x', text_size);
        size += sizeof(head) + text_size;
    }
    memcpy(bytes + size, file.bytes + file.size - pixels_size, pixels_size);
    assert_true(cor_host_priv_memfd_new("slice", bytes, size + pixels_size, &fd, NULL));
    free(bytes);
    return fd;
}

static void attributes_of_any_length_are_one_text(void **state)
{
    static const size_t lens[] = {1, 60, 63, 64, 65, 66, 67, 200}; /* 256 KiB are in between */

    (void) state;
    for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
        COR_CLEANUP(cor_fd_closep) int fd = slice_with_texts(lens[i], 4000);
        json_t *record = NULL;
        CorError err = {0};

        if (!cor_host_index(pool, fd, PATIENCE_MS, &record, &err)) {
            fail_msg("%s", err.text);
        }
        json_t *attributes = attributes_of(record);
        char tag[16];
        (void) snprintf(tag, sizeof(tag), "002910%02X", (unsigned) lens[i] - 1);
        assert_int_equal(strlen(value_at(attributes, tag)), 4000);
        assert_string_equal(value_at(attributes, "00080018"), slice_uid(0));
        assert_int_equal(cor_json_integer(record, "rows", 0), SIDE);
        json_decref(attributes);
        json_decref(record);
    }
}

static void what_is_no_dicom_is_refused_and_the_host_goes_on(void **state)
{
    COR_CLEANUP(cor_fd_closep) int fd = -1;
    CorHostPoolStats before;
    CorHostPoolStats after;
    json_t *record = NULL;
    CorError err = {0};

    (void) state;
    cor_host_pool_stats(pool, &before);
    assert_true(cor_host_priv_memfd_new("junk", "Dear Sir or Madam,", 18, &fd, &err));
    assert_false(cor_host_index(pool, fd, PATIENCE_MS, &record, &err));
    assert_int_not_equal(err.code, COR_ERR_HOST_LOST);
    assert_null(record);
    cor_host_pool_stats(pool, &after);
    assert_int_equal(before.starts, after.starts);
    assert_int_equal(before.losses, after.losses);
}

static void a_frame_is_decoded_to_its_stored_values(void **state)
{
    COR_CLEANUP(cor_fd_closep) int fd = slice_fd(3);
    COR_CLEANUP(cor_host_file_done) CorHostFile file = {.fd = -1};
    int16_t row[SIDE];
    CorError err = {0};

    (void) state;
    assert_true(cor_host_decode(pool, fd, 1, PATIENCE_MS, &file, &err));
    assert_int_equal(file.size_bytes, SIDE * SIDE * 2);
    assert_string_equal(cor_json_string(file.info, "type", ""), "int16");
    assert_int_equal(cor_json_integer(file.info, "columns", 0), SIDE);
    assert_null(json_object_get(file.info, "answer")); /* nothing of the protocol is left */
    for (size_t y = 0; y < SIDE; y++) {
        assert_int_equal(pread(file.fd, row, sizeof(row), (off_t) (y * sizeof(row))), sizeof(row));
        for (size_t x = 0; x < SIDE; x++) {
            assert_int_equal(row[x], pixel(3, x, y));
        }
    }
}

static void a_frame_that_there_is_not_is_refused(void **state)
{
    static const unsigned frames[] = {0, 2, 0xffffffffu};
    COR_CLEANUP(cor_fd_closep) int fd = slice_fd(0);

    (void) state;
    for (size_t i = 0; i < 3; i++) {
        CorHostFile file = {.fd = -1};
        CorError err = {0};
        assert_false(cor_host_decode(pool, fd, frames[i], PATIENCE_MS, &file, &err));
        assert_int_equal(err.code, COR_ERR_INVALID);
        assert_int_equal(file.fd, -1);
    }
}

static void pictures_have_the_format_and_the_size_that_were_asked_for(void **state)
{
    static const struct {
        const char *format;
        const char *magic;
        size_t box_px;
        int64_t side_px;
    } cases[] = {{"png", "\x89PNG", 0, SIDE},
                 {"jpeg", "\xff\xd8\xff", 0, SIDE},
                 {"png", "\x89PNG", 20, 20},
                 {"png", "\x89PNG", 1, 1},
                 {"png", "\x89PNG", 500, SIDE}};
    COR_CLEANUP(cor_fd_closep) int fd = slice_fd(0);

    (void) state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        COR_CLEANUP(cor_host_file_done) CorHostFile file = {.fd = -1};
        CorHostRender render = {.fd = fd,
                                .frame = 1,
                                .width_px = cases[i].box_px,
                                .height_px = cases[i].box_px,
                                .has_window = true,
                                .window_center = 40,
                                .window_width = 400,
                                .format = cases[i].format,
                                .timeout_ms = PATIENCE_MS};
        char magic[4] = "";
        CorError err = {0};

        if (!cor_host_render(pool, &render, &file, &err)) {
            fail_msg("%s", err.text);
        }
        assert_int_equal(pread(file.fd, magic, 4, 0), 4);
        assert_memory_equal(magic, cases[i].magic, strlen(cases[i].magic));
        assert_int_equal(cor_json_integer(file.info, "width", 0), cases[i].side_px);
        assert_int_equal(cor_json_integer(file.info, "height", 0), cases[i].side_px);
    }
}

static void impossible_pictures_are_refused(void **state)
{
    COR_CLEANUP(cor_fd_closep) int fd = slice_fd(0);
    const CorHostRender wrong[] = {
        {.format = "bmp"},
        {.format = "png", .has_window = true, .window_width = 0},
        {.format = "jpeg", .quality = 101},
    };

    (void) state;
    for (size_t i = 0; i < 3; i++) {
        CorHostRender render = wrong[i];
        CorHostFile file = {.fd = -1};
        CorError err = {0};
        render.fd = fd;
        render.frame = 1;
        render.timeout_ms = PATIENCE_MS;
        assert_false(cor_host_render(pool, &render, &file, &err));
        assert_true(err.code == COR_ERR_INVALID || err.code == COR_ERR_UNSUPPORTED);
    }
}

/* What a run said. */
typedef struct Heard {
    size_t len;
    int64_t sources[SLICES];
    char uids[SLICES][COR_UID_SIZE];
    uint8_t digests[SLICES][COR_SHA256_SIZE];
    double first;
    double last;
    size_t progress_len;
} Heard;

static void hear_progress(void *context, double fraction, const char *stage)
{
    Heard *heard = context;

    assert_string_equal(stage, "compute");
    heard->first = heard->progress_len++ == 0 ? fraction : heard->first;
    heard->last = fraction;
}

static bool hear_output(void *context, int fd, const json_t *output, CorError *err)
{
    Heard *heard = context;
    const json_t *record = json_object_get(output, "record");
    uint64_t size = (uint64_t) cor_json_integer(output, "size", 0);

    assert_true(heard->len < SLICES);
    assert_string_equal(cor_json_string(output, "role", ""), "overlay");
    assert_string_equal(cor_json_string(output, "media_type", ""), "application/dicom");
    assert_string_equal(cor_json_string(record, "sop_instance_uid", ""),
                        cor_json_string(output, "sop_instance_uid", "-"));
    assert_string_equal(cor_json_string(record, "study_instance_uid", ""), "1.2.3.1");
    assert_true(json_is_object(json_object_get(output, "measurements")));
    heard->sources[heard->len] = cor_json_integer(output, "source", -1);
    (void) snprintf(heard->uids[heard->len], COR_UID_SIZE, "%s",
                    cor_json_string(output, "sop_instance_uid", ""));
    return cor_sha256_fd(fd, size, heard->digests[heard->len++], err);
}

/* Run over so many slices; bad is the number of one that is no DICOM, or -1. */
static bool run_slices(size_t len, int bad, const char *scope, Heard *heard, json_t **ret_result,
                       CorError *err)
{
    COR_CLEANUP(cor_host_lease_releasep) CorHostLease *lease = NULL;
    CorHostCallbacks callbacks = {
        .on_progress = hear_progress, .on_output = hear_output, .context = heard};
    CorHostInput inputs[SLICES];
    char uids[SLICES][COR_UID_SIZE];
    json_t *params = json_pack("{s:f}", "sigma", 1.5);
    COR_CLEANUP(cor_json_freep) json_t *outputs = json_pack("[s]", "overlay");

    assert_true(cor_host_pool_lease(pool, PATIENCE_MS, &lease, err));
    for (size_t i = 0; i < len; i++) {
        (void) snprintf(uids[i], sizeof(uids[i]), "%s", slice_uid((int) i));
        inputs[i] = (CorHostInput){.fd = (int) i == bad ? memfd_create("bad", MFD_CLOEXEC)
                                                        : slice_fd((int) i),
                                   .sop_instance_uid = uids[i],
                                   .series_instance_uid = "1.2.3.2"};
    }
    CorHostRun run = {.algo_id = "processing_1",
                      .params = params,
                      .scope = scope,
                      .outputs = outputs,
                      .inputs = inputs,
                      .input_len = len,
                      .accepted_unix_ms = 1767225600000,
                      .timeout_ms = PATIENCE_MS};
    bool ok = cor_host_run(lease, &run, &callbacks, ret_result, err);
    for (size_t i = 0; i < len; i++) {
        (void) close(inputs[i].fd);
    }
    json_decref(params);
    return ok;
}

static void a_series_gives_one_overlay_per_slice_in_the_order_of_their_places(void **state)
{
    Heard heard = {0};
    json_t *result = NULL;
    CorError err = {0};

    (void) state;
    if (!run_slices(SLICES, -1, "series", &heard, &result, &err)) {
        fail_msg("%s", err.text);
    }
    assert_int_equal(heard.len, SLICES);
    for (int i = 0; i < SLICES; i++) {
        assert_int_equal(heard.sources[i], SLICES - 1 - i);
    }
    assert_true(heard.first == 0.0);
    assert_true(heard.last == 1.0);
    assert_true(json_is_boolean(json_object_get(result, "found")));
    assert_int_equal(cor_json_integer(json_object_get(result, "measurements"), "slices", 0),
                     SLICES);
    assert_string_equal(cor_json_string(result, "algo_version", ""),
                        cor_algo_find("processing_1")->version);
    json_decref(result);
}

static void the_same_run_gives_the_same_names_and_bytes(void **state)
{
    Heard one = {0};
    Heard other = {0};
    Heard alone = {0};
    json_t *result = NULL;
    CorError err = {0};

    (void) state;
    assert_true(run_slices(SLICES, -1, "series", &one, &result, &err));
    json_decref(result);
    assert_true(run_slices(SLICES, -1, "series", &other, &result, &err));
    json_decref(result);
    assert_memory_equal(one.digests, other.digests, sizeof(one.digests));
    assert_memory_equal(one.uids, other.uids, sizeof(one.uids));
    /* Image and series scope land in one derived series: the same object, too. */
    assert_true(run_slices(1, -1, "image", &alone, &result, &err));
    json_decref(result);
    assert_memory_equal(alone.digests[0], one.digests[SLICES - 1], COR_SHA256_SIZE);
}

static void a_bad_slice_is_named_by_its_uid(void **state)
{
    Heard heard = {0};
    json_t *result = NULL;
    CorError err = {0};

    (void) state;
    assert_false(run_slices(3, 1, "series", &heard, &result, &err));
    assert_true(err.code == COR_ERR_CORRUPT || err.code == COR_ERR_INVALID);
    assert_non_null(strstr(err.text, slice_uid(1)));
    assert_null(result);
}

static void a_file_that_is_another_object_is_refused(void **state)
{
    COR_CLEANUP(cor_host_lease_releasep) CorHostLease *lease = NULL;
    COR_CLEANUP(cor_fd_closep) int fd = slice_fd(0);
    CorHostInput input = {.fd = fd, .sop_instance_uid = "9.9", .series_instance_uid = "1.2.3.2"};
    json_t *params = json_object();
    CorHostRun run = {.algo_id = "processing_1",
                      .params = params,
                      .scope = "image",
                      .inputs = &input,
                      .input_len = 1,
                      .timeout_ms = PATIENCE_MS};
    json_t *result = NULL;
    CorError err = {0};

    (void) state;
    assert_true(cor_host_pool_lease(pool, PATIENCE_MS, &lease, &err));
    assert_false(cor_host_run(lease, &run, NULL, &result, &err));
    assert_int_equal(err.code, COR_ERR_INVALID);
    input.sop_instance_uid = slice_uid(0);
    run.algo_id = "no_such_algorithm";
    assert_false(cor_host_run(lease, &run, NULL, &result, &err));
    assert_int_equal(err.code, COR_ERR_NOT_FOUND);
    assert_int_equal(cor_host_lease_failure(lease), COR_HOST_FAILURE_NONE);
    json_decref(params);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_is_indexed),
        cmocka_unit_test(attributes_of_any_length_are_one_text),
        cmocka_unit_test(what_is_no_dicom_is_refused_and_the_host_goes_on),
        cmocka_unit_test(a_frame_is_decoded_to_its_stored_values),
        cmocka_unit_test(a_frame_that_there_is_not_is_refused),
        cmocka_unit_test(pictures_have_the_format_and_the_size_that_were_asked_for),
        cmocka_unit_test(impossible_pictures_are_refused),
        cmocka_unit_test(a_series_gives_one_overlay_per_slice_in_the_order_of_their_places),
        cmocka_unit_test(the_same_run_gives_the_same_names_and_bytes),
        cmocka_unit_test(a_bad_slice_is_named_by_its_uid),
        cmocka_unit_test(a_file_that_is_another_object_is_refused),
    };

    if (argc == 2 && strcmp(argv[1], "host") == 0) {
        return cor_host_main();
    }
    return cmocka_run_group_tests_name("host-ops", tests, open_pool, close_pool);
}

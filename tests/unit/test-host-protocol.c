/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/time.h"
#include "host/host-memfd.h"
#include "host/host-protocol.h"

typedef struct Pair {
    int near;
    int far;
    CorHostReader reader; /* of near */
} Pair;

static int open_pair(void **state)
{
    Pair *pair = calloc(1, sizeof(*pair));
    int fds[2];

    if (!pair || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0) {
        return -1;
    }
    pair->near = fds[0];
    pair->far = fds[1];
    *state = pair;
    return 0;
}

static int close_pair(void **state)
{
    Pair *pair = *state;

    cor_host_priv_reader_done(&pair->reader);
    cor_fd_closep(&pair->near);
    cor_fd_closep(&pair->far);
    free(pair);
    return 0;
}

static size_t count_open_fds(void)
{
    DIR *folder = opendir("/proc/self/fd");
    size_t len = 0;

    assert_non_null(folder);
    while (readdir(folder)) {
        len++;
    }
    (void) closedir(folder);
    return len;
}

/* The bytes of a frame; returns their number. */
static size_t make_frame_of(uint8_t *bytes, const char *body, size_t size)
{
    bytes[0] = (uint8_t) (size >> 24);
    bytes[1] = (uint8_t) (size >> 16);
    bytes[2] = (uint8_t) (size >> 8);
    bytes[3] = (uint8_t) size;
    memcpy(bytes + 4, body, size);
    return size + 4;
}

static size_t make_frame(uint8_t *bytes, const char *json)
{
    return make_frame_of(bytes, json, strlen(json));
}

static void write_bytes(const Pair *pair, const void *bytes, size_t size)
{
    assert_int_equal(write(pair->far, bytes, size), (ssize_t) size);
}

/* Send raw bytes with descriptors, as a sender that does not use our functions. */
static void write_with_fds(const Pair *pair, const void *bytes, size_t size, const int *fds,
                           size_t fd_len)
{
    union {
        char bytes[CMSG_SPACE(sizeof(int) * 128)];
        struct cmsghdr aligned;
    } control = {0};
    struct iovec part = {.iov_base = (void *) (uintptr_t) bytes, .iov_len = size};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};

    message.msg_control = control.bytes;
    message.msg_controllen = CMSG_SPACE(sizeof(int) * fd_len);
    struct cmsghdr *rights = CMSG_FIRSTHDR(&message);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(sizeof(int) * fd_len);
    memcpy(CMSG_DATA(rights), fds, sizeof(int) * fd_len);
    assert_int_equal(sendmsg(pair->far, &message, 0), (ssize_t) size);
}

static CorHostRead read_frame(Pair *pair, CorHostFrame *frame, CorError *err)
{
    return cor_host_priv_read(&pair->reader, pair->near, frame, err);
}

static CorHostWait wait_on(int fd)
{
    return (CorHostWait){.fd = fd, .wake_fd = -1, .deadline_ms = cor_time_ms() + 20000};
}

/* Nothing comes of its beginning, and the frame of the rest. */
static CorHostFrame read_in_two(Pair *pair, const uint8_t *bytes, size_t size, size_t cut)
{
    CorHostFrame frame = {0};
    CorError err = {0};

    write_bytes(pair, bytes, cut);
    assert_int_equal(read_frame(pair, &frame, &err), COR_HOST_READ_AGAIN);
    write_bytes(pair, bytes + cut, size - cut);
    assert_int_equal(read_frame(pair, &frame, &err), COR_HOST_READ_FRAME);
    return frame;
}

static void a_frame_may_be_cut_at_every_byte(void **state)
{
    Pair *pair = *state;
    uint8_t bytes[64];
    size_t size = make_frame(bytes, "{\"op\":\"hello\",\"id\":7}");

    for (size_t cut = 1; cut < size; cut++) {
        CorHostFrame frame = read_in_two(pair, bytes, size, cut);

        assert_int_equal(cor_json_integer(frame.json, "id", 0), 7);
        cor_host_priv_frame_done(&frame);
    }
}

static void frames_that_follow_each_other_stay_apart(void **state)
{
    Pair *pair = *state;
    uint8_t bytes[128];
    CorHostFrame frame = {0};
    CorError err = {0};
    size_t size = make_frame(bytes, "{\"id\":1}");
    size += make_frame(bytes + size, "{\"id\":2}");

    write_bytes(pair, bytes, size);
    for (int id = 1; id <= 2; id++) {
        assert_int_equal(read_frame(pair, &frame, &err), COR_HOST_READ_FRAME);
        assert_int_equal(cor_json_integer(frame.json, "id", 0), id);
        cor_host_priv_frame_done(&frame);
    }
    assert_int_equal(read_frame(pair, &frame, &err), COR_HOST_READ_AGAIN);
}

static void descriptors_arrive_with_their_own_frame(void **state)
{
    Pair *pair = *state;
    CorHostWait wait = wait_on(pair->far);
    CorError err = {0};
    int fds[COR_HOST_FRAME_FDS_MAX];
    size_t before = count_open_fds();

    for (size_t i = 0; i < COR_HOST_FRAME_FDS_MAX; i++) {
        assert_true(cor_host_priv_memfd_new("test", &i, sizeof(i), &fds[i], &err));
    }
    /* Three frames, of which the middle one has descriptors. */
    for (int id = 1; id <= 3; id++) {
        json_t *json = json_pack("{s:i}", "id", id);
        size_t len = id == 2 ? COR_HOST_FRAME_FDS_MAX : 0;
        assert_true(cor_host_priv_send(&wait, json, fds, len, &err));
        json_decref(json);
    }
    for (int id = 1; id <= 3; id++) {
        CorHostFrame frame = {0};
        assert_int_equal(read_frame(pair, &frame, &err), COR_HOST_READ_FRAME);
        assert_int_equal(frame.fd_len, id == 2 ? COR_HOST_FRAME_FDS_MAX : 0);
        for (size_t i = 0; i < frame.fd_len; i++) {
            size_t value = 0;
            assert_int_equal(pread(frame.fds[i], &value, sizeof(value), 0), sizeof(value));
            assert_int_equal(value, i);
            assert_true(fcntl(frame.fds[i], F_GETFD) & FD_CLOEXEC);
        }
        cor_host_priv_frame_done(&frame);
    }
    for (size_t i = 0; i < COR_HOST_FRAME_FDS_MAX; i++) {
        (void) close(fds[i]);
    }
    assert_int_equal(count_open_fds(), before);
}

static void a_length_outside_its_bounds_is_refused(void **state)
{
    static const uint8_t lengths[][4] = {{0, 0, 0, 0}, {0, 0x10, 0, 1}, {0xff, 0xff, 0xff, 0xff}};
    Pair *pair = *state;

    for (size_t i = 0; i < 3; i++) {
        CorHostFrame frame = {0};
        CorError err = {0};

        write_bytes(pair, lengths[i], 4);
        assert_int_equal(read_frame(pair, &frame, &err), COR_HOST_READ_FAILED);
        assert_int_equal(err.code, COR_ERR_CORRUPT);
        assert_null(frame.json);
        cor_host_priv_reader_done(&pair->reader);
    }
}

static void what_is_no_json_object_is_refused(void **state)
{
    static const char *const texts[] = {"{",
                                        "[1]",
                                        "7",
                                        "\"a\"",
                                        "{\"a\":1}x",
                                        "{\"a\":1,\"a\":2}",
                                        "{\"fds\":\"1\"}",
                                        "{\"fds\":1.5}",
                                        "\xff\xfe"};
    Pair *pair = *state;
    uint8_t bytes[64];

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        CorHostFrame frame = {0};
        CorError err = {0};

        write_bytes(pair, bytes, make_frame(bytes, texts[i]));
        assert_int_equal(read_frame(pair, &frame, &err), COR_HOST_READ_FAILED);
        assert_int_equal(err.code, COR_ERR_CORRUPT);
        assert_null(frame.json);
        cor_host_priv_reader_done(&pair->reader);
    }
}

static void a_result_may_have_an_annex_that_is_not_looked_at(void **state)
{
    static const char body[] = "{\"answer\":\"result\"}\0{\0\xff";
    Pair *pair = *state;
    uint8_t bytes[64];
    size_t size = make_frame_of(bytes, body, sizeof(body) - 1);

    for (size_t cut = 1; cut < size; cut++) {
        CorHostFrame frame = read_in_two(pair, bytes, size, cut);

        assert_string_equal(cor_json_string(frame.json, "answer", ""), "result");
        assert_int_equal(frame.annex_size, 3);
        assert_memory_equal(frame.annex, "{\0\xff", 3);
        cor_host_priv_frame_done(&frame);
        assert_null(frame.annex);
    }
}

static void a_frame_without_an_annex_has_none(void **state)
{
    Pair *pair = *state;
    uint8_t bytes[64];
    CorHostFrame frame = {0};
    CorError err = {0};

    write_bytes(pair, bytes, make_frame(bytes, "{\"answer\":\"result\"}"));
    assert_int_equal(read_frame(pair, &frame, &err), COR_HOST_READ_FRAME);
    assert_null(frame.annex);
    assert_int_equal(frame.annex_size, 0);
    cor_host_priv_frame_done(&frame);
}

static void an_annex_where_none_belongs_is_refused(void **state)
{
#define BODY(text)             \
    {                          \
        text, sizeof(text) - 1 \
    }
    static const struct {
        const char *body;
        size_t size;
    } cases[] = {
        BODY("{\"answer\":\"progress\"}\0{}"),
        BODY("{\"answer\":\"output\"}\0{}"),
        BODY("{\"answer\":\"error\"}\0{}"),
        BODY("{\"answer\":1}\0{}"),
        BODY("{\"op\":\"index\"}\0{}"),
        BODY("{\"answer\":\"result\"}\0"), /* empty */
        BODY("{\"answer\":\"result\"\0}"),
        BODY("\0{\"answer\":\"result\"}"),
        BODY("\0"),
    };
    Pair *pair = *state;
    uint8_t bytes[64];

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        CorHostFrame frame = {0};
        CorError err = {0};

        write_bytes(pair, bytes, make_frame_of(bytes, cases[i].body, cases[i].size));
        assert_int_equal(read_frame(pair, &frame, &err), COR_HOST_READ_FAILED);
        assert_int_equal(err.code, COR_ERR_CORRUPT);
        assert_null(frame.json);
        assert_null(frame.annex);
        cor_host_priv_reader_done(&pair->reader);
    }
}

static void a_wrong_number_of_descriptors_is_refused_and_they_are_closed(void **state)
{
    static const char *const texts[] = {"{}",          "{\"fds\":0}",  "{\"fds\":1}",
                                        "{\"fds\":3}", "{\"fds\":-2}", "{\"fds\":4294967298}"};
    Pair *pair = *state;
    uint8_t bytes[64];
    int fds[2] = {pair->near, pair->far};
    size_t before = count_open_fds();

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        CorHostFrame frame = {0};
        CorError err = {0};

        write_with_fds(pair, bytes, make_frame(bytes, texts[i]), fds, 2);
        assert_int_equal(read_frame(pair, &frame, &err), COR_HOST_READ_FAILED);
        assert_int_equal(err.code, COR_ERR_CORRUPT);
        cor_host_priv_reader_done(&pair->reader);
        assert_int_equal(count_open_fds(), before);
    }
}

static void more_descriptors_than_allowed_are_refused_and_closed(void **state)
{
    Pair *pair = *state;
    uint8_t bytes[64];
    int fds[128];
    CorHostFrame frame = {0};
    CorError err = {0};
    size_t before = count_open_fds();

    for (size_t i = 0; i < 128; i++) {
        fds[i] = pair->near;
    }
    write_with_fds(pair, bytes, make_frame(bytes, "{\"fds\":65}"), fds, 65);
    assert_int_equal(read_frame(pair, &frame, &err), COR_HOST_READ_FAILED);
    assert_int_equal(err.code, COR_ERR_CORRUPT);
    cor_host_priv_reader_done(&pair->reader);
    assert_int_equal(count_open_fds(), before);
}

static void descriptors_hidden_in_the_middle_of_a_frame_are_counted(void **state)
{
    Pair *pair = *state;
    uint8_t bytes[64];
    CorHostFrame frame = {0};
    CorError err = {0};
    size_t size = make_frame(bytes, "{\"op\":\"x\"}");
    size_t before = count_open_fds();

    write_bytes(pair, bytes, 6);
    write_with_fds(pair, bytes + 6, size - 6, &pair->near, 1);
    assert_int_equal(read_frame(pair, &frame, &err), COR_HOST_READ_FAILED);
    assert_int_equal(err.code, COR_ERR_CORRUPT);
    cor_host_priv_reader_done(&pair->reader);
    assert_int_equal(count_open_fds(), before);
}

static void the_end_is_told_between_frames_and_within_one(void **state)
{
    Pair *pair = *state;
    uint8_t bytes[64];
    CorHostFrame frame = {0};
    CorHostWait wait = wait_on(pair->near);
    CorError err = {0};

    write_bytes(pair, bytes, make_frame(bytes, "{\"id\":1}") - 1);
    cor_fd_closep(&pair->far);
    assert_int_equal(read_frame(pair, &frame, &err), COR_HOST_READ_END);
    assert_false(cor_host_priv_receive(&pair->reader, &wait, &frame, &err));
    assert_int_equal(err.code, COR_ERR_HOST_LOST);
}

static void receiving_ends_at_its_deadline(void **state)
{
    Pair *pair = *state;
    CorHostFrame frame = {0};
    CorHostWait wait = {.fd = pair->near, .wake_fd = -1, .deadline_ms = cor_time_ms()};
    CorError err = {0};

    assert_false(cor_host_priv_receive(&pair->reader, &wait, &frame, &err));
    assert_int_equal(err.code, COR_ERR_TIMEOUT);
}

static void receiving_ends_when_it_is_woken(void **state)
{
    Pair *pair = *state;
    CorHostFrame frame = {0};
    CorHostWait wait = wait_on(pair->near);
    CorError err = {0};
    COR_CLEANUP(cor_fd_closep) int wake = eventfd(1, EFD_CLOEXEC);

    wait.wake_fd = wake;
    assert_false(cor_host_priv_receive(&pair->reader, &wait, &frame, &err));
    assert_int_equal(err.code, COR_ERR_CANCELLED);
}

static void *send_large(void *context)
{
    const Pair *pair = context;
    CorHostWait wait = wait_on(pair->far);
    size_t len = COR_HOST_FRAME_MAX - strlen("{\"a\":\"\"}");
    char *text = malloc(len);

    assert_non_null(text);
    memset(text, 'x', len);
    json_t *json = json_pack("{s:s%}", "a", text, len);
    free(text);
    bool ok = cor_host_priv_send(&wait, json, NULL, 0, NULL);
    json_decref(json);
    return ok ? context : NULL;
}

static void the_largest_frame_passes_through_a_small_socket(void **state)
{
    Pair *pair = *state;
    CorHostFrame frame = {0};
    CorHostWait wait = wait_on(pair->near);
    CorError err = {0};
    pthread_t sender;
    void *sent = NULL;

    assert_int_equal(pthread_create(&sender, NULL, send_large, pair), 0);
    assert_true(cor_host_priv_receive(&pair->reader, &wait, &frame, &err));
    assert_int_equal(pthread_join(sender, &sent), 0);
    assert_ptr_equal(sent, pair);
    assert_int_equal(strlen(cor_json_string(frame.json, "a", "")),
                     COR_HOST_FRAME_MAX - strlen("{\"a\":\"\"}"));
    cor_host_priv_frame_done(&frame);
}

static void a_frame_that_is_too_large_is_not_sent(void **state)
{
    Pair *pair = *state;
    CorHostWait wait = wait_on(pair->far);
    CorHostFrame frame = {0};
    CorError err = {0};
    char *text = malloc(COR_HOST_FRAME_MAX);

    assert_non_null(text);
    memset(text, 'x', COR_HOST_FRAME_MAX);
    json_t *json = json_pack("{s:s%}", "a", text, COR_HOST_FRAME_MAX);
    assert_false(cor_host_priv_send(&wait, json, NULL, 0, &err));
    assert_int_equal(err.code, COR_ERR_LIMIT);
    assert_false(cor_host_priv_send_body(&wait, text, COR_HOST_FRAME_MAX + 1, NULL, 0, NULL));
    assert_int_equal(read_frame(pair, &frame, &err), COR_HOST_READ_AGAIN);
    json_decref(json);
    free(text);
}

static void sending_to_nobody_fails_without_a_signal(void **state)
{
    Pair *pair = *state;
    CorHostWait wait = wait_on(pair->near);
    CorError err = {0};
    json_t *json = json_pack("{s:i}", "id", 1);

    cor_fd_closep(&pair->far);
    assert_false(cor_host_priv_send(&wait, json, NULL, 0, &err));
    assert_int_equal(err.code, COR_ERR_HOST_LOST);
    json_decref(json);
}

static void sealed_memory_cannot_be_changed(void **state)
{
    COR_CLEANUP(cor_fd_closep) int fd = -1;
    uint64_t size = 0;
    CorError err = {0};

    (void) state;
    assert_true(cor_host_priv_memfd_new("test", "pixels", 6, &fd, &err));
    assert_true(cor_host_priv_memfd_check(fd, &size, &err));
    assert_int_equal(size, 6);
    assert_int_equal(write(fd, "x", 1), -1);
    assert_int_equal(ftruncate(fd, 0), -1);
    assert_ptr_equal(mmap(NULL, 6, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0), MAP_FAILED);
}

static void memory_that_is_not_sealed_is_refused(void **state)
{
    COR_CLEANUP(cor_fd_closep) int fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    COR_CLEANUP(cor_fd_closep) int file = open("/dev/null", O_RDONLY | O_CLOEXEC);
    uint64_t size = 77;
    CorError err = {0};

    (void) state;
    assert_false(cor_host_priv_memfd_check(fd, &size, &err));
    assert_int_equal(err.code, COR_ERR_CORRUPT);
    assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), 0); /* can still be shortened */
    assert_false(cor_host_priv_memfd_check(fd, &size, &err));
    assert_false(cor_host_priv_memfd_check(file, &size, &err));
    assert_int_equal(size, 77);
}

#define WITH_PAIR(test) cmocka_unit_test_setup_teardown(test, open_pair, close_pair)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_PAIR(a_frame_may_be_cut_at_every_byte),
        WITH_PAIR(frames_that_follow_each_other_stay_apart),
        WITH_PAIR(descriptors_arrive_with_their_own_frame),
        WITH_PAIR(a_length_outside_its_bounds_is_refused),
        WITH_PAIR(what_is_no_json_object_is_refused),
        WITH_PAIR(a_result_may_have_an_annex_that_is_not_looked_at),
        WITH_PAIR(a_frame_without_an_annex_has_none),
        WITH_PAIR(an_annex_where_none_belongs_is_refused),
        WITH_PAIR(a_wrong_number_of_descriptors_is_refused_and_they_are_closed),
        WITH_PAIR(more_descriptors_than_allowed_are_refused_and_closed),
        WITH_PAIR(descriptors_hidden_in_the_middle_of_a_frame_are_counted),
        WITH_PAIR(the_end_is_told_between_frames_and_within_one),
        WITH_PAIR(receiving_ends_at_its_deadline),
        WITH_PAIR(receiving_ends_when_it_is_woken),
        WITH_PAIR(the_largest_frame_passes_through_a_small_socket),
        WITH_PAIR(a_frame_that_is_too_large_is_not_sent),
        WITH_PAIR(sending_to_nobody_fails_without_a_signal),
        cmocka_unit_test(sealed_memory_cannot_be_changed),
        cmocka_unit_test(memory_that_is_not_sealed_is_refused),
    };

    return cmocka_run_group_tests_name("host-protocol", tests, NULL, NULL);
}

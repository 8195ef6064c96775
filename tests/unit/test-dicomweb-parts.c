/* SPDX-License-Identifier: Apache-2.0 */
/* Parts over a real server: however they are sent, the same bytes arrive. */
#include "http-client.h"

#include <fcntl.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <sys/mman.h>

#include "await.h"
#include "base/array.h"
#include "base/fd.h"
#include "dicomweb/bundle.h"
#include "dicomweb/part.h"
#include "http/http-server.h"

enum { SIZE_MAX_PART = 300000, NEVER = 1 << 30 };

/* What the next request is answered with. */
typedef struct Fixture {
    CorHttpServer *server;
    CorOffload *offload;
    uint16_t port;
    size_t len;
    size_t part_bytes;
    size_t runs; /* pieces of each part */
    bool is_multipart;
    bool is_work;      /* parts have to be made */
    bool is_in_memory; /* and are bytes */
    bool is_slow;      /* to describe */
    size_t fails_at;   /* opening this part fails */
    size_t lies_at;    /* this part is shorter than it was said to be */
    uint64_t made_bytes_max;
    size_t waits_at; /* opening this part waits until the next one is being opened */
    sem_t is_next;
    atomic_int at_work;
    atomic_int at_work_max;
    atomic_int opens;
    atomic_int releases;
    sem_t released;
} Fixture;

static uint8_t content_at(size_t part, size_t at)
{
    return (uint8_t) (part * 7 + at % 251);
}

static uint8_t *content_of(size_t part, size_t size)
{
    uint8_t *bytes = malloc(size ? size : 1);

    assert_non_null(bytes);
    for (size_t i = 0; i < size; i++) {
        bytes[i] = content_at(part, i);
    }
    return bytes;
}

static void describe(void *context, size_t index, CorPart *part)
{
    Fixture *fixture = context;

    (void) snprintf(part->type, sizeof(part->type), "application/x-part; number=%zu", index);
    (void) snprintf(part->location, sizeof(part->location), "/parts/%zu", index);
    part->is_work = fixture->is_work;
    part->run = (CorCatalogRun){.offset = 10, .size = fixture->part_bytes};
    if (fixture->runs > 1) { /* the same bytes in pieces, with gaps between them in the file */
        part->runs = cor_new_array(CorCatalogRun, fixture->runs);
        part->runs_len = fixture->runs;
        size_t done = 0;
        for (size_t i = 0; i < fixture->runs; i++) {
            size_t end = fixture->part_bytes * (i + 1) / fixture->runs;
            part->runs[i] = (CorCatalogRun){.offset = 10 + done + i * 5000, .size = end - done};
            done = end;
        }
    }
}

static void write_file(const Fixture *fixture, size_t index, CorPart *part)
{
    COR_CLEANUP(cor_freep) uint8_t *bytes = content_of(index, fixture->part_bytes);
    CorCatalogRun run;
    size_t done = 0;

    part->fd = memfd_create("part", MFD_CLOEXEC);
    assert_true(part->fd >= 0);
    for (size_t i = 0; cor_dicomweb_priv_part_run(part, i, &run); i++) {
        assert_int_equal(pwrite(part->fd, bytes + done, run.size, (off_t) run.offset), run.size);
        done += run.size;
    }
}

static bool open_now(Fixture *fixture, size_t index, CorPart *part, CorError *err)
{
    if (index == fixture->fails_at) {
        return cor_fail(err, COR_ERR_UNSUPPORTED, "part %zu cannot be had", index);
    }
    if (fixture->is_in_memory) {
        COR_CLEANUP(cor_freep) uint8_t *bytes = content_of(index, fixture->part_bytes);
        part->bytes = cor_bytes_new(bytes, fixture->part_bytes);
        return true;
    }
    write_file(fixture, index, part);
    if (index == fixture->lies_at) {
        assert_int_equal(ftruncate(part->fd, (off_t) (10 + fixture->part_bytes / 2)), 0);
    }
    return true;
}

static bool open_part(void *context, size_t index, CorPart *part, CorError *err)
{
    Fixture *fixture = context;
    int at_work = atomic_fetch_add(&fixture->at_work, 1) + 1;
    int most = atomic_load(&fixture->at_work_max);

    atomic_fetch_add(&fixture->opens, 1);
    while (at_work > most && !atomic_compare_exchange_weak(&fixture->at_work_max, &most, at_work)) {
    }
    if (index == fixture->waits_at + 1) {
        (void) sem_post(&fixture->is_next);
    }
    if (index == fixture->waits_at) {
        await(&fixture->is_next);
    }
    bool ok = open_now(fixture, index, part, err);
    atomic_fetch_sub(&fixture->at_work, 1);
    return ok;
}

static void release(void *context)
{
    Fixture *fixture = context;

    atomic_fetch_add(&fixture->releases, 1);
    (void) sem_post(&fixture->released);
}

static void handler(CorHttpRequest *req, CorHttpResponse *res, void *context)
{
    Fixture *fixture = context;
    CorParts parts = {.len = fixture->len,
                      .type = "application/x-part",
                      .is_multipart = fixture->is_multipart,
                      .is_slow_to_describe = fixture->is_slow,
                      .etag = "parts",
                      .made_bytes_max = fixture->made_bytes_max,
                      .describe = describe,
                      .open = open_part,
                      .release = release,
                      .context = fixture};

    cor_dicomweb_priv_send_parts(fixture->offload, req, res, &parts);
}

static const CorHttpRoute routes[] = {{.method = "GET", .pattern = "/parts", .handler = handler}};

static int start(void **state)
{
    static const char *const listen[] = {"127.0.0.1:0"};
    Fixture *fixture = cor_new(Fixture);
    CorHttpServerOptions options = {.listen = listen,
                                    .listen_len = 1,
                                    .routes = routes,
                                    .routes_len = COR_ARRAY_LEN(routes),
                                    .route_context = fixture,
                                    .threads = 2};

    (void) sem_init(&fixture->released, 0, 0);
    (void) sem_init(&fixture->is_next, 0, 0);
    if (!cor_dicomweb_priv_offload_new(2, 16, &fixture->offload, NULL) ||
        !cor_http_server_start(&options, &fixture->server, NULL)) {
        return -1;
    }
    fixture->port = cor_http_server_port(fixture->server, 0);
    fixture->is_multipart = true;
    fixture->fails_at = NEVER;
    fixture->lies_at = NEVER;
    fixture->waits_at = NEVER;
    fixture->runs = 1;
    *state = fixture;
    return 0;
}

static int stop(void **state)
{
    Fixture *fixture = *state;

    cor_http_server_stop(fixture->server);
    cor_dicomweb_priv_offload_free(fixture->offload);
    (void) sem_destroy(&fixture->released);
    (void) sem_destroy(&fixture->is_next);
    free(fixture);
    return 0;
}

static void ask(Fixture *fixture, Answer *answer)
{
    client_ask(fixture->port, "GET /parts HTTP/1.1\r\n" HOST "\r\n", answer);
}

/* It takes no chunks; libmicrohttpd keeps the connection if it can tell the size. */
static void ask_without_chunks(Fixture *fixture, Answer *answer)
{
    int fd = client_connect(fixture->port);

    assert_true(client_say(fd, "GET /parts HTTP/1.0\r\nConnection: keep-alive\r\n" HOST "\r\n"));
    assert_true(client_read_answer(fd, answer, false));
    assert_null(answer_header(answer, "Transfer-Encoding"));
    (void) close(fd);
}

static const char *past(const char *at, const char *text)
{
    assert_memory_equal(at, text, strlen(text));
    return at + strlen(text);
}

/* The body is what RFC 2046 section 5.1.1 says, to the byte. */
static void check_multipart(const Fixture *fixture, const Answer *answer)
{
    char boundary[64] = "";
    char line[256];
    const char *at = answer->body;
    const char *type = answer_header(answer, "Content-Type");

    assert_int_equal(answer->status, 200);
    assert_non_null(type);
    assert_int_equal(sscanf(type,
                            "multipart/related; type=\"application/x-part\"; boundary=%63[0-9a-f]",
                            boundary),
                     1);
    for (size_t i = 0; i < fixture->len; i++) {
        COR_CLEANUP(cor_freep) uint8_t *content = content_of(i, fixture->part_bytes);
        (void) snprintf(line, sizeof(line),
                        "%s--%s\r\nContent-Type: application/x-part; number=%zu\r\n"
                        "Content-Location: /parts/%zu\r\n\r\n",
                        i == 0 ? "" : "\r\n", boundary, i, i);
        at = past(at, line);
        assert_memory_equal(at, content, fixture->part_bytes);
        at += fixture->part_bytes;
    }
    (void) snprintf(line, sizeof(line), "\r\n--%s--\r\n", boundary);
    at = past(at, line);
    assert_int_equal(at - answer->body, (ptrdiff_t) answer->size);
}

static void the_same_bytes_arrive_whichever_way_they_go(void **state)
{
    static const struct {
        size_t len;
        size_t part_bytes;
        size_t runs;
        bool is_work;
        bool is_in_memory;
    } cases[] = {
        {1, 1000, 1, false, false},           /* one */
        {1, 0, 1, false, false},              /* empty */
        {3, 5000, 4, false, false},           /* in fragments */
        {40, SIZE_MAX_PART, 1, false, false}, /* 12 MB */
        {200, 10, 1, false, false},           /* many */
        {20, SIZE_MAX_PART, 3, false, false}, /* large fragments */
        {1, 1000, 1, true, false},            /* made */
        {9, 70000, 1, true, false},           /* made, several */
        {9, 70000, 1, true, true},            /* made in memory */
        {60, 70000, 3, true, false},          /* made, many */
        {3, 0, 1, true, true},                /* made, and empty */
    };
    Fixture *fixture = *state;

    for (size_t i = 0; i < COR_ARRAY_LEN(cases); i++) {
        Answer answer;
        fixture->len = cases[i].len;
        fixture->part_bytes = cases[i].part_bytes;
        fixture->runs = cases[i].runs;
        fixture->is_work = cases[i].is_work;
        fixture->is_in_memory = cases[i].is_in_memory;
        fixture->made_bytes_max = i % 2; /* ahead of their turn, or not */
        atomic_store(&fixture->opens, 0);
        ask(fixture, &answer);
        check_multipart(fixture, &answer);
        assert_null(answer_header(&answer, "Content-Length"));
        assert_string_equal(answer_header(&answer, "ETag"), "\"parts\"");
        assert_int_equal(atomic_load(&fixture->opens), (int) cases[i].len);
        await(&fixture->released);
        answer_done(&answer);
        if (!cases[i].is_work) {
            ask_without_chunks(fixture, &answer);
            check_multipart(fixture, &answer);
            assert_int_equal(atomic_load(&fixture->opens), 2 * (int) cases[i].len);
            await(&fixture->released);
            answer_done(&answer);
        }
    }
    assert_int_equal(atomic_load(&fixture->releases), 6 + (int) COR_ARRAY_LEN(cases));
}

static void the_size_of_many_parts_is_not_asked_for_if_that_is_slow(void **state)
{
    Fixture *fixture = *state;

    fixture->part_bytes = 10;
    fixture->is_slow = true;
    for (size_t len = 100; len <= 1000; len += 900) {
        Answer answer;
        fixture->len = len;
        client_ask(fixture->port, "HEAD /parts HTTP/1.1\r\n" HOST "\r\n", &answer);
        assert_int_equal(answer.status, 200);
        assert_int_equal(answer_header(&answer, "Content-Length") != NULL, len == 100);
        await(&fixture->released);
        answer_done(&answer);
    }
}

static void a_part_alone_is_the_body(void **state)
{
    Fixture *fixture = *state;

    fixture->len = 1;
    fixture->is_multipart = false;
    for (unsigned i = 0; i < 8; i++) {
        Answer answer;
        fixture->part_bytes = 20000;
        fixture->is_work = i & 1;
        fixture->is_in_memory = (i & 3) == 3;
        fixture->runs = i & 4 ? 3 : 1;
        COR_CLEANUP(cor_freep) uint8_t *content = content_of(0, fixture->part_bytes);
        ask(fixture, &answer);
        assert_int_equal(answer.status, 200);
        assert_int_equal(answer.size, fixture->part_bytes);
        assert_memory_equal(answer.body, content, answer.size);
        await(&fixture->released);
        answer_done(&answer);
    }
}

static void a_failure_of_the_first_part_is_a_status(void **state)
{
    Fixture *fixture = *state;

    fixture->len = 3;
    fixture->part_bytes = 1000;
    fixture->fails_at = 0;
    for (unsigned i = 0; i < 4; i++) {
        Answer answer;
        fixture->is_work = i & 1;
        fixture->is_multipart = i & 2;
        ask(fixture, &answer);
        assert_int_equal(answer.status, 406);
        await(&fixture->released);
        answer_done(&answer);
    }
}

static void a_failure_later_cuts_the_connection(void **state)
{
    Fixture *fixture = *state;

    fixture->len = 40;
    fixture->part_bytes = SIZE_MAX_PART;
    for (unsigned i = 0; i < 8; i++) {
        Answer answer;
        fixture->is_work = i & 1;
        fixture->made_bytes_max = i & 4;
        fixture->fails_at = i & 2 ? NEVER : 30;
        fixture->lies_at = i & 2 ? 30 : NEVER;
        int fd = client_connect(fixture->port);
        assert_true(client_say(fd, "GET /parts HTTP/1.1\r\n" HOST "\r\n"));
        assert_false(client_read_answer(fd, &answer, false));
        assert_int_equal(answer.status, 200);
        await(&fixture->released);
        answer_done(&answer);
        (void) close(fd);
    }
}

static void a_peer_that_leaves_releases_everything(void **state)
{
    Fixture *fixture = *state;

    fixture->len = 1000;
    fixture->part_bytes = SIZE_MAX_PART;
    for (unsigned i = 0; i < 16; i++) {
        Answer answer = {0};
        fixture->is_work = i & 1;
        fixture->made_bytes_max = i & 4;
        int fd = client_connect(fixture->port);
        assert_true(client_say(fd, "GET /parts HTTP/1.1\r\n" HOST "\r\n"));
        if (i & 2) {
            assert_true(client_read_head(fd, &answer));
        }
        (void) close(fd);
        await(&fixture->released);
    }
    assert_true(atomic_load(&fixture->opens) < 16 * 100);
}

static void parts_are_made_ahead_of_their_turn(void **state)
{
    Fixture *fixture = *state;
    Answer answer;

    fixture->len = 9;
    fixture->part_bytes = 1000;
    fixture->is_work = true;
    fixture->made_bytes_max = 1000;
    for (size_t i = 1; i + 1 < fixture->len; i++) { /* the first one is made before the answer */
        fixture->waits_at = i;
        ask(fixture, &answer);
        check_multipart(fixture, &answer);
        await(&fixture->released);
        answer_done(&answer);
    }
}

static void large_parts_and_stored_ones_wait_for_their_turn(void **state)
{
    Fixture *fixture = *state;

    fixture->len = 20;
    fixture->part_bytes = 1000;
    for (int i = 0; i < 2; i++) {
        Answer answer;
        fixture->is_work = i == 0;
        fixture->made_bytes_max = i == 0 ? (uint64_t) 1 << 30 : 1000;
        ask(fixture, &answer);
        check_multipart(fixture, &answer);
        assert_int_equal(atomic_load(&fixture->at_work_max), 1);
        await(&fixture->released);
        answer_done(&answer);
    }
}

static void a_head_opens_nothing(void **state)
{
    Fixture *fixture = *state;

    fixture->len = 40;
    fixture->part_bytes = 1000;
    for (unsigned i = 0; i < 2; i++) {
        Answer answer;
        fixture->is_work = i & 1;
        client_ask(fixture->port, "HEAD /parts HTTP/1.1\r\n" HOST "\r\n", &answer);
        assert_int_equal(answer.status, 200);
        assert_int_equal(answer_header(&answer, "Content-Length") != NULL, !fixture->is_work);
        await(&fixture->released);
        answer_done(&answer);
    }
    assert_int_equal(atomic_load(&fixture->opens), 0);
}

static void boundaries_are_the_same_for_the_same_answer_only(void **state)
{
    char one[COR_BUNDLE_BOUNDARY_SIZE];
    char same[COR_BUNDLE_BOUNDARY_SIZE];
    char other[COR_BUNDLE_BOUNDARY_SIZE];
    (void) state;

    cor_dicomweb_priv_bundle_boundary("a", one);
    cor_dicomweb_priv_bundle_boundary("a", same);
    cor_dicomweb_priv_bundle_boundary("b", other);
    assert_int_equal(strlen(one), COR_BUNDLE_BOUNDARY_SIZE - 1);
    assert_string_equal(one, same);
    assert_string_not_equal(one, other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_same_bytes_arrive_whichever_way_they_go, start, stop),
        cmocka_unit_test_setup_teardown(the_size_of_many_parts_is_not_asked_for_if_that_is_slow,
                                        start, stop),
        cmocka_unit_test_setup_teardown(a_part_alone_is_the_body, start, stop),
        cmocka_unit_test_setup_teardown(a_failure_of_the_first_part_is_a_status, start, stop),
        cmocka_unit_test_setup_teardown(a_failure_later_cuts_the_connection, start, stop),
        cmocka_unit_test_setup_teardown(a_peer_that_leaves_releases_everything, start, stop),
        cmocka_unit_test_setup_teardown(parts_are_made_ahead_of_their_turn, start, stop),
        cmocka_unit_test_setup_teardown(large_parts_and_stored_ones_wait_for_their_turn, start,
                                        stop),
        cmocka_unit_test_setup_teardown(a_head_opens_nothing, start, stop),
        cmocka_unit_test(boundaries_are_the_same_for_the_same_answer_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The child's loop.  In this order: look at descriptor 3, close everything else, print nowhere, die
 * with the parent; read `hello`; load what needs files; close the sandbox; answer requests.
 *
 * Descriptors 0 to 2 go to /dev/null because the libraries that read DICOM files may print what
 * they read (invariant 7); only builds with sanitizers keep 2, for their reports.
 *
 * Memory: one malloc arena, and what is free goes back to the system when nothing has been asked
 * for a moment; so hosts cost little while they wait and nothing extra while they work.
 */
#include "host/host.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "base/fd.h"
#include "base/string.h"
#include "base/time.h"
#include "host/host-memfd.h"
#include "host/host-op.h"
#include "host/host-pool.h"
#include "host/host-protocol.h"
#include "host/host-sandbox.h"

enum {
    PROGRESS_MS = 50,
    KEEP_BYTES = 32 * 1024 * 1024, /* buffers up to this size are kept between requests */
    IDLE_TRIM_MS = 300,            /* free memory goes back after so much silence */
    CANCEL_READ_MS = 1000,         /* for the rest of a frame that has begun to arrive */
    SEND_MS = 60 * 60 * 1000 /* the other side may be slow to store; its end wakes us anyway */
};

struct CorHostContext {
    const CorHostService *service;
    CorHostReader reader;
    int64_t id; /* of the request that is being answered */
    int *fds;
    json_t **inputs; /* one per descriptor, each may be NULL */
    size_t fd_len;
    size_t fd_room;
    bool has_progress; /* one has been sent */
    int64_t progress_ms;
    bool is_lost; /* the other side is gone or broke the protocol */
    size_t frame_max_bytes;
    size_t memory_max_bytes;
    const char *text_name; /* of a member that the result gets as text, or NULL */
    char *text;            /* owned */
    const char *annex;     /* in the memory of text, or NULL */
    size_t annex_size;
};

size_t cor_host_priv_frame_max(const CorHostContext *context)
{
    return context->frame_max_bytes;
}

size_t cor_host_priv_memory_max(const CorHostContext *context)
{
    return context->memory_max_bytes;
}

size_t cor_host_priv_input_len(const CorHostContext *context)
{
    return context->fd_len;
}

int cor_host_priv_input_fd(const CorHostContext *context, size_t i)
{
    return context->fds[i];
}

const json_t *cor_host_priv_input_json(const CorHostContext *context, size_t i)
{
    return context->inputs[i];
}

void cor_host_priv_input_close(CorHostContext *context, size_t i)
{
    cor_fd_closep(&context->fds[i]);
}

static void forget_inputs(CorHostContext *context)
{
    for (size_t i = 0; i < context->fd_len; i++) {
        cor_fd_closep(&context->fds[i]);
        json_decref(context->inputs[i]);
    }
    free(context->fds);
    free(context->inputs);
    context->fds = NULL;
    context->inputs = NULL;
    context->fd_len = 0;
    context->fd_room = 0;
}

/* Move a frame's descriptors and what is said of them behind those that are there. */
static bool keep_inputs(CorHostContext *context, CorHostFrame *frame, CorError *err)
{
    const json_t *inputs = json_object_get(frame->json, "inputs");
    size_t total = context->fd_len + frame->fd_len;

    if (inputs && (!json_is_array(inputs) || json_array_size(inputs) != frame->fd_len)) {
        return cor_fail(err, COR_ERR_INVALID, "inputs do not match their descriptors");
    }
    if (total > COR_HOST_INPUT_MAX + COR_HOST_PART_MAX) {
        return cor_fail(err, COR_ERR_LIMIT, "more than %d inputs", COR_HOST_INPUT_MAX);
    }
    if (total > context->fd_room) {
        size_t room = COR_MAX(total, 2 * context->fd_room);
        int *fds = reallocarray(context->fds, room, sizeof(*fds));
        if (!fds) {
            return cor_fail(err, COR_ERR_NOMEM, "out of memory for inputs");
        }
        context->fds = fds;
        json_t **items = reallocarray(context->inputs, room, sizeof(json_t *));
        if (!items) {
            return cor_fail(err, COR_ERR_NOMEM, "out of memory for inputs");
        }
        context->inputs = items;
        context->fd_room = room;
    }
    for (size_t i = 0; i < frame->fd_len; i++) {
        context->fds[context->fd_len] = COR_TAKE_FD(frame->fds[i]);
        context->inputs[context->fd_len++] = json_incref(json_array_get(inputs, i));
    }
    frame->fd_len = 0;
    return true;
}

/* The body of an answer; in a result the member that is text already stands before the last brace,
 * and the annex behind it. */
static void append_answer(const CorHostContext *context, const char *json, bool is_result,
                          CorString *body)
{
    if (!is_result || !context->text) {
        cor_string_append_text(body, json);
        return;
    }
    cor_string_append(body, json, strlen(json) - 1);
    cor_string_printf(body, ",\"%s\":", context->text_name);
    cor_string_append_text(body, context->text);
    cor_string_append(body, "}", 1);
    if (context->annex) {
        cor_string_append(body, "", 1); /* with its NUL */
        cor_string_append(body, context->annex, context->annex_size);
    }
}

/* Send an answer; takes the reference, NULL is a lack of memory. */
static bool answer(CorHostContext *context, const char *kind, json_t *json, int fd, CorError *err)
{
    CorHostWait wait = {.fd = COR_HOST_FD, .wake_fd = -1, .deadline_ms = cor_time_ms() + SEND_MS};
    COR_CLEANUP(cor_json_freep) json_t *owned = json;
    COR_CLEANUP(cor_freep) char *text = NULL;
    COR_CLEANUP(cor_string_freep) CorString *body = cor_string_new(COR_HOST_FRAME_MAX);
    CorError why = {0};

    if (owned && json_object_set_new(owned, "answer", json_string(kind)) == 0 &&
        json_object_set_new(owned, "id", json_integer(context->id)) == 0 &&
        (fd < 0 || json_object_set_new(owned, "fds", json_integer(1)) == 0)) {
        text = cor_json_text(owned);
    }
    if (!text) {
        return cor_fail(err, COR_ERR_NOMEM, "out of memory for an answer");
    }
    append_answer(context, text, strcmp(kind, "result") == 0, body);
    if (!cor_string_check(body, err)) {
        return false;
    }
    if (cor_host_priv_send_body(&wait, cor_string_text(body), cor_string_size(body), &fd,
                                fd >= 0 ? 1 : 0, &why)) {
        return true;
    }
    context->is_lost = true; /* part of it may have been sent */
    return cor_fail(err, why.code, "%s", why.text);
}

void cor_host_priv_result_text(CorHostContext *context, const char *name, char *text,
                               const char *annex, size_t annex_size)
{
    free(context->text);
    context->text_name = name;
    context->text = text;
    context->annex = annex;
    context->annex_size = annex_size;
}

/* Something has arrived while an operation runs: only a cancel may. */
static bool take_interruption(CorHostContext *context, CorError *err)
{
    CorHostWait wait = {
        .fd = COR_HOST_FD, .wake_fd = -1, .deadline_ms = cor_time_ms() + CANCEL_READ_MS};
    CorHostFrame frame = {0};

    if (!cor_host_priv_receive(&context->reader, &wait, &frame, err)) {
        context->is_lost = true;
        return false;
    }
    bool is_cancel = strcmp(cor_json_string(frame.json, "op", ""), "cancel") == 0;
    bool is_ours = cor_json_integer(frame.json, "id", -1) == context->id;
    cor_host_priv_frame_done(&frame);
    if (!is_cancel) {
        context->is_lost = true;
        return cor_fail(err, COR_ERR_CORRUPT, "a request came before the last was answered");
    }
    return !is_ours || cor_fail(err, COR_ERR_CANCELLED, "the request was cancelled");
}

bool cor_host_priv_check(CorHostContext *context, CorError *err)
{
    struct pollfd fd = {.fd = COR_HOST_FD, .events = POLLIN};

    while (poll(&fd, 1, 0) > 0) {
        if (!take_interruption(context, err)) {
            return false;
        }
    }
    return true;
}

bool cor_host_priv_progress(CorHostContext *context, double fraction, const char *stage,
                            CorError *err)
{
    int64_t now_ms = cor_time_ms();

    if (!cor_host_priv_check(context, err)) {
        return false;
    }
    if (context->has_progress && fraction < 1.0 && now_ms - context->progress_ms < PROGRESS_MS) {
        return true;
    }
    context->has_progress = true;
    context->progress_ms = now_ms;
    return answer(context, "progress",
                  json_pack("{s:f, s:s}", "fraction", fraction, "stage", stage), -1, err);
}

static bool send_sealed(CorHostContext *context, json_t *output, int fd, uint64_t size,
                        CorError *err)
{
    if (!output || json_object_set_new(output, "size", json_integer((json_int_t) size)) < 0) {
        return cor_fail(err, COR_ERR_NOMEM, "out of memory for an answer");
    }
    return answer(context, "output", json_incref(output), fd, err);
}

bool cor_host_priv_output(CorHostContext *context, json_t *output, const void *data, size_t size,
                          CorError *err)
{
    COR_CLEANUP(cor_fd_closep) int fd = -1;

    return cor_host_priv_memfd_new("corsia-output", data, size, &fd, err) &&
           send_sealed(context, output, fd, size, err);
}

bool cor_host_priv_output_fd(CorHostContext *context, json_t *output, int fd, CorError *err)
{
    uint64_t size = 0;

    return cor_host_priv_memfd_seal(fd, err) && cor_host_priv_memfd_check(fd, &size, err) &&
           send_sealed(context, output, fd, size, err);
}

/* Answer with an error; the host lives on unless even that cannot be sent. */
static void answer_error(CorHostContext *context, const CorError *why)
{
    if (context->is_lost) {
        return;
    }
    json_t *json =
        json_pack("{s:s, s:s}", "code", cor_error_code_name(why->code), "message", why->text);
    if (!answer(context, "error", json, -1, NULL)) {
        context->is_lost = true;
    }
}

static const CorHostOperation *find_operation(const CorHostService *service, const char *name)
{
    for (size_t i = 0; i < service->operation_len; i++) {
        if (strcmp(service->operations[i].name, name) == 0) {
            return &service->operations[i];
        }
    }
    return NULL;
}

static void run_operation(CorHostContext *context, const char *name, const json_t *request)
{
    const CorHostOperation *operation = find_operation(context->service, name);
    json_t *result = NULL;
    CorError why = {0};

    context->has_progress = false;
    if (!operation) {
        (void) cor_fail(&why, COR_ERR_UNSUPPORTED, "the host does not know this operation");
    } else if (operation->run(context, request, &result, &why)) {
        if (!answer(context, "result", result, -1, &why)) {
            answer_error(context, &why);
        }
        return;
    } else if (why.code == COR_OK) {
        cor_error_wrap(&why, "operation %s", operation->name); /* a silent failure is ours */
    }
    answer_error(context, &why);
}

static void handle(CorHostContext *context, CorHostFrame *frame)
{
    const char *name = cor_json_string(frame->json, "op", "");
    int64_t id = cor_json_integer(frame->json, "id", -1);
    CorError why = {0};

    if (strcmp(name, "cancel") == 0) {
        return; /* too late: that request has been answered */
    }
    context->id = id;
    if (!keep_inputs(context, frame, &why)) {
        /* An input frame has no answer of its own, so the conversation cannot go on. */
        context->is_lost = strcmp(name, "input") == 0;
        answer_error(context, &why);
        forget_inputs(context);
        return;
    }
    if (strcmp(name, "input") != 0) {
        run_operation(context, name, frame->json);
        cor_host_priv_result_text(context, NULL, NULL, NULL, 0);
        forget_inputs(context);
    }
}

/* Wait for the next frame; give memory back when none comes for a while. */
static bool next_frame(CorHostContext *context, CorHostFrame *ret_frame, CorError *err)
{
    CorHostWait wait = {
        .fd = COR_HOST_FD, .wake_fd = -1, .deadline_ms = cor_time_ms() + IDLE_TRIM_MS};

    if (cor_host_priv_receive(&context->reader, &wait, ret_frame, err)) {
        return true;
    }
    if (err->code != COR_ERR_TIMEOUT) {
        return false;
    }
    (void) malloc_trim(0);
    wait.deadline_ms = -1;
    return cor_host_priv_receive(&context->reader, &wait, ret_frame, err);
}

static json_t *layer_names(unsigned layers)
{
    json_t *names = json_array();

    for (unsigned bit = 0; names && cor_host_priv_layer_name(bit); bit++) {
        if (layers & (1u << bit)) {
            (void) json_array_append_new(names, json_string(cor_host_priv_layer_name(bit)));
        }
    }
    return names;
}

static json_t *operation_names(const CorHostService *service)
{
    json_t *names = json_array();

    for (size_t i = 0; names && i < service->operation_len; i++) {
        (void) json_array_append_new(names, json_string(service->operations[i].name));
    }
    return names;
}

/* Load, lock up, and say hello. */
static bool greet(CorHostContext *context, const json_t *hello, CorError *err)
{
    const CorHostService *service = context->service;
    unsigned layers = 0;
    CorHostSandboxOptions options = {
        .is_strict = strcmp(cor_json_string(hello, "sandbox", "strict"), "best-effort") != 0,
        .memory_max_bytes = (uint64_t) COR_MAX(cor_json_integer(hello, "memory_max", 0), 0),
        .nofile_max = (uint64_t) COR_MAX(cor_json_integer(hello, "nofile_max", 0), 0),
    };

    context->id = cor_json_integer(hello, "id", -1);
    context->frame_max_bytes = (size_t) COR_MAX(cor_json_integer(hello, "frame_max", 0), 0);
    context->memory_max_bytes = options.memory_max_bytes;
    if (strcmp(cor_json_string(hello, "op", ""), "hello") != 0 ||
        cor_json_integer(hello, "protocol", -1) != COR_HOST_PROTOCOL) {
        return cor_fail(err, COR_ERR_INVALID, "no hello of version %d of the protocol",
                        COR_HOST_PROTOCOL);
    }
    if (service->init && !service->init(err)) {
        return false;
    }
    if (!cor_host_priv_sandbox(&options, &layers, err)) {
        return false;
    }
    json_t *algorithms = service->describe ? service->describe() : json_array();
    return answer(context, "result",
                  json_pack("{s:i, s:s, s:s, s:i, s:o, s:o, s:o}", "protocol", COR_HOST_PROTOCOL,
                            "program", "corsia", "version", COR_VERSION, "pid", (int) getpid(),
                            "layers", layer_names(layers), "operations", operation_names(service),
                            "algorithms", algorithms),
                  -1, err);
}

/* The first frame must be a hello; without one there is no sandbox, so nothing is done. */
static bool begin(CorHostContext *context)
{
    CorHostWait wait = {.fd = COR_HOST_FD, .wake_fd = -1, .deadline_ms = -1};
    CorHostFrame frame = {0};
    CorError why = {0};

    if (!cor_host_priv_receive(&context->reader, &wait, &frame, &why)) {
        return false;
    }
    bool ok = greet(context, frame.json, &why);
    if (!ok) {
        answer_error(context, &why);
    }
    cor_host_priv_frame_done(&frame);
    (void) malloc_trim(0); /* of loading and of building the filter */
    return ok;
}

/* Whoever started us may have had secrets in the environment; few settings are for hosts. */
static bool clean_environment(void)
{
    static const char *const kept[] = {
        "CORSIA_SIMD",
#ifdef COR_FAILPOINTS
        "COR_BREAK_RENDITION", /* host-renditions.c */
#endif
    };
    char values[COR_ARRAY_LEN(kept)][32];

    for (size_t i = 0; i < COR_ARRAY_LEN(kept); i++) {
        const char *value = getenv(kept[i]);
        (void) snprintf(values[i], sizeof(values[i]), "%s", value ? value : "");
    }
    bool ok = clearenv() == 0 && setenv("PATH", "/usr/bin:/bin", 1) == 0 &&
              setenv("LC_ALL", "C.UTF-8", 1) == 0;
    for (size_t i = 0; i < COR_ARRAY_LEN(kept); i++) {
        ok = ok && (!values[i][0] || setenv(kept[i], values[i], 1) == 0);
    }
    return ok;
}

/* The kernel takes a host before the server (proc(5)). */
static void prefer_for_oom(void)
{
    static const char score[] = "500";
    COR_CLEANUP(cor_fd_closep) int fd = -1;

    fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (fd >= 0) {
        (void) !write(fd, score, sizeof(score) - 1); /* only a wish */
    }
}

static bool redirect(int fd, int flags)
{
    int null = open("/dev/null", flags | O_CLOEXEC);

    if (null < 0 || null == fd) {
        return null == fd; /* it was closed and is this one now */
    }
    bool ok = dup2(null, fd) == fd;
    (void) close(null);
    return ok;
}

/* Keep descriptor 3 and nothing else. */
static bool clean_up(void)
{
    int type = 0;
    socklen_t size = sizeof(type);

    if (getsockopt(COR_HOST_FD, SOL_SOCKET, SO_TYPE, &type, &size) < 0 || type != SOCK_STREAM) {
        static const char text[] = "corsia host: started by the server, not by hand\n";
        (void) !write(STDERR_FILENO, text, sizeof(text) - 1);
        return false;
    }
    (void) prctl(PR_SET_NAME, "corsia-host", 0, 0, 0);
    (void) prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0); /* too late is told by end of file on 3 */
    if (!clean_environment() || close_range(COR_HOST_FD + 1, ~0U, 0) < 0 ||
        !redirect(STDIN_FILENO, O_RDONLY) || !redirect(STDOUT_FILENO, O_WRONLY)) {
        return false;
    }
#ifndef COR_SANITIZED
    if (!redirect(STDERR_FILENO, O_WRONLY)) {
        return false;
    }
#endif
    (void) signal(SIGXFSZ, SIG_IGN); /* too large a file is an error, not a death */
    (void) signal(SIGPIPE, SIG_IGN);
    (void) mallopt(M_ARENA_MAX, 1);
    (void) mallopt(M_MMAP_THRESHOLD,
                   KEEP_BYTES); /* pictures are not paged in anew for each slice */
    (void) mallopt(M_TRIM_THRESHOLD, 2 * KEEP_BYTES);
    prefer_for_oom();
    return true;
}

int cor_host_serve(const CorHostService *service)
{
    CorHostContext context = {.service = service};
    CorError why = {0};

    if (!clean_up() || !begin(&context)) {
        cor_host_priv_reader_done(&context.reader);
        return 1;
    }
    while (!context.is_lost) {
        CorHostFrame frame = {0};

        why.code = COR_OK;
        if (!next_frame(&context, &frame, &why)) {
            break;
        }
        handle(&context, &frame);
        cor_host_priv_frame_done(&frame);
    }
    forget_inputs(&context);
    cor_host_priv_reader_done(&context.reader);
    return why.code == COR_ERR_HOST_LOST && !context.is_lost ? 0 : 1;
}

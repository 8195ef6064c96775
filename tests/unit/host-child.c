/* SPDX-License-Identifier: Apache-2.0 */
/* A host that misbehaves when asked to: the tests of the pool start themselves as one. */
#include "host-child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host/host-op.h"
#include "host/host-protocol.h"

enum { CHUNK_BYTES = 1024 * 1024 };

/* Answer what came: the text, and how many descriptors and what they hold. */
static bool echo(CorHostContext *context, const json_t *request, json_t **ret_result, CorError *err)
{
    json_t *contents = json_array();

    (void) err;
    for (size_t i = 0; i < cor_host_priv_input_len(context); i++) {
        char text[32] = "";
        ssize_t size = pread(cor_host_priv_input_fd(context, i), text, sizeof(text) - 1, 0);
        const json_t *said = cor_host_priv_input_json(context, i);
        (void) size;
        (void) json_array_append_new(contents, json_pack("{s:s, s:s}", "content", text, "name",
                                                         cor_json_string(said, "name", "")));
    }
    *ret_result =
        json_pack("{s:s, s:o}", "text", cor_json_string(request, "text", ""), "contents", contents);
    return true;
}

static bool crash(CorHostContext *context, const json_t *request, json_t **ret_result,
                  CorError *err)
{
    (void) context;
    (void) ret_result;
    (void) err;
    /* Not a null pointer: sanitizers turn that into an orderly end. */
    (void) signal((int) cor_json_integer(request, "signal", SIGKILL), SIG_DFL);
    (void) raise((int) cor_json_integer(request, "signal", SIGKILL));
    _exit(3);
}

/* Say that work has begun, then neither work nor listen. */
static bool hang(CorHostContext *context, const json_t *request, json_t **ret_result, CorError *err)
{
    (void) request;
    (void) ret_result;
    if (!cor_host_priv_progress(context, 0, "hang", err)) {
        return false;
    }
    for (;;) {
        (void) poll(NULL, 0, 1000);
    }
}

/* Work that reports and can be cancelled; it ends when told to or after `steps`. */
static bool work(CorHostContext *context, const json_t *request, json_t **ret_result, CorError *err)
{
    int64_t steps = cor_json_integer(request, "steps", 10);

    for (int64_t i = 0; i <= steps; i++) {
        if (!cor_host_priv_progress(context, (double) i / (double) steps, "compute", err)) {
            return false;
        }
        (void) poll(NULL, 0, 1);
    }
    *ret_result = json_pack("{s:I}", "steps", (json_int_t) steps);
    return true;
}

/* Shared memory is what the limit on private memory does not see: only the pool's watch does. */
static bool grow(CorHostContext *context, const json_t *request, json_t **ret_result, CorError *err)
{
    (void) context;
    (void) request;
    (void) ret_result;
    for (;;) {
        void *chunk =
            mmap(NULL, CHUNK_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (chunk == MAP_FAILED) {
            return cor_fail_errno(err, errno, "grow");
        }
        memset(chunk, 1, CHUNK_BYTES);
        (void) poll(NULL, 0, 1);
    }
}

/* Private memory up to the wall; without a wall this ends by the pool's watch. */
static bool grow_private(CorHostContext *context, const json_t *request, json_t **ret_result,
                         CorError *err)
{
    (void) context;
    (void) request;
    (void) ret_result;
    for (;;) {
        void *chunk =
            mmap(NULL, CHUNK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (chunk == MAP_FAILED) {
            return cor_fail(err, COR_ERR_NOMEM, "out of memory");
        }
        memset(chunk, 1, CHUNK_BYTES);
    }
}

static bool outputs(CorHostContext *context, const json_t *request, json_t **ret_result,
                    CorError *err)
{
    int64_t len = cor_json_integer(request, "len", 1);

    for (int64_t i = 0; i < len; i++) {
        json_t *output = json_pack("{s:s, s:I}", "role", "overlay", "source", (json_int_t) i);
        bool ok = cor_host_priv_output(context, output, &i, sizeof(i), err);
        json_decref(output);
        if (!ok) {
            return false;
        }
    }
    *ret_result = json_pack("{s:b}", "found", 1);
    return true;
}

/* Send a descriptor that we could still change. */
static bool cheat(CorHostContext *context, const json_t *request, json_t **ret_result,
                  CorError *err)
{
    CorHostWait wait = {.fd = COR_HOST_FD, .wake_fd = -1, .deadline_ms = -1};
    int fd = memfd_create("cheat", MFD_CLOEXEC);
    json_t *json = json_pack("{s:s, s:I}", "answer", "output", "id",
                             (json_int_t) cor_json_integer(request, "id", 0));

    (void) context;
    bool ok = cor_host_priv_send(&wait, json, &fd, 1, err);
    json_decref(json);
    (void) close(fd);
    *ret_result = json_object();
    return ok;
}

static bool babble(CorHostContext *context, const json_t *request, json_t **ret_result,
                   CorError *err)
{
    (void) context;
    (void) request;
    (void) err;
    *ret_result = json_object();
    return write(COR_HOST_FD, "\xff\xff\xff\xff{}", 6) == 6;
}

static bool refuse(CorHostContext *context, const json_t *request, json_t **ret_result,
                   CorError *err)
{
    (void) context;
    (void) ret_result;
    return cor_fail(err, cor_error_code_from_name(cor_json_string(request, "code", "invalid")),
                    "slice 1.2.3: no");
}

/* What of the outside can still be reached?  Everything that must fail, by name. */
static bool probe(CorHostContext *context, const json_t *request, json_t **ret_result,
                  CorError *err)
{
    char *const arguments[] = {(char *) (uintptr_t) "/bin/true", NULL};
    json_t *reached = json_object();
    struct rlimit core = {0};

    (void) context;
    (void) request;
    (void) err;
    (void) getrlimit(RLIMIT_CORE, &core);
    (void) json_object_set_new(reached, "read",
                               json_boolean(open("/etc/passwd", O_RDONLY | O_CLOEXEC) >= 0));
    (void) json_object_set_new(
        reached, "create",
        json_boolean(open("/tmp/corsia-probe", O_WRONLY | O_CREAT | O_CLOEXEC, 0600) >= 0));
    (void) json_object_set_new(reached, "socket",
                               json_boolean(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0) >= 0));
    (void) json_object_set_new(reached, "parent", json_boolean(kill(getppid(), 0) == 0));
    (void) json_object_set_new(reached, "fork", json_boolean(fork() >= 0));
    (void) json_object_set_new(reached, "exec", json_boolean(execv(arguments[0], arguments) == 0));
    (void) json_object_set_new(
        reached, "write_and_execute",
        json_boolean(mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
                          MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED));
    (void) json_object_set_new(reached, "core", json_boolean(core.rlim_max > 0));
    *ret_result = json_pack("{s:o}", "reached", reached);
    return true;
}

/* Which descriptors and which environment did we get? */
static bool belongings(CorHostContext *context, const json_t *request, json_t **ret_result,
                       CorError *err)
{
    json_t *fds = json_array();
    json_t *names = json_array();

    (void) context;
    (void) request;
    (void) err;
    for (int fd = 0; fd < 256; fd++) {
        if (fcntl(fd, F_GETFD) >= 0) {
            (void) json_array_append_new(fds, json_integer(fd));
        }
    }
    for (char **variable = environ; *variable; variable++) {
        (void) json_array_append_new(names, json_string(*variable));
    }
    *ret_result = json_pack("{s:o, s:o}", "open", fds, "environment", names);
    return true;
}

/* A record whose attributes are whatever the input says behind its first letter: as an annex, as a
 * file, or not at all. */
static bool index_anything(CorHostContext *context, const json_t *request, json_t **ret_result,
                           CorError *err)
{
    static char text[256];
    ssize_t size = pread(cor_host_priv_input_fd(context, 0), text, sizeof(text), 0);
    bool is_annex = size > 0 && text[0] == 'a';
    bool is_file = size > 0 && text[0] == 'f';

    (void) request;
    *ret_result = json_object();
    cor_host_priv_result_text(context, "record", strdup("{\"rows\":7}"), is_annex ? text + 1 : NULL,
                              is_annex ? (size_t) size - 1 : 0);
    if (is_file) {
        json_t *output = json_pack("{s:s}", "role", "attributes");
        bool ok = cor_host_priv_output(context, output, text + 1, (size_t) size - 1, err);
        json_decref(output);
        return ok;
    }
    return true;
}

int host_child_main(void)
{
    static const CorHostOperation operations[] = {
        {"echo", echo},
        {"crash", crash},
        {"hang", hang},
        {"work", work},
        {"grow", grow},
        {"grow_private", grow_private},
        {"cheat", cheat},
        {"babble", babble},
        {"outputs", outputs},
        {"refuse", refuse},
        {"probe", probe},
        {"belongings", belongings},
        {"index", index_anything},
    };
    static const CorHostService service = {
        .operations = operations,
        .operation_len = sizeof(operations) / sizeof(operations[0]),
    };

    return cor_host_serve(&service);
}

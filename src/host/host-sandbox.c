/* SPDX-License-Identifier: Apache-2.0 */
/* Landlock is called by number, since Debian 12's C library has no wrappers and its headers stop at
 * ABI 2; a kernel takes a larger structure as long as what it does not know is zero
 * (landlock_create_ruleset(2)).
 *
 * The seccomp filter is an allow-list: a system call that is not on it fails with EPERM, as if the
 * kernel had been built without it; opening and looking at paths fails with EACCES, clone3 with
 * ENOSYS (callers then try clone, which fails).  Nothing is killed for trying, because a C library
 * tries many things on its way to an answer.
 *
 * Sanitizers keep shadow memory of many TB, open files for their reports and call what no list
 * foresees, so in such builds memory is not limited and Landlock and seccomp are not put up.
 */
#include "host/host-sandbox.h"

#include <errno.h>
#include <linux/landlock.h>
#include <seccomp.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "base/fd.h"
#include "host/host-pool.h"

static bool no_new_privs(void)
{
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0;
}

/* Set both limits to a value, or to the hard limit if that is lower. */
static bool limit(int resource, rlim_t value)
{
    struct rlimit old;
    struct rlimit now = {.rlim_cur = value, .rlim_max = value};

    if (getrlimit((__rlimit_resource_t) resource, &old) < 0) {
        return false;
    }
    if (old.rlim_max != RLIM_INFINITY && old.rlim_max < value) {
        now.rlim_cur = old.rlim_max;
        now.rlim_max = old.rlim_max;
    }
    return setrlimit((__rlimit_resource_t) resource, &now) == 0;
}

#ifdef COR_SANITIZED

static bool limit_memory(uint64_t max_bytes)
{
    (void) max_bytes;
    return true; /* the parent watches it */
}

static bool landlock(void)
{
    return false;
}

static bool seccomp_filter(void)
{
    return false;
}

#else

/* Private writable memory: the heap, stacks and anonymous maps, not the mapped inputs
 * (setrlimit(2)).  What is in use now comes on top. */
static bool limit_memory(uint64_t max_bytes)
{
    unsigned long long pages = 0;
    FILE *file = fopen("/proc/self/statm", "re");

    if (max_bytes == 0) {
        max_bytes = RLIM_INFINITY;
    } else if (file && fscanf(file, "%*s %*s %*s %*s %*s %llu", &pages) == 1) {
        max_bytes += pages * (uint64_t) sysconf(_SC_PAGESIZE);
    }
    if (file) {
        (void) fclose(file);
    }
    return limit(RLIMIT_DATA, max_bytes) && limit(RLIMIT_NPROC, 0);
}

/* struct landlock_ruleset_attr of ABI 6. */
struct ruleset {
    uint64_t handled_fs;
    uint64_t handled_net;
    uint64_t scoped;
};

static bool landlock(void)
{
    /* One bit more per right that an ABI brought; what is not handled is not forbidden. */
    static const uint64_t fs_rights[] = {
        0, (1u << 13) - 1, (1u << 14) - 1, (1u << 15) - 1, (1u << 15) - 1, (1u << 16) - 1};
    struct ruleset rules = {0};
    COR_CLEANUP(cor_fd_closep) int fd = -1;
    long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);

    if (abi < 1) {
        return false;
    }
    rules.handled_fs = fs_rights[COR_MIN((size_t) abi, COR_ARRAY_LEN(fs_rights) - 1)];
    rules.handled_net = abi >= 4 ? 3 : 0; /* bind and connect TCP */
    rules.scoped = abi >= 6 ? 3 : 0;      /* abstract sockets and signals of others */
    fd = (int) syscall(SYS_landlock_create_ruleset, &rules, sizeof(rules), 0);
    return fd >= 0 && syscall(SYS_landlock_restrict_self, fd, 0) == 0;
}

/* What computing on given descriptors needs. */
static const int allowed[] = {
    /* the protocol */
    SCMP_SYS(recvmsg), SCMP_SYS(sendmsg), SCMP_SYS(poll), SCMP_SYS(ppoll), SCMP_SYS(close),
    /* files that were given and memory files that are made */
    SCMP_SYS(read), SCMP_SYS(pread64), SCMP_SYS(readv), SCMP_SYS(preadv), SCMP_SYS(write),
    SCMP_SYS(pwrite64), SCMP_SYS(writev), SCMP_SYS(pwritev), SCMP_SYS(lseek), SCMP_SYS(fstat),
    SCMP_SYS(fcntl), SCMP_SYS(ftruncate), SCMP_SYS(memfd_create), SCMP_SYS(fadvise64),
    SCMP_SYS(dup),
    /* memory */
    SCMP_SYS(brk), SCMP_SYS(munmap), SCMP_SYS(mremap), SCMP_SYS(madvise),
    /* time, threads of one, signals, the end */
    SCMP_SYS(clock_gettime), SCMP_SYS(clock_getres), SCMP_SYS(clock_nanosleep), SCMP_SYS(nanosleep),
    SCMP_SYS(gettimeofday), SCMP_SYS(time), SCMP_SYS(futex), SCMP_SYS(sched_yield),
    SCMP_SYS(sched_getaffinity), SCMP_SYS(getpid), SCMP_SYS(gettid), SCMP_SYS(getppid),
    SCMP_SYS(getuid), SCMP_SYS(geteuid), SCMP_SYS(getgid), SCMP_SYS(getegid), SCMP_SYS(getrandom),
    SCMP_SYS(getrusage), SCMP_SYS(getcpu), SCMP_SYS(uname), SCMP_SYS(sysinfo),
    SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigreturn), SCMP_SYS(sigaltstack),
    SCMP_SYS(restart_syscall), SCMP_SYS(rseq), SCMP_SYS(membarrier), SCMP_SYS(exit),
    SCMP_SYS(exit_group)};

/* What fails as on a machine without files. */
static const int pathless[] = {SCMP_SYS(open),     SCMP_SYS(openat),     SCMP_SYS(openat2),
                               SCMP_SYS(stat),     SCMP_SYS(lstat),      SCMP_SYS(statx),
                               SCMP_SYS(access),   SCMP_SYS(faccessat),  SCMP_SYS(faccessat2),
                               SCMP_SYS(readlink), SCMP_SYS(readlinkat), SCMP_SYS(getcwd)};

/* Calls of which some uses are allowed. */
static bool add_conditions(scmp_filter_ctx filter)
{
    uint64_t self = (uint64_t) getpid();
    /* Memory is written or executed, never made executable. */
    int failed = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1,
                                  SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));

    failed |= seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1,
                               SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
    /* fstat() of a newer C library; a path it cannot reach anyway, under Landlock it only tells
     * that there is one. */
    failed |= seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(newfstatat), 1,
                               SCMP_A3(SCMP_CMP_MASKED_EQ, 0x1000, 0x1000)); /* AT_EMPTY_PATH */
    /* abort() */
    failed |=
        seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1, SCMP_A0(SCMP_CMP_EQ, self));
    /* Limits may be read. */
    failed |= seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(prlimit64), 2,
                               SCMP_A0(SCMP_CMP_EQ, 0), SCMP_A2(SCMP_CMP_EQ, 0));
    failed |= seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
    return failed == 0;
}

static bool seccomp_filter(void)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
    int failed = filter ? 0 : -1;

    for (size_t i = 0; failed == 0 && i < COR_ARRAY_LEN(allowed); i++) {
        failed = seccomp_rule_add(filter, SCMP_ACT_ALLOW, allowed[i], 0);
    }
    for (size_t i = 0; failed == 0 && i < COR_ARRAY_LEN(pathless); i++) {
        failed = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EACCES), pathless[i], 0);
    }
    if (failed == 0 && !add_conditions(filter)) {
        failed = -1;
    }
    failed = failed ? failed : seccomp_load(filter);
    if (filter) {
        seccomp_release(filter);
    }
    return failed == 0;
}

#endif

static bool limits(const CorHostSandboxOptions *options)
{
    rlim_t files = options->nofile_max ? options->nofile_max : RLIM_INFINITY;
    rlim_t size = options->memory_max_bytes ? options->memory_max_bytes : RLIM_INFINITY;

    return limit(RLIMIT_CORE, 0) && limit(RLIMIT_NOFILE, files) && limit(RLIMIT_FSIZE, size) &&
           limit_memory(options->memory_max_bytes);
}

bool cor_host_priv_sandbox(const CorHostSandboxOptions *options, unsigned *ret_layers,
                           CorError *err)
{
    /* In this order: limits want /proc, seccomp forbids what the others call. */
    unsigned layers = limits(options) ? COR_HOST_LAYER_RLIMITS : 0;

    layers |= no_new_privs() ? COR_HOST_LAYER_NO_NEW_PRIVS : 0;
    layers |= landlock() ? COR_HOST_LAYER_LANDLOCK : 0;
    layers |= seccomp_filter() ? COR_HOST_LAYER_SECCOMP : 0;
    if (options->is_strict && layers != (COR_HOST_LAYER_RLIMITS | COR_HOST_LAYER_NO_NEW_PRIVS |
                                         COR_HOST_LAYER_LANDLOCK | COR_HOST_LAYER_SECCOMP)) {
        return cor_fail(err, COR_ERR_UNSUPPORTED,
                        "sandbox is strict, but this system offers only%s%s%s%s",
                        layers & COR_HOST_LAYER_RLIMITS ? " rlimits" : "",
                        layers & COR_HOST_LAYER_NO_NEW_PRIVS ? " no_new_privs" : "",
                        layers & COR_HOST_LAYER_LANDLOCK ? " landlock" : "",
                        layers & COR_HOST_LAYER_SECCOMP ? " seccomp" : "");
    }
    *ret_layers = layers;
    return true;
}

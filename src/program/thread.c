/* SPDX-License-Identifier: Apache-2.0 */
#include "program/thread.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>

#include "base/array.h"
#include "base/fd.h"
#include "base/time.h"

struct CorThread {
    pthread_t id;
    char name[16]; /* the kernel keeps 15 bytes */
    void (*run)(void *);
    void *context;
};

struct CorWakeup {
    int fd;
};

static void *thread_main(void *argument)
{
    CorThread *thread = argument;

    (void) pthread_setname_np(pthread_self(), thread->name);
    thread->run(thread->context);
    return NULL;
}

/* Threads are born with all signals blocked; those that the processor raises stay deadly. */
static int create_masked(CorThread *thread, const pthread_attr_t *attributes)
{
    sigset_t all;
    sigset_t before;

    (void) sigfillset(&all);
    (void) sigdelset(&all, SIGSEGV);
    (void) sigdelset(&all, SIGBUS);
    (void) sigdelset(&all, SIGFPE);
    (void) sigdelset(&all, SIGILL);
    (void) sigdelset(&all, SIGABRT);
    (void) pthread_sigmask(SIG_BLOCK, &all, &before);
    int failure = pthread_create(&thread->id, attributes, thread_main, thread);
    (void) pthread_sigmask(SIG_SETMASK, &before, NULL);
    return failure;
}

bool cor_thread_start(const char *name, size_t stack_bytes, void (*run)(void *), void *context,
                      CorThread **ret_thread, CorError *err)
{
    pthread_attr_t attributes;
    CorThread *thread = cor_new(CorThread);

    if (!thread) {
        return cor_fail(err, COR_ERR_NOMEM, "out of memory for thread '%s'", name);
    }
    thread->run = run;
    thread->context = context;
    memcpy(thread->name, name, COR_MIN(strlen(name), sizeof(thread->name) - 1));

    int failure = pthread_attr_init(&attributes);
    if (failure == 0) {
        if (stack_bytes > 0) {
            failure = pthread_attr_setstacksize(&attributes, stack_bytes);
        }
        if (failure == 0) {
            failure = create_masked(thread, &attributes);
        }
        (void) pthread_attr_destroy(&attributes);
    }
    if (failure != 0) {
        free(thread);
        return cor_fail_errno(err, failure, "start thread '%s'", name);
    }
    *ret_thread = thread;
    return true;
}

void cor_thread_join(CorThread *thread)
{
    if (thread) {
        (void) pthread_join(thread->id, NULL);
        free(thread);
    }
}

bool cor_cond_init(pthread_cond_t *cond, CorError *err)
{
    pthread_condattr_t attributes;
    int failure = pthread_condattr_init(&attributes);

    if (failure == 0) {
        failure = pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
        if (failure == 0) {
            failure = pthread_cond_init(cond, &attributes);
        }
        (void) pthread_condattr_destroy(&attributes);
    }
    return failure == 0 || cor_fail_errno(err, failure, "make a condition variable");
}

bool cor_cond_wait_until(pthread_cond_t *cond, pthread_mutex_t *mutex, int64_t deadline_ms)
{
    struct timespec until = {
        .tv_sec = (time_t) (deadline_ms / 1000),
        .tv_nsec = (long) (deadline_ms % 1000) * 1000000,
    };

    return pthread_cond_timedwait(cond, mutex, &until) != ETIMEDOUT;
}

bool cor_wakeup_new(CorWakeup **ret_wakeup, CorError *err)
{
    CorWakeup *wakeup = cor_new(CorWakeup);

    if (!wakeup) {
        return cor_fail(err, COR_ERR_NOMEM, "out of memory for a wake-up");
    }
    wakeup->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (wakeup->fd < 0) {
        int failure = errno;
        free(wakeup);
        return cor_fail_errno(err, failure, "make an eventfd");
    }
    *ret_wakeup = wakeup;
    return true;
}

void cor_wakeup_free(CorWakeup *wakeup)
{
    if (wakeup) {
        cor_fd_closep(&wakeup->fd);
        free(wakeup);
    }
}

int cor_wakeup_fd(const CorWakeup *wakeup)
{
    return wakeup->fd;
}

void cor_wakeup_signal(CorWakeup *wakeup)
{
    int saved_errno = errno;
    uint64_t one = 1;
    ssize_t written = write(wakeup->fd, &one, sizeof(one));

    (void) written; /* fails only when the counter is full, and then the wake-up is pending */
    errno = saved_errno;
}

bool cor_wakeup_clear(CorWakeup *wakeup)
{
    uint64_t count = 0;

    return read(wakeup->fd, &count, sizeof(count)) == (ssize_t) sizeof(count);
}

bool cor_wakeup_wait_until(CorWakeup *wakeup, int64_t deadline_ms)
{
    struct pollfd waited = {.fd = wakeup->fd, .events = POLLIN};

    for (;;) {
        int64_t left_ms = deadline_ms - cor_time_ms();
        left_ms = COR_MAX(left_ms, (int64_t) 0);
        (void) poll(&waited, 1, (int) COR_MIN(left_ms, (int64_t) 1000000));
        if (cor_wakeup_clear(wakeup)) {
            return true;
        }
        if (cor_time_ms() >= deadline_ms) {
            return false;
        }
    }
}

/* SPDX-License-Identifier: Apache-2.0 */
/* One thread, an epoll, and a table of who waits by descriptor.
 *
 * An event that epoll has already handed out may be of a wait that is forgotten, and its descriptor
 * may wait anew: so events carry the number of their wait, and count only if the table still has
 * it. */
#include "http/http-room.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/array.h"
#include "program/thread.h"

enum { EVENTS = 64 };

typedef struct Wait {
    uint32_t number;             /* of the last wait for this descriptor */
    void (*ready)(void *object); /* NULL: nobody waits */
    void *object;
} Wait;

struct HttpRoom {
    int epoll;
    CorWakeup *wakeup;
    CorThread *thread;
    atomic_bool is_over;
    pthread_mutex_t mutex;
    Wait *waits; /* guarded by mutex; by descriptor */
    size_t waits_len;
};

static void tell(HttpRoom *room, uint64_t name)
{
    size_t fd = (size_t) (name & UINT32_MAX);

    (void) pthread_mutex_lock(&room->mutex);
    Wait *wait = fd < room->waits_len ? &room->waits[fd] : NULL;
    if (wait && wait->ready && wait->number == (uint32_t) (name >> 32)) {
        void (*ready)(void *) = wait->ready;
        wait->ready = NULL;
        ready(wait->object);
    }
    (void) pthread_mutex_unlock(&room->mutex);
}

static void run(void *context)
{
    HttpRoom *room = context;
    struct epoll_event events[EVENTS];

    while (!atomic_load(&room->is_over)) {
        int len = epoll_wait(room->epoll, events, EVENTS, -1);
        for (int i = 0; i < len; i++) {
            tell(room, events[i].data.u64); /* the wake-up's is nobody's */
        }
    }
}

bool cor_http_priv_room_new(HttpRoom **ret_room, CorError *err)
{
    HttpRoom *room = cor_new(HttpRoom);
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = UINT64_MAX};

    if (!room) {
        return cor_fail(err, COR_ERR_NOMEM, "out of memory for the HTTP server");
    }
    (void) pthread_mutex_init(&room->mutex, NULL);
    room->epoll = epoll_create1(EPOLL_CLOEXEC);
    bool ok = room->epoll >= 0 || cor_fail_errno(err, errno, "wait for sockets");
    ok = ok && cor_wakeup_new(&room->wakeup, err);
    if (ok && epoll_ctl(room->epoll, EPOLL_CTL_ADD, cor_wakeup_fd(room->wakeup), &event) != 0) {
        ok = cor_fail_errno(err, errno, "wait for sockets");
    }
    if (!ok ||
        !cor_thread_start("http-room", COR_THREAD_STACK_SMALL, run, room, &room->thread, err)) {
        cor_http_priv_room_free(room);
        return false;
    }
    *ret_room = room;
    return true;
}

void cor_http_priv_room_free(HttpRoom *room)
{
    if (!room) {
        return;
    }
    atomic_store(&room->is_over, true);
    if (room->thread) {
        cor_wakeup_signal(room->wakeup);
        cor_thread_join(room->thread);
    }
    cor_wakeup_free(room->wakeup);
    if (room->epoll >= 0) {
        (void) close(room->epoll);
    }
    (void) pthread_mutex_destroy(&room->mutex);
    free(room->waits);
    free(room);
}

/* Lock held. */
static bool make_place(HttpRoom *room, size_t fd)
{
    size_t len = room->waits_len ? room->waits_len : 64;

    if (fd < room->waits_len) {
        return true;
    }
    while (len <= fd) {
        len *= 2;
    }
    Wait *grown = realloc(room->waits, len * sizeof(*grown));
    if (!grown) {
        return false;
    }
    memset(grown + room->waits_len, 0, (len - room->waits_len) * sizeof(*grown));
    room->waits = grown;
    room->waits_len = len;
    return true;
}

bool cor_http_priv_room_wait(HttpRoom *room, int fd, void (*ready)(void *object), void *object)
{
    struct epoll_event event = {.events = EPOLLOUT | EPOLLONESHOT};

    (void) pthread_mutex_lock(&room->mutex);
    bool ok = make_place(room, (size_t) fd);
    if (ok) {
        Wait *wait = &room->waits[fd];
        wait->number++;
        wait->ready = ready;
        wait->object = object;
        event.data.u64 = (uint64_t) wait->number << 32 | (uint32_t) fd;
        ok = epoll_ctl(room->epoll, EPOLL_CTL_ADD, fd, &event) == 0;
        wait->ready = ok ? ready : NULL;
    }
    (void) pthread_mutex_unlock(&room->mutex);
    return ok;
}

void cor_http_priv_room_forget(HttpRoom *room, int fd)
{
    (void) pthread_mutex_lock(&room->mutex);
    (void) epoll_ctl(room->epoll, EPOLL_CTL_DEL, fd, NULL);
    if ((size_t) fd < room->waits_len) {
        room->waits[fd].ready = NULL;
    }
    (void) pthread_mutex_unlock(&room->mutex);
}

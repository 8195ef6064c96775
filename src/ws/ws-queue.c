/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "base/array.h"

#include "ws/ws-priv.h"

enum { CAPACITY_START = 4, PIECES_MAX = 64 };

static WsItem *item_at(const WsQueue *queue, size_t index)
{
    return &queue->items[(queue->head + index) % queue->capacity];
}

static bool grow(WsQueue *queue)
{
    size_t capacity = queue->capacity ? queue->capacity * 2 : CAPACITY_START;
    WsItem *items = cor_new_array(WsItem, capacity);

    if (!items) {
        return false;
    }
    for (size_t i = 0; i < queue->len; i++) {
        items[i] = *item_at(queue, i);
    }
    free(queue->items);
    queue->items = items;
    queue->capacity = capacity;
    queue->head = 0;
    return true;
}

bool cor_ws_priv_queue_push(WsQueue *queue, CorBytes *frame, bool is_text)
{
    if (queue->len == queue->capacity && !grow(queue)) {
        return false;
    }
    *item_at(queue, queue->len) = (WsItem){.frame = cor_bytes_ref(frame), .is_text = is_text};
    queue->len++;
    queue->bytes += cor_bytes_size(frame);
    return true;
}

static void pop(WsQueue *queue)
{
    cor_bytes_unref(item_at(queue, 0)->frame);
    queue->head = (queue->head + 1) % queue->capacity;
    queue->len--;
    queue->offset = 0;
}

/* Drop what waits; keep_begun spares a frame that the socket has taken in part: whatever followed
 * half a frame would be read as its rest. */
void cor_ws_priv_queue_clear(WsQueue *queue, bool keep_begun)
{
    size_t keep = keep_begun && queue->offset > 0 ? 1 : 0;

    while (queue->len > keep) {
        WsItem *item = item_at(queue, queue->len - 1);
        queue->bytes -= COR_MIN(queue->bytes, cor_bytes_size(item->frame));
        cor_bytes_unref(item->frame);
        queue->len--;
    }
    if (queue->len == 0) {
        free(queue->items);
        *queue = (WsQueue){0};
    }
}

static size_t gather(const WsQueue *queue, struct iovec *pieces)
{
    size_t len = COR_MIN(queue->len, (size_t) PIECES_MAX);

    for (size_t i = 0; i < len; i++) {
        const CorBytes *frame = item_at(queue, i)->frame;
        size_t skipped = i == 0 ? queue->offset : 0;
        pieces[i].iov_base = (void *) (uintptr_t) (cor_bytes_data(frame) + skipped);
        pieces[i].iov_len = cor_bytes_size(frame) - skipped;
    }
    return len;
}

static void take(WsQueue *queue, size_t written, uint64_t *texts_taken)
{
    queue->bytes -= written;
    while (written > 0) {
        WsItem *item = item_at(queue, 0);
        size_t left = cor_bytes_size(item->frame) - queue->offset;
        if (written < left) {
            queue->offset += written;
            return;
        }
        written -= left;
        *texts_taken += item->is_text;
        pop(queue);
    }
}

bool cor_ws_priv_queue_flush(WsQueue *queue, int fd, uint64_t *texts_taken)
{
    struct iovec pieces[PIECES_MAX];

    while (queue->len > 0) {
        struct msghdr message = {.msg_iov = pieces, .msg_iovlen = gather(queue, pieces)};
        ssize_t written = sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (written < 0 && errno == EINTR) {
            continue;
        }
        if (written < 0) {
            return errno == EAGAIN || errno == EWOULDBLOCK;
        }
        take(queue, (size_t) written, texts_taken);
    }
    cor_ws_priv_queue_clear(queue, false); /* an idle session keeps no ring */
    return true;
}

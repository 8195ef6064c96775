/* SPDX-License-Identifier: Apache-2.0 */
/* Messages: one block of memory each, texts and body behind the struct. */
#include "queue/queue-backend.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"

/* Copy size bytes and a NUL to *at and move it on. */
static const void *put(char **at, const void *bytes, size_t size)
{
    char *start = *at;

    if (size) {
        memcpy(start, bytes, size);
    }
    start[size] = '\0';
    *at = start + size + 1;
    return start;
}

static const char *put_text(char **at, const char *text)
{
    return put(at, text ? text : "", text ? strlen(text) : 0);
}

static size_t room_for(const char *text)
{
    return (text ? strlen(text) : 0) + 1;
}

CorMessage *cor_queue_priv_message_new(const CorMessageParts *parts)
{
    size_t texts = room_for(parts->group_id) + room_for(parts->dedup_id) +
                   room_for(parts->client_id) + room_for(parts->reason);
    size_t size = 0;
    CorMessage *message = NULL;
    char *at = NULL;

    if (!cor_size_add(sizeof(*message) + texts + 1, parts->body_size, &size, NULL)) {
        return NULL;
    }
    message = calloc(1, size);
    if (!message) {
        return NULL;
    }
    at = message->data;
    message->group_id = put_text(&at, parts->group_id);
    message->dedup_id = put_text(&at, parts->dedup_id);
    message->client_id = put_text(&at, parts->client_id);
    message->reason = put_text(&at, parts->reason);
    message->body = put(&at, parts->body, parts->body_size);
    message->body_size = parts->body_size;
    snprintf(message->message_id, sizeof(message->message_id), "%s", parts->message_id);
    return message;
}

void cor_message_free(CorMessage *message)
{
    free(message);
}

const char *cor_message_id(const CorMessage *message)
{
    return message->message_id;
}

const char *cor_message_group_id(const CorMessage *message)
{
    return message->group_id;
}

const char *cor_message_dedup_id(const CorMessage *message)
{
    return message->dedup_id;
}

const char *cor_message_client_id(const CorMessage *message)
{
    return message->client_id;
}

const void *cor_message_body(const CorMessage *message)
{
    return message->body;
}

size_t cor_message_size(const CorMessage *message)
{
    return message->body_size;
}

int cor_message_receives(const CorMessage *message)
{
    return message->receives;
}

int64_t cor_message_sent_unix_ms(const CorMessage *message)
{
    return message->sent_unix_ms;
}

int64_t cor_message_lease_end_ms(const CorMessage *message)
{
    return message->lease_end_ms;
}

bool cor_message_is_stale(const CorMessage *message)
{
    return message->is_stale;
}

int64_t cor_message_seq(const CorMessage *message)
{
    return message->seq;
}

const char *cor_message_reason(const CorMessage *message)
{
    return message->reason;
}

int64_t cor_message_failed_unix_ms(const CorMessage *message)
{
    return message->failed_unix_ms;
}

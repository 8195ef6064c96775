/* SPDX-License-Identifier: Apache-2.0 */
/* A fresh queue per test, a clock that the test moves, and short forms of the usual calls, which
 * fail the test when the call fails. */
#pragma once

#include "test.h"

#include <inttypes.h>
#include <stdatomic.h>

#include "base/array.h"
#include "base/time.h"
#include "queue/queue-backend.h"
#include "queue/queue.h"
#include "temp.h"

#define QUEUE_NAME "Requests-contract.fifo"

typedef struct Fixture {
    TempDir dir;
    char uri[512];
    CorQueue *queue;
    int64_t start_unix_ms;
    _Atomic int64_t now;
} Fixture;

static inline int64_t fixture_clock(void *arg)
{
    return atomic_load(&((Fixture *) arg)->now);
}

static inline void fixture_open_queue(Fixture *fixture)
{
    CorError err = {0};

    if (!cor_queue_open(fixture->uri, QUEUE_NAME, &fixture->queue, &err)) {
        fail_msg("%s", err.text);
    }
    if (!cor_queue_priv_set_clock(fixture->queue, fixture_clock, fixture)) {
        print_message("the store has its own clock\n");
    }
}

static inline int fixture_setup(void **state)
{
    const char *uri = getenv("COR_TEST_QUEUE_URI");
    Fixture *fixture = cor_new(Fixture);

    fixture->dir = temp_dir_make();
    if (!uri || strcmp(uri, "sqlite:") == 0) {
        snprintf(fixture->uri, sizeof(fixture->uri), "sqlite:%s/corsia.db", fixture->dir.path);
    } else {
        snprintf(fixture->uri, sizeof(fixture->uri), "%s", uri);
    }
    fixture->start_unix_ms = cor_time_unix_ms(); /* a store compares it with the wall clock */
    atomic_store(&fixture->now, fixture->start_unix_ms);
    fixture_open_queue(fixture);
    *state = fixture;
    return 0;
}

static inline int fixture_teardown(void **state)
{
    Fixture *fixture = *state;

    cor_queue_close(fixture->queue);
    temp_dir_remove(&fixture->dir);
    free(fixture);
    return 0;
}

#define WITH_QUEUE(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)

/* Let time pass. */
static inline void pass_ms(Fixture *fixture, int64_t ms)
{
    atomic_fetch_add(&fixture->now, ms);
}

/* Close the store and open it again, as a new life of the same owner. */
static inline void reopen(Fixture *fixture)
{
    cor_queue_close(fixture->queue);
    fixture->queue = NULL;
    fixture_open_queue(fixture);
}

/* Send a message whose body and deduplication id are its name. */
static inline void send_delayed(CorQueue *queue, const char *group, const char *name,
                                const char *client, int64_t delay_ms)
{
    CorQueueSend send = {.group_id = group,
                         .dedup_id = name,
                         .client_id = client,
                         .body = name,
                         .body_size = strlen(name),
                         .delay_ms = delay_ms,
                         .is_resendable = true};
    char id[COR_UUID_SIZE];
    CorError err = {0};

    if (!cor_queue_send(queue, &send, id, &err)) {
        fail_msg("%s", err.text);
    }
}

static inline void send_one(CorQueue *queue, const char *group, const char *name)
{
    send_delayed(queue, group, name, "", 0);
}

static inline void send_for(CorQueue *queue, const char *client, const char *name)
{
    send_delayed(queue, name, name, client, 0);
}

/* The next message, or NULL; leased for 30 s. */
static inline CorMessage *receive(CorQueue *queue)
{
    CorQueueReceive how = {.lease_ms = 30000, .max = 1};
    CorMessage *message = NULL;
    size_t len = 0;
    CorError err = {0};

    if (!cor_queue_receive(queue, &how, &message, &len, &err)) {
        fail_msg("%s", err.text);
    }
    return len ? message : NULL;
}

/* The next message, which must be this one. */
static inline CorMessage *expect(CorQueue *queue, const char *name)
{
    CorMessage *message = receive(queue);

    if (!message) {
        fail_msg("nothing came instead of '%s'", name);
    }
    assert_string_equal(cor_message_body(message), name);
    return message;
}

static inline void expect_nothing(CorQueue *queue)
{
    CorMessage *message = receive(queue);

    if (message) {
        fail_msg("'%s' came instead of nothing", (const char *) cor_message_body(message));
    }
}

static inline void ack(CorQueue *queue, CorMessage *message)
{
    CorError err = {0};

    if (!cor_queue_ack(queue, &message, 1, &err)) {
        fail_msg("%s", err.text);
    }
    cor_message_free(message);
}

static inline void release(CorQueue *queue, CorMessage *message, int64_t delay_ms, bool counts)
{
    CorError err = {0};

    if (!cor_queue_release(queue, message, delay_ms, counts, &err)) {
        fail_msg("%s", err.text);
    }
    cor_message_free(message);
}

/* Receive and acknowledge this one. */
static inline void take(CorQueue *queue, const char *name)
{
    ack(queue, expect(queue, name));
}

static inline CorQueueStats stats_of(CorQueue *queue)
{
    CorQueueStats stats = {0};
    CorError err = {0};

    if (!cor_queue_stats(queue, &stats, &err)) {
        fail_msg("%s", err.text);
    }
    return stats;
}

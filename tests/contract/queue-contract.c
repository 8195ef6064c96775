/* SPDX-License-Identifier: Apache-2.0 */
/* What every queue store must do, unchanged: the promises of queue.h, one test each.
 *     COR_TEST_QUEUE_URI=<uri> meson test -C build --suite contract
 * Time is moved, not waited for, where the store takes its clock from us. */
#include "queue-fixture.h"

#include <pthread.h>
#include <semaphore.h>

#include "faulty.h"

static void a_message_comes_as_it_was_sent(void **state)
{
    Fixture *fixture = *state;
    static const uint8_t body[] = {0, 1, 2, 255, 0, '"', 0};
    CorQueueSend send = {.group_id = "a group/\xc3\xa9",
                         .dedup_id = "job-1",
                         .client_id = "client~1",
                         .body = body,
                         .body_size = sizeof(body)};
    char id[COR_UUID_SIZE] = "";
    CorError err = {0};
    CorMessage *message = NULL;

    assert_true(cor_queue_send(fixture->queue, &send, id, &err));
    pass_ms(fixture, 50);
    message = receive(fixture->queue);

    assert_non_null(message);
    assert_int_equal(strlen(id), 36);
    assert_string_equal(cor_message_id(message), id);
    assert_string_equal(cor_message_group_id(message), send.group_id);
    assert_string_equal(cor_message_dedup_id(message), "job-1");
    assert_string_equal(cor_message_client_id(message), "client~1");
    assert_int_equal(cor_message_size(message), sizeof(body));
    assert_memory_equal(cor_message_body(message), body, sizeof(body));
    assert_int_equal(cor_message_receives(message), 1);
    assert_int_equal(cor_message_sent_unix_ms(message), fixture->start_unix_ms);
    assert_string_equal(cor_message_reason(message), "");
    assert_true(cor_message_seq(message) > 0);
    ack(fixture->queue, message);
    expect_nothing(fixture->queue);
}

static void a_message_id_may_be_given(void **state)
{
    Fixture *fixture = *state;
    CorQueueSend send = {.group_id = "g",
                         .dedup_id = "d",
                         .message_id = "01234567-89ab-4cde-8f01-23456789abcd",
                         .body = "x",
                         .body_size = 1};
    char id[COR_UUID_SIZE] = "";
    CorError err = {0};

    assert_true(cor_queue_send(fixture->queue, &send, id, &err));
    assert_string_equal(id, send.message_id);
}

static void one_group_comes_in_order_and_one_at_a_time(void **state)
{
    Fixture *fixture = *state;
    CorMessage *a = NULL;
    CorMessage *b = NULL;

    send_one(fixture->queue, "a", "a1");
    send_one(fixture->queue, "a", "a2");
    send_one(fixture->queue, "b", "b1");
    send_one(fixture->queue, "a", "a3");
    send_one(fixture->queue, "b", "b2");

    a = expect(fixture->queue, "a1");
    b = expect(fixture->queue, "b1");
    expect_nothing(fixture->queue); /* both groups are in flight */
    ack(fixture->queue, b);
    b = expect(fixture->queue, "b2");
    ack(fixture->queue, a);
    take(fixture->queue, "a2");
    take(fixture->queue, "a3");
    ack(fixture->queue, b);
    expect_nothing(fixture->queue);
}

static void several_are_received_at_once_but_never_two_of_a_group(void **state)
{
    Fixture *fixture = *state;
    CorQueueReceive how = {.lease_ms = 30000, .max = 10};
    CorMessage *messages[10];
    size_t len = 0;
    CorError err = {0};

    send_one(fixture->queue, "a", "a1");
    send_one(fixture->queue, "a", "a2");
    send_one(fixture->queue, "b", "b1");
    send_one(fixture->queue, "c", "c1");
    assert_true(cor_queue_receive(fixture->queue, &how, messages, &len, &err));
    assert_int_equal(len, 3);
    assert_string_equal(cor_message_body(messages[0]), "a1");
    assert_string_equal(cor_message_body(messages[1]), "b1");
    assert_string_equal(cor_message_body(messages[2]), "c1");
    assert_true(cor_queue_ack(fixture->queue, messages, len, &err));
    for (size_t i = 0; i < len; i++) {
        cor_message_free(messages[i]);
    }
    take(fixture->queue, "a2");
}

static void many_are_sent_in_one_call_in_their_order(void **state)
{
    Fixture *fixture = *state;
    CorQueueSend sends[COR_QUEUE_BATCH_MAX];
    char ids[COR_QUEUE_BATCH_MAX][COR_UUID_SIZE];
    char names[COR_QUEUE_BATCH_MAX][16];
    CorError err = {0};

    for (size_t i = 0; i < COR_QUEUE_BATCH_MAX; i++) {
        snprintf(names[i], sizeof(names[i]), "m%zu", i);
        sends[i] = (CorQueueSend){
            .group_id = "g", .dedup_id = names[i], .body = names[i], .body_size = strlen(names[i])};
    }
    sends[5].dedup_id = "m4"; /* a duplicate within the call */
    assert_true(cor_queue_send_many(fixture->queue, sends, COR_QUEUE_BATCH_MAX, ids, &err));
    assert_string_equal(ids[5], ids[4]);
    for (size_t i = 0; i < COR_QUEUE_BATCH_MAX; i++) {
        if (i != 5) {
            take(fixture->queue, names[i]);
        }
    }
    expect_nothing(fixture->queue);
}

static void a_group_waits_while_its_first_waits_for_its_retry(void **state)
{
    Fixture *fixture = *state;

    send_one(fixture->queue, "a", "a1");
    send_one(fixture->queue, "a", "a2");
    send_one(fixture->queue, "b", "b1");
    release(fixture->queue, expect(fixture->queue, "a1"), 5000, true);
    take(fixture->queue, "b1");
    pass_ms(fixture, 4999);
    expect_nothing(fixture->queue);
    pass_ms(fixture, 1);
    take(fixture->queue, "a1");
    take(fixture->queue, "a2");
}

static void a_message_comes_again_when_its_lease_ends(void **state)
{
    Fixture *fixture = *state;
    CorMessage *first = NULL;
    CorMessage *second = NULL;

    send_one(fixture->queue, "a", "a1");
    first = expect(fixture->queue, "a1");
    pass_ms(fixture, 29999);
    expect_nothing(fixture->queue);
    pass_ms(fixture, 1);
    second = expect(fixture->queue, "a1");
    assert_int_equal(cor_message_receives(second), 2);
    assert_string_equal(cor_message_id(second), cor_message_id(first));
    cor_message_free(first);
    ack(fixture->queue, second);
}

static void a_lease_is_kept_as_long_as_it_is_extended(void **state)
{
    Fixture *fixture = *state;
    CorMessage *message = NULL;
    CorError err = {0};

    send_one(fixture->queue, "a", "a1");
    message = expect(fixture->queue, "a1");
    for (int i = 0; i < 10; i++) {
        pass_ms(fixture, 20000);
        expect_nothing(fixture->queue);
        assert_true(cor_queue_extend(fixture->queue, message, 30000, &err));
    }
    pass_ms(fixture, 29999);
    expect_nothing(fixture->queue);
    ack(fixture->queue, message);
    expect_nothing(fixture->queue);
}

static void a_stale_receipt_is_refused_whatever_it_wants(void **state)
{
    Fixture *fixture = *state;
    CorQueue *queue = fixture->queue;
    CorMessage *stale = NULL;
    CorMessage *good = NULL;
    CorError err[4] = {{0}};

    send_one(queue, "a", "a1");
    stale = expect(queue, "a1");
    pass_ms(fixture, 30000);
    good = expect(queue, "a1");
    assert_false(cor_message_is_stale(stale));

    assert_false(cor_queue_ack(queue, &stale, 1, &err[0]));
    assert_false(cor_queue_extend(queue, stale, 30000, &err[1]));
    assert_false(cor_queue_release(queue, stale, 0, true, &err[2]));
    assert_false(cor_queue_fail(queue, stale, "no", &err[3]));
    for (size_t i = 0; i < COR_ARRAY_LEN(err); i++) {
        assert_int_equal(err[i].code, COR_ERR_CONFLICT);
    }
    assert_true(cor_message_is_stale(stale));
    cor_message_free(stale);
    ack(queue, good);
    assert_int_equal(stats_of(queue).dead, 0);
}

static void acknowledging_several_settles_the_good_and_tells_the_stale(void **state)
{
    Fixture *fixture = *state;
    CorMessage *messages[2] = {NULL};
    CorError err = {0};

    send_one(fixture->queue, "a", "a1");
    send_one(fixture->queue, "b", "b1");
    messages[0] = expect(fixture->queue, "a1");
    pass_ms(fixture, 30000);
    cor_message_free(expect(fixture->queue, "a1")); /* somebody else has it now */
    messages[1] = expect(fixture->queue, "b1");

    assert_false(cor_queue_ack(fixture->queue, messages, 2, &err));
    assert_int_equal(err.code, COR_ERR_CONFLICT);
    assert_true(cor_message_is_stale(messages[0]));
    assert_false(cor_message_is_stale(messages[1]));
    assert_int_equal(stats_of(fixture->queue).in_flight, 1);
    cor_message_free(messages[0]);
    cor_message_free(messages[1]);
}

static void a_new_owner_ends_the_old_leases_and_they_do_not_count(void **state)
{
    Fixture *fixture = *state;
    CorMessage *old = NULL;
    CorMessage *again = NULL;
    CorError err = {0};

    send_one(fixture->queue, "a", "a1");
    send_one(fixture->queue, "a", "a2");
    release(fixture->queue, expect(fixture->queue, "a1"), 0, true); /* this one counts */
    old = expect(fixture->queue, "a1");
    assert_int_equal(cor_message_receives(old), 2);
    reopen(fixture);
    again = expect(fixture->queue, "a1");
    assert_int_equal(cor_message_receives(again), 2);
    assert_false(cor_queue_ack(fixture->queue, &old, 1, &err));
    assert_int_equal(err.code, COR_ERR_CONFLICT);
    cor_message_free(old);
    ack(fixture->queue, again);
    take(fixture->queue, "a2");
}

static void the_same_deduplication_id_is_one_message_for_five_minutes(void **state)
{
    Fixture *fixture = *state;
    CorQueueSend send = {.group_id = "g", .dedup_id = "job", .body = "x", .body_size = 1};
    char id[4][COR_UUID_SIZE];
    CorError err = {0};

    assert_true(cor_queue_send(fixture->queue, &send, id[0], &err));
    assert_true(cor_queue_send(fixture->queue, &send, id[1], &err));
    take(fixture->queue, "x");
    pass_ms(fixture, COR_QUEUE_DEDUP_WINDOW_MS - 1);
    assert_true(cor_queue_send(fixture->queue, &send, id[2], &err)); /* even after its end */
    expect_nothing(fixture->queue);
    pass_ms(fixture, 1);
    assert_true(cor_queue_send(fixture->queue, &send, id[3], &err));
    take(fixture->queue, "x");

    assert_string_equal(id[0], id[1]);
    assert_string_equal(id[0], id[2]);
    assert_string_not_equal(id[0], id[3]);
}

static void deduplication_is_per_queue_and_survives_a_new_life(void **state)
{
    Fixture *fixture = *state;
    COR_CLEANUP(cor_queue_closep) CorQueue *other = NULL;
    CorError err = {0};

    assert_true(cor_queue_open(fixture->uri, "Results.fifo", &other, &err));
    send_one(fixture->queue, "g", "job");
    send_one(other, "g", "job");
    take(other, "job");
    cor_queue_close(COR_TAKE(other));
    take(fixture->queue, "job");
    reopen(fixture);
    send_one(fixture->queue, "g", "job");
    expect_nothing(fixture->queue);
}

static void a_delayed_message_waits_and_its_group_with_it(void **state)
{
    Fixture *fixture = *state;

    send_delayed(fixture->queue, "a", "a1", "", 10000);
    send_one(fixture->queue, "a", "a2");
    send_delayed(fixture->queue, "b", "b1", "", 0);
    send_delayed(fixture->queue, "b", "b2", "", 20000);
    take(fixture->queue, "b1");
    expect_nothing(fixture->queue); /* b2's delay began when it was sent */
    assert_int_equal(stats_of(fixture->queue).delayed, 2);
    pass_ms(fixture, 10000);
    take(fixture->queue, "a1");
    take(fixture->queue, "a2");
    expect_nothing(fixture->queue);
    pass_ms(fixture, 10000);
    take(fixture->queue, "b2");
}

static void a_delay_outlives_a_restart(void **state)
{
    Fixture *fixture = *state;

    send_delayed(fixture->queue, "a", "a1", "", 10000);
    reopen(fixture);
    expect_nothing(fixture->queue);
    pass_ms(fixture, 10000);
    take(fixture->queue, "a1");
}

static void back_off_doubles_with_the_delays_that_the_receiver_gives(void **state)
{
    Fixture *fixture = *state;
    int64_t delay_ms = 1000;

    send_one(fixture->queue, "a", "a1");
    for (int i = 1; i <= 6; i++) {
        CorMessage *message = expect(fixture->queue, "a1");

        assert_int_equal(cor_message_receives(message), i);
        release(fixture->queue, message, delay_ms, true);
        pass_ms(fixture, delay_ms - 1);
        expect_nothing(fixture->queue);
        pass_ms(fixture, 1);
        delay_ms *= 2;
    }
    take(fixture->queue, "a1");
}

static void a_receive_that_is_given_back_does_not_count(void **state)
{
    Fixture *fixture = *state;
    CorMessage *message = NULL;

    send_one(fixture->queue, "a", "a1");
    for (int i = 0; i < 20; i++) {
        message = expect(fixture->queue, "a1");
        assert_int_equal(cor_message_receives(message), 1);
        release(fixture->queue, message, 0, false);
    }
    release(fixture->queue, expect(fixture->queue, "a1"), 0, true);
    message = expect(fixture->queue, "a1");
    assert_int_equal(cor_message_receives(message), 2);
    ack(fixture->queue, message);
}

static void a_dead_letter_keeps_its_reason_and_frees_its_group(void **state)
{
    Fixture *fixture = *state;
    CorMessage *message = NULL;
    CorMessage *dead[4] = {NULL};
    size_t len = 0;
    CorError err = {0};

    send_one(fixture->queue, "a", "a1");
    send_one(fixture->queue, "a", "a2");
    message = expect(fixture->queue, "a1");
    pass_ms(fixture, 700);
    assert_true(cor_queue_fail(fixture->queue, message, "algorithm crashed 5 times", &err));
    take(fixture->queue, "a2");
    expect_nothing(fixture->queue);

    assert_true(cor_queue_dead_list(fixture->queue, 0, 4, dead, &len, &err));
    assert_int_equal(len, 1);
    assert_string_equal(cor_message_id(dead[0]), cor_message_id(message));
    assert_string_equal(cor_message_body(dead[0]), "a1");
    assert_string_equal(cor_message_dedup_id(dead[0]), "a1");
    assert_string_equal(cor_message_reason(dead[0]), "algorithm crashed 5 times");
    assert_int_equal(cor_message_receives(dead[0]), 1);
    assert_int_equal(cor_message_failed_unix_ms(dead[0]), fixture->start_unix_ms + 700);
    assert_int_equal(stats_of(fixture->queue).dead, 1);
    cor_message_free(dead[0]);
    cor_message_free(message);
}

static void kill_off(CorQueue *queue, const char *name)
{
    CorError err = {0};
    CorMessage *message = NULL;

    send_one(queue, name, name);
    message = expect(queue, name);
    assert_true(cor_queue_fail(queue, message, name, &err));
    cor_message_free(message);
}

static void dead_letters_are_listed_in_pages_found_and_removed_for_a_redrive(void **state)
{
    Fixture *fixture = *state;
    CorMessage *page[2] = {NULL};
    CorMessage *found = NULL;
    size_t len = 0;
    size_t removed = 9;
    char first[COR_UUID_SIZE];
    CorError err = {0};

    kill_off(fixture->queue, "x");
    kill_off(fixture->queue, "y");
    kill_off(fixture->queue, "z");
    reopen(fixture);
    assert_int_equal(stats_of(fixture->queue).dead, 3);
    assert_true(cor_queue_dead_list(fixture->queue, 0, 2, page, &len, &err));
    assert_int_equal(len, 2);
    assert_string_equal(cor_message_reason(page[0]), "x");
    assert_string_equal(cor_message_reason(page[1]), "y");
    int64_t after = cor_message_seq(page[1]);
    snprintf(first, sizeof(first), "%s", cor_message_id(page[0]));
    cor_message_free(page[0]);
    cor_message_free(page[1]);
    assert_true(cor_queue_dead_list(fixture->queue, after, 2, page, &len, &err));
    assert_int_equal(len, 1);
    assert_string_equal(cor_message_reason(page[0]), "z");
    cor_message_free(page[0]);

    const char *ids[] = {first, "00000000-0000-4000-8000-000000000000"};
    assert_true(cor_queue_dead_find(fixture->queue, first, &found, &err));
    assert_string_equal(cor_message_body(found), "x");
    cor_message_free(found);
    assert_true(cor_queue_dead_remove(fixture->queue, ids, 2, &removed, &err));
    assert_int_equal(removed, 1);
    assert_true(cor_queue_dead_find(fixture->queue, first, &found, &err));
    assert_null(found);
    assert_int_equal(stats_of(fixture->queue).dead, 2);
    expect_nothing(fixture->queue); /* redriving is somebody else's: nothing came back by itself */
}

static void depth_and_age_are_always_known(void **state)
{
    Fixture *fixture = *state;
    CorQueueStats stats = stats_of(fixture->queue);
    CorMessage *message = NULL;

    assert_int_equal(stats.visible + stats.in_flight + stats.delayed + stats.oldest_age_ms, 0);
    send_one(fixture->queue, "a", "a1");
    pass_ms(fixture, 2000);
    send_one(fixture->queue, "a", "a2");
    send_one(fixture->queue, "b", "b1");
    send_delayed(fixture->queue, "c", "c1", "", 60000);
    message = expect(fixture->queue, "a1");
    pass_ms(fixture, 1000);
    for (int life = 0; life < 2; life++) {
        stats = stats_of(fixture->queue);
        assert_int_equal(stats.visible, life == 0 ? 2 : 3);
        assert_int_equal(stats.receivable, life == 0 ? 1 : 2);
        assert_int_equal(stats.in_flight, life == 0 ? 1 : 0);
        assert_int_equal(stats.delayed, 1);
        assert_int_equal(stats.oldest_age_ms, 3000);
        reopen(fixture); /* counted anew: the same, but for the lease that ended */
    }
    cor_message_free(message);
    take(fixture->queue, "a1");
    assert_int_equal(stats_of(fixture->queue).oldest_age_ms, 1000);
}

static void clients_take_turns(void **state)
{
    Fixture *fixture = *state;
    char name[32];

    for (int i = 0; i < 1000; i++) {
        snprintf(name, sizeof(name), "many%d", i);
        send_for(fixture->queue, "many", name);
    }
    take(fixture->queue, "many0");
    take(fixture->queue, "many1");
    send_for(fixture->queue, "few", "few0");
    send_for(fixture->queue, "few", "few1");
    send_for(fixture->queue, "", "nobody");
    take(fixture->queue, "many2"); /* turn 3, and it came first */
    take(fixture->queue, "few0");
    take(fixture->queue, "nobody");
    take(fixture->queue, "many3");
    take(fixture->queue, "few1");
    for (int i = 4; i < 1000; i++) { /* within a client the order is that of arrival */
        snprintf(name, sizeof(name), "many%d", i);
        take(fixture->queue, name);
    }
    expect_nothing(fixture->queue);
}

static void who_was_away_gets_no_turns_for_it_and_a_restart_changes_nothing(void **state)
{
    Fixture *fixture = *state;

    for (int i = 0; i < 6; i++) {
        char name[8];

        snprintf(name, sizeof(name), "a%d", i);
        send_for(fixture->queue, "a", name);
    }
    take(fixture->queue, "a0");
    take(fixture->queue, "a1");
    take(fixture->queue, "a2");
    reopen(fixture);
    send_for(fixture->queue, "b", "b0");
    send_for(fixture->queue, "b", "b1");
    send_for(fixture->queue, "a", "a6");
    take(fixture->queue, "a3");
    take(fixture->queue, "b0");
    take(fixture->queue, "a4");
    take(fixture->queue, "b1");
    take(fixture->queue, "a5");
    take(fixture->queue, "a6");
}

static void what_nobody_works_on_is_cancelled_and_its_group_goes_on(void **state)
{
    Fixture *fixture = *state;
    bool is_removed = false;
    CorError err = {0};

    send_one(fixture->queue, "a", "a1");
    send_one(fixture->queue, "a", "a2");
    send_one(fixture->queue, "a", "a3");
    assert_true(cor_queue_cancel(fixture->queue, "a2", &is_removed, &err)); /* blocked */
    assert_true(is_removed);
    assert_true(cor_queue_cancel(fixture->queue, "a1", &is_removed, &err)); /* first */
    assert_true(is_removed);
    release(fixture->queue, expect(fixture->queue, "a3"), 5000, true);
    send_one(fixture->queue, "a", "a4");
    assert_true(cor_queue_cancel(fixture->queue, "a3", &is_removed, &err)); /* delayed */
    assert_true(is_removed);
    take(fixture->queue, "a4");
    assert_false(cor_queue_cancel(fixture->queue, "a4", &is_removed, &err));
    assert_int_equal(err.code, COR_ERR_NOT_FOUND);
}

static void what_somebody_works_on_is_left_to_its_receiver(void **state)
{
    Fixture *fixture = *state;
    bool is_removed = true;
    CorMessage *message = NULL;
    CorError err = {0};

    send_one(fixture->queue, "a", "a1");
    message = expect(fixture->queue, "a1");
    assert_true(cor_queue_cancel(fixture->queue, "a1", &is_removed, &err));
    assert_false(is_removed);
    ack(fixture->queue, message);
}

static int64_t position_of(CorQueue *queue, const char *name)
{
    int64_t position = -1;
    CorError err = {0};

    if (!cor_queue_position(queue, name, &position, &err)) {
        assert_int_equal(err.code, COR_ERR_NOT_FOUND);
    }
    return position;
}

static void a_position_is_exact_to_a_thousand(void **state)
{
    Fixture *fixture = *state;
    char name[32];
    CorMessage *message = NULL;

    for (int i = 0; i < 1100; i++) {
        snprintf(name, sizeof(name), "m%d", i);
        send_one(fixture->queue, name, name);
    }
    send_one(fixture->queue, "m0", "behind m0");
    assert_int_equal(position_of(fixture->queue, "m0"), 0);
    assert_int_equal(position_of(fixture->queue, "m999"), 999);
    assert_int_equal(position_of(fixture->queue, "m1000"), COR_QUEUE_POSITION_MAX);
    assert_int_equal(position_of(fixture->queue, "m1099"), COR_QUEUE_POSITION_MAX);
    assert_int_equal(position_of(fixture->queue, "nobody"), -1);
    message = expect(fixture->queue, "m0");
    assert_int_equal(position_of(fixture->queue, "m0"), 0);
    assert_int_equal(position_of(fixture->queue, "m999"), 998);
    ack(fixture->queue, message);
    for (int i = 1; i < 1099; i++) {
        snprintf(name, sizeof(name), "m%d", i);
        take(fixture->queue, name);
    }
    assert_int_equal(position_of(fixture->queue, "behind m0"), 1);
}

static void illegal_sizes_and_names_are_refused(void **state)
{
    Fixture *fixture = *state;
    char *large = calloc(1, COR_QUEUE_BODY_MAX + 1);
    char long_id[COR_QUEUE_ID_MAX + 2] = {0};
    memset(long_id, 'x', COR_QUEUE_ID_MAX + 1);
    const CorQueueSend bad[] = {
        {.group_id = "g", .dedup_id = "d", .body = large, .body_size = COR_QUEUE_BODY_MAX + 1},
        {.group_id = "g", .dedup_id = "d", .body = large, .body_size = 0},
        {.group_id = "", .dedup_id = "d", .body = large, .body_size = 1},
        {.group_id = "g", .dedup_id = "", .body = large, .body_size = 1},
        {.group_id = long_id, .dedup_id = "d", .body = large, .body_size = 1},
        {.group_id = "g\xff", .dedup_id = "d", .body = large, .body_size = 1},
        {.group_id = "g", .dedup_id = "d", .body = large, .body_size = 1, .delay_ms = -1},
        {.group_id = "g", .dedup_id = "d", .body = large, .body_size = 1, .message_id = "7"},
    };
    const CorQueueReceive bad_how[] = {
        {.lease_ms = 999, .max = 1},
        {.lease_ms = COR_QUEUE_LEASE_MAX_MS + 1, .max = 1},
        {.lease_ms = 30000, .max = 0},
        {.lease_ms = 30000, .max = COR_QUEUE_BATCH_MAX + 1},
        {.lease_ms = 30000, .max = 1, .wait_ms = -1},
    };
    CorMessage *message = NULL;
    CorQueue *queue = NULL;
    size_t len = 77;
    char id[COR_UUID_SIZE];

    for (size_t i = 0; i < COR_ARRAY_LEN(bad); i++) {
        CorError err = {0};

        assert_false(cor_queue_send(fixture->queue, &bad[i], id, &err));
        assert_int_equal(err.code, COR_ERR_INVALID);
    }
    for (size_t i = 0; i < COR_ARRAY_LEN(bad_how); i++) {
        CorError err = {0};

        assert_false(cor_queue_receive(fixture->queue, &bad_how[i], &message, &len, &err));
        assert_int_equal(err.code, COR_ERR_INVALID);
        assert_int_equal(len, 77);
    }
    assert_false(cor_queue_open(fixture->uri, "a/b", &queue, NULL));
    assert_false(cor_queue_open(fixture->uri, "", &queue, NULL));
    assert_false(cor_queue_open("gopher:x", "q", &queue, NULL));
    free(large);
}

static void the_largest_body_passes(void **state)
{
    Fixture *fixture = *state;
    char *large = malloc(COR_QUEUE_BODY_MAX);
    CorQueueSend send = {
        .group_id = "g", .dedup_id = "d", .body = large, .body_size = COR_QUEUE_BODY_MAX};
    char id[COR_UUID_SIZE];
    CorMessage *message = NULL;
    CorError err = {0};

    for (size_t i = 0; i < COR_QUEUE_BODY_MAX; i++) {
        large[i] = (char) (i * 7);
    }
    assert_true(cor_queue_send(fixture->queue, &send, id, &err));
    message = receive(fixture->queue);
    assert_int_equal(cor_message_size(message), COR_QUEUE_BODY_MAX);
    assert_memory_equal(cor_message_body(message), large, COR_QUEUE_BODY_MAX);
    ack(fixture->queue, message);
    free(large);
}

static void all_queues_of_a_store_are_named(void **state)
{
    Fixture *fixture = *state;
    COR_CLEANUP(cor_queue_closep) CorQueue *other = NULL;
    char **names = NULL;
    size_t len = 0;
    CorError err = {0};

    assert_true(cor_queue_open(fixture->uri, "A.fifo", &other, &err));
    assert_true(cor_queue_list_names(fixture->uri, &names, &len, &err));
    assert_int_equal(len, 2);
    assert_string_equal(names[0], "A.fifo");
    assert_string_equal(names[1], QUEUE_NAME);
    cor_queue_names_free(names, len);
}

/* ---- waiting ---- */

static void *receive_and_wait(void *arg)
{
    CorQueueReceive how = {.lease_ms = 30000, .wait_ms = COR_QUEUE_WAIT_MAX_MS, .max = 5};
    CorMessage *messages[5] = {NULL};
    size_t len = 0;
    CorError err = {0};

    if (!cor_queue_receive(arg, &how, messages, &len, &err) || len != 1) {
        return NULL;
    }
    return messages[0];
}

static void a_wait_ends_when_a_message_comes(void **state)
{
    Fixture *fixture = *state;
    pthread_t thread;
    void *message = NULL;

    assert_int_equal(pthread_create(&thread, NULL, receive_and_wait, fixture->queue), 0);
    send_one(fixture->queue, "a", "a1");
    pthread_join(thread, &message);
    assert_non_null(message);
    ack(fixture->queue, message);
}

static void a_wait_ends_when_a_lease_does(void **state)
{
    Fixture *fixture = *state;
    CorQueueReceive how = {.lease_ms = 1000, .max = 1};
    CorMessage *first = NULL;
    CorMessage *second = NULL;
    size_t len = 0;
    CorError err = {0};

    assert_true(cor_queue_priv_set_clock(fixture->queue, NULL, NULL)); /* real time for once */
    send_one(fixture->queue, "a", "a1");
    assert_true(cor_queue_receive(fixture->queue, &how, &first, &len, &err));
    assert_int_equal(len, 1);
    second = receive_and_wait(fixture->queue);
    assert_non_null(second);
    assert_int_equal(cor_message_receives(second), 2);
    cor_message_free(first);
    ack(fixture->queue, second);
}

static void count_watch(void *arg)
{
    sem_post(arg);
}

static void a_watch_is_told_whenever_something_may_be_receivable(void **state)
{
    Fixture *fixture = *state;
    COR_CLEANUP(cor_queue_closep) CorQueue *sender = NULL;
    sem_t told;
    CorError err = {0};
    int value = 0;

    sem_init(&told, 0, 0);
    assert_true(cor_queue_open(fixture->uri, QUEUE_NAME, &sender, &err));
    cor_queue_watch(fixture->queue, count_watch, &told);
    sem_getvalue(&told, &value);
    assert_int_equal(value, 0);

    send_one(sender, "a", "a1"); /* sent through another object of the same queue */
    sem_wait(&told);
    send_one(sender, "a", "a2");
    take(fixture->queue, "a1"); /* a2 becomes its group's first */
    sem_wait(&told);
    release(fixture->queue, expect(fixture->queue, "a2"), 0, true);
    sem_wait(&told);
    assert_true(cor_queue_priv_set_clock(fixture->queue, NULL, NULL));
    release(fixture->queue, expect(fixture->queue, "a2"), 1, true);
    sem_wait(&told); /* the delay is over */
    sem_getvalue(&told, &value);
    assert_int_equal(value, 0);

    cor_queue_watch(fixture->queue, NULL, NULL);
    send_one(sender, "b", "b1");
    sem_getvalue(&told, &value);
    assert_int_equal(value, 0);
    cor_queue_watch(fixture->queue, count_watch, &told); /* something is there already */
    sem_getvalue(&told, &value);
    assert_int_equal(value, 1);
    cor_queue_watch(fixture->queue, NULL, NULL);
    sem_destroy(&told);
}

/* ---- many at once ---- */

#define SENDERS 4
#define RECEIVERS 4
#define PER_SENDER 500
#define GROUPS 16

typedef struct Crowd {
    CorQueue *queue;
    int sender;
    _Atomic int *left;
    _Atomic int *last_of_group; /* [SENDERS][GROUPS]: the last number that was handled */
    _Atomic int *failures;
} Crowd;

static void *send_many(void *arg)
{
    Crowd *crowd = arg;

    for (int i = 0; i < PER_SENDER; i++) {
        char body[32];
        char group[16];
        char id[COR_UUID_SIZE];
        CorQueueSend send = {.group_id = group, .dedup_id = body, .body = body};

        snprintf(group, sizeof(group), "%d.%d", crowd->sender, i % GROUPS);
        send.body_size = (size_t) snprintf(body, sizeof(body), "%d.%d", crowd->sender, i);
        send.is_resendable = i % 16 != 0;
        if (!cor_queue_send(crowd->queue, &send, id, NULL)) {
            atomic_fetch_add(crowd->failures, 1);
        }
    }
    return NULL;
}

/* Handled in order within its group, each once. */
static void check_order(Crowd *crowd, const CorMessage *message)
{
    int sender = -1;
    int number = -1;
    int before = 0;

    if (sscanf(cor_message_body(message), "%d.%d", &sender, &number) != 2) {
        atomic_fetch_add(crowd->failures, 1);
        return;
    }
    before = atomic_exchange(&crowd->last_of_group[sender * GROUPS + number % GROUPS], number);
    if (before != (number < GROUPS ? -1 : number - GROUPS)) {
        atomic_fetch_add(crowd->failures, 1);
    }
}

static void *receive_many(void *arg)
{
    Crowd *crowd = arg;
    CorQueueReceive how = {.lease_ms = 600000, .wait_ms = 20, .max = 3};

    while (atomic_load(crowd->left) > 0) {
        CorMessage *messages[3];
        size_t len = 0;

        if (!cor_queue_receive(crowd->queue, &how, messages, &len, NULL)) {
            atomic_fetch_add(crowd->failures, 1);
            return NULL;
        }
        for (size_t i = 0; i < len; i++) {
            check_order(crowd, messages[i]);
        }
        if (len && !cor_queue_ack(crowd->queue, messages, len, NULL)) {
            atomic_fetch_add(crowd->failures, 1);
        }
        atomic_fetch_sub(crowd->left, (int) len);
        for (size_t i = 0; i < len; i++) {
            cor_message_free(messages[i]);
        }
    }
    return NULL;
}

static void eight_threads_lose_nothing_double_nothing_and_keep_every_groups_order(void **state)
{
    Fixture *fixture = *state;
    _Atomic int left = SENDERS * PER_SENDER;
    _Atomic int failures = 0;
    static _Atomic int last_of_group[SENDERS * GROUPS];
    Crowd crowd[SENDERS + RECEIVERS];
    pthread_t threads[SENDERS + RECEIVERS];
    CorQueueStats stats = {0};

    for (int i = 0; i < SENDERS * GROUPS; i++) {
        atomic_store(&last_of_group[i], -1);
    }
    for (int i = 0; i < SENDERS + RECEIVERS; i++) {
        crowd[i] = (Crowd){fixture->queue, i, &left, last_of_group, &failures};
        assert_int_equal(
            pthread_create(&threads[i], NULL, i < SENDERS ? send_many : receive_many, &crowd[i]),
            0);
    }
    for (int i = 0; i < SENDERS + RECEIVERS; i++) {
        pthread_join(threads[i], NULL);
    }
    assert_int_equal(failures, 0);
    assert_int_equal(left, 0);
    stats = stats_of(fixture->queue);
    assert_int_equal(stats.visible + stats.in_flight + stats.delayed + stats.dead, 0);
    expect_nothing(fixture->queue);
}

/* ---- a store that fails ---- */

/* Send, receive, extend, release, receive, acknowledge; whoever fails tries again, as programs do.
 */
static void carry_one_through(CorQueue *queue, const char *name)
{
    CorQueueSend send = {
        .group_id = "g", .dedup_id = name, .body = name, .body_size = strlen(name)};
    CorQueueReceive how = {.lease_ms = 30000, .max = 1};
    char id[COR_UUID_SIZE];
    CorMessage *message = NULL;
    CorError err = {0};
    size_t len = 0;

    if (!cor_queue_send(queue, &send, id, &err)) {
        assert_true(cor_error_is_transient(&err));
        assert_true(cor_queue_send(queue, &send, id, &err));
    }
    if (!cor_queue_receive(queue, &how, &message, &len, &err)) {
        assert_true(cor_error_is_transient(&err));
        return;
    }
    if (!len) {
        return; /* it is leased to an answer that was lost */
    }
    if (!cor_queue_extend(queue, message, 30000, &err)) {
        assert_true(cor_queue_extend(queue, message, 30000, &err));
    }
    if (!cor_queue_ack(queue, &message, 1, &err)) {
        assert_true(cor_error_is_transient(&err));
        if (!cor_queue_ack(queue, &message, 1, &err)) {
            assert_int_equal(err.code, COR_ERR_CONFLICT); /* it had been done */
        }
    }
    cor_message_free(message);
}

static void a_call_that_fails_or_whose_answer_is_lost_loses_no_message(void **state)
{
    Fixture *fixture = *state;
    CorQueue *faulty = faulty_queue_new(fixture->queue);
    char name[16];

    for (int i = 0; i < 12; i++) {
        CorMessage *message = NULL;

        snprintf(name, sizeof(name), "m%d", i);
        faulty_queue_fail(faulty, i % 6 + 1, i >= 6);
        carry_one_through(faulty, name);
        faulty_queue_fail(faulty, 0, false);
        pass_ms(fixture, 30000);
        message = receive(faulty); /* what was lost on the way comes again */
        if (message) {
            assert_string_equal(cor_message_body(message), name);
            ack(faulty, message);
        }
        assert_int_equal(stats_of(faulty).visible, 0);
        assert_int_equal(stats_of(faulty).in_flight, 0);
    }
    assert_true(faulty_queue_calls(faulty) > 48);
    fixture->queue = faulty; /* closed by the teardown, with the inner one */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_QUEUE(a_message_comes_as_it_was_sent),
        WITH_QUEUE(a_message_id_may_be_given),
        WITH_QUEUE(one_group_comes_in_order_and_one_at_a_time),
        WITH_QUEUE(several_are_received_at_once_but_never_two_of_a_group),
        WITH_QUEUE(many_are_sent_in_one_call_in_their_order),
        WITH_QUEUE(a_group_waits_while_its_first_waits_for_its_retry),
        WITH_QUEUE(a_message_comes_again_when_its_lease_ends),
        WITH_QUEUE(a_lease_is_kept_as_long_as_it_is_extended),
        WITH_QUEUE(a_stale_receipt_is_refused_whatever_it_wants),
        WITH_QUEUE(acknowledging_several_settles_the_good_and_tells_the_stale),
        WITH_QUEUE(a_new_owner_ends_the_old_leases_and_they_do_not_count),
        WITH_QUEUE(the_same_deduplication_id_is_one_message_for_five_minutes),
        WITH_QUEUE(deduplication_is_per_queue_and_survives_a_new_life),
        WITH_QUEUE(a_delayed_message_waits_and_its_group_with_it),
        WITH_QUEUE(a_delay_outlives_a_restart),
        WITH_QUEUE(back_off_doubles_with_the_delays_that_the_receiver_gives),
        WITH_QUEUE(a_receive_that_is_given_back_does_not_count),
        WITH_QUEUE(a_dead_letter_keeps_its_reason_and_frees_its_group),
        WITH_QUEUE(dead_letters_are_listed_in_pages_found_and_removed_for_a_redrive),
        WITH_QUEUE(depth_and_age_are_always_known),
        WITH_QUEUE(clients_take_turns),
        WITH_QUEUE(who_was_away_gets_no_turns_for_it_and_a_restart_changes_nothing),
        WITH_QUEUE(what_nobody_works_on_is_cancelled_and_its_group_goes_on),
        WITH_QUEUE(what_somebody_works_on_is_left_to_its_receiver),
        WITH_QUEUE(a_position_is_exact_to_a_thousand),
        WITH_QUEUE(illegal_sizes_and_names_are_refused),
        WITH_QUEUE(the_largest_body_passes),
        WITH_QUEUE(all_queues_of_a_store_are_named),
        WITH_QUEUE(a_wait_ends_when_a_message_comes),
        WITH_QUEUE(a_wait_ends_when_a_lease_does),
        WITH_QUEUE(a_watch_is_told_whenever_something_may_be_receivable),
        WITH_QUEUE(eight_threads_lose_nothing_double_nothing_and_keep_every_groups_order),
        WITH_QUEUE(a_call_that_fails_or_whose_answer_is_lost_loses_no_message),
    };

    return cmocka_run_group_tests_name("queue contract", tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The members come in the order of interfaces.md section 3; what an event has beyond them follows.
 * URLs are made here and nowhere stored, so that a replay after a week has links that work. */
#include "deliver/frame.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/json.h"
#include "base/string.h"

#define URL_MAX ((size_t) 16 * 1024)

struct CorDeliverFrame {
    atomic_int refs;
    int64_t seq;
    CorBytes *json;
    CorBytes *ws;
};

/* An object's members and its URL. */
static json_t *with_url(const CorDeliverOptions *options, const json_t *object)
{
    COR_CLEANUP(cor_string_freep) CorString *url = cor_string_new(URL_MAX);
    const char *bucket = cor_json_string(object, "bucket", NULL);
    const char *key = cor_json_string(object, "key", NULL);
    json_t *copy = json_object();
    const char *name = NULL;
    json_t *member = NULL;
    bool is_signed = bucket && key &&
                     options->signer.sign(options->signer.context, bucket, key,
                                          options->url_expires_s, url, NULL) &&
                     cor_string_check(url, NULL);

    json_object_foreach((json_t *) object, name, member)
    {
        (void) json_object_set(copy, name, member);
        if (is_signed && strcmp(name, "key") == 0) {
            (void) json_object_set_new(copy, "url", json_string(cor_string_text(url)));
        }
    }
    return copy;
}

static json_t *outputs_with_urls(const CorDeliverOptions *options, const json_t *outputs)
{
    json_t *copy = json_array();
    size_t index = 0;
    json_t *output = NULL;

    json_array_foreach(outputs, index, output)
    {
        (void) json_array_append_new(copy, with_url(options, output));
    }
    return copy;
}

static void add_member(const CorDeliverOptions *options, json_t *frame, const char *name,
                       json_t *member)
{
    if (strcmp(name, "dicom") == 0 && json_is_object(member)) {
        (void) json_object_set_new(frame, name, with_url(options, member));
    } else if (strcmp(name, "outputs") == 0 && json_is_array(member)) {
        (void) json_object_set_new(frame, name, outputs_with_urls(options, member));
    } else {
        (void) json_object_set(frame, name, member);
    }
}

static json_t *frame_of(const CorDeliverOptions *options, int64_t seq, const json_t *event)
{
    static const char *const order[] = {"job_id",  "algo_id",      "client_id", "dicom",
                                        "type",    "seq",          "status",    "found",
                                        "outputs", "measurements", "timing_ms"};
    json_t *frame = json_object();
    const char *name = NULL;
    json_t *member = NULL;

    for (size_t i = 0; i < COR_ARRAY_LEN(order); i++) {
        member = json_object_get(event, order[i]);
        if (strcmp(order[i], "seq") == 0) {
            (void) json_object_set_new(frame, "seq", json_integer(seq));
        } else if (member) {
            add_member(options, frame, order[i], member);
        }
    }
    json_object_foreach((json_t *) event, name, member)
    {
        if (!json_object_get(frame, name)) {
            (void) json_object_set(frame, name, member);
        }
    }
    return frame;
}

/* The number of a damaged event must not be missing: later ones would wait for it for ever. */
static json_t *frame_of_damaged(int64_t seq, const char *job_id)
{
    return json_pack("{s:s*, s:s, s:I, s:s, s:{s:s, s:s, s:s, s:i}}", "job_id", job_id, "type",
                     "result", "seq", (json_int_t) seq, "status", "failed", "error", "code",
                     "internal", "message", "the stored event cannot be read", "stage", "deliver",
                     "attempts", 0);
}

bool cor_deliver_priv_frame_text(const CorDeliverOptions *options, int64_t seq, const json_t *event,
                                 const char *job_id, char **ret_text, CorError *err)
{
    COR_CLEANUP(cor_json_freep)
    json_t *frame = event ? frame_of(options, seq, event) : frame_of_damaged(seq, job_id);
    char *text = frame ? cor_json_text(frame) : NULL;

    if (!text) {
        return cor_fail(err, COR_ERR_NOMEM, "out of memory for a frame");
    }
    *ret_text = text;
    return true;
}

bool cor_deliver_priv_frame_new(const CorDeliverOptions *options, int64_t seq, const json_t *event,
                                CorDeliverFrame **ret_frame, CorError *err)
{
    COR_CLEANUP(cor_deliver_priv_frame_unrefp) CorDeliverFrame *frame = cor_new(CorDeliverFrame);
    char *text = NULL;

    if (!frame) {
        return cor_fail(err, COR_ERR_NOMEM, "out of memory for a frame");
    }
    atomic_init(&frame->refs, 1);
    frame->seq = seq;
    if (!cor_deliver_priv_frame_text(options, seq, event, NULL, &text, err)) {
        return false;
    }
    frame->json = cor_bytes_new(text, strlen(text));
    frame->ws = cor_ws_frame_new(text, strlen(text));
    free(text);
    if (!frame->json || !frame->ws) {
        return cor_fail(err, COR_ERR_NOMEM, "out of memory for a frame");
    }
    *ret_frame = COR_TAKE(frame);
    return true;
}

bool cor_deliver_priv_frame_from_body(const CorDeliverOptions *options, int64_t seq,
                                      const char *body, CorDeliverFrame **ret_frame, CorError *err)
{
    COR_CLEANUP(cor_json_freep) json_t *event = NULL;

    if (!cor_json_parse(body, strlen(body), &event, NULL) || !json_is_object(event)) {
        return cor_deliver_priv_frame_new(options, seq, NULL, ret_frame, err);
    }
    return cor_deliver_priv_frame_new(options, seq, event, ret_frame, err);
}

CorDeliverFrame *cor_deliver_priv_frame_ref(CorDeliverFrame *frame)
{
    atomic_fetch_add_explicit(&frame->refs, 1, memory_order_relaxed);
    return frame;
}

void cor_deliver_priv_frame_unref(CorDeliverFrame *frame)
{
    if (frame && atomic_fetch_sub_explicit(&frame->refs, 1, memory_order_acq_rel) == 1) {
        cor_bytes_unref(frame->json);
        cor_bytes_unref(frame->ws);
        free(frame);
    }
}

int64_t cor_deliver_priv_frame_seq(const CorDeliverFrame *frame)
{
    return frame->seq;
}

CorBytes *cor_deliver_priv_frame_json(const CorDeliverFrame *frame)
{
    return frame->json;
}

CorBytes *cor_deliver_priv_frame_ws(const CorDeliverFrame *frame)
{
    return frame->ws;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The server pulls; what it gets next depends on the state, which is the pulling thread's alone:
 *
 *     NEXT ----opened----> TEXT ----> BODY
 *      ^  \                  |          |
 *      |   +--last part--> TEXT (the tail) --> OVER        any --> LOST
 *      +------ end of the part ---------+
 *
 *   NEXT -> TEXT   start_part() or start_tail(): what to say is in text
 *   TEXT -> BODY   give_text(), behind a head
 *   TEXT -> OVER   give_text(), behind the tail
 *   BODY -> NEXT   give_body()
 *   any  -> LOST   a part cannot be had
 *
 * Parts that have to be made are made in slots on the offload's threads, some ahead of their turn
 * while others are sent, so that several hosts work for one answer:
 *
 *     FREE --look_ahead()--> MAKING --make()--> MADE or FAILED --take()--> FREE
 *
 * A slot that is MAKING belongs to the thread that makes, else to the thread that pulls; the mutex
 * around what became of it hands it over.  The answer holds a bundle, and so does each slot that is
 * MAKING. */
#include "dicomweb/bundle.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/array.h"
#include "base/hash.h"
#include "http/http-pull.h"

/* What is made ahead of its turn, at most: parts, and bytes in all. */
enum { AHEAD_MAX = 2, AHEAD_BYTES = 16 * 1024 * 1024 };

typedef enum State {
    STATE_NEXT, /* index names the part whose turn it is */
    STATE_TEXT, /* text is being sent */
    STATE_BODY, /* the part's content is being sent */
    STATE_OVER, /* everything was given */
    STATE_LOST, /* a part could not be had */
    STATE_COUNT_
} State;

static const char *const state_names[] = {"next", "text", "body", "over", "lost"};
static_assert(COR_ARRAY_LEN(state_names) == STATE_COUNT_, "name every state");

/* Bit n of entry s is set when state s may become n. */
static const unsigned allowed_next[STATE_COUNT_] = {
    [STATE_NEXT] = (1u << STATE_TEXT) | (1u << STATE_LOST),
    [STATE_TEXT] = (1u << STATE_BODY) | (1u << STATE_OVER),
    [STATE_BODY] = (1u << STATE_NEXT) | (1u << STATE_LOST),
};

typedef enum Making { SLOT_FREE, SLOT_MAKING, SLOT_MADE, SLOT_FAILED } Making;

typedef struct Slot {
    struct Bundle *bundle;
    Making making; /* guarded by the bundle's mutex */
    size_t index;
    CorPart part;
} Slot;

typedef struct Bundle {
    atomic_uint holders;
    CorOffload *offload;
    CorParts parts;
    CorHttpPull *pull;
    char boundary[COR_BUNDLE_BOUNDARY_SIZE];
    State state;
    size_t index;
    CorPart part;
    bool is_described;
    size_t run; /* of the part */
    uint64_t run_at;
    char text[COR_BUNDLE_TEXT_SIZE];
    size_t text_size;
    size_t text_at;
    pthread_mutex_t mutex;
    Slot slots[1 + AHEAD_MAX];
    size_t ahead; /* how many parts are made ahead */
    size_t seen;  /* the parts before this one were looked at */
} Bundle;

/* --- texts --- */

static uint8_t secret[COR_SHA256_SIZE];

static void make_secret(void)
{
    if (!cor_random_bytes(secret, sizeof(secret), NULL)) {
        memset(secret, 0x5A, sizeof(secret)); /* only lets boundaries be foreseen */
    }
}

/* The same answer has the same boundary as long as the server lives, so that an ETag says what it
 * should; and who does not know the secret cannot put the boundary into a file.  Half of the digest
 * is shown, so that it cannot be extended to that of a longer ETag. */
void cor_dicomweb_priv_bundle_boundary(const char *etag, char boundary[COR_BUNDLE_BOUNDARY_SIZE])
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    uint8_t text[COR_SHA256_SIZE + COR_PART_ETAG_SIZE];
    uint8_t digest[COR_SHA256_SIZE];
    size_t size = strnlen(etag, COR_PART_ETAG_SIZE);

    (void) pthread_once(&once, make_secret);
    memcpy(text, secret, sizeof(secret));
    memcpy(text + sizeof(secret), etag, size);
    cor_sha256(text, sizeof(secret) + size, digest);
    (void) cor_hex_encode(digest, (COR_BUNDLE_BOUNDARY_SIZE - 1) / 2, boundary);
}

static size_t bounded(int size)
{
    return size < 0 ? 0 : COR_MIN((size_t) size, COR_BUNDLE_TEXT_SIZE - 1);
}

size_t cor_dicomweb_priv_bundle_head(const CorPart *part, bool is_first, const char *boundary,
                                     char text[COR_BUNDLE_TEXT_SIZE])
{
    static_assert(COR_BUNDLE_TEXT_SIZE > COR_PART_TYPE_SIZE + COR_PART_LOCATION_SIZE + 128,
                  "every head fits");
    const char *name = part->location[0] ? "\r\nContent-Location: " : "";

    return bounded(snprintf(text, COR_BUNDLE_TEXT_SIZE, "%s--%s\r\nContent-Type: %s%s%s\r\n\r\n",
                            is_first ? "" : "\r\n", boundary, part->type, name, part->location));
}

size_t cor_dicomweb_priv_bundle_tail(const char *boundary, char text[COR_BUNDLE_TEXT_SIZE])
{
    return bounded(snprintf(text, COR_BUNDLE_TEXT_SIZE, "\r\n--%s--\r\n", boundary));
}

void cor_dicomweb_priv_bundle_type(const CorParts *parts, const char *boundary,
                                   char type[COR_BUNDLE_TEXT_SIZE])
{
    (void) snprintf(type, COR_BUNDLE_TEXT_SIZE, "multipart/related; type=\"%s\"; boundary=%s",
                    parts->type, boundary);
}

/* --- life --- */

static void unref(Bundle *bundle)
{
    if (atomic_fetch_sub(&bundle->holders, 1) == 1) {
        cor_dicomweb_priv_part_done(&bundle->part);
        for (size_t i = 0; i < COR_ARRAY_LEN(bundle->slots); i++) {
            cor_dicomweb_priv_part_done(&bundle->slots[i].part);
        }
        bundle->parts.release(bundle->parts.context);
        cor_http_pull_unref(bundle->pull);
        (void) pthread_mutex_destroy(&bundle->mutex);
        free(bundle);
    }
}

/* The only place that assigns state. */
static void move(Bundle *bundle, State state)
{
    bool is_allowed = allowed_next[bundle->state] & (1u << state);

    assert(is_allowed);
    bundle->state = is_allowed ? state : STATE_LOST;
}

/* --- parts --- */

/* The part is open: say what it is. */
static void start_text(Bundle *bundle)
{
    bundle->run = 0;
    bundle->run_at = 0;
    bundle->text_at = 0;
    bundle->text_size = 0;
    if (bundle->parts.is_multipart) {
        bundle->text_size = cor_dicomweb_priv_bundle_head(&bundle->part, bundle->index == 0,
                                                          bundle->boundary, bundle->text);
    }
    move(bundle, STATE_TEXT);
}

static bool open_part(const Bundle *bundle, size_t index, CorPart *part)
{
    uint64_t announced = cor_dicomweb_priv_part_size(part);
    bool was_known = !part->is_work;
    CorError err = {0};

    return bundle->parts.open(bundle->parts.context, index, part, &err) &&
           (!was_known || cor_dicomweb_priv_part_size(part) == announced);
}

static void set_making(Slot *slot, Making making)
{
    (void) pthread_mutex_lock(&slot->bundle->mutex);
    slot->making = making;
    (void) pthread_mutex_unlock(&slot->bundle->mutex);
}

static void make(void *context)
{
    Slot *slot = context;
    Bundle *bundle = slot->bundle;

    set_making(slot, open_part(bundle, slot->index, &slot->part) ? SLOT_MADE : SLOT_FAILED);
    cor_http_pull_ready(bundle->pull);
    unref(bundle);
}

/* The slot of a part, or a free one; NULL if there is none. */
static Slot *find_slot(Bundle *bundle, bool is_free, size_t index, Making *ret_making)
{
    Slot *found = NULL;

    (void) pthread_mutex_lock(&bundle->mutex);
    for (size_t i = 0; i <= bundle->ahead && !found; i++) {
        Slot *slot = &bundle->slots[i];
        if (is_free ? slot->making == SLOT_FREE
                    : slot->making != SLOT_FREE && slot->index == index) {
            found = slot;
            *ret_making = slot->making;
        }
    }
    (void) pthread_mutex_unlock(&bundle->mutex);
    return found;
}

/* Have a described part made, which it takes. */
static void start_making(Bundle *bundle, Slot *slot, size_t index, CorPart *part)
{
    slot->index = index;
    slot->part = *part;
    *part = COR_PART_EMPTY;
    atomic_fetch_add(&bundle->holders, 1);
    set_making(slot, SLOT_MAKING);
    if (!cor_dicomweb_priv_offload_run(bundle->offload, make, slot, NULL)) {
        unref(bundle);
        set_making(slot, SLOT_FAILED);
    }
}

/* See to it that the part whose turn it is, and those that follow, are being made if they have to
 * be. */
static void look_ahead(Bundle *bundle)
{
    size_t end = COR_MIN(bundle->parts.len, bundle->index + 1 + bundle->ahead);
    Making making = SLOT_FREE;

    for (bundle->seen = COR_MAX(bundle->seen, bundle->index); bundle->seen < end; bundle->seen++) {
        COR_CLEANUP(cor_dicomweb_priv_part_done) CorPart part = COR_PART_EMPTY;
        Slot *slot = find_slot(bundle, true, 0, &making);
        if (!slot) {
            return;
        }
        bundle->parts.describe(bundle->parts.context, bundle->seen, &part);
        if (part.is_work) {
            start_making(bundle, slot, bundle->seen, &part);
        } else if (bundle->seen == bundle->index) {
            bundle->part = part;
            part = COR_PART_EMPTY;
            bundle->is_described = true;
        }
    }
}

/* The part whose turn it is, if it was or is being made; false if it has yet to come. */
static bool take(Bundle *bundle, bool *ret_is_open)
{
    Making making = SLOT_FREE;
    Slot *slot = find_slot(bundle, false, bundle->index, &making);

    if (slot && making == SLOT_MAKING) {
        return false;
    }
    if (slot) {
        bundle->part = slot->part;
        slot->part = COR_PART_EMPTY;
        set_making(slot, SLOT_FREE);
        *ret_is_open = making == SLOT_MADE;
    } else {
        if (!bundle->is_described) { /* it was looked at before its turn */
            bundle->parts.describe(bundle->parts.context, bundle->index, &bundle->part);
        }
        *ret_is_open = open_part(bundle, bundle->index, &bundle->part);
    }
    return true;
}

/* False if there is nothing to say yet. */
static bool start_part(Bundle *bundle)
{
    bool is_open = bundle->part.fd >= 0 || bundle->part.bytes; /* the first one may be */

    if (is_open) {
        bundle->seen = bundle->index + 1;
    } else {
        look_ahead(bundle);
        if (!take(bundle, &is_open)) {
            return false;
        }
    }
    if (is_open) {
        look_ahead(bundle); /* what follows is made while this part is sent */
        start_text(bundle);
    } else {
        move(bundle, STATE_LOST);
    }
    return true;
}

static void start_tail(Bundle *bundle)
{
    bundle->text_at = 0;
    bundle->text_size = bundle->parts.is_multipart
                            ? cor_dicomweb_priv_bundle_tail(bundle->boundary, bundle->text)
                            : 0;
    move(bundle, STATE_TEXT);
}

static bool is_behind_last(const Bundle *bundle)
{
    return bundle->index == (bundle->parts.is_multipart ? bundle->parts.len : 1);
}

/* --- giving --- */

static size_t give_text(Bundle *bundle, uint8_t *data, size_t size)
{
    size_t taken = COR_MIN(size, bundle->text_size - bundle->text_at);

    memcpy(data, bundle->text + bundle->text_at, taken);
    bundle->text_at += taken;
    if (bundle->text_at == bundle->text_size) {
        move(bundle, is_behind_last(bundle) ? STATE_OVER : STATE_BODY);
    }
    return taken;
}

static void end_part(Bundle *bundle)
{
    cor_dicomweb_priv_part_done(&bundle->part);
    bundle->is_described = false;
    bundle->index++;
    move(bundle, STATE_NEXT);
}

static size_t give_bytes(Bundle *bundle, uint8_t *data, size_t size)
{
    size_t taken = COR_MIN(size, cor_bytes_size(bundle->part.bytes) - (size_t) bundle->run_at);

    memcpy(data, cor_bytes_data(bundle->part.bytes) + bundle->run_at, taken);
    bundle->run_at += taken;
    if (bundle->run_at == cor_bytes_size(bundle->part.bytes)) {
        end_part(bundle);
    }
    return taken;
}

static size_t give_file(Bundle *bundle, uint8_t *data, size_t size)
{
    CorCatalogRun run;

    if (!cor_dicomweb_priv_part_run(&bundle->part, bundle->run, &run)) {
        end_part(bundle);
        return 0;
    }
    size_t wanted = (size_t) COR_MIN((uint64_t) size, run.size - bundle->run_at);
    ssize_t got =
        wanted ? pread(bundle->part.fd, data, wanted, (off_t) (run.offset + bundle->run_at)) : 0;
    if (wanted && got <= 0) {
        move(bundle, STATE_LOST);
        return 0;
    }
    bundle->run_at += (uint64_t) got;
    if (bundle->run_at == run.size) {
        bundle->run++;
        bundle->run_at = 0;
    }
    return (size_t) got;
}

/* The next piece of the file, to be sent from there; behind the last one its part ends. */
static void lend_file(Bundle *bundle, CorHttpFile *ret_file)
{
    CorCatalogRun run;

    if (cor_dicomweb_priv_part_run(&bundle->part, bundle->run, &run)) {
        bundle->run++;
        *ret_file = (CorHttpFile){.fd = bundle->part.fd, .offset = run.offset, .size = run.size};
    } else {
        end_part(bundle);
    }
}

/* Some of the content, or none if it is lent. */
static size_t give_body(Bundle *bundle, uint8_t *data, size_t size, CorHttpFile *ret_file)
{
    if (bundle->part.bytes) {
        return give_bytes(bundle, data, size);
    }
    if (!ret_file) {
        return give_file(bundle, data, size);
    }
    lend_file(bundle, ret_file);
    return 0;
}

/* As much as fits: small parts share a block. */
static ssize_t pull(void *context, void *data, size_t size, CorHttpFile *ret_file)
{
    Bundle *bundle = context;
    uint8_t *at = data;
    size_t given = 0;

    while (given < size && !(ret_file && ret_file->size > 0)) {
        ssize_t nothing = COR_HTTP_PULL_LOST;
        switch (bundle->state) {
        case STATE_NEXT:
            if (is_behind_last(bundle)) {
                start_tail(bundle);
            } else if (!start_part(bundle)) {
                nothing = COR_HTTP_PULL_WAIT;
                break;
            }
            continue;
        case STATE_TEXT:
            given += give_text(bundle, at + given, size - given);
            continue;
        case STATE_BODY:
            given += give_body(bundle, at + given, size - given, ret_file);
            continue;
        case STATE_OVER:
            nothing = COR_HTTP_PULL_END;
            break;
        default:
            break;
        }
        return given > 0 ? (ssize_t) given : nothing;
    }
    return (ssize_t) given;
}

static void on_end(void *context)
{
    unref(context);
}

void cor_dicomweb_priv_bundle_send(CorOffload *offload, CorHttpResponse *res,
                                   const CorBundleOptions *options)
{
    char type[COR_BUNDLE_TEXT_SIZE];
    Bundle *bundle = cor_new(Bundle);
    CorPart first = options->first;
    CorError err = {0};

    if (!bundle) {
        cor_dicomweb_priv_part_done(&first);
        options->parts.release(options->parts.context);
        (void) cor_fail(&err, COR_ERR_NOMEM, "out of memory for an answer");
        cor_http_fail(res, NULL, &err);
        return;
    }
    *bundle = (Bundle){.offload = offload, .parts = options->parts, .part = first};
    if (options->parts.is_multipart && options->parts.made_bytes_max > 0) {
        bundle->ahead = (size_t) COR_MIN(AHEAD_BYTES / options->parts.made_bytes_max, AHEAD_MAX);
    }
    for (size_t i = 0; i < COR_ARRAY_LEN(bundle->slots); i++) {
        bundle->slots[i] = (Slot){.bundle = bundle, .part = COR_PART_EMPTY};
    }
    atomic_init(&bundle->holders, 2);
    (void) pthread_mutex_init(&bundle->mutex, NULL);
    memcpy(bundle->boundary, options->boundary, sizeof(bundle->boundary));
    cor_dicomweb_priv_bundle_type(&options->parts, options->boundary, type);

    CorHttpPullOptions pulled = {.type = options->parts.is_multipart ? type : options->parts.type,
                                 .size = options->size,
                                 .pull = pull,
                                 .on_end = on_end,
                                 .context = bundle};
    if (!cor_http_res_pull(res, &pulled, &bundle->pull, &err)) {
        unref(bundle);
        cor_http_fail(res, NULL, &err);
    }
    unref(bundle);
}

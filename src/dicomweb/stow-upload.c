/* SPDX-License-Identifier: Apache-2.0 */
/* The part that is being received is the connection thread's alone:
 *
 *     NONE --part begins--> OPENING --place--> RECEIVING --part ends--> NONE, to a thread
 *                             |                   |
 *                             +------failure------+--> SKIPPING --part ends--> NONE
 *
 * OPENING waits while this upload has enough in flight, or all uploads together have.  A complete
 * part is a Part with a reference to the upload; what the threads and the connection share is
 * guarded by the mutex: the outcomes, how many parts are in flight, whom to wake. */
#include "dicomweb/stow-upload.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/time.h"
#include "program/log.h"

enum {
    PARTS_MAX = 10000,         /* of one request */
    PARTS_IN_FLIGHT_MAX = 16,  /* of one request, the one that is being received included */
    PLACE_WAIT_MS = 60000,     /* for a place, then the rest is refused */
    DROPPED_MAX = 1024 * 1024, /* bytes behind what is malformed: its end may be near */
    WHYS_MAX = 100,            /* failures of one request whose reasons are kept */
};

typedef enum PartState { PART_NONE, PART_OPENING, PART_RECEIVING, PART_SKIPPING } PartState;

struct CorStowUpload {
    atomic_uint refs;
    CorDicomweb *dicomweb;
    char study[COR_UID_SIZE];
    const char *media_type;
    bool is_lenient;
    CorHttpHold *hold;
    int64_t start_ms;

    /* Connection's thread only. */
    CorMultipart *reader; /* NULL: the body is one file */
    PartState part;
    bool has_place;    /* while RECEIVING */
    CorBlobTemp *temp; /* while RECEIVING, from the first byte on */
    CorStowWaiter waiter;
    int64_t waiting_since_ms; /* 0: not waiting for a place */
    uint64_t bytes;
    uint64_t dropped; /* bytes that came after the fault */
    size_t whys;
    int fault_status; /* 0: none */
    CorError fault;

    pthread_mutex_t mutex;
    CorStowOutcome *outcomes; /* guarded by mutex */
    size_t outcomes_len;      /* guarded by mutex */
    size_t outcomes_room;     /* guarded by mutex */
    size_t in_flight;         /* guarded by mutex */
    CorHttpPark *park;        /* guarded by mutex: woken when in_flight has become 0 */
};

typedef struct Part {
    CorStowUpload *upload;
    CorBlobTemp *temp;
    size_t index;
} Part;

static CorStow *stow_of(const CorStowUpload *upload)
{
    return upload->dicomweb->stow;
}

/* --- life --- */

bool cor_dicomweb_priv_stow_upload_new(CorHttpRequest *req, const CorStowUploadOptions *options,
                                       CorStowUpload **ret_upload, CorError *err)
{
    CorStowUpload *upload = cor_new(CorStowUpload);

    if (!upload) {
        return cor_fail(err, COR_ERR_NOMEM, "out of memory for an upload");
    }
    atomic_init(&upload->refs, 1);
    (void) pthread_mutex_init(&upload->mutex, NULL);
    upload->dicomweb = options->dicomweb;
    upload->media_type = options->media_type;
    upload->is_lenient = options->is_lenient;
    upload->start_ms = cor_time_ms();
    (void) snprintf(upload->study, sizeof(upload->study), "%s", options->study);
    (void) atomic_fetch_add(&stow_of(upload)->uploads, 1);
    if ((options->boundary &&
         !cor_dicomweb_priv_multipart_new(options->boundary, PARTS_MAX, &upload->reader, err)) ||
        !cor_http_hold_new(req, PLACE_WAIT_MS, &upload->hold, err)) {
        cor_dicomweb_priv_stow_upload_unref(upload);
        return false;
    }
    upload->waiter.hold = upload->hold;
    *ret_upload = upload;
    return true;
}

static void discard_part(CorStowUpload *upload)
{
    cor_blob_temp_free(COR_TAKE(upload->temp));
    if (upload->has_place) {
        upload->has_place = false;
        cor_dicomweb_priv_stow_gate_leave(stow_of(upload)->gate);
    }
    cor_dicomweb_priv_stow_gate_give_up(stow_of(upload)->gate, &upload->waiter);
    upload->part = PART_NONE;
}

static void unref(CorStowUpload *upload)
{
    if (atomic_fetch_sub(&upload->refs, 1) > 1) {
        return;
    }
    (void) atomic_fetch_sub(&stow_of(upload)->uploads, 1);
    for (size_t i = 0; i < upload->outcomes_len; i++) {
        cor_dicomweb_priv_stow_outcome_done(&upload->outcomes[i]);
    }
    free(upload->outcomes);
    cor_dicomweb_priv_multipart_free(upload->reader);
    cor_http_hold_unref(upload->hold);
    cor_http_park_unref(upload->park);
    (void) pthread_mutex_destroy(&upload->mutex);
    free(upload);
}

void cor_dicomweb_priv_stow_upload_unref(CorStowUpload *upload)
{
    discard_part(upload);
    unref(upload);
}

/* --- outcomes --- */

/* Make room for the outcome of the part that begins. */
static bool add_outcome(CorStowUpload *upload)
{
    bool ok = true;

    (void) pthread_mutex_lock(&upload->mutex);
    if (upload->outcomes_len == upload->outcomes_room) {
        size_t room = COR_MAX((size_t) 8, upload->outcomes_room * 2);
        CorStowOutcome *grown = reallocarray(upload->outcomes, room, sizeof(*upload->outcomes));
        ok = grown != NULL;
        upload->outcomes = ok ? grown : upload->outcomes;
        upload->outcomes_room = ok ? room : upload->outcomes_room;
    }
    if (ok) {
        upload->outcomes[upload->outcomes_len++] = (CorStowOutcome){0};
    }
    (void) pthread_mutex_unlock(&upload->mutex);
    return ok;
}

/* The part that is being received comes to nothing; its bytes are passed over. */
static void fail_part(CorStowUpload *upload, uint16_t failure, const CorError *err)
{
    CorStowOutcome outcome = {0};

    discard_part(upload);
    upload->part = PART_SKIPPING;
    cor_dicomweb_priv_stow_fail(&outcome, failure, err);
    if (upload->whys++ >= WHYS_MAX) {
        free(COR_TAKE(outcome.why));
    }
    (void) pthread_mutex_lock(&upload->mutex);
    upload->outcomes[upload->outcomes_len - 1] = outcome;
    (void) pthread_mutex_unlock(&upload->mutex);
}

/* --- a complete part, on a thread --- */

static void settle(CorStowUpload *upload, size_t index, const CorStowOutcome *outcome)
{
    (void) pthread_mutex_lock(&upload->mutex);
    upload->outcomes[index] = *outcome;
    upload->in_flight--;
    CorHttpPark *park =
        upload->in_flight == 0 && upload->park ? cor_http_park_ref(upload->park) : NULL;
    (void) pthread_mutex_unlock(&upload->mutex);
    cor_http_hold_release(upload->hold);
    if (park) {
        cor_http_park_wake(park);
        cor_http_park_unref(park);
    }
}

static void store_part(void *context)
{
    Part *part = context;
    CorStowUpload *upload = part->upload;
    CorStowOutcome outcome = {0};

    cor_dicomweb_priv_stow_store(upload->dicomweb, part->temp, upload->study, &outcome);
    cor_blob_temp_free(part->temp);
    cor_dicomweb_priv_stow_gate_leave(stow_of(upload)->gate);
    settle(upload, part->index, &outcome);
    unref(upload);
    free(part);
}

static void hand_on_part(CorStowUpload *upload)
{
    CorOffload *offload = stow_of(upload)->offload;
    Part *part = cor_new(Part);
    CorError err = {0};

    if (!part) {
        (void) cor_fail(&err, COR_ERR_NOMEM, "out of memory for an instance");
        fail_part(upload, COR_STOW_OUT_OF_RESOURCES, &err);
        return;
    }
    *part = (Part){.upload = upload, .temp = upload->temp, .index = upload->outcomes_len - 1};
    (void) pthread_mutex_lock(&upload->mutex);
    upload->in_flight++;
    (void) pthread_mutex_unlock(&upload->mutex);
    atomic_fetch_add(&upload->refs, 1);
    if (cor_dicomweb_priv_offload_run(offload, store_part, part, &err)) {
        upload->temp = NULL;
        upload->has_place = false;
        return;
    }
    atomic_fetch_sub(&upload->refs, 1);
    (void) pthread_mutex_lock(&upload->mutex);
    upload->in_flight--;
    (void) pthread_mutex_unlock(&upload->mutex);
    free(part);
    fail_part(upload, COR_STOW_OUT_OF_RESOURCES, &err);
}

/* --- bytes --- */

static void refuse(CorStowUpload *upload, int status, const CorError *err)
{
    discard_part(upload);
    upload->fault_status = status;
    upload->fault = *err;
}

static bool has_enough_in_flight(CorStowUpload *upload)
{
    (void) pthread_mutex_lock(&upload->mutex);
    bool has = upload->in_flight >= PARTS_IN_FLIGHT_MAX - 1;
    (void) pthread_mutex_unlock(&upload->mutex);
    return has;
}

/* True if the part has a place; else the upload waits for one, or has waited long enough. */
static bool has_place(CorStowUpload *upload)
{
    CorError err = {0};

    if (has_enough_in_flight(upload)) {
        return false;
    }
    if (cor_dicomweb_priv_stow_gate_enter(stow_of(upload)->gate, &upload->waiter)) {
        upload->waiting_since_ms = 0;
        return true;
    }
    int64_t now_ms = cor_time_ms();
    if (upload->waiting_since_ms == 0) {
        upload->waiting_since_ms = now_ms;
    } else if (now_ms - upload->waiting_since_ms >= PLACE_WAIT_MS) {
        (void) cor_fail(&err, COR_ERR_UNAVAILABLE,
                        "too many uploads at once: this one found no place");
        refuse(upload, 503, &err);
    }
    return false;
}

static void open_part(CorStowUpload *upload)
{
    if (has_place(upload)) {
        upload->has_place = true;
        upload->part = PART_RECEIVING;
    }
}

static void begin_part(CorStowUpload *upload)
{
    const char *type =
        upload->reader ? cor_dicomweb_priv_multipart_header(upload->reader, "Content-Type") : NULL;
    CorError err = {0};

    if (!add_outcome(upload)) {
        (void) cor_fail(&err, COR_ERR_UNAVAILABLE, "out of memory for an upload");
        refuse(upload, 503, &err);
    } else if (type && !cor_http_type_is(type, "application/dicom")) {
        (void) cor_fail(&err, COR_ERR_UNSUPPORTED, "the part is not application/dicom");
        fail_part(upload, COR_STOW_CANNOT_UNDERSTAND, &err);
    } else {
        upload->part = PART_OPENING;
    }
}

/* The disk may have filled up since the upload began. */
static bool make_file(CorStowUpload *upload, CorError *err)
{
    const CorDicomwebOptions *options = &upload->dicomweb->options;

    if (!options->is_writable(options->context, err) ||
        !cor_blob_temp_new(options->blobs, (uint64_t) options->config->file_max_bytes,
                           &upload->temp, err)) {
        return false;
    }
    cor_blob_temp_stage(upload->temp);
    return true;
}

static void receive(CorStowUpload *upload, const uint8_t *data, size_t size)
{
    CorError err = {0};

    if (upload->part != PART_RECEIVING || ((upload->temp || make_file(upload, &err)) &&
                                           cor_blob_temp_write(upload->temp, data, size, &err))) {
        return;
    }
    if (!upload->reader && err.code == COR_ERR_LIMIT) { /* nothing comes behind it */
        refuse(upload, 413, &err);
    } else {
        fail_part(upload, COR_STOW_OUT_OF_RESOURCES, &err);
    }
}

static void end_part(CorStowUpload *upload)
{
    CorError err = {0};

    if (upload->part == PART_RECEIVING && !upload->temp) {
        (void) cor_fail(&err, COR_ERR_INVALID, "the part is empty");
        fail_part(upload, COR_STOW_CANNOT_UNDERSTAND, &err);
    } else if (upload->part == PART_RECEIVING && !cor_blob_temp_writeback(upload->temp, &err)) {
        fail_part(upload, COR_STOW_OUT_OF_RESOURCES, &err);
    } else if (upload->part == PART_RECEIVING) {
        hand_on_part(upload);
    }
    upload->part = PART_NONE;
}

static void hear(CorStowUpload *upload, const CorMultipartPiece *piece)
{
    switch (piece->event) {
    case COR_MULTIPART_PART:
        begin_part(upload);
        break;
    case COR_MULTIPART_DATA:
        receive(upload, piece->data, piece->size);
        break;
    case COR_MULTIPART_PART_END:
        end_part(upload);
        break;
    case COR_MULTIPART_MORE:
    case COR_MULTIPART_END:
        break;
    }
}

/* True if reading can go on: the part that begins has its place. */
static bool is_open(CorStowUpload *upload)
{
    if (upload->part == PART_OPENING) {
        open_part(upload);
    }
    return upload->part != PART_OPENING && !upload->fault_status;
}

static const uint8_t *take_parts(CorStowUpload *upload, const uint8_t *at, const uint8_t *end)
{
    CorMultipartPiece piece = {.event = COR_MULTIPART_END};
    CorError err = {0};

    while (piece.event != COR_MULTIPART_MORE && is_open(upload)) {
        if (!cor_dicomweb_priv_multipart_next(upload->reader, &at, end, &piece, &err)) {
            refuse(upload, 400, &err);
            break;
        }
        hear(upload, &piece);
    }
    return at;
}

static const uint8_t *take_file(CorStowUpload *upload, const uint8_t *at, const uint8_t *end)
{
    if (upload->part == PART_NONE) {
        begin_part(upload);
    }
    if (!is_open(upload)) {
        return at;
    }
    receive(upload, at, (size_t) (end - at));
    return end;
}

/* Behind a fault everything is dropped, so that a body whose end is near is answered at its end,
 * where the answer may be long; up to a bound. */
static size_t drop(CorStowUpload *upload, size_t size)
{
    if (upload->dropped >= DROPPED_MAX) {
        return 0;
    }
    upload->dropped += size;
    return size;
}

size_t cor_dicomweb_priv_stow_upload_take(CorStowUpload *upload, const void *bytes, size_t size)
{
    const uint8_t *at = bytes;
    const uint8_t *end = at + size;

    if (!upload->fault_status) {
        at = upload->reader ? take_parts(upload, at, end) : take_file(upload, at, end);
        upload->bytes += (uint64_t) (at - (const uint8_t *) bytes);
    }
    if (upload->fault_status) {
        at += drop(upload, (size_t) (end - at));
    }
    return (size_t) (at - (const uint8_t *) bytes);
}

void cor_dicomweb_priv_stow_upload_end(CorStowUpload *upload)
{
    CorError err = {0};

    if (!upload->reader) {
        end_part(upload);
    } else if (!upload->fault_status && !cor_dicomweb_priv_multipart_finish(upload->reader, &err)) {
        refuse(upload, 400, &err);
    }
    if (upload->outcomes_len == 0 && !upload->fault_status) {
        (void) cor_fail(&err, COR_ERR_INVALID, "the body has no instance");
        refuse(upload, 400, &err);
    }
}

/* --- the answer --- */

bool cor_dicomweb_priv_stow_upload_is_refused(const CorStowUpload *upload)
{
    return upload->fault_status != 0 && upload->dropped >= DROPPED_MAX;
}

bool cor_dicomweb_priv_stow_upload_is_settled(CorStowUpload *upload, CorHttpPark *park)
{
    (void) pthread_mutex_lock(&upload->mutex);
    bool is_settled = upload->in_flight == 0;
    if (!is_settled && park && !upload->park) {
        upload->park = cor_http_park_ref(park);
    }
    (void) pthread_mutex_unlock(&upload->mutex);
    return is_settled;
}

static void report(const CorStowUpload *upload, const CorStowCounts *counts)
{
    cor_log_info("upload", COR_FI("stored", counts->stored),
                 COR_FI("duplicates", counts->duplicates), COR_FI("failed", counts->failed),
                 COR_FI("bytes", upload->bytes), COR_FI("ms", cor_time_ms() - upload->start_ms),
                 COR_F("refused", upload->fault_status ? upload->fault.text : NULL),
                 COR_F("first_failure", counts->first_failure));
}

void cor_dicomweb_priv_stow_upload_answer(CorStowUpload *upload, CorHttpResponse *res)
{
    const CorDicomwebOptions *options = &upload->dicomweb->options;

    /* Settled: nobody else writes outcomes any more; the lock makes theirs visible. */
    (void) pthread_mutex_lock(&upload->mutex);
    CorStowCounts counts = cor_dicomweb_priv_stow_count(upload->outcomes, upload->outcomes_len);
    CorStowAnswer answer = {.outcomes = upload->outcomes,
                            .len = upload->outcomes_len,
                            .study = upload->study,
                            .media_type = upload->media_type,
                            .is_lenient = upload->is_lenient,
                            .public_url = options->public_url(options->context),
                            .status = upload->fault_status,
                            .is_brief = upload->dropped >= DROPPED_MAX,
                            .fault = &upload->fault};
    (void) pthread_mutex_unlock(&upload->mutex);
    report(upload, &counts);
    cor_dicomweb_priv_stow_answer(&answer, res);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* A fixed number of slots, each with a curl handle that keeps its connection, driven by one curl
 * multi handle.  A slot takes the next file when it is free.
 *
 *     IDLE --next file--> SENDING --answer--> IDLE
 *      ^                     |
 *      +--- time has come ---+--429, 503--> WAITING
 */
#include "cli/upload.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/time.h"
#include "base/uri.h"

enum { POLL_MS = 100, TRIES_MAX = 8, WAIT_MS = 1000, WAIT_MAX_MS = 30000, SILENCE_S = 60 };

typedef enum SlotState { SLOT_IDLE, SLOT_SENDING, SLOT_WAITING } SlotState;

typedef struct Slot {
    SlotState state;
    CURL *curl;
    const CorWalkFile *file;
    FILE *source;
    CorString *answer;
    CorString *url;
    int tries;
    int64_t again_ms; /* WAITING: when to send again */
    char detail[CURL_ERROR_SIZE];
} Slot;

typedef struct Uploads {
    CorClient *client;
    const CorWalk *walk;
    const CorUploadOptions *options;
    CURLM *multi;
    struct curl_slist *headers;
    Slot slots[COR_UPLOAD_PARALLEL_MAX];
    size_t next_file;
    uint64_t bytes_done;
} Uploads;

static size_t take_answer(char *data, size_t one, size_t size, void *context)
{
    (void) one; /* always 1 */
    cor_string_append(context, data, size);
    return cor_string_check(context, NULL) ? size : 0;
}

static bool add_header(Uploads *uploads, const char *line)
{
    struct curl_slist *longer = line ? curl_slist_append(uploads->headers, line) : uploads->headers;

    uploads->headers = longer ? longer : uploads->headers;
    return !line || longer;
}

static bool open_slots(Uploads *uploads, CorError *err)
{
    bool is_ok = add_header(uploads, "Content-Type: application/dicom") &&
                 add_header(uploads, "Accept: application/json") &&
                 add_header(uploads, "Expect:") && /* no extra round trip per file */
                 add_header(uploads, cor_client_authorization(uploads->client));

    uploads->multi = curl_multi_init();
    is_ok = is_ok && uploads->multi;
    for (int i = 0; i < uploads->options->parallel; i++) {
        Slot *slot = &uploads->slots[i];
        slot->curl = curl_easy_init();
        slot->answer = cor_string_new(65536);
        slot->url = cor_string_new(65536);
        is_ok = is_ok && slot->curl && slot->answer && slot->url;
    }
    return is_ok || cor_fail(err, COR_ERR_NOMEM, "out of memory for uploads");
}

static void close_slots(Uploads *uploads)
{
    for (int i = 0; i < uploads->options->parallel; i++) {
        Slot *slot = &uploads->slots[i];
        if (slot->curl && uploads->multi) {
            (void) curl_multi_remove_handle(uploads->multi, slot->curl);
        }
        curl_easy_cleanup(slot->curl);
        cor_string_free(slot->answer);
        cor_string_free(slot->url);
        if (slot->source) {
            (void) fclose(slot->source);
        }
    }
    (void) curl_multi_cleanup(uploads->multi);
    curl_slist_free_all(uploads->headers);
}

static void end_file(Uploads *uploads, Slot *slot, CorUploadOutcome outcome, const json_t *stored,
                     const char *why)
{
    if (slot->source) {
        (void) fclose(slot->source);
        slot->source = NULL;
    }
    uploads->bytes_done += slot->file->size;
    slot->state = SLOT_IDLE;
    uploads->options->on_end(uploads->options->context, slot->file, outcome, stored, why);
}

static void send_file(Uploads *uploads, Slot *slot)
{
    CURL *curl = slot->curl;

    rewind(slot->source);
    cor_string_truncate(slot->answer, 0);
    cor_string_truncate(slot->url, 0);
    cor_string_printf(slot->url, "%s/objects/pacs/", cor_client_server(uploads->client));
    cor_percent_encode(slot->url, slot->file->key, "/");
    slot->detail[0] = '\0';
    (void) curl_easy_setopt(curl, CURLOPT_URL, cor_string_text(slot->url));
    (void) curl_easy_setopt(curl, CURLOPT_UPLOAD, 1L);
    (void) curl_easy_setopt(curl, CURLOPT_READDATA, slot->source);
    (void) curl_easy_setopt(curl, CURLOPT_INFILESIZE_LARGE, (curl_off_t) slot->file->size);
    (void) curl_easy_setopt(curl, CURLOPT_HTTPHEADER, uploads->headers);
    (void) curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_answer);
    (void) curl_easy_setopt(curl, CURLOPT_WRITEDATA, slot->answer);
    (void) curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, slot->detail);
    (void) curl_easy_setopt(curl, CURLOPT_PRIVATE, slot);
    (void) curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    (void) curl_easy_setopt(curl, CURLOPT_PATH_AS_IS, 1L);
    (void) curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, 5000L);
    (void) curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
    (void) curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, (long) SILENCE_S);
    if (cor_client_is_local(uploads->client)) {
        (void) curl_easy_setopt(curl, CURLOPT_PROXY, "");
    }
    slot->state = SLOT_SENDING;
    (void) curl_multi_add_handle(uploads->multi, curl);
}

/* Give an idle slot the next file that can be opened. */
static void begin_file(Uploads *uploads, Slot *slot)
{
    while (slot->state == SLOT_IDLE && uploads->next_file < uploads->walk->len) {
        slot->file = &uploads->walk->files[uploads->next_file++];
        if (!slot->file->key) {
            continue;
        }
        slot->tries = 0;
        slot->source = fopen(slot->file->path, "re");
        if (!slot->source) {
            CorError why = {0};
            (void) cor_fail_errno(&why, errno, "cannot be read");
            end_file(uploads, slot, COR_UPLOAD_FAILED, NULL, why.text);
            continue;
        }
        send_file(uploads, slot);
    }
}

static bool should_try_again(Slot *slot, long status)
{
    curl_off_t after_s = 0;

    if ((status != 429 && status != 503) || ++slot->tries >= TRIES_MAX) {
        return false;
    }
    (void) curl_easy_getinfo(slot->curl, CURLINFO_RETRY_AFTER, &after_s);
    int64_t wait_ms =
        after_s > 0 && after_s < 1000 ? (int64_t) after_s * 1000 : (int64_t) WAIT_MS << slot->tries;
    slot->again_ms = cor_time_ms() + COR_MIN(wait_ms, (int64_t) WAIT_MAX_MS);
    slot->state = SLOT_WAITING;
    return true;
}

static void take_status(Uploads *uploads, Slot *slot)
{
    long status = 0;
    CorClientAnswer answer = {0};
    CorError why = {0};

    (void) curl_easy_getinfo(slot->curl, CURLINFO_RESPONSE_CODE, &status);
    if (should_try_again(slot, status)) {
        return;
    }
    answer.status = (int) status;
    (void) (cor_string_size(slot->answer) > 0 &&
            cor_json_parse(cor_string_text(slot->answer), cor_string_size(slot->answer),
                           &answer.json, NULL));
    if (status == 201) {
        end_file(uploads, slot, COR_UPLOAD_STORED, answer.json, "");
    } else if (status == 200) {
        end_file(uploads, slot, COR_UPLOAD_DUPLICATE, answer.json, "");
    } else {
        bool is_no_dicom = status == 400 || status == 415 || status == 422;
        (void) cor_client_fail(&answer, &why);
        end_file(uploads, slot, is_no_dicom ? COR_UPLOAD_REFUSED : COR_UPLOAD_FAILED, NULL,
                 why.text);
    }
    cor_client_answer_done(&answer);
}

/* One transfer has ended.  A server that is gone ends the run, because the next file would meet the
 * same. */
static bool take_end(Uploads *uploads, const CURLMsg *message, CorError *err)
{
    void *private_data = NULL;
    CURLcode code = message->data.result;

    (void) curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **) &private_data);
    Slot *slot = private_data;
    (void) curl_multi_remove_handle(uploads->multi, slot->curl);
    if (code == CURLE_OK) {
        take_status(uploads, slot);
        return true;
    }
    if (code == CURLE_READ_ERROR || code == CURLE_PARTIAL_FILE) { /* not the server's fault */
        end_file(uploads, slot, COR_UPLOAD_FAILED, NULL,
                 "changed or could not be read while it was sent");
        return true;
    }
    (void) cor_client_fail_curl(uploads->client, slot->curl, (int) code, slot->detail, err);
    if (err->code == COR_ERR_UNAVAILABLE) {
        return false;
    }
    end_file(uploads, slot, COR_UPLOAD_FAILED, NULL, err->text);
    *err = (CorError){0};
    return true;
}

static uint64_t bytes_so_far(const Uploads *uploads)
{
    uint64_t bytes = uploads->bytes_done;

    for (int i = 0; i < uploads->options->parallel; i++) {
        curl_off_t sent = 0;
        if (uploads->slots[i].state == SLOT_SENDING) {
            (void) curl_easy_getinfo(uploads->slots[i].curl, CURLINFO_SIZE_UPLOAD_T, &sent);
            bytes += (uint64_t) sent;
        }
    }
    return bytes;
}

/* Give work to slots that have none; false when there is none left. */
static bool fill_slots(Uploads *uploads)
{
    bool is_busy = false;

    for (int i = 0; i < uploads->options->parallel; i++) {
        Slot *slot = &uploads->slots[i];
        if (slot->state == SLOT_IDLE) {
            begin_file(uploads, slot);
        } else if (slot->state == SLOT_WAITING && cor_time_ms() >= slot->again_ms) {
            send_file(uploads, slot);
        }
        is_busy = is_busy || slot->state != SLOT_IDLE;
    }
    return is_busy;
}

static bool run(Uploads *uploads, CorError *err)
{
    int running = 0;
    int left = 0;
    const CURLMsg *message = NULL;

    while (fill_slots(uploads)) {
        if (!uploads->options->on_tick(uploads->options->context, bytes_so_far(uploads))) {
            return cor_fail(err, COR_ERR_CANCELLED, "interrupted");
        }
        if (curl_multi_perform(uploads->multi, &running) != CURLM_OK ||
            curl_multi_poll(uploads->multi, NULL, 0, POLL_MS, NULL) != CURLM_OK) {
            return cor_fail(err, COR_ERR_BUG, "libcurl does not go on");
        }
        while ((message = curl_multi_info_read(uploads->multi, &left))) {
            if (message->msg == CURLMSG_DONE && !take_end(uploads, message, err)) {
                return false;
            }
        }
    }
    return true;
}

bool cor_upload_files(CorClient *client, const CorWalk *walk, const CorUploadOptions *options,
                      CorError *err)
{
    CorError dropped = {0};
    Uploads *uploads = cor_new(Uploads);

    err = err ? err : &dropped;
    if (!uploads) {
        return cor_fail(err, COR_ERR_NOMEM, "out of memory for uploads");
    }
    uploads->client = client;
    uploads->walk = walk;
    uploads->options = options;
    bool is_ok = open_slots(uploads, err) && run(uploads, err);
    close_slots(uploads);
    free(uploads);
    return is_ok;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* How the operator verbs talk to a server: HTTP over libcurl.
 *
 * Ownership  cor_client_open() gives an object to close; answers are freed with
 *            cor_client_answer_done().
 * Threads    One thread at a time.
 * Blocking   Until the answer is there: at most 5 s to connect and 60 s to answer; streams as long
 *            as the server sends something at least every 120 s.
 * Errors     UNAVAILABLE if no server answers, TIMEOUT, CORRUPT if it does not answer like a Corsia
 *            server; for an answer that is a problem, the code that fits and the server's sentence.
 */
#pragma once

#include "base/cleanup.h"
#include "base/error.h"
#include "base/json.h"
#include "base/string.h"

#include <stdbool.h>
#include <stddef.h>

#define COR_CLIENT_SERVER_DEFAULT "http://127.0.0.1:8080"
#define COR_CLIENT_ANSWER_MAX ((size_t) 64 * 1024 * 1024)

typedef struct CorClient CorClient;

typedef struct CorClientAnswer {
    int status;
    json_t *json; /* NULL if the body is no JSON */
} CorClientAnswer;

/**
 * Prepare to talk to a server; nothing is sent yet.
 *
 * @param server      NULL for CORSIA_SERVER, else COR_CLIENT_SERVER_DEFAULT
 * @param token_file  NULL for CORSIA_TOKEN_FILE, else no token
 */
COR_MUSTCHECK bool cor_client_open(const char *server, const char *token_file,
                                   CorClient **ret_client, CorError *err);
void cor_client_close(CorClient *client);
COR_DEFINE_CLEANUP(CorClient, cor_client_close)

/** The server's base URL, without a final slash.  Borrowed. */
const char *cor_client_server(const CorClient *client);

/** The Authorization header line, or NULL if there is no token.  Borrowed. */
const char *cor_client_authorization(const CorClient *client);

/** True if the server is on this machine, so that no proxy may come between. */
bool cor_client_is_local(const CorClient *client);

/**
 * Send a request and take any HTTP answer, good or bad.
 *
 * @param path        "/jobs/abc?limit=1", percent-encoded
 * @param body        sent as application/json; NULL for none
 * @param ret_answer  free it with cor_client_answer_done()
 */
COR_MUSTCHECK bool cor_client_request(CorClient *client, const char *method, const char *path,
                                      const json_t *body, CorClientAnswer *ret_answer,
                                      CorError *err);
void cor_client_answer_done(CorClientAnswer *answer);

/**
 * As cor_client_request(), but only a 2xx answer with JSON is success.
 *
 * @param ret_json  a new reference
 */
COR_MUSTCHECK bool cor_client_call(CorClient *client, const char *method, const char *path,
                                   const json_t *body, json_t **ret_json, CorError *err);

/**
 * Read a stream (Server-Sent Events) until the server ends it or on_data returns false.
 *
 * @return true if it ended either way; UNAVAILABLE if the connection broke
 */
COR_MUSTCHECK bool cor_client_stream(CorClient *client, const char *path,
                                     bool (*on_data)(void *context, const char *data, size_t size),
                                     void *context, CorError *err);

/** Record what a problem answer says: "jobs/x: no such job (404)". */
bool cor_client_fail(const CorClientAnswer *answer, CorError *err);

/**
 * Record why a transfer failed, in words for an operator.
 *
 * @param curl       its handle (a CURL *)
 * @param curl_code  a CURLcode
 * @param detail     what libcurl wrote into CURLOPT_ERRORBUFFER, or ""
 */
bool cor_client_fail_curl(const CorClient *client, void *curl, int curl_code, const char *detail,
                          CorError *err);

/** Append "/part/part..." with each text percent-encoded, slashes too; ends with NULL. */
void cor_client_path(CorString *out, ...) __attribute__((sentinel));

/** Append "?name=value" or "&name=value"; a NULL or empty value is left out. */
void cor_client_query(CorString *out, const char *name, const char *value);

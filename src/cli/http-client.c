/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/http-client.h"

#include <ctype.h>
#include <curl/curl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/array.h"
#include "base/uri.h"
#include "program/config.h"

enum { CONNECT_MS = 5000, ANSWER_MS = 60000, SILENCE_S = 120 };

struct CorClient {
    char *server;
    char *authorization; /* header line, or NULL */
    CURL *curl;
    char detail[CURL_ERROR_SIZE];
};

typedef struct Stream {
    CorClient *client;
    bool (*on_data)(void *context, const char *data, size_t size);
    void *context;
    CorString *refusal; /* the body of an answer that is no stream */
    bool has_stopped;
} Stream;

static const char *from_environment(const char *given, const char *name, const char *fallback)
{
    const char *set = getenv(name);

    if (given) {
        return given;
    }
    return set && set[0] ? set : fallback;
}

static bool read_token(CorClient *client, const char *token_file, CorError *err)
{
    char *token = NULL;

    if (!cor_config_read_token(token_file, &token, err)) {
        return false;
    }
    if (!token) {
        return true;
    }
    int len = asprintf(&client->authorization, "Authorization: Bearer %s", token);
    explicit_bzero(token, strlen(token));
    free(token);
    if (len < 0) {
        client->authorization = NULL;
        return cor_fail(err, COR_ERR_NOMEM, "out of memory");
    }
    return true;
}

static bool open_parts(CorClient *client, const char *server, const char *token_file, CorError *err)
{
    if (strncasecmp(server, "http://", 7) != 0 && strncasecmp(server, "https://", 8) != 0) {
        return cor_fail(err, COR_ERR_INVALID, "server '%s' is no http:// or https:// URL", server);
    }
    client->server = strdup(server);
    if (!client->server || curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        return cor_fail(err, COR_ERR_NOMEM, "out of memory for the HTTP client");
    }
    size_t len = strlen(client->server);
    while (len > 0 && client->server[len - 1] == '/') {
        client->server[--len] = '\0';
    }
    client->curl = curl_easy_init();
    if (!client->curl) {
        return cor_fail(err, COR_ERR_NOMEM, "out of memory for the HTTP client");
    }
    return read_token(client, token_file, err);
}

bool cor_client_open(const char *server, const char *token_file, CorClient **ret_client,
                     CorError *err)
{
    COR_CLEANUP(cor_client_closep) CorClient *client = cor_new(CorClient);

    if (!client) {
        return cor_fail(err, COR_ERR_NOMEM, "out of memory for the HTTP client");
    }
    server = from_environment(server, "CORSIA_SERVER", COR_CLIENT_SERVER_DEFAULT);
    token_file = from_environment(token_file, "CORSIA_TOKEN_FILE", "");
    if (!open_parts(client, server, token_file, err)) {
        return false;
    }
    *ret_client = COR_TAKE(client);
    return true;
}

void cor_client_close(CorClient *client)
{
    if (!client) {
        return;
    }
    curl_easy_cleanup(client->curl);
    if (client->authorization) {
        explicit_bzero(client->authorization, strlen(client->authorization));
    }
    free(client->authorization);
    free(client->server);
    free(client);
}

const char *cor_client_server(const CorClient *client)
{
    return client->server;
}

const char *cor_client_authorization(const CorClient *client)
{
    return client->authorization;
}

bool cor_client_is_local(const CorClient *client)
{
    static const char *const names[] = {"127.", "localhost", "[::1]"};
    const char *host = strstr(client->server, "://") + 3;

    for (size_t i = 0; i < COR_ARRAY_LEN(names); i++) {
        if (strncasecmp(host, names[i], strlen(names[i])) == 0) {
            return true;
        }
    }
    return false;
}

/* "connection refused" instead of libcurl's "Failed to connect to ... after 0 ms: Couldn't
 * connect". */
static const char *why_not_connected(CURL *curl, const char *detail, char *text, size_t size)
{
    long os_errno = 0;

    (void) curl_easy_getinfo(curl, CURLINFO_OS_ERRNO, &os_errno);
    if (os_errno == 0) {
        return detail;
    }
    (void) snprintf(text, size, "%s", strerrordesc_np((int) os_errno));
    text[0] = (char) tolower((unsigned char) text[0]);
    return text;
}

bool cor_client_fail_curl(const CorClient *client, void *curl, int curl_code, const char *detail,
                          CorError *err)
{
    const char *why = detail && detail[0] ? detail : curl_easy_strerror((CURLcode) curl_code);
    char text[128];

    switch (curl_code) {
    case CURLE_COULDNT_CONNECT:
        return cor_fail(err, COR_ERR_UNAVAILABLE,
                        "no Corsia server answers at %s: %s; start one with 'corsia serve'",
                        client->server, why_not_connected(curl, why, text, sizeof(text)));
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
        return cor_fail(err, COR_ERR_UNAVAILABLE, "no Corsia server answers at %s: %s",
                        client->server, why);
    case CURLE_OPERATION_TIMEDOUT:
        return cor_fail(err, COR_ERR_TIMEOUT, "the server at %s did not answer in time",
                        client->server);
    case CURLE_OUT_OF_MEMORY:
        return cor_fail(err, COR_ERR_NOMEM, "out of memory");
    case CURLE_GOT_NOTHING:
    case CURLE_RECV_ERROR:
    case CURLE_SEND_ERROR:
    case CURLE_PARTIAL_FILE:
        return cor_fail(err, COR_ERR_UNAVAILABLE, "the server at %s broke off: %s", client->server,
                        why);
    default:
        return cor_fail(err, COR_ERR_IO, "talking to %s: %s", client->server, why);
    }
}

static CorErrorCode code_of_status(int status)
{
    switch (status) {
    case 401:
    case 403:
        return COR_ERR_DENIED;
    case 404:
        return COR_ERR_NOT_FOUND;
    case 409:
        return COR_ERR_CONFLICT;
    case 413:
        return COR_ERR_LIMIT;
    case 415:
        return COR_ERR_UNSUPPORTED;
    case 429:
    case 503:
        return COR_ERR_UNAVAILABLE;
    default:
        return status >= 500 ? COR_ERR_IO : COR_ERR_INVALID;
    }
}

bool cor_client_fail(const CorClientAnswer *answer, CorError *err)
{
    const char *sentence = cor_json_string(answer->json, "error", NULL);
    const char *pointer = cor_json_string(answer->json, "pointer", "");

    sentence = cor_json_string(answer->json, "detail", sentence ? sentence : "no reason given");
    bool names_place = pointer[0] == '\0' || strstr(sentence, pointer + 1);
    return cor_fail(err, code_of_status(answer->status), "%s%s%s (%d)", names_place ? "" : pointer,
                    names_place ? "" : ": ", sentence, answer->status);
}

static size_t take_body(char *data, size_t one, size_t size, void *context)
{
    (void) one; /* always 1 */
    cor_string_append(context, data, size);
    return cor_string_check(context, NULL) ? size : 0;
}

/* What all requests have in common. */
static void prepare(CorClient *client, const char *method, const char *url,
                    struct curl_slist *headers)
{
    CURL *curl = client->curl;

    curl_easy_reset(curl);
    client->detail[0] = '\0';
    (void) curl_easy_setopt(curl, CURLOPT_URL, url);
    (void) curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method);
    (void) curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    (void) curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, client->detail);
    (void) curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    (void) curl_easy_setopt(curl, CURLOPT_PATH_AS_IS, 1L);
    (void) curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, (long) CONNECT_MS);
    (void) curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    if (cor_client_is_local(client)) {
        (void) curl_easy_setopt(curl, CURLOPT_PROXY, "");
    }
}

static bool add_header(struct curl_slist **headers, const char *line, CorError *err)
{
    struct curl_slist *longer = line ? curl_slist_append(*headers, line) : *headers;

    if (line && !longer) {
        return cor_fail(err, COR_ERR_NOMEM, "out of memory for a request");
    }
    *headers = longer;
    return true;
}

static void free_headers(struct curl_slist **headers)
{
    curl_slist_free_all(*headers);
}

static bool make_url(const CorClient *client, const char *path, char **ret_url, CorError *err)
{
    if (asprintf(ret_url, "%s%s", client->server, path) < 0) {
        return cor_fail(err, COR_ERR_NOMEM, "out of memory for a request");
    }
    return true;
}

static void free_text(char **text)
{
    free(*text);
}

static bool finish(CorClient *client, CURLcode code, const CorString *body,
                   CorClientAnswer *ret_answer, CorError *err)
{
    long status = 0;
    json_t *json = NULL;

    if (code != CURLE_OK) {
        return cor_client_fail_curl(client, client->curl, (int) code, client->detail, err);
    }
    (void) curl_easy_getinfo(client->curl, CURLINFO_RESPONSE_CODE, &status);
    (void) (cor_string_size(body) > 0 &&
            cor_json_parse(cor_string_text(body), cor_string_size(body), &json, NULL));
    ret_answer->status = (int) status;
    ret_answer->json = json;
    return true;
}

bool cor_client_request(CorClient *client, const char *method, const char *path, const json_t *body,
                        CorClientAnswer *ret_answer, CorError *err)
{
    COR_CLEANUP(cor_string_freep) CorString *answer = cor_string_new(COR_CLIENT_ANSWER_MAX);
    COR_CLEANUP(free_headers) struct curl_slist *headers = NULL;
    COR_CLEANUP(free_text) char *url = NULL;
    COR_CLEANUP(free_text) char *text = NULL;

    if (!cor_string_check(answer, err) || !make_url(client, path, &url, err) ||
        !add_header(&headers, "Accept: application/json", err) ||
        !add_header(&headers, client->authorization, err)) {
        return false;
    }
    if (body) {
        text = cor_json_text(body);
        if (!text) {
            return cor_fail(err, COR_ERR_NOMEM, "out of memory for a request");
        }
        if (!add_header(&headers, "Content-Type: application/json", err)) {
            return false;
        }
    }
    prepare(client, method, url, headers);
    if (text) {
        (void) curl_easy_setopt(client->curl, CURLOPT_POSTFIELDSIZE_LARGE,
                                (curl_off_t) strlen(text));
        (void) curl_easy_setopt(client->curl, CURLOPT_POSTFIELDS, text);
    }
    (void) curl_easy_setopt(client->curl, CURLOPT_TIMEOUT_MS, (long) ANSWER_MS);
    (void) curl_easy_setopt(client->curl, CURLOPT_WRITEFUNCTION, take_body);
    (void) curl_easy_setopt(client->curl, CURLOPT_WRITEDATA, answer);
    return finish(client, curl_easy_perform(client->curl), answer, ret_answer, err);
}

void cor_client_answer_done(CorClientAnswer *answer)
{
    json_decref(answer->json);
    *answer = (CorClientAnswer){0};
}

bool cor_client_call(CorClient *client, const char *method, const char *path, const json_t *body,
                     json_t **ret_json, CorError *err)
{
    CorClientAnswer answer = {0};

    if (!cor_client_request(client, method, path, body, &answer, err)) {
        return false;
    }
    if (answer.status < 200 || answer.status > 299) {
        (void) cor_client_fail(&answer, err);
        cor_client_answer_done(&answer);
        return false;
    }
    if (!answer.json) {
        return cor_fail(err, COR_ERR_CORRUPT, "%s does not answer like a Corsia server",
                        client->server);
    }
    *ret_json = answer.json;
    return true;
}

static size_t take_stream(char *data, size_t one, size_t size, void *context)
{
    Stream *stream = context;
    long status = 0;

    (void) one; /* always 1 */
    (void) curl_easy_getinfo(stream->client->curl, CURLINFO_RESPONSE_CODE, &status);
    if (status != 200) {
        return take_body(data, 1, size, stream->refusal);
    }
    if (!stream->on_data(stream->context, data, size)) {
        stream->has_stopped = true;
        return 0;
    }
    return size;
}

bool cor_client_stream(CorClient *client, const char *path,
                       bool (*on_data)(void *context, const char *data, size_t size), void *context,
                       CorError *err)
{
    COR_CLEANUP(cor_string_freep) CorString *refusal = cor_string_new(65536);
    COR_CLEANUP(free_headers) struct curl_slist *headers = NULL;
    COR_CLEANUP(free_text) char *url = NULL;
    Stream stream = {client, on_data, context, refusal, false};
    CorClientAnswer answer = {0};

    if (!cor_string_check(refusal, err) || !make_url(client, path, &url, err) ||
        !add_header(&headers, "Accept: text/event-stream", err) ||
        !add_header(&headers, client->authorization, err)) {
        return false;
    }
    prepare(client, "GET", url, headers);
    (void) curl_easy_setopt(client->curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
    (void) curl_easy_setopt(client->curl, CURLOPT_LOW_SPEED_TIME, (long) SILENCE_S);
    (void) curl_easy_setopt(client->curl, CURLOPT_WRITEFUNCTION, take_stream);
    (void) curl_easy_setopt(client->curl, CURLOPT_WRITEDATA, &stream);
    CURLcode code = curl_easy_perform(client->curl);
    if (stream.has_stopped) {
        return true;
    }
    if (!finish(client, code, refusal, &answer, err)) {
        return false;
    }
    if (answer.status != 200) {
        (void) cor_client_fail(&answer, err);
    }
    bool is_ok = answer.status == 200;
    cor_client_answer_done(&answer);
    return is_ok;
}

void cor_client_path(CorString *out, ...)
{
    va_list parts;
    const char *part = NULL;

    va_start(parts, out);
    while ((part = va_arg(parts, const char *))) {
        cor_string_append_text(out, "/");
        cor_percent_encode(out, part, "");
    }
    va_end(parts);
}

void cor_client_query(CorString *out, const char *name, const char *value)
{
    if (!value || !value[0]) {
        return;
    }
    cor_string_printf(out, "%s%s=", strchr(cor_string_text(out), '?') ? "&" : "?", name);
    cor_percent_encode(out, value, "");
}

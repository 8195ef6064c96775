/* SPDX-License-Identifier: Apache-2.0 */
/* Start and end of the server.
 *
 * End: nobody new comes in, end what is suspended, wait for what runs; then stop the lanes, which
 * cuts what is left, and only then the watch and the memory. */
#include "http/http-server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/array.h"
#include "base/time.h"

#include "http/http-guard.h"
#include "http/http-priv.h"

enum {
    THREADS_DEFAULT = 16,
    THREADS_MIN = 2,
    CONNECTIONS_DEFAULT = 12000,
    BODY_DEFAULT = 256 * 1024,
    HEADER_DEFAULT = 16 * 1024,
    READ_SIZE = 64 * 1024,
    REQUEST_MS_DEFAULT = 30000,
    IDLE_MS_DEFAULT = 75000,
    RATE_DEFAULT = 32 * 1024,
    BACKLOG = 4096
};

static char **copy_list(const char *const *list, size_t len)
{
    char **copy = cor_new_array(char *, len + 1);

    for (size_t i = 0; copy && i < len; i++) {
        copy[i] = strdup(list[i]);
        if (!copy[i]) {
            len = i; /* freed up to the first NULL */
            break;
        }
    }
    return copy;
}

static void free_list(char **list)
{
    for (size_t i = 0; list && list[i]; i++) {
        free(list[i]);
    }
    free(list);
}

static void fill_defaults(CorHttpServerOptions *options)
{
    options->threads = options->threads ? options->threads : THREADS_DEFAULT;
    options->threads = COR_MAX(options->threads, (unsigned) THREADS_MIN);
    options->connections_max =
        options->connections_max ? options->connections_max : CONNECTIONS_DEFAULT;
    options->body_max = options->body_max ? options->body_max : BODY_DEFAULT;
    options->header_max = options->header_max ? options->header_max : HEADER_DEFAULT;
    options->request_timeout_ms =
        options->request_timeout_ms ? options->request_timeout_ms : REQUEST_MS_DEFAULT;
    options->idle_timeout_ms =
        options->idle_timeout_ms ? options->idle_timeout_ms : IDLE_MS_DEFAULT;
    options->bytes_per_s_min = options->bytes_per_s_min ? options->bytes_per_s_min : RATE_DEFAULT;
}

static bool copy_options(CorHttpServer *server, const CorHttpServerOptions *given, CorError *err)
{
    CorHttpServerOptions *options = &server->options;

    for (size_t i = 0; i < given->origins_len; i++) {
        if (!cor_http_origin_pattern_is_legal(given->origins[i])) {
            return cor_fail(err, COR_ERR_INVALID, "'%s' is no origin such as 'https://host'",
                            given->origins[i]);
        }
    }
    *options = *given;
    fill_defaults(options);
    server->hosts = copy_list(given->hosts, given->hosts_len);
    server->origins = copy_list(given->origins, given->origins_len);
    server->token = given->token && given->token[0] ? strdup(given->token) : NULL;
    server->csp = given->csp ? strdup(given->csp) : NULL;
    bool has_token = given->token && given->token[0];
    if (!server->hosts || !server->origins || (has_token && !server->token) ||
        (given->csp && !server->csp)) {
        return cor_fail(err, COR_ERR_NOMEM, "out of memory for the HTTP server");
    }
    options->hosts = (const char *const *) server->hosts;
    options->origins = (const char *const *) server->origins;
    options->token = server->token;
    options->csp = server->csp;
    return cor_http_routes_compile(given->routes, given->routes_len, &server->routes, err);
}

/* ---- Addresses ---- */

/* Split "127.0.0.1:8080" or "[::1]:0". */
static bool split_address(const char *text, char *host, size_t host_size, const char **ret_port)
{
    size_t len = cor_http_host_len(text);
    bool has_brackets = text[0] == '[';
    size_t host_len = has_brackets && len >= 2 ? len - 2 : len;

    if (len == 0 || text[len] != ':' || host_len >= host_size) {
        return false;
    }
    memcpy(host, text + has_brackets, host_len);
    host[host_len] = '\0';
    *ret_port = text + len + 1;
    return **ret_port != '\0';
}

static int bind_socket(const struct addrinfo *info, uint16_t *ret_port)
{
    const int yes = 1;
    struct sockaddr_storage bound;
    socklen_t size = sizeof(bound);
    int fd = socket(info->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0) {
        return -1;
    }
    (void) setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
    if (info->ai_family == AF_INET6) {
        (void) setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &yes, sizeof(yes));
    }
    if (bind(fd, info->ai_addr, info->ai_addrlen) != 0 || listen(fd, BACKLOG) != 0 ||
        getsockname(fd, (struct sockaddr *) &bound, &size) != 0) {
        int saved = errno;
        (void) close(fd);
        errno = saved;
        return -1;
    }
    in_port_t port = 0;
    size_t offset = info->ai_family == AF_INET6 ? offsetof(struct sockaddr_in6, sin6_port)
                                                : offsetof(struct sockaddr_in, sin_port);
    memcpy(&port, (const char *) &bound + offset, sizeof(port));
    *ret_port = ntohs(port);
    return fd;
}

static bool bind_address(CorHttpServer *server, const char *text, CorError *err)
{
    char host[256];
    const char *port = NULL;
    struct addrinfo *found = NULL;
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
                                   .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    size_t index = server->listen_len;

    if (!split_address(text, host, sizeof(host), &port)) {
        return cor_fail(err, COR_ERR_INVALID, "'%s' is no address such as '127.0.0.1:8080'", text);
    }
    if (getaddrinfo(host, port, &hints, &found) != 0 || !found) {
        return cor_fail(err, COR_ERR_INVALID, "'%s' is no address of this machine", text);
    }
    int fd = bind_socket(found, &server->ports[index]);
    int saved = errno;
    freeaddrinfo(found);
    if (fd < 0 && saved == EADDRINUSE) {
        return cor_fail(err, COR_ERR_CONFLICT, "something else already listens on %s", text);
    }
    if (fd < 0) {
        return cor_fail_errno(err, saved, "listen on %s", text);
    }
    server->listen_fds[index] = fd;
    server->listen_len++;
    return true;
}

/* ---- Lanes ---- */

static bool start_lane(CorHttpServer *server, HttpLane *lane, CorError *err)
{
    const CorHttpServerOptions *options = &server->options;
    unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_NO_LISTEN_SOCKET | MHD_USE_ITC |
                     MHD_ALLOW_SUSPEND_RESUME | MHD_ALLOW_UPGRADE | MHD_USE_TURBO;

    /* Half of it is what libmicrohttpd reads at once: an upload in pieces of 16 KiB takes a third
     * more processor time.  A connection that is used again has touched all of it. */
    size_t memory = COR_MAX(2 * options->header_max, (size_t) 2 * READ_SIZE);
    struct MHD_OptionItem items[] = {
        {MHD_OPTION_CONNECTION_LIMIT, INT_MAX, NULL}, /* http-accept.c does it */
        {MHD_OPTION_CONNECTION_MEMORY_LIMIT, (intptr_t) memory, NULL},
        {MHD_OPTION_CONNECTION_TIMEOUT, 0, NULL}, /* http-watch.c does it */
        {MHD_OPTION_STRICT_FOR_CLIENT, 1, NULL},
        {MHD_OPTION_URI_LOG_CALLBACK, (intptr_t) cor_http_priv_on_uri, server},
        {MHD_OPTION_NOTIFY_CONNECTION, (intptr_t) cor_http_priv_on_connection, lane},
        {MHD_OPTION_NOTIFY_COMPLETED, (intptr_t) cor_http_priv_on_completed, server},
        {MHD_OPTION_END, 0, NULL},
    };

    lane->server = server;
    lane->daemon = MHD_start_daemon(flags, 0, NULL, NULL, cor_http_priv_on_access, server,
                                    MHD_OPTION_ARRAY, items, MHD_OPTION_END);
    if (!lane->daemon) {
        return cor_fail(err, COR_ERR_UNAVAILABLE, "the HTTP server does not start");
    }
    return true;
}

static bool start_lanes(CorHttpServer *server, CorError *err)
{
    server->lanes = cor_new_array(HttpLane, server->options.threads);
    if (!server->lanes) {
        return cor_fail(err, COR_ERR_NOMEM, "out of memory for the HTTP server");
    }
    for (size_t i = 0; i < server->options.threads; i++) {
        if (!start_lane(server, &server->lanes[i], err)) {
            return false;
        }
        server->lanes_len = i + 1;
    }
    return true;
}

static bool start(CorHttpServer *server, const CorHttpServerOptions *given, CorError *err)
{
    if (given->listen_len < 1 || given->listen_len > COR_HTTP_LISTEN_MAX) {
        return cor_fail(err, COR_ERR_INVALID, "1 to %d addresses to listen on",
                        COR_HTTP_LISTEN_MAX);
    }
    if (!copy_options(server, given, err)) {
        return false;
    }
    for (size_t i = 0; i < given->listen_len; i++) {
        if (!bind_address(server, given->listen[i], err)) {
            return false;
        }
    }
    return cor_http_priv_room_new(&server->room, err) && cor_http_priv_watch_start(server, err) &&
           start_lanes(server, err) && cor_http_priv_accept_start(server, err);
}

bool cor_http_server_start(const CorHttpServerOptions *options, CorHttpServer **ret_server,
                           CorError *err)
{
    COR_CLEANUP(cor_http_server_stopp) CorHttpServer *server = cor_new(CorHttpServer);

    if (!server) {
        return cor_fail(err, COR_ERR_NOMEM, "out of memory for the HTTP server");
    }
    for (size_t i = 0; i < COR_HTTP_LISTEN_MAX; i++) {
        server->listen_fds[i] = -1;
    }
    (void) pthread_mutex_init(&server->mutex, NULL);
    (void) pthread_mutex_init(&server->active_mutex, NULL);
    if (!cor_cond_init(&server->quiet, err)) {
        (void) pthread_mutex_destroy(&server->active_mutex);
        (void) pthread_mutex_destroy(&server->mutex);
        free(COR_TAKE(server));
        return false;
    }
    if (!start(server, options, err)) {
        return false;
    }
    *ret_server = COR_TAKE(server);
    return true;
}

uint16_t cor_http_server_port(const CorHttpServer *server, size_t index)
{
    return index < server->listen_len ? server->ports[index] : 0;
}

bool cor_http_server_drain(CorHttpServer *server, int64_t timeout_ms)
{
    int64_t deadline_ms = cor_time_ms() + timeout_ms;

    cor_http_priv_accept_stop(server);
    cor_http_priv_suspension_drain_all(server);

    (void) pthread_mutex_lock(&server->active_mutex);
    bool in_time = true;
    while (server->active > 0 && in_time) {
        in_time = cor_cond_wait_until(&server->quiet, &server->active_mutex, deadline_ms);
    }
    bool is_quiet = server->active == 0;
    (void) pthread_mutex_unlock(&server->active_mutex);
    return is_quiet;
}

void cor_http_server_stop(CorHttpServer *server)
{
    if (!server) {
        return;
    }
    cor_http_priv_accept_stop(server);
    cor_http_priv_suspension_stop_all(server);
    for (size_t i = 0; i < server->lanes_len; i++) {
        MHD_stop_daemon(server->lanes[i].daemon);
    }
    cor_http_priv_room_free(server->room);
    cor_http_priv_watch_stop(server);
    cor_wakeup_free(server->accept_wakeup);
    free(server->lanes);
    for (size_t i = 0; i < server->listen_len; i++) {
        (void) close(server->listen_fds[i]);
    }
    cor_http_routes_free(server->routes);
    free_list(server->hosts);
    free_list(server->origins);
    free(server->token);
    free(server->csp);
    (void) pthread_cond_destroy(&server->quiet);
    (void) pthread_mutex_destroy(&server->active_mutex);
    (void) pthread_mutex_destroy(&server->mutex);
    free(server);
}

void cor_http_server_counters(CorHttpServer *server, CorHttpCounters *ret_counters)
{
    (void) pthread_mutex_lock(&server->active_mutex);
    uint64_t active = server->active;
    (void) pthread_mutex_unlock(&server->active_mutex);
    (void) pthread_mutex_lock(&server->mutex);
    *ret_counters = (CorHttpCounters){
        .connections = server->conns_len,
        .active = active,
        .suspended = server->suspended,
        .timeouts = atomic_load(&server->timeouts),
    };
    (void) pthread_mutex_unlock(&server->mutex);
}

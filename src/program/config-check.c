/* SPDX-License-Identifier: Apache-2.0 */
/* What is checked of a configuration as a whole, and the token that it points at. */
#include "program/config.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "base/array.h"
#include "base/fd.h"
#include "program/config-table.h"

enum { TOKEN_MIN = 16, TOKEN_MAX = 512 };

bool cor_config_split_address(const char *address, char *ret_host, uint16_t *ret_port,
                              CorError *err)
{
    const char *colon = strrchr(address, ':');
    const char *rest = "";
    int64_t port = 0;
    bool has_brackets = address[0] == '[' && colon && colon > address && colon[-1] == ']';
    const char *host = address + has_brackets;
    size_t len = colon ? (size_t) (colon - host) - has_brackets : 0;

    if (!colon || len == 0 || len > 255 ||
        !cor_config_priv_parse_integer(colon + 1, &port, &rest) || *rest || port > 65535 ||
        (!has_brackets && memchr(host, ':', len))) {
        return cor_fail(err, COR_ERR_INVALID,
                        "'%s' is no address such as 127.0.0.1:8080 or [::1]:8080", address);
    }
    memcpy(ret_host, host, len);
    ret_host[len] = '\0';
    *ret_port = (uint16_t) port;
    return true;
}

/* 127.0.0.0/8, ::1 and the name that means them. */
static bool is_loopback(const char *host)
{
    struct in_addr v4;
    struct in6_addr v6;

    if (inet_pton(AF_INET, host, &v4) == 1) {
        return (ntohl(v4.s_addr) >> 24) == 127;
    }
    if (inet_pton(AF_INET6, host, &v6) == 1) {
        return IN6_IS_ADDR_LOOPBACK(&v6);
    }
    return strcasecmp(host, "localhost") == 0;
}

bool cor_config_is_beyond_loopback(const CorConfig *config)
{
    char host[256];
    uint16_t port = 0;

    for (size_t i = 0; i < config->listen.len; i++) {
        if (!cor_config_split_address(config->listen.items[i], host, &port, NULL) ||
            !is_loopback(host)) {
            return true;
        }
    }
    return false;
}

/* The words of the jobs' own outputs (schema/openapi.yaml). */
static bool check_outputs(const CorConfigList *outputs, CorError *err)
{
    static const char *const roles[] = {"overlay", "segmentation", "report",
                                        "preview", "measurements", "image"};

    for (size_t i = 0; i < outputs->len; i++) {
        bool is_known = false;
        for (size_t n = 0; n < COR_ARRAY_LEN(roles); n++) {
            is_known = is_known || strcmp(roles[n], outputs->items[i]) == 0;
        }
        if (!is_known) {
            return cor_fail(err, COR_ERR_INVALID,
                            "outputs: '%s' is none of overlay, segmentation, report, preview, "
                            "measurements, image",
                            outputs->items[i]);
        }
    }
    return true;
}

bool cor_config_check(const CorConfig *config, CorError *err)
{
    char host[256];
    uint16_t port = 0;

    if (config->listen.len == 0) {
        return cor_fail(err, COR_ERR_INVALID, "listen: needs at least one address");
    }
    for (size_t i = 0; i < config->listen.len; i++) {
        if (!cor_config_split_address(config->listen.items[i], host, &port, err)) {
            cor_error_wrap(err, "listen");
            return false;
        }
    }
    if (cor_config_is_beyond_loopback(config) && !config->token_file[0] && !config->insecure) {
        return cor_fail(
            err, COR_ERR_INVALID,
            "listen: beyond this machine only with token_file = FILE, or insecure = yes "
            "if everybody who reaches the port may see every image");
    }
    if (strncmp(config->public_url, "http://", 7) != 0 &&
        strncmp(config->public_url, "https://", 8) != 0) {
        return cor_fail(err, COR_ERR_INVALID, "public_url: '%s' is no http:// or https:// URL",
                        config->public_url);
    }
    if (!config->data[0]) {
        return cor_fail(err, COR_ERR_INVALID, "data: needs a directory");
    }
    if (config->job_hosts_max < config->job_hosts_min) {
        return cor_fail(err, COR_ERR_INVALID,
                        "job_hosts_max (%" PRId64 ") is less than job_hosts_min (%" PRId64 ")",
                        config->job_hosts_max, config->job_hosts_min);
    }
    return check_outputs(&config->outputs, err);
}

bool cor_config_read_token(const char *token_file, char **ret_token, CorError *err)
{
    char text[TOKEN_MAX + 3];
    struct stat info;

    if (!token_file || !token_file[0]) {
        *ret_token = NULL;
        return true;
    }
    COR_CLEANUP(cor_fd_closep) int fd = open(token_file, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &info) != 0) {
        return cor_fail_errno(err, errno, "token file '%s'", token_file);
    }
    if (info.st_mode & 007) {
        return cor_fail(err, COR_ERR_DENIED,
                        "token file '%s' can be read by everybody; chmod 640 it", token_file);
    }
    ssize_t size = read(fd, text, sizeof(text) - 1);
    if (size < 0) {
        return cor_fail_errno(err, errno, "token file '%s'", token_file);
    }
    while (size > 0 && (text[size - 1] == '\n' || text[size - 1] == '\r')) {
        size--;
    }
    text[size] = '\0';
    bool is_visible = true;
    for (ssize_t i = 0; i < size; i++) {
        is_visible = is_visible && text[i] > ' ' && text[i] < 0x7F;
    }
    if (size < TOKEN_MIN || size > TOKEN_MAX || !is_visible) {
        explicit_bzero(text, sizeof(text));
        return cor_fail(err, COR_ERR_INVALID,
                        "token file '%s' must hold one line of %d to %d visible characters",
                        token_file, TOKEN_MIN, TOKEN_MAX);
    }
    char *token = strdup(text);
    explicit_bzero(text, sizeof(text));
    if (!token) {
        return cor_fail(err, COR_ERR_NOMEM, "out of memory for the token");
    }
    *ret_token = token;
    return true;
}

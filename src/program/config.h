/* SPDX-License-Identifier: Apache-2.0 */
/* What a server can be told, from one table (config.c): the table reads the file, the environment
 * and the flags, and writes --help, the sample corsia.conf and the list for the manual.
 *
 * Order      default < file < environment (CORSIA_QUEUE_BOUND) < flag (--queue-bound 5, or =5).
 *            A later source replaces the whole value, lists included.  A key that nobody knows, in
 *            whichever source, is refused, with the file and line if there is one.
 * Secrets    are files named by a path; the path may be shown, the content never.
 * Ownership  cor_config_load() gives an object to free; its texts live as long.
 * Threads    Thread-safe once loaded: nobody changes it.
 * Errors     INVALID with one clear line: what is wrong, where, and what would be right.
 * Units      Sizes in bytes, durations in milliseconds; in text "4 GiB", "30 s", "15 min", "2 h".
 */
#pragma once

#include "base/cleanup.h"
#include "base/error.h"
#include "base/string.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "program/log.h"

typedef struct CorConfigList {
    char **items;
    size_t len;
} CorConfigList;

typedef enum CorSandboxMode { COR_SANDBOX_STRICT, COR_SANDBOX_BEST_EFFORT } CorSandboxMode;
typedef enum CorSimdMode {
    COR_SIMD_AUTO,
    COR_SIMD_SCALAR,
    COR_SIMD_AVX2,
    COR_SIMD_AVX512,
    COR_SIMD_NEON,
} CorSimdMode;

typedef struct CorConfig {
    /* Where it listens and who may come in */
    CorConfigList listen;       /* "127.0.0.1:8080", "[::1]:8080"; port 0 picks a free one */
    char *public_url;           /* "http://127.0.0.1:8080": no final slash */
    bool public_url_is_derived; /* from listen: with port 0 the server puts the real one in */
    CorConfigList origins;
    CorConfigList hosts;
    char *token_file; /* "" if none */
    bool insecure;

    /* Where it keeps things */
    char *data;
    char *queue; /* URI */
    char *blob;  /* URI */
    int64_t disk_floor_bytes;
    int64_t retention_days;

    /* Limits */
    int64_t queue_bound;
    int64_t body_max_bytes;
    int64_t file_max_bytes;
    int64_t frame_max_bytes;
    int64_t event_body_max_bytes;
    int64_t connections_max;
    int64_t http_threads;
    int64_t request_timeout_ms;
    int64_t drain_timeout_ms;

    /* Hosts and jobs */
    int64_t job_hosts_min;
    int64_t job_hosts_max;
    int64_t viewer_hosts_max;
    int64_t render_cache_bytes;
    int64_t host_memory_bytes;
    int64_t job_timeout_ms;
    CorConfigList outputs; /* empty: what each algorithm makes by default */
    int64_t lease_ms;
    int64_t attempts_max;
    CorSandboxMode sandbox;
    CorSimdMode simd;

    /* Live results and links */
    int64_t ws_buffer_bytes;
    int64_t ws_connections_per_client;
    int64_t ws_ping_ms;
    int64_t presign_pacs_ms;
    int64_t presign_output_ms;

    CorLogLevel log_level;
} CorConfig;

/**
 * Read the configuration.
 *
 * @param argc, argv   flags only (what follows the verb).  "--config FILE" names the file; else
 *                     CORSIA_CONFIG does; else there is none.
 * @param environment  "NAME=value" texts, ends with NULL (environ); NULL for none
 * @param ret_config   free it with cor_config_free()
 * @param err          INVALID: "corsia.conf:12: unknown key 'lsten'; did you mean 'listen'?"
 */
COR_MUSTCHECK bool cor_config_load(int argc, char *const *argv, char *const *environment,
                                   CorConfig **ret_config, CorError *err);
void cor_config_free(CorConfig *config);
COR_DEFINE_CLEANUP(CorConfig, cor_config_free)

/**
 * Refuse what is no safe or sensible whole: listening beyond loopback with neither a token file nor
 * insecure = yes, fewer hosts at most than at least.  cor_config_load() calls it.
 */
COR_MUSTCHECK bool cor_config_check(const CorConfig *config, CorError *err);

/** True if one of the listen addresses is not loopback. */
bool cor_config_is_beyond_loopback(const CorConfig *config);

/**
 * Divide "127.0.0.1:8080" or "[::1]:8080" into host (without brackets) and port.
 *
 * @param ret_host  at least 256 bytes
 */
COR_MUSTCHECK bool cor_config_split_address(const char *address, char *ret_host, uint16_t *ret_port,
                                            CorError *err);

/** The word that stands for a mode in the configuration and in CORSIA_SIMD. */
const char *cor_config_simd_name(CorSimdMode mode);

/** Append the flags and what they mean, for `corsia serve --help`. */
void cor_config_help(CorString *out);

/** Append the sample corsia.conf: every key with its default, commented out. */
void cor_config_sample(CorString *out);

/** Append the man page corsia.conf(5) as roff. */
void cor_config_man(CorString *out);

/** Append "key = value" of every key as it is in force; of a secret only that it is set. */
void cor_config_print(const CorConfig *config, CorString *out);

/**
 * Read the token from token_file: one line of 16 to 512 visible ASCII characters.
 *
 * @param ret_token  malloc()ed; NULL if no token file is configured
 * @param err        INVALID, or DENIED if others than the owner and its group can read the file
 */
COR_MUSTCHECK bool cor_config_read_token(const char *token_file, char **ret_token, CorError *err);

/** Read "256 KiB", "4GiB", "1048576" into bytes; false if it is no such text or too large. */
bool cor_config_parse_size(const char *text, int64_t *ret_bytes);

/** Read "500 ms", "30s", "15 min", "2 h", "7 d" into milliseconds; a unit is required. */
bool cor_config_parse_duration(const char *text, int64_t *ret_ms);

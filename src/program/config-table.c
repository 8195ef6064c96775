/* SPDX-License-Identifier: Apache-2.0 */
/* The one table of everything that a server can be told. */
#include "program/config-table.h"

#include <string.h>

#include "base/array.h"

#define AT(member) offsetof(CorConfig, member)
#define KIB ((int64_t) 1024)
#define MIB (1024 * KIB)
#define GIB (1024 * MIB)
#define TIB (1024 * GIB)
#define SECOND ((int64_t) 1000)
#define MINUTE (60 * SECOND)
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)

static const char *const sandbox_choices[] = {"strict", "best-effort", NULL};
static const char *const simd_choices[] = {"auto", "scalar", "avx2", "avx512", "neon", NULL};
static const char *const level_choices[] = {"error", "warning", "info", "debug", NULL};

const CorConfigKey cor_config_priv_keys[] = {
    {"Where it listens and who may come in", "listen", COR_CONFIG_LIST, AT(listen),
     "127.0.0.1:8080", "Addresses to listen on; beyond loopback only with token_file or insecure"},
    {NULL, "public_url", COR_CONFIG_TEXT, AT(public_url), "auto",
     "Where clients reach this server; auto is http:// and the first listen address"},
    {NULL, "origins", COR_CONFIG_LIST, AT(origins), "",
     "Web origins allowed besides those on this machine, such as https://viewer.example"},
    {NULL, "hosts", COR_CONFIG_LIST, AT(hosts), "",
     "Host names that requests may carry, besides loopback and the one in public_url"},
    {NULL, "token_file", COR_CONFIG_SECRET_FILE, AT(token_file), "",
     "File with the one-line token that every request must then carry as a Bearer token"},
    {NULL, "insecure", COR_CONFIG_BOOLEAN, AT(insecure), "no",
     "Listen beyond loopback without a token: everybody who reaches the port sees every image"},

    {"Where it keeps things", "data", COR_CONFIG_PATH, AT(data), "./data",
     "Data directory; one server uses it at a time"},
    {NULL, "queue", COR_CONFIG_TEXT, AT(queue), "auto",
     "URI of the queues; auto is sqlite:DATA/corsia.db"},
    {NULL, "blob", COR_CONFIG_TEXT, AT(blob), "auto",
     "URI of the object store; auto is file:DATA/objects"},
    {NULL, "disk_floor", COR_CONFIG_SIZE, AT(disk_floor_bytes), "1 GiB",
     "Refuse new work when the disk has less than this left", 0, 1024 * TIB},
    {NULL, "retention_days", COR_CONFIG_INTEGER, AT(retention_days), "7",
     "Days for which final jobs and their events are kept", 1, 3650},

    {"Limits", "queue_bound", COR_CONFIG_INTEGER, AT(queue_bound), "100000",
     "Jobs waiting per algorithm, beyond which submitting is answered 429", 1, 100000000},
    {NULL, "body_max", COR_CONFIG_SIZE, AT(body_max_bytes), "256 KiB",
     "Largest body of a JSON request", KIB, 64 * MIB},
    {NULL, "file_max", COR_CONFIG_SIZE, AT(file_max_bytes), "4 GiB",
     "Largest DICOM file that is taken in", MIB, TIB},
    {NULL, "frame_max", COR_CONFIG_SIZE, AT(frame_max_bytes), "512 MiB", "Largest frame, decoded",
     MIB, 64 * GIB},
    {NULL, "event_body_max", COR_CONFIG_SIZE, AT(event_body_max_bytes), "256 KiB",
     "Largest event in a client's log; longer ones say where the rest is", 4 * KIB, 256 * KIB},
    {NULL, "connections_max", COR_CONFIG_INTEGER, AT(connections_max), "12000",
     "Connections at a time, WebSockets included", 1, 1000000},
    {NULL, "http_threads", COR_CONFIG_INTEGER, AT(http_threads), "16",
     "Threads that answer requests", 1, 1024},
    {NULL, "request_timeout", COR_CONFIG_DURATION, AT(request_timeout_ms), "30 s",
     "Close a connection on which nothing has moved for this long", SECOND, HOUR},
    {NULL, "drain_timeout", COR_CONFIG_DURATION, AT(drain_timeout_ms), "20 s",
     "On SIGTERM, how long jobs that run may take to finish before they are given back", 0, HOUR},

    {"Hosts and jobs", "job_hosts_min", COR_CONFIG_INTEGER, AT(job_hosts_min), "1",
     "Algorithm hosts that stay alive when there is nothing to do", 0, 1024},
    {NULL, "job_hosts_max", COR_CONFIG_INTEGER, AT(job_hosts_max), "auto",
     "Algorithm hosts at most; auto is twice the cores, and no more than 10", 1, 1024},
    {NULL, "viewer_hosts_max", COR_CONFIG_INTEGER, AT(viewer_hosts_max), "2",
     "Hosts at most that read imported files and render for viewers", 1, 1024},
    {NULL, "render_cache", COR_CONFIG_SIZE, AT(render_cache_bytes), "32 MiB",
     "Memory for pictures that were rendered lately; 0 keeps none", 0, 64 * GIB},
    {NULL, "host_memory", COR_CONFIG_SIZE, AT(host_memory_bytes), "2 GiB",
     "Memory that one host may use before it is stopped", 64 * MIB, TIB},
    {NULL, "job_timeout", COR_CONFIG_DURATION, AT(job_timeout_ms), "15 min",
     "Time that one run of an algorithm may take", SECOND, 12 * HOUR},
    {NULL, "outputs", COR_CONFIG_LIST, AT(outputs), "",
     "What is made for jobs that do not say: overlay, segmentation, report, preview, measurements, "
     "image; "
     "nothing here leaves it to each algorithm"},
    {NULL, "lease", COR_CONFIG_DURATION, AT(lease_ms), "30 s",
     "After a crash of a worker, how long until another one takes its job", SECOND, 12 * HOUR},
    {NULL, "attempts_max", COR_CONFIG_INTEGER, AT(attempts_max), "5",
     "Attempts before a job that crashes its host is failed", 1, 100},
    {NULL, "sandbox", COR_CONFIG_ENUM, AT(sandbox), "best-effort",
     "strict refuses to start when the kernel lacks a layer of the hosts' sandbox", 0, 0,
     sandbox_choices},
    {NULL, "simd", COR_CONFIG_ENUM, AT(simd), "auto",
     "Instruction set of the inner loops; auto is the best that this processor has", 0, 0,
     simd_choices},

    {"Live results and links", "ws_buffer", COR_CONFIG_SIZE, AT(ws_buffer_bytes), "1 MiB",
     "Unsent bytes per WebSocket before a slow reader is closed", 64 * KIB, GIB},
    {NULL, "ws_connections_per_client", COR_CONFIG_INTEGER, AT(ws_connections_per_client), "32",
     "WebSockets and event streams of one client id", 1, 100000},
    {NULL, "ws_ping", COR_CONFIG_DURATION, AT(ws_ping_ms), "30 s",
     "How often a WebSocket is pinged; silent for two of these, it is closed", 100, HOUR},
    {NULL, "presign_pacs", COR_CONFIG_DURATION, AT(presign_pacs_ms), "900 s",
     "How long links to stored images work", SECOND, 7 * DAY},
    {NULL, "presign_output", COR_CONFIG_DURATION, AT(presign_output_ms), "86400 s",
     "How long links to results work", SECOND, 7 * DAY},

    {"Log", "log_level", COR_CONFIG_ENUM, AT(log_level), "info",
     "Least important level that is written to standard error", 0, 0, level_choices},
};
const size_t cor_config_priv_key_len = COR_ARRAY_LEN(cor_config_priv_keys);

bool cor_config_priv_is_derived(const CorConfigKey *key)
{
    return key->type != COR_CONFIG_ENUM && strcmp(key->fallback, "auto") == 0;
}

const char *cor_config_simd_name(CorSimdMode mode)
{
    return simd_choices[mode];
}

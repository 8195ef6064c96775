/* SPDX-License-Identifier: Apache-2.0 */
/* corsia check: what would keep a server from starting or working, said before it starts.
 *
 * Nothing is changed: a data directory that is not there is not made, databases are opened only
 * when no server runs on them (its lock is tried), and the sandbox is tried on a host of its own.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/array.h"
#include "cli/args.h"
#include "cli/check-rebuild.h"
#include "cli/print.h"
#include "cli/verbs.h"
#include "driver/sql.h"
#include "host/host-pool.h"
#include "program/config.h"
#include "program/datadir.h"

enum { HOST_WAIT_MS = 20000 };

typedef struct Check {
    json_t *results; /* [{check, ok, detail}] */
    size_t failed;
} Check;

static void note(Check *check, const char *name, bool is_ok, const char *detail)
{
    check->failed += !is_ok;
    (void) json_array_append_new(
        check->results, json_pack("{s:s, s:b, s:s}", "check", name, "ok", is_ok, "detail", detail));
}

static void check_token(Check *check, const CorConfig *config)
{
    char *token = NULL;
    CorError err = {0};

    bool is_ok = cor_config_read_token(config->token_file, &token, &err);
    if (token) {
        explicit_bzero(token, strlen(token));
        free(token);
    }
    note(check, "token", is_ok,
         !is_ok                  ? err.text
         : config->token_file[0] ? config->token_file
                                 : "none is asked for");
}

static void check_space(Check *check, const CorConfig *config)
{
    struct statvfs info;
    char text[256];

    if (statvfs(config->data, &info) != 0) {
        CorError err = {0};
        (void) cor_fail_errno(&err, errno, "%s", config->data);
        note(check, "space", false, err.text);
        return;
    }
    double free_gib = (double) info.f_bavail * (double) info.f_frsize / (1024.0 * 1024 * 1024);
    double floor_gib = (double) config->disk_floor_bytes / (1024.0 * 1024 * 1024);
    (void) snprintf(text, sizeof(text), "%.1f GiB free, the floor is %.1f GiB", free_gib,
                    floor_gib);
    note(check, "space", free_gib >= floor_gib, text);
}

static void check_database(Check *check, const char *folder, const char *name)
{
    COR_CLEANUP(cor_sql_closep) CorSql *db = NULL;
    COR_CLEANUP(cor_string_freep) CorString *path = cor_string_new(8192);
    CorError err = {0};

    cor_string_printf(path, "%s/%s", folder, name);
    if (access(cor_string_text(path), F_OK) != 0) {
        note(check, name, true, "is not there yet; the server makes it");
        return;
    }
    bool is_ok = cor_sql_open(cor_string_text(path), NULL, &db, &err);
    note(check, name, is_ok, is_ok ? "is whole" : err.text);
}

static void check_data(Check *check, const CorConfig *config, bool rebuild)
{
    COR_CLEANUP(cor_datadir_closep) CorDatadir *datadir = NULL;
    CorError err = {0};

    if (access(config->data, F_OK) != 0) {
        note(check, "data", !rebuild,
             rebuild ? "is not there" : "is not there yet; the server makes it");
        return;
    }
    if (!cor_datadir_open(config->data, &datadir, &err)) {
        bool is_served = err.code == COR_ERR_CONFLICT && !rebuild;
        note(check, "data", is_served,
             is_served ? "a server runs on it; its databases were left alone" : err.text);
        return;
    }
    note(check, "data", true, cor_datadir_path(datadir));
    check_space(check, config);
    check_database(check, cor_datadir_path(datadir), "corsia.db");
    if (rebuild) { /* first: a damaged catalogue is what it is for */
        char summary[COR_ERROR_TEXT_SIZE] = "";
        bool is_ok = cor_cli_check_rebuild(config, datadir, summary, sizeof(summary), &err);
        note(check, "rebuild", is_ok, is_ok ? summary : err.text);
    }
    check_database(check, cor_datadir_path(datadir), "catalog.db");
}

static void check_hosts(Check *check, const CorConfig *config)
{
    static const struct {
        unsigned bit;
        const char *name;
    } layers[] = {
        {COR_HOST_LAYER_NO_NEW_PRIVS, "no_new_privs"},
        {COR_HOST_LAYER_LANDLOCK, "landlock"},
        {COR_HOST_LAYER_SECCOMP, "seccomp"},
        {COR_HOST_LAYER_RLIMITS, "rlimits"},
    };
    COR_CLEANUP(cor_host_pool_freep) CorHostPool *pool = NULL;
    CorHostPoolOptions options = {
        .name = "check",
        .min = 1,
        .max = 1,
        .memory_max_bytes = (size_t) config->host_memory_bytes,
        .sandbox = config->sandbox == COR_SANDBOX_STRICT ? COR_HOST_SANDBOX_STRICT
                                                         : COR_HOST_SANDBOX_BEST_EFFORT,
    };
    CorHostPoolStats stats = {0};
    CorError err = {0};
    char text[256] = "";

    if (!cor_host_pool_new(&options, &pool, &err) ||
        !cor_host_pool_wait_ready(pool, HOST_WAIT_MS, &err)) {
        note(check, "host", false, err.text);
        return;
    }
    cor_host_pool_stats(pool, &stats);
    for (size_t i = 0; i < COR_ARRAY_LEN(layers); i++) {
        size_t len = strlen(text);
        (void) snprintf(text + len, sizeof(text) - len, "%s%s%s", i > 0 ? ", " : "",
                        stats.layers & layers[i].bit ? "" : "no ", layers[i].name);
    }
    note(check, "host", true, text);
}

static int print(const Check *check, bool as_json)
{
    size_t i = 0;
    json_t *one = NULL;

    if (as_json) {
        json_t *all = json_pack("{s:b, s:O}", "ok", check->failed == 0, "checks", check->results);
        cor_print_json(all);
        json_decref(all);
    } else {
        json_array_foreach(check->results, i, one)
        {
            (void) printf("%-8s %-12s %s\n", cor_json_boolean(one, "ok", false) ? "ok" : "NOT OK",
                          cor_json_string(one, "check", ""), cor_json_string(one, "detail", ""));
        }
    }
    return check->failed == 0 ? COR_CLI_OK : COR_CLI_FAILED;
}

static int print_help(void)
{
    COR_CLEANUP(cor_string_freep) CorString *help = cor_string_new(65536);

    cor_config_help(help);
    (void) printf("Usage: corsia check [--rebuild] [--json] [--print] [--config FILE] [--data DIR] "
                  "[KEY...]\n\n"
                  "Check configuration, data directory, databases, disk and sandbox.\n\n"
                  "  --rebuild  Make the catalogue again from the stored objects\n"
                  "  --print    Print every key as it is in force\n"
                  "  --json     Print JSON, for programs\n\n"
                  "The keys of the configuration:\n%s",
                  cor_string_text(help));
    return COR_CLI_OK;
}

static bool take_flag(int *argc, char **argv, const char *name)
{
    for (int i = 0; i < *argc; i++) {
        if (strcmp(argv[i], name) == 0) {
            memmove(&argv[i], &argv[i + 1],
                    (size_t) (*argc - i) * sizeof(*argv)); /* and the NULL */
            *argc -= 1;
            return true;
        }
    }
    return false;
}

int cor_cli_check(int argc, char **argv)
{
    COR_CLEANUP(cor_config_freep) CorConfig *config = NULL;
    Check check = {0};
    CorError err = {0};
    bool rebuild = take_flag(&argc, argv, "--rebuild");
    bool as_json = take_flag(&argc, argv, "--json");
    bool prints = take_flag(&argc, argv, "--print");

    if (take_flag(&argc, argv, "--help")) {
        return print_help();
    }
    check.results = json_array();
    if (!cor_config_load(argc, argv, environ, &config, &err)) {
        note(&check, "config", false, err.text);
        (void) print(&check, as_json);
        json_decref(check.results);
        return COR_CLI_USAGE;
    }
    if (prints) {
        COR_CLEANUP(cor_string_freep) CorString *text = cor_string_new(65536);
        cor_config_print(config, text);
        (void) fputs(cor_string_text(text), stdout);
    }
    note(&check, "config", true, "every key is known and in its range");
    check_token(&check, config);
    check_data(&check, config, rebuild);
    check_hosts(&check, config);
    int status = print(&check, as_json);
    json_decref(check.results);
    return status;
}

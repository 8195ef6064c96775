/* SPDX-License-Identifier: Apache-2.0 */
/* corsia jobs: list, show, cancel. */
#include <stdio.h>
#include <string.h>

#include "base/array.h"
#include "cli/args.h"
#include "cli/http-client.h"
#include "cli/print.h"
#include "cli/verbs.h"

static const CorCliVerb verb = {
    .name = "jobs",
    .usage = "[ID] [--client C] [--algo A] [--state S] [--study S] [--limit N] | --cancel ID",
    .summary = "List jobs, newest first; show one; cancel one.",
    .positional_max = 1,
};

static const CorColumn columns[] = {
    {"JOB", "job_id"},           {"STATE", "state"},    {"ALGORITHM", "algo_id"},
    {"CLIENT", "client_id"},     {"SCOPE", "scope"},    {"ATTEMPTS", "attempts"},
    {"ACCEPTED", "accepted_at"}, {"STUDY", "study_id"}, {"ERROR", "error.code"},
};

typedef struct Filter {
    const char *client, *algo, *state, *study, *limit, *after;
} Filter;

static bool list(CorClient *client, const Filter *filter, bool as_json, CorError *err)
{
    COR_CLEANUP(cor_string_freep) CorString *path = cor_string_new(16384);
    COR_CLEANUP(cor_json_freep) json_t *page = NULL;

    cor_string_append_text(path, "/jobs");
    cor_client_query(path, "client_id", filter->client);
    cor_client_query(path, "algo", filter->algo);
    cor_client_query(path, "state", filter->state);
    cor_client_query(path, "study", filter->study);
    cor_client_query(path, "limit", filter->limit);
    cor_client_query(path, "after", filter->after);
    if (!cor_string_check(path, err) ||
        !cor_client_call(client, "GET", cor_string_text(path), NULL, &page, err)) {
        return false;
    }
    if (as_json) {
        cor_print_json(page);
        return true;
    }
    cor_print_table(json_object_get(page, "jobs"), columns, COR_ARRAY_LEN(columns));
    if (json_is_string(json_object_get(page, "next"))) {
        (void) fprintf(stderr, "there are more: --after %s\n", cor_json_string(page, "next", ""));
    }
    return true;
}

static bool call_one(CorClient *client, const char *method, const char *id, bool as_json,
                     CorError *err)
{
    COR_CLEANUP(cor_string_freep) CorString *path = cor_string_new(4096);
    COR_CLEANUP(cor_json_freep) json_t *job = NULL;

    cor_client_path(path, "jobs", id, NULL);
    if (!cor_string_check(path, err) ||
        !cor_client_call(client, method, cor_string_text(path), NULL, &job, err)) {
        return false;
    }
    if (as_json) {
        cor_print_json(job);
    } else {
        cor_print_members(job);
    }
    return true;
}

int cor_cli_jobs(int argc, char **argv)
{
    COR_CLEANUP(cor_client_closep) CorClient *client = NULL;
    const char *cancel = NULL;
    Filter filter = {0};
    CorCliArgs args = {0};
    CorError err = {0};
    bool is_ok = false;
    const CorCliOption options[] = {
        {.name = "client", .value = "C", .text = &filter.client, .help = "Only this client's"},
        {.name = "algo", .value = "A", .text = &filter.algo, .help = "Only of this algorithm"},
        {.name = "state",
         .value = "S",
         .text = &filter.state,
         .help = "queued, running, succeeded, failed or cancelled"},
        {.name = "study", .value = "S", .text = &filter.study, .help = "Only of this study"},
        {.name = "limit", .value = "N", .text = &filter.limit, .help = "At most so many [50]"},
        {.name = "after", .value = "X", .text = &filter.after, .help = "The next page"},
        {.name = "cancel", .value = "ID", .text = &cancel, .help = "Cancel this job"},
    };

    int status = cor_cli_parse(&verb, options, COR_ARRAY_LEN(options), argc, argv, &args);
    if (status >= 0) {
        return status;
    }
    if (cancel && args.positional.len > 0) {
        return cor_cli_usage(&verb, "either ID or --cancel ID");
    }
    if (cor_client_open(args.server, args.token_file, &client, &err)) {
        if (cancel) {
            is_ok = call_one(client, "DELETE", cancel, args.json, &err);
        } else if (args.positional.len > 0) {
            is_ok = call_one(client, "GET", args.positional.items[0], args.json, &err);
        } else {
            is_ok = list(client, &filter, args.json, &err);
        }
    }
    return is_ok ? COR_CLI_OK : cor_print_failure(verb.name, &err);
}

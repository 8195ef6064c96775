/* SPDX-License-Identifier: Apache-2.0 */
/* corsia queues: depth, dead letters, redrive. */
#include <stdio.h>
#include <string.h>

#include "base/array.h"
#include "cli/args.h"
#include "cli/http-client.h"
#include "cli/print.h"
#include "cli/verbs.h"

static const CorCliVerb verb = {
    .name = "queues",
    .usage = "[NAME [--dead | --redrive ID... | --redrive all]]",
    .summary = "Show queues: visible, in flight, delayed, age of the oldest, dead letters.",
    .details = "--redrive makes new jobs of dead letters; the failed ones stay as they are.",
    .positional_max = 1,
};

static const CorColumn queue_columns[] = {
    {"QUEUE", "name"},
    {"VISIBLE", "visible"},
    {"IN FLIGHT", "in_flight"},
    {"DELAYED", "delayed"},
    {"OLDEST S", "oldest_age_seconds"},
    {"DEAD", "dead"},
};
static const CorColumn dead_columns[] = {
    {"ID", "id"},         {"JOB", "job_id"},    {"ATTEMPTS", "attempts"},
    {"SINCE", "dead_at"}, {"REASON", "reason"},
};
static const CorColumn redriven_columns[] = {{"JOB", "job_id"}, {"RETRY OF", "retry_of"}};

typedef struct Wanted {
    const char *queue; /* NULL: all */
    bool dead;
    const CorCliTexts *redrive;
    bool as_json;
} Wanted;

static bool show_queues(const json_t *answer, const Wanted *wanted, CorError *err)
{
    if (wanted->as_json) {
        cor_print_json(answer);
        return true;
    }
    COR_CLEANUP(cor_json_freep) json_t *one = json_pack("[O]", answer);
    if (!one) {
        return cor_fail(err, COR_ERR_NOMEM, "out of memory for a table");
    }
    cor_print_table(wanted->queue ? one : json_object_get(answer, "queues"), queue_columns,
                    COR_ARRAY_LEN(queue_columns));
    return true;
}

static json_t *redrive_body(const CorCliTexts *ids)
{
    if (ids->len == 1 && strcmp(ids->items[0], "all") == 0) {
        return json_pack("{s:b}", "all", 1);
    }
    json_t *list = json_array();
    for (size_t i = 0; i < ids->len; i++) {
        (void) json_array_append_new(list, json_string(ids->items[i]));
    }
    return json_pack("{s:o}", "ids", list);
}

static bool redrive(CorClient *client, CorString *path, const Wanted *wanted, CorError *err)
{
    COR_CLEANUP(cor_json_freep) json_t *body = redrive_body(wanted->redrive);
    COR_CLEANUP(cor_json_freep) json_t *answer = NULL;

    cor_string_append_text(path, "/redrive");
    if (!cor_string_check(path, err) ||
        !cor_client_call(client, "POST", cor_string_text(path), body, &answer, err)) {
        return false;
    }
    if (wanted->as_json) {
        cor_print_json(answer);
    } else {
        cor_print_table(json_object_get(answer, "jobs"), redriven_columns,
                        COR_ARRAY_LEN(redriven_columns));
    }
    return true;
}

static bool run(CorClient *client, const Wanted *wanted, CorError *err)
{
    COR_CLEANUP(cor_string_freep) CorString *path = cor_string_new(4096);
    COR_CLEANUP(cor_json_freep) json_t *answer = NULL;

    cor_client_path(path, "queues", wanted->queue, NULL);
    if (wanted->redrive->len > 0) {
        return redrive(client, path, wanted, err);
    }
    cor_string_append_text(path, wanted->dead ? "/dead" : "");
    if (!cor_string_check(path, err) ||
        !cor_client_call(client, "GET", cor_string_text(path), NULL, &answer, err)) {
        return false;
    }
    if (!wanted->dead) {
        return show_queues(answer, wanted, err);
    }
    if (wanted->as_json) {
        cor_print_json(answer);
    } else {
        cor_print_table(json_object_get(answer, "dead"), dead_columns, COR_ARRAY_LEN(dead_columns));
    }
    return true;
}

int cor_cli_queues(int argc, char **argv)
{
    COR_CLEANUP(cor_client_closep) CorClient *client = NULL;
    CorCliTexts ids = {0};
    bool dead = false;
    CorCliArgs args = {0};
    CorError err = {0};
    const CorCliOption options[] = {
        {.name = "dead", .flag = &dead, .help = "List its dead letters with their reasons"},
        {.name = "redrive",
         .value = "ID",
         .texts = &ids,
         .help = "Make a new job of this dead letter (several times), or of all"},
    };

    int status = cor_cli_parse(&verb, options, COR_ARRAY_LEN(options), argc, argv, &args);
    if (status >= 0) {
        return status;
    }
    if ((dead || ids.len > 0) && args.positional.len == 0) {
        return cor_cli_usage(&verb, "%s needs the NAME of a queue", dead ? "--dead" : "--redrive");
    }
    Wanted wanted = {
        .queue = args.positional.len > 0 ? args.positional.items[0] : NULL,
        .dead = dead,
        .redrive = &ids,
        .as_json = args.json,
    };
    if (!cor_client_open(args.server, args.token_file, &client, &err) ||
        !run(client, &wanted, &err)) {
        return cor_print_failure(verb.name, &err);
    }
    return COR_CLI_OK;
}

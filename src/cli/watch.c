/* SPDX-License-Identifier: Apache-2.0 */
/* corsia watch: a client's results as they come. */
#include <stdio.h>

#include "base/array.h"
#include "cli/args.h"
#include "cli/follow.h"
#include "cli/print.h"
#include "cli/verbs.h"

static const CorCliVerb verb = {
    .name = "watch",
    .usage = "CLIENT_ID [--since N] [--count N]",
    .summary = "Print a client's results as they come, until Ctrl-C.",
    .positional_min = 1,
    .positional_max = 1,
};

typedef struct Watch {
    bool as_json;
    long long left; /* numbered events to print; -1: no end */
} Watch;

static bool on_frame(void *context, const json_t *frame)
{
    Watch *watch = context;

    cor_follow_print(frame, watch->as_json);
    if (watch->left > 0 && cor_json_integer(frame, "seq", 0) > 0) {
        watch->left--;
    }
    return watch->left != 0;
}

int cor_cli_watch(int argc, char **argv)
{
    COR_CLEANUP(cor_client_closep) CorClient *client = NULL;
    const char *since_text = NULL;
    const char *count_text = NULL;
    long long since = -1;
    Watch watch = {.left = -1};
    CorCliArgs args = {0};
    CorError err = {0};
    const CorCliOption options[] = {
        {.name = "since",
         .value = "N",
         .text = &since_text,
         .help = "Begin behind number N; 0 is from the first that is kept"},
        {.name = "count", .value = "N", .text = &count_text, .help = "End after N results"},
    };

    int status = cor_cli_parse(&verb, options, COR_ARRAY_LEN(options), argc, argv, &args);
    if (status >= 0) {
        return status;
    }
    if (since_text && !cor_cli_parse_number(since_text, INT64_MAX, &since)) {
        return cor_cli_usage(&verb, "--since must be a number");
    }
    if (count_text && (!cor_cli_parse_number(count_text, INT64_MAX, &watch.left) || !watch.left)) {
        return cor_cli_usage(&verb, "--count must be a number, at least 1");
    }
    watch.as_json = args.json;
    if (!cor_client_open(args.server, args.token_file, &client, &err) ||
        !cor_follow(client, args.positional.items[0], since, on_frame, &watch, &err)) {
        return cor_print_failure(verb.name, &err);
    }
    return COR_CLI_OK;
}

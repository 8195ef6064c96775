/* SPDX-License-Identifier: Apache-2.0 */
/* corsia submit: one job.
 *
 * With --wait the number of the client's last event is read before the job is posted, so that its
 * result cannot slip through between posting and following.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "cli/args.h"
#include "cli/follow.h"
#include "cli/job-post.h"
#include "cli/print.h"
#include "cli/verbs.h"

static const CorCliVerb verb = {
    .name = "submit",
    .usage = "ALGO --study S --series S [--image I] [--scope image|series|study]\n"
             "                     [--param NAME=VALUE]... [--client ID] [--wait]",
    .summary = "Submit a job.",
    .details = "Study, series and image are parts of the object's key or DICOM UIDs.  A VALUE is "
               "JSON if it can\n"
               "be read as such (2.5, true), else text.  Exits with 0 once the job is accepted; "
               "with --wait\n"
               "or --watch once it has succeeded, and with 1 if it has not.",
    .positional_min = 1,
    .positional_max = 1,
};

typedef struct Waiting {
    const char *job_id;
    bool prints_all;
    bool as_json;
    bool has_succeeded;
} Waiting;

static bool on_frame(void *context, const json_t *frame)
{
    Waiting *waiting = context;
    bool is_ours = strcmp(cor_json_string(frame, "job_id", ""), waiting->job_id) == 0;
    bool is_final = is_ours && strcmp(cor_json_string(frame, "type", "result"), "result") == 0;

    if (is_final || waiting->prints_all) {
        cor_follow_print(frame, waiting->as_json);
    }
    if (is_final) {
        waiting->has_succeeded = strcmp(cor_json_string(frame, "status", ""), "succeeded") == 0;
    }
    return !is_final;
}

typedef struct Submit {
    CorJobPost post;
    bool wait, watch, as_json;
} Submit;

static bool run(CorClient *client, Submit *submit, bool *ret_succeeded, CorError *err)
{
    COR_CLEANUP(cor_json_freep) json_t *accepted = NULL;
    char client_id[COR_ID_SIZE];
    int64_t last = 0;
    bool waits = submit->wait || submit->watch;

    if (!cor_job_provision(client, submit->post.client_id, client_id, err)) {
        return false;
    }
    submit->post.client_id = client_id;
    if ((waits && !cor_follow_last(client, client_id, &last, err)) ||
        !cor_job_post(client, &submit->post, &accepted, err)) {
        return false;
    }
    Waiting waiting = {cor_json_string(accepted, "job_id", ""), submit->watch, submit->as_json,
                       false};
    if (!waits) {
        (void) json_object_set_new(accepted, "client_id", json_string(client_id));
        if (submit->as_json) {
            cor_print_json(accepted);
        } else {
            (void) printf("job %s accepted for client %s\n", waiting.job_id, client_id);
        }
        *ret_succeeded = true;
        return true;
    }
    if (!submit->as_json) {
        (void) fprintf(stderr, "job %s accepted for client %s\n", waiting.job_id, client_id);
    }
    if (!cor_follow(client, client_id, last, on_frame, &waiting, err)) {
        return false;
    }
    *ret_succeeded = waiting.has_succeeded;
    return true;
}

int cor_cli_submit(int argc, char **argv)
{
    COR_CLEANUP(cor_client_closep) CorClient *client = NULL;
    Submit submit = {0};
    CorJobPost *post = &submit.post;
    CorCliTexts params = {0};
    CorCliArgs args = {0};
    CorError err = {0};
    bool has_succeeded = false;
    const CorCliOption options[] = {
        {.name = "study", .value = "S", .text = &post->study, .help = "Study: key part or UID"},
        {.name = "series", .value = "S", .text = &post->series, .help = "Series: key part or UID"},
        {.name = "image", .value = "I", .text = &post->image, .help = "Image: key part or UID"},
        {.name = "scope",
         .value = "S",
         .text = &post->scope,
         .help = "image, series or study [image with --image, else series]"},
        {.name = "param", .value = "N=V", .texts = &params, .help = "A parameter (several times)"},
        {.name = "client",
         .value = "ID",
         .text = &post->client_id,
         .help = "Whose job [a new client]"},
        {.name = "job-id",
         .value = "ID",
         .text = &post->job_id,
         .help = "The job's id, to post it twice without running it twice"},
        {.name = "order", .value = "O", .text = &post->order, .help = "none, client or study"},
        {.name = "wait", .flag = &submit.wait, .help = "Wait for the result and print it"},
        {.name = "watch",
         .flag = &submit.watch,
         .help = "As --wait, printing all that comes for the client meanwhile"},
    };

    int status = cor_cli_parse(&verb, options, COR_ARRAY_LEN(options), argc, argv, &args);
    if (status >= 0) {
        return status;
    }
    if (!post->study) {
        return cor_cli_usage(&verb, "--study is missing");
    }
    post->algo = args.positional.items[0];
    post->params = params.items;
    post->param_len = params.len;
    submit.as_json = args.json;
    if (!cor_client_open(args.server, args.token_file, &client, &err) ||
        !run(client, &submit, &has_succeeded, &err)) {
        return cor_print_failure(verb.name, &err);
    }
    return has_succeeded ? COR_CLI_OK : COR_CLI_FAILED;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* corsia demo: the whole way of a job, one image after the other.
 *
 *   import -> provision -> for each image: post the job, wait for its frame
 *
 * The next job is posted from within the stream, when the frame of the one before has come, so the
 * time between the two is what a client sees: from submit to result.
 */
#include <errno.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/array.h"
#include "base/time.h"
#include "cli/args.h"
#include "cli/demo-phantom.h"
#include "cli/follow.h"
#include "cli/job-post.h"
#include "cli/print.h"
#include "cli/upload.h"
#include "cli/verbs.h"

#define STUDY "demo"

static const CorCliVerb verb = {
    .name = "demo",
    .usage = "[FOLDER] [--algo A] [--limit N]",
    .summary = "Import images, submit a job for each, and print the results as they come.",
    .details = "Without FOLDER it makes two CT slices of a phantom: one on which processing_1 "
               "finds the liver and\n"
               "one on which it does not.  The images are stored as demo/<folder>/<file>.",
    .positional_max = 1,
};

typedef struct Demo {
    CorClient *client; /* for posting, while another one follows */
    CorWalk walk;
    json_t *stored; /* by key: what the server says of it */
    const char *algo;
    const char *series; /* second part of every key */
    char client_id[COR_ID_SIZE];
    char job_id[COR_ID_SIZE]; /* the one that is waited for */
    size_t next;              /* file */
    size_t limit;
    size_t succeeded, found, failed;
    int64_t posted_us;
    bool as_json;
    CorError err;
} Demo;

/* Images are named by their UIDs: one that was there before lies under another key. */
static void on_end(void *context, const CorWalkFile *file, CorUploadOutcome outcome,
                   const json_t *stored, const char *why)
{
    Demo *demo = context;
    (void) outcome;

    if (stored) {
        (void) json_object_set(demo->stored, file->key, (json_t *) stored);
    } else {
        (void) fprintf(stderr, "left out: %s: %s\n", file->path, why);
    }
}

static bool on_tick(void *context, uint64_t bytes)
{
    (void) context;
    (void) bytes;
    return true;
}

/* What the server says of a file; NULL if it was left out. */
static const json_t *stored_of(const Demo *demo, size_t file)
{
    const char *key = demo->walk.files[file].key;

    return key ? json_object_get(demo->stored, key) : NULL;
}

/* The next image's job; *ret_posted is false when there is none left. */
static bool post_next(Demo *demo, bool *ret_posted, CorError *err)
{
    COR_CLEANUP(cor_json_freep) json_t *accepted = NULL;

    const json_t *stored = NULL;

    while (demo->next < demo->walk.len && !(stored = stored_of(demo, demo->next))) {
        demo->next++;
    }
    *ret_posted = demo->next < demo->walk.len && demo->succeeded + demo->failed < demo->limit;
    if (!*ret_posted) {
        return true;
    }
    const char *key = demo->walk.files[demo->next++].key;
    CorJobPost post = {
        .algo = demo->algo,
        .study = cor_json_string(stored, "study_instance_uid", ""),
        .series = cor_json_string(stored, "series_instance_uid", ""),
        .image = cor_json_string(stored, "sop_instance_uid", ""),
        .client_id = demo->client_id,
    };
    demo->posted_us = cor_time_us();
    if (!cor_job_post(demo->client, &post, &accepted, err)) {
        cor_error_wrap(err, "%s", key);
        return false;
    }
    (void) snprintf(demo->job_id, sizeof(demo->job_id), "%s",
                    cor_json_string(accepted, "job_id", ""));
    return true;
}

static void print_result(Demo *demo, const json_t *frame)
{
    double seen_ms = (double) (cor_time_us() - demo->posted_us) / 1000.0;
    bool has_succeeded = strcmp(cor_json_string(frame, "status", ""), "succeeded") == 0;
    bool is_found = cor_json_boolean(frame, "found", false);

    demo->succeeded += has_succeeded;
    demo->failed += !has_succeeded;
    demo->found += has_succeeded && is_found;
    if (!demo->as_json) {
        (void) printf("%s: %.1f ms from submit to result\n", demo->walk.files[demo->next - 1].key,
                      seen_ms);
    }
    cor_follow_print(frame, demo->as_json);
}

static bool on_frame(void *context, const json_t *frame)
{
    Demo *demo = context;
    bool has_posted = false;

    if (strcmp(cor_json_string(frame, "job_id", ""), demo->job_id) != 0 ||
        strcmp(cor_json_string(frame, "type", "result"), "result") != 0) {
        return true;
    }
    print_result(demo, frame);
    return post_next(demo, &has_posted, &demo->err) && has_posted;
}

static bool run_jobs(Demo *demo, const CorCliArgs *args, CorError *err)
{
    COR_CLEANUP(cor_client_closep) CorClient *follower = NULL;
    bool has_posted = false;

    if (!cor_client_open(args->server, args->token_file, &follower, err) ||
        !cor_job_provision(demo->client, NULL, demo->client_id, err) ||
        !post_next(demo, &has_posted, err)) {
        return false;
    }
    if (!has_posted) {
        return cor_fail(err, COR_ERR_NOT_FOUND, "there is no DICOM image to try it on");
    }
    if (!cor_follow(follower, demo->client_id, 0, on_frame, demo, err)) {
        return false;
    }
    if (demo->err.code != COR_OK) {
        return cor_fail(err, demo->err.code, "%s", demo->err.text);
    }
    if (!demo->as_json) {
        (void) printf("%zu jobs: found on %zu, nothing found on %zu, %zu failed\n",
                      demo->succeeded + demo->failed, demo->found, demo->succeeded - demo->found,
                      demo->failed);
    }
    return true;
}

static bool run_on(Demo *demo, const char *folder, const CorCliArgs *args, CorError *err)
{
    CorUploadOptions options = {4, on_end, on_tick, demo};
    char prefix[512];

    (void) snprintf(prefix, sizeof(prefix), STUDY "/%s", demo->series);
    demo->stored = json_object();
    bool is_ok = cor_walk_add(&demo->walk, folder, prefix, err) &&
                 cor_upload_files(demo->client, &demo->walk, &options, err) &&
                 run_jobs(demo, args, err);
    cor_walk_done(&demo->walk);
    json_decref(demo->stored);
    return is_ok;
}

/* Make the phantom in a folder of its own, which is removed whatever happens. */
static bool run_on_phantom(Demo *demo, const CorCliArgs *args, CorError *err)
{
    char folder[] = "/tmp/corsia-demo-XXXXXX";
    char path[sizeof(folder) + 32];
    bool is_ok = true;

    if (!mkdtemp(folder)) {
        return cor_fail_errno(err, errno, "make a folder in /tmp");
    }
    for (size_t i = 0; is_ok && i < COR_PHANTOM_LEN; i++) {
        (void) snprintf(path, sizeof(path), "%s/%s", folder, cor_phantom_name(i));
        is_ok = cor_phantom_write(i, path, err);
    }
    is_ok = is_ok && run_on(demo, folder, args, err);
    for (size_t i = 0; i < COR_PHANTOM_LEN; i++) {
        (void) snprintf(path, sizeof(path), "%s/%s", folder, cor_phantom_name(i));
        (void) unlink(path);
    }
    (void) rmdir(folder);
    return is_ok;
}

int cor_cli_demo(int argc, char **argv)
{
    COR_CLEANUP(cor_client_closep) CorClient *client = NULL;
    const char *limit_text = "20";
    long long limit = 0;
    Demo demo = {.algo = "processing_1", .series = "phantom"};
    CorCliArgs args = {0};
    CorError err = {0};
    bool is_ok = false;
    const CorCliOption options[] = {
        {.name = "algo", .value = "A", .text = &demo.algo, .help = "Algorithm [processing_1]"},
        {.name = "limit", .value = "N", .text = &limit_text, .help = "At most N jobs [20]"},
    };

    int status = cor_cli_parse(&verb, options, COR_ARRAY_LEN(options), argc, argv, &args);
    if (status >= 0) {
        return status;
    }
    if (!cor_cli_parse_number(limit_text, 1000000, &limit) || limit < 1) {
        return cor_cli_usage(&verb, "--limit must be a number, at least 1");
    }
    demo.limit = (size_t) limit;
    demo.as_json = args.json;
    if (cor_client_open(args.server, args.token_file, &client, &err)) {
        demo.client = client;
        if (args.positional.len > 0) {
            char *copy = strdup(args.positional.items[0]);
            demo.series = copy ? basename(copy) : "images";
            is_ok = run_on(&demo, args.positional.items[0], &args, &err);
            free(copy);
        } else {
            is_ok = run_on_phantom(&demo, &args, &err);
        }
    }
    if (!is_ok) {
        return cor_print_failure(verb.name, &err);
    }
    return demo.failed == 0 ? COR_CLI_OK : COR_CLI_FAILED;
}

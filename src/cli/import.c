/* SPDX-License-Identifier: Apache-2.0 */
/* corsia import: walk, upload, tell what became of each file.
 *
 * Safe to repeat: what is there already is a duplicate.  Safe to interrupt: Ctrl-C ends the uploads
 * that run, the server drops their halves, and the summary says how far it came.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/time.h"
#include "cli/args.h"
#include "cli/http-client.h"
#include "cli/import-walk.h"
#include "cli/progress.h"
#include "cli/upload.h"
#include "cli/verbs.h"

enum { REASONS_SHOWN_MAX = 50 };

static const char *const outcome_names[] = {
    [COR_UPLOAD_STORED] = "stored",
    [COR_UPLOAD_DUPLICATE] = "duplicates",
    [COR_UPLOAD_REFUSED] = "refused",
    [COR_UPLOAD_FAILED] = "failed",
};
_Static_assert(COR_ARRAY_LEN(outcome_names) == COR_UPLOAD_OUTCOME_COUNT_, "name every outcome");

typedef struct Import {
    CorWalk walk;
    CorProgress progress;
    size_t counts[COR_UPLOAD_OUTCOME_COUNT_];
    size_t ended;
    size_t wanted;   /* files with a key */
    json_t *reasons; /* [{path, key, outcome, reason}] of refused and failed files */
} Import;

static const CorCliVerb verb = {
    .name = "import",
    .usage = "PATH... [--prefix P] [--jobs N]",
    .summary = "Put DICOM files into the server's store.",
    .details = "The path below a given folder becomes the object's key.  Files that are no DICOM "
               "are listed and\n"
               "left out.  It may be repeated and interrupted at any time.\n\n"
               "Exits with 0 if every DICOM file is stored, 1 if one is not (a conflict, an error "
               "of the disk\n"
               "or the server) or if there was nothing to import.",
    .positional_min = 1,
    .positional_max = COR_CLI_MANY_MAX,
};

static volatile sig_atomic_t is_interrupted;

static void interrupt(int signal_number)
{
    (void) signal_number;
    is_interrupted = 1;
}

/* As JSON, which is UTF-8; other bytes become question marks. */
static json_t *shown_path(const char *path)
{
    json_t *shown = json_string(path);
    char *copy = shown ? NULL : strdup(path);

    if (!copy) {
        return shown;
    }
    for (char *c = copy; *c; c++) {
        *c = (unsigned char) *c >= 0x80 ? '?' : *c;
    }
    shown = json_string(copy);
    free(copy);
    return shown;
}

static void note(Import *import, const CorWalkFile *file, CorUploadOutcome outcome, const char *why)
{
    import->counts[outcome]++;
    if (outcome == COR_UPLOAD_REFUSED || outcome == COR_UPLOAD_FAILED) {
        (void) json_array_append_new(import->reasons,
                                     json_pack("{s:o, s:s?, s:s, s:s}", "path",
                                               shown_path(file->path), "key", file->key, "outcome",
                                               outcome_names[outcome], "reason", why));
    }
}

static void on_end(void *context, const CorWalkFile *file, CorUploadOutcome outcome,
                   const json_t *stored, const char *why)
{
    Import *import = context;
    (void) stored;

    import->ended++;
    note(import, file, outcome, why);
}

static bool on_tick(void *context, uint64_t bytes)
{
    Import *import = context;

    cor_progress_show(&import->progress, import->ended, import->wanted, bytes);
    return !is_interrupted;
}

static void print_reasons(const json_t *reasons)
{
    size_t i = 0;
    json_t *one = NULL;

    json_array_foreach((json_t *) (uintptr_t) reasons, i, one)
    {
        if (i == REASONS_SHOWN_MAX) {
            (void) fprintf(stderr, "... and %zu more; --json lists all\n",
                           json_array_size(reasons) - i);
            return;
        }
        (void) fprintf(stderr, "%s: %s: %s\n", cor_json_string(one, "outcome", ""),
                       cor_json_string(one, "path", ""), cor_json_string(one, "reason", ""));
    }
}

static void print_summary(const Import *import, bool as_json)
{
    double seconds = (double) (cor_time_ms() - import->progress.started_ms) / 1000.0;
    size_t left = import->wanted - import->ended;

    if (as_json) {
        json_t *summary = json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:f, s:O}", "stored",
                                    (json_int_t) import->counts[COR_UPLOAD_STORED], "duplicates",
                                    (json_int_t) import->counts[COR_UPLOAD_DUPLICATE], "refused",
                                    (json_int_t) import->counts[COR_UPLOAD_REFUSED], "failed",
                                    (json_int_t) import->counts[COR_UPLOAD_FAILED], "not_tried",
                                    (json_int_t) left, "bytes", (json_int_t) import->walk.bytes,
                                    "seconds", seconds, "files", import->reasons);
        char *text = cor_json_text(summary);
        (void) printf("%s\n", text ? text : "");
        free(text);
        json_decref(summary);
        return;
    }
    print_reasons(import->reasons);
    (void) printf("%zu stored, %zu duplicates, %zu refused, %zu failed",
                  import->counts[COR_UPLOAD_STORED], import->counts[COR_UPLOAD_DUPLICATE],
                  import->counts[COR_UPLOAD_REFUSED], import->counts[COR_UPLOAD_FAILED]);
    if (left > 0) {
        (void) printf(", %zu not tried", left);
    }
    (void) printf(" (%.1f MB in %.1f s)\n", (double) import->walk.bytes / 1e6, seconds);
}

static bool walk_all(Import *import, const CorCliTexts *paths, const char *prefix, CorError *err)
{
    for (size_t i = 0; i < paths->len; i++) {
        if (!cor_walk_add(&import->walk, paths->items[i], prefix, err)) {
            return false;
        }
    }
    for (size_t i = 0; i < import->walk.len; i++) {
        const CorWalkFile *file = &import->walk.files[i];
        if (file->key) {
            import->wanted++;
        } else {
            note(import, file, COR_UPLOAD_FAILED, file->refusal);
        }
    }
    return true;
}

static bool import_all(Import *import, const CorCliArgs *args, const char *prefix, int parallel,
                       CorError *err)
{
    COR_CLEANUP(cor_client_closep) CorClient *client = NULL;
    CorUploadOptions options = {parallel, on_end, on_tick, import};

    if (!cor_client_open(args->server, args->token_file, &client, err) ||
        !walk_all(import, &args->positional, prefix, err)) {
        return false;
    }
    if (import->walk.len == 0) {
        return cor_fail(err, COR_ERR_NOT_FOUND, "there is no file to import");
    }
    import->progress = cor_progress_start();
    bool is_ok = cor_upload_files(client, &import->walk, &options, err);
    cor_progress_clear(&import->progress);
    if (import->ended > 0 || import->counts[COR_UPLOAD_FAILED] > 0 || is_ok) {
        print_summary(import, args->json);
    }
    if (err->code == COR_ERR_CANCELLED) {
        return cor_fail(err, COR_ERR_CANCELLED, "interrupted; the same command goes on from here");
    }
    return is_ok;
}

int cor_cli_import(int argc, char **argv)
{
    const char *prefix = "";
    const char *jobs = "4";
    long long parallel = 0;
    CorCliArgs args = {0};
    CorError err = {0};
    const CorCliOption options[] = {
        {.name = "prefix", .value = "P", .text = &prefix, .help = "Put P/ before every key"},
        {.name = "jobs", .value = "N", .text = &jobs, .help = "Uploads at a time [4]"},
    };

    int status = cor_cli_parse(&verb, options, COR_ARRAY_LEN(options), argc, argv, &args);
    if (status >= 0) {
        return status;
    }
    if (!cor_cli_parse_number(jobs, COR_UPLOAD_PARALLEL_MAX, &parallel) || parallel < 1) {
        return cor_cli_usage(&verb, "--jobs must be 1 to %d", COR_UPLOAD_PARALLEL_MAX);
    }
    struct sigaction action = {.sa_handler = interrupt, .sa_flags = (int) SA_RESETHAND};
    (void) sigaction(SIGINT, &action, NULL);
    (void) sigaction(SIGTERM, &action, NULL);

    Import import = {.reasons = json_array()};
    bool is_ok = import_all(&import, &args, prefix, (int) parallel, &err);
    if (!is_ok) {
        (void) fprintf(stderr, "corsia import: %s\n", err.text);
    }
    bool is_complete = is_ok && import.counts[COR_UPLOAD_FAILED] == 0 &&
                       import.counts[COR_UPLOAD_STORED] + import.counts[COR_UPLOAD_DUPLICATE] > 0;
    cor_walk_done(&import.walk);
    json_decref(import.reasons);
    return is_complete ? COR_CLI_OK : COR_CLI_FAILED;
}

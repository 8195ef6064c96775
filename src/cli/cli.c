/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/verbs.h"

#include <stdio.h>
#include <string.h>

#include "base/array.h"
#include "cli/args.h"
#include "cli/serve.h"
#include "host/host.h"
#include "program/config.h"

typedef struct Entry {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *help; /* NULL: nobody starts it by hand */
} Entry;

static bool has_flag(int argc, char **argv, const char *flag)
{
    for (int i = 0; i < argc; i++) {
        if (strcmp(argv[i], flag) == 0) {
            return true;
        }
    }
    return false;
}

static int run_serve(int argc, char **argv)
{
    COR_CLEANUP(cor_string_freep) CorString *text = cor_string_new(65536);

    if (has_flag(argc, argv, "--help")) {
        cor_config_help(text);
        (void) printf(
            "Usage: corsia serve [--config FILE] [--data DIR] [--listen ADDRESS] [KEY...]\n\n"
            "Run the server until SIGTERM or Ctrl-C.\n\n"
            "  %-36s Print every key with its default, as a file\n"
            "  %-36s Print the manual page of that file\n%s",
            "--sample-config", "--man-config", cor_string_text(text));
        return COR_CLI_OK;
    }
    if (has_flag(argc, argv, "--sample-config")) {
        cor_config_sample(text);
        (void) fputs(cor_string_text(text), stdout);
        return COR_CLI_OK;
    }
    if (has_flag(argc, argv, "--man-config")) {
        cor_config_man(text);
        (void) fputs(cor_string_text(text), stdout);
        return COR_CLI_OK;
    }
    return cor_cli_serve(argc, argv);
}

static int run_host(int argc, char **argv)
{
    (void) argc;
    (void) argv;
    return cor_host_main();
}

static const Entry entries[] = {
    {"serve", run_serve, "Run the server"},
    {"import", cor_cli_import, "Put folders of DICOM files into the server's store"},
    {"submit", cor_cli_submit, "Submit a job, and wait for its result if asked to"},
    {"watch", cor_cli_watch, "Print a client's results as they come"},
    {"jobs", cor_cli_jobs, "List jobs, show one, cancel one"},
    {"queues", cor_cli_queues, "Show queues and dead letters, redrive them"},
    {"env", cor_cli_env, "Print the server's base URLs for a shell"},
    {"demo", cor_cli_demo, "Go the whole way of a job, on images made for it"},
    {"check", cor_cli_check, "Check configuration and data directory"},
    {"host", run_host, NULL},
};

static int print_help(void)
{
    (void) printf("Corsia " COR_VERSION ": DICOM in, an algorithm, derived DICOM on the screen.\n\n"
                  "Usage: corsia VERB [ARGUMENT...]\n\nVerbs:\n");
    for (size_t i = 0; i < COR_ARRAY_LEN(entries); i++) {
        if (entries[i].help) {
            (void) printf("  %-8s %s\n", entries[i].name, entries[i].help);
        }
    }
    (void) printf("\nEach verb explains itself: corsia VERB --help\n");
    return COR_CLI_OK;
}

/* What was printed is a result: if it did not arrive, the verb has failed. */
static int flush(int status)
{
    if (fflush(stdout) != 0 || ferror(stdout)) {
        perror("corsia: standard output");
        return status == COR_CLI_OK ? COR_CLI_FAILED : status;
    }
    return status;
}

int cor_cli_main(int argc, char **argv)
{
    if (argc < 2) {
        (void) fprintf(stderr, "corsia: which verb? See 'corsia --help'\n");
        return COR_CLI_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0) {
        return flush(print_help());
    }
    if (strcmp(argv[1], "--version") == 0) {
        (void) printf("corsia " COR_VERSION "\n");
        return flush(COR_CLI_OK);
    }
    for (size_t i = 0; i < COR_ARRAY_LEN(entries); i++) {
        if (strcmp(argv[1], entries[i].name) == 0) {
            return flush(entries[i].run(argc - 2, argv + 2));
        }
    }
    (void) fprintf(stderr, "corsia: no verb is called '%s'; see 'corsia --help'\n", argv[1]);
    return COR_CLI_USAGE;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/args.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/array.h"

enum { COMMON_LEN = 4, HELP_COLUMN = 24 };

int cor_cli_usage(const CorCliVerb *verb, const char *format, ...)
{
    va_list args;

    (void) fprintf(stderr, "corsia %s: ", verb->name);
    va_start(args, format);
    (void) vfprintf(stderr, format, args);
    va_end(args);
    (void) fprintf(stderr, "; see 'corsia %s --help'\n", verb->name);
    return COR_CLI_USAGE;
}

bool cor_cli_parse_number(const char *text, long long max, long long *ret_number)
{
    long long number = 0;

    for (const char *c = text; *c; c++) {
        int digit = *c - '0';
        if (digit < 0 || digit > 9 || number > max / 10 ||
            (number == max / 10 && digit > max % 10)) {
            return false;
        }
        number = number * 10 + digit;
    }
    *ret_number = number;
    return text[0] != '\0';
}

static void print_options(const CorCliOption *options, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        char flag[64];
        (void) snprintf(flag, sizeof(flag), "--%s%s%s", options[i].name,
                        options[i].value ? " " : "", options[i].value ? options[i].value : "");
        (void) printf("  %-*s %s\n", HELP_COLUMN, flag, options[i].help);
    }
}

static int print_help(const CorCliVerb *verb, const CorCliOption *options, size_t len,
                      const CorCliOption *common)
{
    (void) printf("Usage: corsia %s %s\n\n%s\n", verb->name, verb->usage, verb->summary);
    if (verb->details) {
        (void) printf("\n%s\n", verb->details);
    }
    (void) printf("\nOptions:\n");
    print_options(options, len);
    print_options(common, COMMON_LEN);
    return COR_CLI_OK;
}

static const CorCliOption *find_option(const CorCliOption *options, size_t len, const char *name,
                                       size_t name_len)
{
    for (size_t i = 0; i < len; i++) {
        if (strlen(options[i].name) == name_len && strncmp(options[i].name, name, name_len) == 0) {
            return &options[i];
        }
    }
    return NULL;
}

static bool store(const CorCliOption *option, const char *value)
{
    if (option->flag) {
        *option->flag = true;
    } else if (option->texts) {
        if (option->texts->len == COR_CLI_MANY_MAX) {
            return false;
        }
        option->texts->items[option->texts->len++] = value;
    } else {
        *option->text = value;
    }
    return true;
}

/* One "--name", "--name=value" or "--name value"; *i is moved past what was used.  -1 to go on. */
static int take_option(const CorCliVerb *verb, const CorCliOption *option, int argc, char **argv,
                       int *i)
{
    const char *text = argv[*i];
    const char *equals = strchr(text, '=');
    const char *value = equals ? equals + 1 : NULL;

    if (!option->value && equals) {
        return cor_cli_usage(verb, "--%s takes no value", option->name);
    }
    if (option->value && !value) {
        if (*i + 1 >= argc) {
            return cor_cli_usage(verb, "--%s needs a value", option->name);
        }
        *i += 1;
        value = argv[*i];
    }
    if (!store(option, value)) {
        return cor_cli_usage(verb, "--%s is given more than %d times", option->name,
                             COR_CLI_MANY_MAX);
    }
    return -1;
}

int cor_cli_parse(const CorCliVerb *verb, const CorCliOption *options, size_t option_len, int argc,
                  char **argv, CorCliArgs *args)
{
    bool wants_help = false;
    bool only_positional = false;
    const CorCliOption common[COMMON_LEN] = {
        {.name = "server",
         .value = "URL",
         .text = &args->server,
         .help = "Where the server is (also CORSIA_SERVER) [http://127.0.0.1:8080]"},
        {.name = "token-file",
         .value = "FILE",
         .text = &args->token_file,
         .help = "File with the server's token (also CORSIA_TOKEN_FILE)"},
        {.name = "json", .flag = &args->json, .help = "Print JSON, for programs"},
        {.name = "help", .flag = &wants_help, .help = "Print this"},
    };

    for (int i = 0; i < argc; i++) {
        const char *text = argv[i];
        if (only_positional || text[0] != '-' || !text[1]) {
            CorCliOption positional = {.texts = &args->positional};
            if (!store(&positional, text)) {
                return cor_cli_usage(verb, "more than %d arguments", COR_CLI_MANY_MAX);
            }
            continue;
        }
        only_positional = strcmp(text, "--") == 0;
        if (only_positional) {
            continue;
        }
        size_t len = strcspn(text, "=") - 2;
        const CorCliOption *option = NULL;
        if (strncmp(text, "--", 2) == 0) {
            option = find_option(options, option_len, text + 2, len);
            option = option ? option : find_option(common, COMMON_LEN, text + 2, len);
        }
        int status = option ? take_option(verb, option, argc, argv, &i)
                            : cor_cli_usage(verb, "unknown option '%s'", text);
        if (status >= 0) {
            return status;
        }
    }
    if (wants_help) {
        return print_help(verb, options, option_len, common);
    }
    if (args->positional.len < verb->positional_min) {
        return cor_cli_usage(verb, "%.*s is missing", (int) strcspn(verb->usage, " "), verb->usage);
    }
    if (args->positional.len > verb->positional_max) {
        return cor_cli_usage(verb, "unexpected argument '%s'",
                             args->positional.items[verb->positional_max]);
    }
    return -1;
}

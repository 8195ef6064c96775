/* SPDX-License-Identifier: Apache-2.0 */
/* corsia env: the names of interfaces.md with the running server's URLs, quoted for a shell.
 *
 * The server makes them from its public_url; here they are only quoted, so that whatever stands in
 * them stays a value: eval "$(corsia env)" runs nothing.
 */
#include <stdio.h>
#include <string.h>

#include "base/array.h"
#include "cli/args.h"
#include "cli/http-client.h"
#include "cli/print.h"
#include "cli/shell.h"
#include "cli/verbs.h"

static const CorCliVerb verb = {
    .name = "env",
    .usage = "[--shell bash|powershell|dotenv|json]",
    .summary = "Print the base URLs of the running server for a shell.",
    .details = "  eval \"$(corsia env)\"\n  corsia env --shell powershell | Invoke-Expression\n"
               "  corsia env --shell dotenv > .env",
};

int cor_cli_env(int argc, char **argv)
{
    COR_CLEANUP(cor_client_closep) CorClient *client = NULL;
    COR_CLEANUP(cor_json_freep) json_t *names = NULL;
    COR_CLEANUP(cor_string_freep) CorString *text = cor_string_new(65536);
    const char *shell = NULL;
    CorShell dialect = COR_SHELL_BASH;
    CorCliArgs args = {0};
    CorError err = {0};
    const CorCliOption options[] = {
        {.name = "shell",
         .value = "S",
         .text = &shell,
         .help = "bash, powershell, dotenv or json [bash]"},
    };

    int status = cor_cli_parse(&verb, options, COR_ARRAY_LEN(options), argc, argv, &args);
    if (status >= 0) {
        return status;
    }
    shell = shell ? shell : args.json ? "json" : "bash";
    if (!cor_shell_find(shell, &dialect)) {
        return cor_cli_usage(&verb, "--shell '%s' is none of bash, powershell, dotenv, json",
                             shell);
    }
    if (!cor_client_open(args.server, args.token_file, &client, &err) ||
        !cor_client_call(client, "GET", "/env", NULL, &names, &err) ||
        !cor_shell_print(dialect, names, text, &err)) {
        return cor_print_failure(verb.name, &err);
    }
    (void) fputs(cor_string_text(text), stdout);
    return COR_CLI_OK;
}

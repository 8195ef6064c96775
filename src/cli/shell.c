/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/shell.h"

#include <stdlib.h>
#include <string.h>

#include "base/array.h"

static const char *const shell_names[] = {
    [COR_SHELL_BASH] = "bash",
    [COR_SHELL_POWERSHELL] = "powershell",
    [COR_SHELL_DOTENV] = "dotenv",
    [COR_SHELL_JSON] = "json",
};
_Static_assert(COR_ARRAY_LEN(shell_names) == COR_SHELL_COUNT_, "name every dialect");

bool cor_shell_find(const char *name, CorShell *ret_shell)
{
    for (int i = 0; i < COR_SHELL_COUNT_; i++) {
        if (strcmp(name, shell_names[i]) == 0) {
            *ret_shell = (CorShell) i;
            return true;
        }
    }
    return false;
}

static bool is_name(const char *text)
{
    if (text[0] >= '0' && text[0] <= '9') {
        return false;
    }
    for (const char *c = text; *c; c++) {
        if (!((*c >= 'A' && *c <= 'Z') || (*c >= '0' && *c <= '9') || *c == '_')) {
            return false;
        }
    }
    return text[0] != '\0';
}

static bool is_value(const char *text)
{
    for (const unsigned char *c = (const unsigned char *) text; *c; c++) {
        if (*c < ' ' || *c == 0x7F) {
            return false;
        }
    }
    return true;
}

static void append_replaced(CorString *out, const char *text, const char *special,
                            const char *before)
{
    for (const char *c = text; *c; c++) {
        if (strchr(special, *c)) {
            cor_string_append_text(out, before);
        }
        cor_string_append(out, c, 1);
    }
}

/* PowerShell takes U+2018 to U+201B for single quotes too; doubling any of them stands for one. */
static void append_powershell(CorString *out, const char *text)
{
    for (const char *c = text; *c; c++) {
        if (*c == '\'') {
            cor_string_append_text(out, "'");
        } else if (strncmp(c, "\xE2\x80", 2) == 0 && (unsigned char) c[2] >= 0x98 &&
                   (unsigned char) c[2] <= 0x9B) {
            cor_string_append(out, c, 3);
        }
        cor_string_append(out, c, 1);
    }
}

static void append_line(CorShell shell, const char *name, const char *value, CorString *out)
{
    switch (shell) {
    case COR_SHELL_BASH:
        cor_string_printf(out, "export %s='", name);
        for (const char *c = value; *c; c++) {
            cor_string_append(out, *c == '\'' ? "'\\''" : c, *c == '\'' ? 4 : 1);
        }
        cor_string_append_text(out, "'\n");
        break;
    case COR_SHELL_POWERSHELL:
        cor_string_printf(out, "$env:%s = '", name);
        append_powershell(out, value);
        cor_string_append_text(out, "'\n");
        break;
    case COR_SHELL_DOTENV:
    case COR_SHELL_JSON:
    case COR_SHELL_COUNT_:
        cor_string_printf(out, "%s=\"", name);
        append_replaced(out, value, "\\\"$`", "\\");
        cor_string_append_text(out, "\"\n");
        break;
    }
}

bool cor_shell_print(CorShell shell, const json_t *names, CorString *out, CorError *err)
{
    const char *name = NULL;
    json_t *value = NULL;

    json_object_foreach((json_t *) (uintptr_t) names, name, value)
    {
        if (!is_name(name) || !json_is_string(value) || !is_value(json_string_value(value))) {
            return cor_fail(err, COR_ERR_INVALID, "the server sent what is no name or no value");
        }
        if (shell != COR_SHELL_JSON) {
            append_line(shell, name, json_string_value(value), out);
        }
    }
    if (shell == COR_SHELL_JSON) {
        char *text = cor_json_text(names);
        cor_string_printf(out, "%s\n", text ? text : "");
        free(text);
    }
    return cor_string_check(out, err);
}

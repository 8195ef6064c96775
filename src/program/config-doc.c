/* SPDX-License-Identifier: Apache-2.0 */
/* What people read of the table: help, sample file, manual, and the values in force. */
#include "program/config.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/uri.h"
#include "program/config-table.h"

enum { HELP_COLUMN = 36 };

static const char *value_name(const CorConfigKey *key)
{
    static const char *const names[] = {
        [COR_CONFIG_TEXT] = "TEXT",        [COR_CONFIG_PATH] = "DIR",
        [COR_CONFIG_SECRET_FILE] = "FILE", [COR_CONFIG_LIST] = "A,B",
        [COR_CONFIG_BOOLEAN] = "yes|no",   [COR_CONFIG_INTEGER] = "N",
        [COR_CONFIG_SIZE] = "SIZE",        [COR_CONFIG_DURATION] = "TIME",
        [COR_CONFIG_ENUM] = "WORD",
    };

    return names[key->type];
}

/* queue_bound -> --queue-bound */
static void flag_name(const CorConfigKey *key, char *out, size_t size)
{
    (void) snprintf(out, size, "--%s", key->name);
    for (char *c = out; *c; c++) {
        *c = *c == '_' ? '-' : *c;
    }
}

void cor_config_help(CorString *out)
{
    char flag[80];

    cor_string_printf(out, "  %-*s %s\n", HELP_COLUMN, "--config FILE",
                      "Read keys from this file (also CORSIA_CONFIG)");
    for (size_t i = 0; i < cor_config_priv_key_len; i++) {
        const CorConfigKey *key = &cor_config_priv_keys[i];
        if (key->group) {
            cor_string_printf(out, "\n%s:\n", key->group);
        }
        flag_name(key, flag, sizeof(flag));
        int used = (int) strlen(flag) + 1 + (int) strlen(value_name(key));
        cor_string_printf(out, "  %s %s%*s %s", flag, value_name(key),
                          used < HELP_COLUMN ? HELP_COLUMN - used : 0, "", key->help);
        cor_string_printf(out, key->fallback[0] ? " [%s]\n" : "\n", key->fallback);
    }
}

void cor_config_sample(CorString *out)
{
    cor_string_append_text(out, "# Corsia's configuration: every key with its default.  Made by "
                                "`corsia serve --sample-config`.\n"
                                "#\n"
                                "# Read with `corsia serve --config FILE`.  What is set in the "
                                "environment (CORSIA_QUEUE_BOUND)\n"
                                "# goes before this file, and a flag (--queue-bound) before both.  "
                                "A key that is not listed here\n"
                                "# is refused.  Sizes: B, KiB, MiB, GiB, TiB.  Durations: ms, s, "
                                "min, h, d.  Lists: commas.\n");
    for (size_t i = 0; i < cor_config_priv_key_len; i++) {
        const CorConfigKey *key = &cor_config_priv_keys[i];
        if (key->group) {
            cor_string_printf(out, "\n[%s]\n", key->group);
        }
        cor_string_printf(out, "\n# %s\n", key->help);
        for (size_t c = 0; key->choices && key->choices[c]; c++) {
            cor_string_printf(out, "%s%s", c == 0 ? "# One of: " : ", ", key->choices[c]);
        }
        cor_string_append_text(out, key->choices ? "\n" : "");
        cor_string_printf(out, key->fallback[0] ? "#%s = %s\n" : "#%s =%s\n", key->name,
                          key->fallback);
    }
}

void cor_config_man(CorString *out)
{
    cor_string_append_text(
        out,
        ".TH CORSIA.CONF 5 \"\" Corsia \"File formats\"\n"
        ".SH NAME\ncorsia.conf \\- configuration of the Corsia server\n"
        ".SH SYNOPSIS\n.B corsia serve \\-\\-config \\fIFILE\\fR\n"
        ".SH DESCRIPTION\nLines \\fIkey\\fR = \\fIvalue\\fR; comments begin with # or ;. "
        "The environment (CORSIA_QUEUE_BOUND) goes before the file, a flag (\\-\\-queue\\-bound) "
        "before both. An unknown key is refused.\n.SH KEYS\n");
    for (size_t i = 0; i < cor_config_priv_key_len; i++) {
        const CorConfigKey *key = &cor_config_priv_keys[i];
        if (key->group) {
            cor_string_printf(out, ".SS \"%s\"\n", key->group);
        }
        cor_string_printf(out, ".TP\n.BR %s \" = \" \\fI%s\\fR\n%s.\n", key->name, value_name(key),
                          key->help);
        if (key->fallback[0]) {
            cor_string_printf(out, "Default: %s.\n", key->fallback);
        }
    }
}

static void print_list(const CorConfigList *list, CorString *out)
{
    for (size_t i = 0; i < list->len; i++) {
        cor_string_printf(out, "%s%s", i > 0 ? ", " : "", list->items[i]);
    }
}

/* A backend's URI may carry a password. */
static void print_text(const char *text, CorString *out)
{
    CorUri uri;

    cor_string_append_text(out, cor_uri_parse(text, &uri, NULL) ? uri.shown : text);
}

static void print_value(const CorConfigKey *key, const void *member, CorString *out)
{
    switch (key->type) {
    case COR_CONFIG_TEXT:
    case COR_CONFIG_PATH:
    case COR_CONFIG_SECRET_FILE:
        print_text(*(char *const *) member, out);
        break;
    case COR_CONFIG_LIST:
        print_list(member, out);
        break;
    case COR_CONFIG_BOOLEAN:
        cor_string_append_text(out, *(const bool *) member ? "yes" : "no");
        break;
    case COR_CONFIG_ENUM:
        cor_string_append_text(out, key->choices[*(const int *) member]);
        break;
    case COR_CONFIG_INTEGER:
        cor_string_printf(out, "%" PRId64, *(const int64_t *) member);
        break;
    case COR_CONFIG_SIZE:
        cor_string_printf(out, "%" PRId64 " B", *(const int64_t *) member);
        break;
    case COR_CONFIG_DURATION:
        cor_string_printf(out, "%" PRId64 " ms", *(const int64_t *) member);
        break;
    }
}

void cor_config_print(const CorConfig *config, CorString *out)
{
    for (size_t i = 0; i < cor_config_priv_key_len; i++) {
        const CorConfigKey *key = &cor_config_priv_keys[i];
        cor_string_printf(out, "%s = ", key->name);
        print_value(key, (const char *) config + key->offset, out);
        cor_string_append_text(out, "\n");
    }
}

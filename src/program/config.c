/* SPDX-License-Identifier: Apache-2.0 */
/* Reading: defaults are set first, then file, environment and flags are laid over them, each value
 * checked when it is met, so that a bad line is refused even where a flag would have replaced it.
 * Keys whose default is "auto" are worked out last.
 *
 * libinih passes no line numbers and cuts lines at 200 bytes; our reader counts the first and
 * refuses the second (a list may go on in indented lines).
 */
#include "program/config.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <ini.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/array.h"
#include "program/config-table.h"

enum { NAME_SIZE = 64, KEY_LEN_MAX = 128 };

/* Names of the environment that are ours and no key of the table. */
static const char *const other_variables[] = {"CONFIG", "SERVER", "FAILPOINT"};

static const CorConfigKey *find_key(const char *name)
{
    for (size_t i = 0; i < cor_config_priv_key_len; i++) {
        if (strcmp(cor_config_priv_keys[i].name, name) == 0) {
            return &cor_config_priv_keys[i];
        }
    }
    return NULL;
}

/* Edits that make one name of the other (Levenshtein), for names shorter than NAME_SIZE. */
static size_t distance(const char *a, const char *b)
{
    size_t row[NAME_SIZE + 1];
    size_t b_len = strlen(b);

    for (size_t j = 0; j <= b_len; j++) {
        row[j] = j;
    }
    for (size_t i = 1; a[i - 1]; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= b_len; j++) {
            size_t replaced = diagonal + (a[i - 1] != b[j - 1]);
            diagonal = row[j];
            row[j] = COR_MIN(replaced, COR_MIN(row[j], row[j - 1]) + 1);
        }
    }
    return row[b_len];
}

static bool fail_unknown(const char *name, CorError *err)
{
    const char *nearest = NULL;
    size_t least = 4;

    for (size_t i = 0; strlen(name) < NAME_SIZE && i < cor_config_priv_key_len; i++) {
        size_t edits = distance(name, cor_config_priv_keys[i].name);
        if (edits < least) {
            least = edits;
            nearest = cor_config_priv_keys[i].name;
        }
    }
    if (nearest) {
        return cor_fail(err, COR_ERR_INVALID, "unknown key '%s'; did you mean '%s'?", name,
                        nearest);
    }
    return cor_fail(err, COR_ERR_INVALID, "unknown key '%.*s'", NAME_SIZE, name);
}

/* "QUEUE_BOUND" or "queue-bound" -> "queue_bound".  Cut names are unknown names. */
static void normalize_name(const char *name, size_t len, char *out)
{
    size_t used = 0;

    for (size_t i = 0; i < len && used < NAME_SIZE; i++) {
        out[used++] = name[i] == '-' ? '_' : (char) tolower((unsigned char) name[i]);
    }
    out[used] = '\0';
}

typedef struct FileReading {
    CorConfig *config;
    FILE *file;
    const char *path;
    int line;
    bool is_continued;      /* the present line is indented: it goes on with the key before */
    bool seen[KEY_LEN_MAX]; /* by position in the table */
    CorError *err;
    bool has_failed;
} FileReading;

static bool fail_line(FileReading *reading)
{
    cor_error_wrap(reading->err, "%s:%d", reading->path, reading->line);
    reading->has_failed = true;
    return false;
}

/* As fgets(), but a line that does not fit is refused instead of being taken for two. */
static char *read_line(char *text, int size, void *context)
{
    FileReading *reading = context;

    if (reading->has_failed || !fgets(text, size, reading->file)) {
        return NULL;
    }
    reading->line++;
    reading->is_continued = text[0] == ' ' || text[0] == '\t';
    size_t len = strlen(text);
    if (len + 1 == (size_t) size && text[len - 1] != '\n') {
        (void) cor_fail(reading->err, COR_ERR_INVALID,
                        "the line is longer than %d bytes; a list may go on in indented lines",
                        size - 2);
        (void) fail_line(reading);
        return NULL;
    }
    return text;
}

static bool take_line(FileReading *reading, const char *name, const char *value)
{
    const CorConfigKey *key = find_key(name);

    if (!key) {
        return fail_unknown(name, reading->err);
    }
    size_t position = (size_t) (key - cor_config_priv_keys);
    if (reading->is_continued && reading->seen[position]) {
        if (key->type != COR_CONFIG_LIST) {
            return cor_fail(reading->err, COR_ERR_INVALID,
                            "%s: only a list goes on in a second line", name);
        }
        return cor_config_priv_list_append(
            (CorConfigList *) (void *) ((char *) reading->config + key->offset), value,
            reading->err);
    }
    if (reading->seen[position]) {
        return cor_fail(reading->err, COR_ERR_INVALID, "'%s' is set twice", name);
    }
    reading->seen[position] = true;
    if (!cor_config_priv_set(reading->config, key, value, reading->err)) {
        cor_error_wrap(reading->err, "%s", name);
        return false;
    }
    return true;
}

static int take_line_of_inih(void *context, const char *section, const char *name,
                             const char *value)
{
    FileReading *reading = context;

    (void) section; /* headings are for the reader */
    if (!reading->has_failed && !take_line(reading, name, value ? value : "")) {
        (void) fail_line(reading);
    }
    return !reading->has_failed;
}

static bool read_file(CorConfig *config, const char *path, CorError *err)
{
    FileReading reading = {.config = config, .path = path, .err = err};

    assert(cor_config_priv_key_len <= KEY_LEN_MAX);
    reading.file = fopen(path, "re");
    if (!reading.file) {
        return cor_fail_errno(err, errno, "configuration file '%s'", path);
    }
    int line = ini_parse_stream(read_line, &reading, take_line_of_inih, &reading);
    bool is_unreadable = ferror(reading.file) != 0;
    (void) fclose(reading.file);
    if (reading.has_failed) {
        return false;
    }
    if (is_unreadable) {
        return cor_fail(err, COR_ERR_IO, "configuration file '%s' cannot be read", path);
    }
    if (line != 0) {
        return cor_fail(err, COR_ERR_INVALID, "%s:%d: neither 'key = value' nor a comment", path,
                        line);
    }
    return true;
}

/* Kubernetes gives every container such names for each service, one called corsia included. */
static bool is_of_kubernetes(const char *name)
{
    return strncmp(name, "SERVICE_", 8) == 0 || strncmp(name, "PORT", 4) == 0;
}

static bool is_other_variable(const char *name)
{
    for (size_t i = 0; i < COR_ARRAY_LEN(other_variables); i++) {
        if (strcmp(name, other_variables[i]) == 0) {
            return true;
        }
    }
    return is_of_kubernetes(name);
}

static bool take_variable(CorConfig *config, const char *variable, CorError *err)
{
    char full[NAME_SIZE + 1];
    char name[NAME_SIZE + 1];
    const char *equals = strchr(variable, '=');

    if (strncmp(variable, "CORSIA_", 7) != 0 || !equals) {
        return true;
    }
    size_t len = COR_MIN((size_t) (equals - variable), (size_t) NAME_SIZE);
    memcpy(full, variable, len);
    full[len] = '\0';
    if (is_other_variable(full + 7)) {
        return true;
    }
    normalize_name(full + 7, len - 7, name);
    const CorConfigKey *key = find_key(name);
    if (!(key ? cor_config_priv_set(config, key, equals + 1, err) : fail_unknown(name, err))) {
        cor_error_wrap(err, "environment variable %s", full);
        return false;
    }
    return true;
}

typedef struct Flag {
    char name[NAME_SIZE + 1];
    const char *value; /* NULL if there is none */
    int used;          /* arguments */
} Flag;

static bool read_flag(int argc, char *const *argv, Flag *ret_flag, CorError *err)
{
    const char *text = argv[0];
    bool ignored = false;

    if (strncmp(text, "--", 2) != 0 || !text[2]) {
        return cor_fail(err, COR_ERR_INVALID, "unexpected argument '%s'", text);
    }
    size_t len = strcspn(text, "=");
    normalize_name(text + 2, len - 2, ret_flag->name);
    const CorConfigKey *key = find_key(ret_flag->name);
    ret_flag->used = 1;
    ret_flag->value = NULL;
    if (text[len] == '=') {
        ret_flag->value = text + len + 1;
    } else if (key && key->type == COR_CONFIG_BOOLEAN &&
               (argc < 2 || !cor_config_priv_parse_boolean(argv[1], &ignored))) {
        ret_flag->value = "yes";
    } else if (argc > 1) {
        ret_flag->value = argv[1];
        ret_flag->used = 2;
    }
    if (!key && strcmp(ret_flag->name, "config") != 0) {
        return fail_unknown(ret_flag->name, err);
    }
    if (!ret_flag->value) {
        return cor_fail(err, COR_ERR_INVALID, "needs a value");
    }
    return true;
}

/* With config NULL only looks for --config. */
static bool take_flags(CorConfig *config, int argc, char *const *argv, const char **ret_file,
                       CorError *err)
{
    Flag flag;

    for (int i = 0; i < argc; i += flag.used) {
        if (!read_flag(argc - i, argv + i, &flag, err)) {
            if (strncmp(argv[i], "--", 2) == 0) {
                cor_error_wrap(err, "%.*s", (int) strcspn(argv[i], "="), argv[i]);
            }
            return false;
        }
        if (strcmp(flag.name, "config") == 0) {
            *ret_file = flag.value;
        } else if (config && !cor_config_priv_set(config, find_key(flag.name), flag.value, err)) {
            cor_error_wrap(err, "%.*s", (int) strcspn(argv[i], "="), argv[i]);
            return false;
        }
    }
    return true;
}

static const char *find_variable(char *const *environment, const char *name)
{
    size_t len = strlen(name);

    for (; environment && *environment; environment++) {
        if (strncmp(*environment, name, len) == 0 && (*environment)[len] == '=') {
            return *environment + len + 1;
        }
    }
    return NULL;
}

static bool derive_text(char **member, const char *before, const char *middle, const char *after,
                        CorError *err)
{
    char *text = NULL;

    if (strcmp(*member, "auto") != 0) {
        return true;
    }
    if (asprintf(&text, "%s%s%s", before, middle, after) < 0) {
        return cor_fail(err, COR_ERR_NOMEM, "out of memory for the configuration");
    }
    free(*member);
    *member = text;
    return true;
}

/* Clients come by the name that links carry, so the host in public_url is one of ours. */
static bool add_public_host(CorConfig *config, CorError *err)
{
    const char *authority = strstr(config->public_url, "://") + strlen("://"); /* was checked */
    char host[256];

    if (config->public_url_is_derived && !cor_config_is_beyond_loopback(config)) {
        return true;
    }
    size_t len = strcspn(authority, "/?#");
    const char *bracket = authority[0] == '[' ? memchr(authority, ']', len) : NULL;
    const char *colon = bracket ? NULL : memchr(authority, ':', len);
    len = bracket ? (size_t) (bracket - authority) + 1 : colon ? (size_t) (colon - authority) : len;
    if (len == 0 || len >= sizeof(host)) {
        return cor_fail(err, COR_ERR_INVALID, "public_url: '%s' has no host", config->public_url);
    }
    (void) snprintf(host, sizeof(host), "%.*s", (int) len, authority);
    return cor_config_priv_list_append(&config->hosts, host, err);
}

static bool derive(CorConfig *config, CorError *err)
{
    const char *first = config->listen.len > 0 ? config->listen.items[0] : "127.0.0.1:8080";

    config->public_url_is_derived = strcmp(config->public_url, "auto") == 0;
    if (!derive_text(&config->public_url, "http://", first, "", err) ||
        !derive_text(&config->queue, "sqlite:", config->data, "/corsia.db", err) ||
        !derive_text(&config->blob, "file:", config->data, "/objects", err)) {
        return false;
    }
    size_t len = strlen(config->public_url);
    while (len > 0 && config->public_url[len - 1] == '/') {
        config->public_url[--len] = '\0';
    }
    if (config->job_hosts_max == COR_CONFIG_AUTO) {
        int64_t twice = 2 * COR_MAX(sysconf(_SC_NPROCESSORS_ONLN), 1L);
        config->job_hosts_max = COR_MAX(COR_MIN(twice, (int64_t) 10), config->job_hosts_min);
    }
    return true;
}

static bool load_into(CorConfig *config, int argc, char *const *argv, char *const *environment,
                      CorError *err)
{
    const char *file = find_variable(environment, "CORSIA_CONFIG");

    for (size_t i = 0; i < cor_config_priv_key_len; i++) {
        const CorConfigKey *key = &cor_config_priv_keys[i];
        if (!cor_config_priv_set(config, key, key->fallback, err)) {
            cor_error_wrap(err, "default of %s", key->name);
            return false;
        }
    }
    if (!take_flags(NULL, argc, argv, &file, err) || (file && !read_file(config, file, err))) {
        return false;
    }
    for (; environment && *environment; environment++) {
        if (!take_variable(config, *environment, err)) {
            return false;
        }
    }
    return take_flags(config, argc, argv, &file, err) && derive(config, err) &&
           cor_config_check(config, err) && add_public_host(config, err);
}

bool cor_config_load(int argc, char *const *argv, char *const *environment, CorConfig **ret_config,
                     CorError *err)
{
    CorConfig *config = cor_new(CorConfig);

    if (!config) {
        return cor_fail(err, COR_ERR_NOMEM, "out of memory for the configuration");
    }
    if (!load_into(config, argc, argv, environment, err)) {
        cor_config_free(config);
        return false;
    }
    *ret_config = config;
    return true;
}

void cor_config_free(CorConfig *config)
{
    if (!config) {
        return;
    }
    for (size_t i = 0; i < cor_config_priv_key_len; i++) {
        const CorConfigKey *key = &cor_config_priv_keys[i];
        void *member = (char *) config + key->offset;
        if (key->type == COR_CONFIG_LIST) {
            cor_config_priv_list_done(member);
        } else if (key->type == COR_CONFIG_TEXT || key->type == COR_CONFIG_PATH ||
                   key->type == COR_CONFIG_SECRET_FILE) {
            free(*(char **) member);
        }
    }
    free(config);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The table behind program/config.h, for the files of this room only.
 *
 * Threads  Thread-safe: constant.
 */
#pragma once

#include "program/config.h"

typedef enum CorConfigType {
    COR_CONFIG_TEXT,
    COR_CONFIG_PATH,
    COR_CONFIG_SECRET_FILE, /* the path of a file whose content is a secret */
    COR_CONFIG_LIST,        /* divided by commas or spaces */
    COR_CONFIG_BOOLEAN,
    COR_CONFIG_INTEGER,
    COR_CONFIG_SIZE,
    COR_CONFIG_DURATION,
    COR_CONFIG_ENUM
} CorConfigType;

/* What an integer key holds between reading "auto" and being derived. */
#define COR_CONFIG_AUTO INT64_MIN

typedef struct CorConfigKey {
    const char *group; /* the heading that begins with this key, or NULL */
    const char *name;
    CorConfigType type;
    size_t offset;        /* of the member of CorConfig */
    const char *fallback; /* the default, as one would write it */
    const char *help;     /* one line */
    int64_t min;          /* integers, sizes and durations */
    int64_t max;
    const char *const *choices; /* enums: ends with NULL, in the order of the C type */
} CorConfigKey;

extern const CorConfigKey cor_config_priv_keys[];
extern const size_t cor_config_priv_key_len;

/** True if the key's default is worked out from others: "auto". */
bool cor_config_priv_is_derived(const CorConfigKey *key);

/** Give a key its value; INVALID says what would be right.  Lists are replaced. */
COR_MUSTCHECK bool cor_config_priv_set(CorConfig *config, const CorConfigKey *key, const char *text,
                                       CorError *err);

/** Append the entries in text; what was appended before a failure stays and is freed with the list.
 */
COR_MUSTCHECK bool cor_config_priv_list_append(CorConfigList *list, const char *text,
                                               CorError *err);

/** Free the entries of a list and make it empty. */
void cor_config_priv_list_done(CorConfigList *list);

/** Read yes, true, on, 1 or no, false, off, 0; false if it is none of them. */
bool cor_config_priv_parse_boolean(const char *text, bool *ret_value);

/** Read decimal digits; false if there are none or too many.  *ret_rest is what follows them. */
bool cor_config_priv_parse_integer(const char *text, int64_t *ret_value, const char **ret_rest);

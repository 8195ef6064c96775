/* SPDX-License-Identifier: Apache-2.0 */
/* A compiled schema, for json-schema.c (which checks values) and json-schema-compile.c only.
 *
 * Threads  Thread-safe: nobody changes a node once it is compiled.
 */
#pragma once

#include "base/json-schema.h"

#include <regex.h>
#include <stdint.h>

enum {
    COR_SCHEMA_NULL = 1u << 0,
    COR_SCHEMA_BOOLEAN = 1u << 1,
    COR_SCHEMA_INTEGER = 1u << 2,
    COR_SCHEMA_NUMBER = 1u << 3,
    COR_SCHEMA_STRING = 1u << 4,
    COR_SCHEMA_ARRAY = 1u << 5,
    COR_SCHEMA_OBJECT = 1u << 6
};

typedef struct CorSchemaNode CorSchemaNode;

typedef struct CorSchemaProperty {
    char *name;
    CorSchemaNode *node;
} CorSchemaProperty;

typedef struct CorSchemaNodes {
    CorSchemaNode **items; /* borrowed: CorJsonSchema.nodes owns them */
    size_t len;
} CorSchemaNodes;

typedef struct CorSchemaBound {
    json_t *value; /* NULL if there is none */
    long double number;
} CorSchemaBound;

struct CorSchemaNode {
    bool is_false;               /* the schema false: nothing is valid */
    unsigned types;              /* COR_SCHEMA_*; 0 for any */
    json_t *choices;             /* enum */
    json_t *constant;            /* const */
    json_t *fallback;            /* default */
    CorSchemaNode *ref;          /* $ref */
    CorSchemaNodes alternatives; /* oneOf */
    char *discriminator;         /* of alternatives, or NULL */

    CorSchemaProperty *properties;
    size_t property_len;
    char **required;
    size_t required_len;
    CorSchemaNode *additional; /* NULL allows any */

    CorSchemaNode *items; /* NULL allows any */
    CorSchemaNodes prefix;
    int64_t items_min, items_max;   /* -1 if there is none */
    int64_t length_min, length_max; /* -1 if there is none; characters */

    CorSchemaBound minimum, maximum, above, below, multiple;
    regex_t regex;
    char *pattern; /* NULL if there is none */
};

struct CorJsonSchema {
    CorSchemaNode *root;
    CorSchemaNode **nodes; /* all of them, owned */
    size_t node_len;
};

/** Append "/" and a name with "~" and "/" escaped (RFC 6901); nothing if it does not fit. */
void cor_json_schema_priv_push(char *pointer, const char *name);

/** A number as exactly as it can be had. */
long double cor_json_schema_priv_number(const json_t *number);

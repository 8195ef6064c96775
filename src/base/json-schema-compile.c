/* SPDX-License-Identifier: Apache-2.0 */
/* From a schema to nodes.  One table says which keyword is read by which function; what stands
 * neither there nor in the list of annotations is refused.
 *
 * $ref may be recursive: the node of a referenced schema is remembered by its pointer before it is
 * filled, so that meeting it again inside itself finds it.
 */
#include "base/json-schema-node.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/string.h"

enum { DEPTH_MAX = 64, NODES_MAX = 10000, PATTERN_MAX = 256, REFS_MAX = 1000 };
enum { PATTERN_NODES_MAX = 4096, PATTERN_GROUPS_MAX = 8 };

typedef struct Ref {
    char *pointer;
    CorSchemaNode *node;
} Ref;

typedef struct Compiler {
    CorJsonSchema *schema;
    const json_t *root;
    Ref *refs;
    size_t ref_len;
    int depth;
    char pointer[COR_JSON_POINTER_SIZE]; /* where in the schema */
} Compiler;

typedef bool (*ReadKeyword)(Compiler *compiler, CorSchemaNode *node, const json_t *value,
                            CorError *err);

typedef struct Keyword {
    const char *name;
    ReadKeyword read;
} Keyword;

static const char *const annotations[] = {
    "title",     "description", "examples", "example", "deprecated", "readOnly",
    "writeOnly", "format",      "$schema",  "$id",     "$comment",   "$defs",
};

static bool compile_node(Compiler *compiler, const json_t *value, CorSchemaNode **ret_node,
                         CorError *err);

static bool fail_memory(CorError *err)
{
    return cor_fail(err, COR_ERR_NOMEM, "out of memory for a schema");
}

static bool new_node(Compiler *compiler, CorSchemaNode **ret_node, CorError *err)
{
    CorJsonSchema *schema = compiler->schema;

    if (schema->node_len == NODES_MAX) {
        return cor_fail(err, COR_ERR_LIMIT, "the schema has more than %d parts", NODES_MAX);
    }
    CorSchemaNode **nodes =
        realloc((void *) schema->nodes, (schema->node_len + 1) * sizeof(*nodes));
    if (!nodes) {
        return fail_memory(err);
    }
    schema->nodes = nodes;
    CorSchemaNode *node = cor_new(CorSchemaNode);
    if (!node) {
        return fail_memory(err);
    }
    node->items_min = node->items_max = node->length_min = node->length_max = -1;
    schema->nodes[schema->node_len++] = node;
    *ret_node = node;
    return true;
}

static bool compile_nodes(Compiler *compiler, const json_t *list, CorSchemaNodes *nodes,
                          CorError *err)
{
    size_t len = json_array_size(list);

    if (!json_is_array(list) || len == 0) {
        return cor_fail(err, COR_ERR_INVALID, "must be an array with at least one schema");
    }
    nodes->items = cor_new_array(CorSchemaNode *, len);
    if (!nodes->items) {
        return fail_memory(err);
    }
    for (size_t i = 0; i < len; i++) {
        if (!compile_node(compiler, json_array_get(list, i), &nodes->items[i], err)) {
            return false;
        }
        nodes->len++;
    }
    return true;
}

static unsigned type_bit(const json_t *name)
{
    static const struct {
        const char *name;
        unsigned bit;
    } types[] = {
        {"null", COR_SCHEMA_NULL},       {"boolean", COR_SCHEMA_BOOLEAN},
        {"integer", COR_SCHEMA_INTEGER}, {"number", COR_SCHEMA_NUMBER},
        {"string", COR_SCHEMA_STRING},   {"array", COR_SCHEMA_ARRAY},
        {"object", COR_SCHEMA_OBJECT},
    };

    for (size_t i = 0; json_is_string(name) && i < COR_ARRAY_LEN(types); i++) {
        if (strcmp(json_string_value(name), types[i].name) == 0) {
            return types[i].bit;
        }
    }
    return 0;
}

static bool read_type(Compiler *compiler, CorSchemaNode *node, const json_t *value, CorError *err)
{
    (void) compiler;
    size_t len = json_is_array(value) ? json_array_size(value) : 1;

    for (size_t i = 0; i < len; i++) {
        unsigned bit = type_bit(json_is_array(value) ? json_array_get(value, i) : value);
        if (bit == 0) {
            return cor_fail(err, COR_ERR_INVALID, "names a type that does not exist");
        }
        node->types |= bit;
    }
    return node->types != 0 || cor_fail(err, COR_ERR_INVALID, "names no type");
}

static bool copy_value(const json_t *value, json_t **ret_copy, CorError *err)
{
    json_t *copy = json_deep_copy(value);

    if (!copy) {
        return fail_memory(err);
    }
    *ret_copy = copy;
    return true;
}

static bool read_enum(Compiler *compiler, CorSchemaNode *node, const json_t *value, CorError *err)
{
    (void) compiler;
    if (json_array_size(value) == 0) {
        return cor_fail(err, COR_ERR_INVALID, "must be an array with at least one value");
    }
    return copy_value(value, &node->choices, err);
}

static bool read_const(Compiler *compiler, CorSchemaNode *node, const json_t *value, CorError *err)
{
    (void) compiler;
    return copy_value(value, &node->constant, err);
}

static bool read_default(Compiler *compiler, CorSchemaNode *node, const json_t *value,
                         CorError *err)
{
    (void) compiler;
    return copy_value(value, &node->fallback, err);
}

static bool read_properties(Compiler *compiler, CorSchemaNode *node, const json_t *value,
                            CorError *err)
{
    const char *name = NULL;
    json_t *member = NULL;

    if (!json_is_object(value)) {
        return cor_fail(err, COR_ERR_INVALID, "must be an object");
    }
    node->properties = cor_new_array(CorSchemaProperty, json_object_size(value));
    if (!node->properties) {
        return fail_memory(err);
    }
    json_object_foreach((json_t *) (uintptr_t) value, name, member)
    {
        CorSchemaProperty *property = &node->properties[node->property_len];
        size_t len = strlen(compiler->pointer);
        property->name = strdup(name);
        if (!property->name) {
            return fail_memory(err);
        }
        node->property_len++;
        cor_json_schema_priv_push(compiler->pointer, name);
        if (!compile_node(compiler, member, &property->node, err)) {
            return false;
        }
        compiler->pointer[len] = '\0';
    }
    return true;
}

static bool read_required(Compiler *compiler, CorSchemaNode *node, const json_t *value,
                          CorError *err)
{
    (void) compiler;
    if (!json_is_array(value)) {
        return cor_fail(err, COR_ERR_INVALID, "must be an array of names");
    }
    node->required = cor_new_array(char *, json_array_size(value));
    if (!node->required) {
        return fail_memory(err);
    }
    for (size_t i = 0; i < json_array_size(value); i++) {
        const json_t *name = json_array_get(value, i);
        if (!json_is_string(name)) {
            return cor_fail(err, COR_ERR_INVALID, "must be an array of names");
        }
        node->required[i] = strdup(json_string_value(name));
        if (!node->required[i]) {
            return fail_memory(err);
        }
        node->required_len++;
    }
    return true;
}

static bool read_additional(Compiler *compiler, CorSchemaNode *node, const json_t *value,
                            CorError *err)
{
    return compile_node(compiler, value, &node->additional, err);
}

static bool read_items(Compiler *compiler, CorSchemaNode *node, const json_t *value, CorError *err)
{
    return compile_node(compiler, value, &node->items, err);
}

static bool read_prefix_items(Compiler *compiler, CorSchemaNode *node, const json_t *value,
                              CorError *err)
{
    return compile_nodes(compiler, value, &node->prefix, err);
}

static bool read_count(const json_t *value, int64_t *ret_count, CorError *err)
{
    if (!json_is_integer(value) || json_integer_value(value) < 0) {
        return cor_fail(err, COR_ERR_INVALID, "must be a whole number, at least 0");
    }
    *ret_count = json_integer_value(value);
    return true;
}

static bool read_bound(const json_t *value, CorSchemaBound *bound, CorError *err)
{
    if (!json_is_number(value)) {
        return cor_fail(err, COR_ERR_INVALID, "must be a number");
    }
    bound->number = cor_json_schema_priv_number(value);
    return copy_value(value, &bound->value, err);
}

#define DEFINE_READER(function, call)                                                  \
    static bool function(Compiler *compiler, CorSchemaNode *node, const json_t *value, \
                         CorError *err)                                                \
    {                                                                                  \
        (void) compiler;                                                               \
        return call;                                                                   \
    }
DEFINE_READER(read_min_items, read_count(value, &node->items_min, err))
DEFINE_READER(read_max_items, read_count(value, &node->items_max, err))
DEFINE_READER(read_min_length, read_count(value, &node->length_min, err))
DEFINE_READER(read_max_length, read_count(value, &node->length_max, err))
DEFINE_READER(read_minimum, read_bound(value, &node->minimum, err))
DEFINE_READER(read_maximum, read_bound(value, &node->maximum, err))
DEFINE_READER(read_above, read_bound(value, &node->above, err))
DEFINE_READER(read_below, read_bound(value, &node->below, err))
#undef DEFINE_READER

static bool read_multiple(Compiler *compiler, CorSchemaNode *node, const json_t *value,
                          CorError *err)
{
    (void) compiler;
    if (!read_bound(value, &node->multiple, err)) {
        return false;
    }
    return node->multiple.number > 0 || cor_fail(err, COR_ERR_INVALID, "must be more than 0");
}

/* The last character of what stands for one character at c; NULL if POSIX and ECMA-262 differ on
 * it. */
static const char *end_of_atom(const char *c)
{
    if (*c == '\\') {
        return ispunct((unsigned char) c[1]) ? c + 1 : NULL;
    }
    if (*c != '[') {
        return c;
    }
    c += c[1] == '^' ? 2 : 1;
    c += *c == ']' ? 1 : 0; /* in the first place it stands for itself */
    while (*c && *c != ']') {
        c++;
    }
    return *c ? c : NULL;
}

/* How often a quantifier repeats what is before it, for the size of the automaton; 0 if it is none
 * that is understood.  *ret_end is its last character. */
static size_t repeats_of(const char *c, const char **ret_end)
{
    size_t counts[2] = {0};
    int which = 0;

    *ret_end = c;
    if (*c == '*' || *c == '?') {
        return 1;
    }
    if (*c == '+') {
        return 2;
    }
    for (c++; *c && *c != '}'; c++) {
        if (*c == ',' && which == 0) {
            which = 1;
        } else if (*c >= '0' && *c <= '9' && counts[which] < PATTERN_NODES_MAX) {
            counts[which] = counts[which] * 10 + (size_t) (*c - '0');
        } else {
            return 0;
        }
    }
    *ret_end = c;
    return *c ? COR_MAX(counts[0] + (size_t) which, counts[1]) : 0;
}

/* Expressions that POSIX and ECMA-262 read alike, that need no back references (which can take for
 * ever), and that glibc, which copies what is repeated, expands to a bounded automaton. */
static bool is_tame_pattern(const char *text)
{
    size_t sums[PATTERN_GROUPS_MAX] = {0}; /* size of what is complete, per open group */
    size_t last = 0;                       /* size of what a quantifier would repeat */
    int depth = 0;
    bool was_quantifier = false;

    for (const char *c = text; c && *c; c++) {
        bool is_quantifier = strchr("*+?{", *c) != NULL;
        if (is_quantifier) {
            last *= was_quantifier ? 0 : repeats_of(c, &c);
            if (last == 0) {
                return false;
            }
        } else if (*c == ')') {
            last += sums[depth];
            depth--;
        } else {
            sums[depth] += last;
            last = strchr("(|^$", *c) ? 0 : 1;
            if (*c == '(' && ++depth < PATTERN_GROUPS_MAX) {
                sums[depth] = 0;
            }
            c = end_of_atom(c);
        }
        if (!c || depth < 0 || depth == PATTERN_GROUPS_MAX || last > PATTERN_NODES_MAX) {
            return false;
        }
        was_quantifier = is_quantifier;
    }
    return depth == 0 && sums[0] + last <= PATTERN_NODES_MAX;
}

static bool read_pattern(Compiler *compiler, CorSchemaNode *node, const json_t *value,
                         CorError *err)
{
    const char *text = json_string_value(value);

    (void) compiler;
    if (!text || strlen(text) > PATTERN_MAX || !is_tame_pattern(text)) {
        return cor_fail(err, COR_ERR_INVALID,
                        "must be an expression that POSIX and ECMA-262 read alike");
    }
    char *copy = strdup(text);
    if (!copy) {
        return fail_memory(err);
    }
    if (regcomp(&node->regex, text, REG_EXTENDED | REG_NOSUB) != 0) {
        free(copy);
        return cor_fail(err, COR_ERR_INVALID, "is no regular expression");
    }
    node->pattern = copy;
    return true;
}

/* The const of a required member, or NULL. */
static const json_t *const_of(const CorSchemaNode *node, const char *name)
{
    bool is_required = false;

    for (size_t i = 0; i < node->required_len; i++) {
        is_required = is_required || strcmp(node->required[i], name) == 0;
    }
    for (size_t i = 0; is_required && i < node->property_len; i++) {
        if (strcmp(node->properties[i].name, name) == 0) {
            return node->properties[i].node->constant;
        }
    }
    return NULL;
}

/* The member by which all alternatives can be told apart, if there is one. */
static const char *find_discriminator(const CorSchemaNodes *alternatives)
{
    const CorSchemaNode *first =
        alternatives->items[0]->ref ? alternatives->items[0]->ref : alternatives->items[0];

    for (size_t p = 0; p < first->property_len; p++) {
        const char *name = first->properties[p].name;
        size_t with = 0;
        for (size_t i = 0; i < alternatives->len; i++) {
            const CorSchemaNode *node = alternatives->items[i];
            with += const_of(node->ref ? node->ref : node, name) != NULL;
        }
        if (with == alternatives->len) {
            return name;
        }
    }
    return NULL;
}

static bool read_one_of(Compiler *compiler, CorSchemaNode *node, const json_t *value, CorError *err)
{
    if (!compile_nodes(compiler, value, &node->alternatives, err)) {
        return false;
    }
    const char *name = find_discriminator(&node->alternatives);
    if (name) {
        node->discriminator = strdup(name);
        return node->discriminator || fail_memory(err);
    }
    return true;
}

/* Follow a pointer (RFC 6901) into the root document; NULL if nothing is there. */
static const json_t *follow(const json_t *value, const char *pointer)
{
    char name[256];

    while (value && *pointer == '/') {
        size_t used = 0;
        for (pointer++; *pointer && *pointer != '/' && used + 1 < sizeof(name); pointer++) {
            char c = *pointer;
            if (c == '~' && (pointer[1] == '0' || pointer[1] == '1')) {
                pointer++;
                c = *pointer == '0' ? '~' : '/';
            }
            name[used++] = c;
        }
        name[used] = '\0';
        value = json_object_get(value, name);
    }
    return *pointer ? NULL : value;
}

static bool remember_ref(Compiler *compiler, const char *pointer, CorSchemaNode *node,
                         CorError *err)
{
    if (compiler->ref_len == REFS_MAX) {
        return cor_fail(err, COR_ERR_LIMIT, "the schema refers to more than %d others", REFS_MAX);
    }
    Ref *refs = realloc(compiler->refs, (compiler->ref_len + 1) * sizeof(*refs));
    if (!refs) {
        return fail_memory(err);
    }
    compiler->refs = refs;
    char *copy = strdup(pointer);
    if (!copy) {
        return fail_memory(err);
    }
    refs[compiler->ref_len++] = (Ref){.pointer = copy, .node = node};
    return true;
}

static bool fill_node(Compiler *compiler, CorSchemaNode *node, const json_t *value, CorError *err);

static bool read_ref(Compiler *compiler, CorSchemaNode *node, const json_t *value, CorError *err)
{
    const char *text = json_string_value(value);

    if (!text || text[0] != '#') {
        return cor_fail(err, COR_ERR_INVALID, "must begin with '#': other documents are not read");
    }
    for (size_t i = 0; i < compiler->ref_len; i++) {
        if (strcmp(compiler->refs[i].pointer, text) == 0) {
            node->ref = compiler->refs[i].node;
            return true;
        }
    }
    const json_t *target = follow(compiler->root, text + 1);
    if (!target) {
        return cor_fail(err, COR_ERR_INVALID, "refers to what is not there");
    }
    if (!new_node(compiler, &node->ref, err) || !remember_ref(compiler, text, node->ref, err)) {
        return false;
    }
    return fill_node(compiler, node->ref, target, err);
}

static const Keyword keywords[] = {
    {"$ref", read_ref},
    {"additionalProperties", read_additional},
    {"const", read_const},
    {"default", read_default},
    {"enum", read_enum},
    {"exclusiveMaximum", read_below},
    {"exclusiveMinimum", read_above},
    {"items", read_items},
    {"maxItems", read_max_items},
    {"maxLength", read_max_length},
    {"maximum", read_maximum},
    {"minItems", read_min_items},
    {"minLength", read_min_length},
    {"minimum", read_minimum},
    {"multipleOf", read_multiple},
    {"oneOf", read_one_of},
    {"pattern", read_pattern},
    {"prefixItems", read_prefix_items},
    {"properties", read_properties},
    {"required", read_required},
    {"type", read_type},
};

static bool is_annotation(const char *name)
{
    for (size_t i = 0; i < COR_ARRAY_LEN(annotations); i++) {
        if (strcmp(name, annotations[i]) == 0) {
            return true;
        }
    }
    return strncmp(name, "x-", 2) == 0;
}

static bool read_member(Compiler *compiler, CorSchemaNode *node, const char *name,
                        const json_t *value, CorError *err)
{
    if (is_annotation(name)) {
        return true;
    }
    for (size_t i = 0; i < COR_ARRAY_LEN(keywords); i++) {
        if (strcmp(name, keywords[i].name) == 0) {
            return keywords[i].read(compiler, node, value, err);
        }
    }
    return cor_fail(err, COR_ERR_INVALID, "is no keyword that we check");
}

static bool fill_node(Compiler *compiler, CorSchemaNode *node, const json_t *value, CorError *err)
{
    const char *name = NULL;
    json_t *member = NULL;

    if (json_is_boolean(value)) {
        node->is_false = json_is_false(value);
        return true;
    }
    if (!json_is_object(value)) {
        return cor_fail(err, COR_ERR_INVALID, "must be a schema: an object, true or false");
    }
    if (++compiler->depth > DEPTH_MAX) {
        return cor_fail(err, COR_ERR_LIMIT, "the schema is nested deeper than %d levels",
                        DEPTH_MAX);
    }
    json_object_foreach((json_t *) (uintptr_t) value, name, member)
    {
        size_t len = strlen(compiler->pointer);
        cor_json_schema_priv_push(compiler->pointer, name);
        if (!read_member(compiler, node, name, member, err)) {
            return false;
        }
        compiler->pointer[len] = '\0';
    }
    compiler->depth--;
    return true;
}

static bool compile_node(Compiler *compiler, const json_t *value, CorSchemaNode **ret_node,
                         CorError *err)
{
    CorSchemaNode *node = NULL;

    if (!new_node(compiler, &node, err) || !fill_node(compiler, node, value, err)) {
        return false;
    }
    *ret_node = node;
    return true;
}

static void free_node(CorSchemaNode *node)
{
    for (size_t i = 0; i < node->property_len; i++) {
        free(node->properties[i].name);
    }
    for (size_t i = 0; i < node->required_len; i++) {
        free(node->required[i]);
    }
    if (node->pattern) {
        regfree(&node->regex);
    }
    free(node->properties);
    free((void *) node->required);
    free((void *) node->alternatives.items);
    free((void *) node->prefix.items);
    free(node->discriminator);
    free(node->pattern);
    json_decref(node->choices);
    json_decref(node->constant);
    json_decref(node->fallback);
    json_decref(node->minimum.value);
    json_decref(node->maximum.value);
    json_decref(node->above.value);
    json_decref(node->below.value);
    json_decref(node->multiple.value);
    free(node);
}

void cor_json_schema_free(CorJsonSchema *schema)
{
    if (!schema) {
        return;
    }
    for (size_t i = 0; i < schema->node_len; i++) {
        free_node(schema->nodes[i]);
    }
    free((void *) schema->nodes);
    free(schema);
}

bool cor_json_schema_compile(const json_t *value, const json_t *root, CorJsonSchema **ret_schema,
                             CorError *err)
{
    COR_CLEANUP(cor_json_schema_freep) CorJsonSchema *schema = cor_new(CorJsonSchema);
    Compiler compiler = {.schema = schema, .root = root ? root : value};

    if (!schema) {
        return fail_memory(err);
    }
    bool is_compiled = compile_node(&compiler, value, &schema->root, err);
    for (size_t i = 0; i < compiler.ref_len; i++) {
        free(compiler.refs[i].pointer);
    }
    free(compiler.refs);
    if (!is_compiled) {
        cor_error_wrap(err, "schema '#%s'", compiler.pointer);
        return false;
    }
    *ret_schema = COR_TAKE(schema);
    return true;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Checking values against compiled schemas, and completing them.
 *
 * The pointer grows on the way down and is cut on the way up, so that after a failure it names the
 * place.  1.0 is an integer and equals 1, as JSON Schema says (core, section 4.2.2), though Jansson
 * keeps them apart.
 */
#include "base/json-schema.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/json-schema-node.h"
#include "base/json.h"
#include "base/string.h"

enum { DEPTH_MAX = 256, PATTERN_SUBJECT_MAX = 4096, SHOWN_MAX = 160 };

typedef struct Check {
    char *pointer;
    int depth;
} Check;

static bool check_node(Check *check, const CorSchemaNode *node, const json_t *value, CorError *err);

void cor_json_schema_priv_push(char *pointer, const char *name)
{
    size_t start = strlen(pointer);
    size_t used = start;

    pointer[used++] = '/'; /* there is room: see below */
    for (; *name; name++) {
        if (used + 4 > COR_JSON_POINTER_SIZE) {
            pointer[start] = '\0';
            return;
        }
        if (*name == '~' || *name == '/') {
            pointer[used++] = '~';
            pointer[used++] = *name == '~' ? '0' : '1';
        } else {
            pointer[used++] = *name;
        }
    }
    pointer[used] = '\0';
    if (used + 2 > COR_JSON_POINTER_SIZE) { /* keeps room for the next '/' and the NUL */
        pointer[start] = '\0';
    }
}

static void push_index(char *pointer, size_t i)
{
    char name[24];

    (void) snprintf(name, sizeof(name), "%zu", i);
    cor_json_schema_priv_push(pointer, name);
}

long double cor_json_schema_priv_number(const json_t *number)
{
    return json_is_integer(number) ? (long double) json_integer_value(number)
                                   : (long double) json_real_value(number);
}

static bool is_whole(const json_t *value)
{
    return json_is_integer(value) ||
           (json_is_real(value) && floor(json_real_value(value)) == json_real_value(value));
}

static bool equal(const json_t *a, const json_t *b)
{
    const char *name = NULL;
    json_t *member = NULL;

    if (json_is_number(a) && json_is_number(b)) {
        return cor_json_schema_priv_number(a) == cor_json_schema_priv_number(b);
    }
    if (json_typeof(a) != json_typeof(b)) {
        return false;
    }
    if (json_is_array(a)) {
        bool is_equal = json_array_size(a) == json_array_size(b);
        for (size_t i = 0; is_equal && i < json_array_size(a); i++) {
            is_equal = equal(json_array_get(a, i), json_array_get(b, i));
        }
        return is_equal;
    }
    if (json_is_object(a)) {
        if (json_object_size(a) != json_object_size(b)) {
            return false;
        }
        json_object_foreach((json_t *) (uintptr_t) a, name, member)
        {
            const json_t *other = json_object_get(b, name);
            if (!other || !equal(member, other)) {
                return false;
            }
        }
        return true;
    }
    return json_equal(a, b);
}

static bool has_type(unsigned types, const json_t *value)
{
    switch (json_typeof(value)) {
    case JSON_NULL:
        return types & COR_SCHEMA_NULL;
    case JSON_TRUE:
    case JSON_FALSE:
        return types & COR_SCHEMA_BOOLEAN;
    case JSON_STRING:
        return types & COR_SCHEMA_STRING;
    case JSON_ARRAY:
        return types & COR_SCHEMA_ARRAY;
    case JSON_OBJECT:
        return types & COR_SCHEMA_OBJECT;
    case JSON_INTEGER:
    case JSON_REAL:
        break;
    }
    return (types & COR_SCHEMA_NUMBER) || ((types & COR_SCHEMA_INTEGER) && is_whole(value));
}

static bool fail_type(unsigned types, CorError *err)
{
    static const char *const names[] = {"null",     "true or false", "a whole number", "a number",
                                        "a string", "an array",      "an object"};
    char text[128] = "";

    for (size_t i = 0; i < COR_ARRAY_LEN(names); i++) {
        size_t len = strlen(text);
        if (types & (1u << i)) {
            (void) snprintf(text + len, sizeof(text) - len, "%s%s", len > 0 ? " or " : "",
                            names[i]);
        }
    }
    return cor_fail(err, COR_ERR_INVALID, "must be %s", text);
}

/* The schema's own values may be shown; the request's never are. */
static bool fail_values(const char *words, const json_t *values, CorError *err)
{
    char *text = cor_json_text(values);
    size_t len = text ? strlen(text) : 0;
    size_t skip = json_is_array(values) && len >= 2 ? 1 : 0;

    (void) cor_fail(err, COR_ERR_INVALID, "%s %.*s%s", words,
                    (int) COR_MIN(len - 2 * skip, (size_t) SHOWN_MAX), text ? text + skip : "",
                    len - 2 * skip > SHOWN_MAX ? "..." : "");
    free(text);
    return false;
}

static bool check_choices(const CorSchemaNode *node, const json_t *value, CorError *err)
{
    for (size_t i = 0; i < json_array_size(node->choices); i++) {
        if (equal(json_array_get(node->choices, i), value)) {
            return true;
        }
    }
    return fail_values("must be one of", node->choices, err);
}

/* Whole numbers exactly; others to nine digits, because 0.3 is no multiple of 0.1 in binary. */
static bool is_multiple(const json_t *value, const CorSchemaBound *multiple)
{
    long double quotient = cor_json_schema_priv_number(value) / multiple->number;
    long double off = fabsl(quotient - roundl(quotient));

    if (json_is_integer(value) && json_is_integer(multiple->value)) {
        return json_integer_value(value) % json_integer_value(multiple->value) == 0;
    }
    return off <= 1e-9L * COR_MAX(1.0L, fabsl(quotient));
}

static bool check_number(const CorSchemaNode *node, const json_t *value, CorError *err)
{
    long double number = cor_json_schema_priv_number(value);

    if (node->minimum.value && number < node->minimum.number) {
        return fail_values("must be at least", node->minimum.value, err);
    }
    if (node->maximum.value && number > node->maximum.number) {
        return fail_values("must be at most", node->maximum.value, err);
    }
    if (node->above.value && number <= node->above.number) {
        return fail_values("must be more than", node->above.value, err);
    }
    if (node->below.value && number >= node->below.number) {
        return fail_values("must be less than", node->below.value, err);
    }
    if (node->multiple.value && !is_multiple(value, &node->multiple)) {
        return fail_values("must be a multiple of", node->multiple.value, err);
    }
    return true;
}

static bool fail_count(const char *words, int64_t count, const char *things, CorError *err)
{
    return cor_fail(err, COR_ERR_INVALID, "must have %s %lld %s%s", words, (long long) count,
                    things, count == 1 ? "" : "s");
}

static bool check_string(const CorSchemaNode *node, const json_t *value, CorError *err)
{
    const char *text = json_string_value(value);
    int64_t characters = 0;

    for (const char *c = text; *c; c++) {
        characters += ((unsigned char) *c & 0xC0) != 0x80;
    }
    if (node->length_min >= 0 && characters < node->length_min) {
        return fail_count("at least", node->length_min, "character", err);
    }
    if (node->length_max >= 0 && characters > node->length_max) {
        return fail_count("at most", node->length_max, "character", err);
    }
    if (node->pattern && (json_string_length(value) > PATTERN_SUBJECT_MAX ||
                          regexec(&node->regex, text, 0, NULL, 0) != 0)) {
        return cor_fail(err, COR_ERR_INVALID, "must match %s", node->pattern);
    }
    return true;
}

static bool check_array(Check *check, const CorSchemaNode *node, const json_t *value, CorError *err)
{
    size_t len = json_array_size(value);

    if (node->items_min >= 0 && len < (size_t) node->items_min) {
        return fail_count("at least", node->items_min, "item", err);
    }
    if (node->items_max >= 0 && len > (size_t) node->items_max) {
        return fail_count("at most", node->items_max, "item", err);
    }
    for (size_t i = 0; i < len; i++) {
        const CorSchemaNode *item = i < node->prefix.len ? node->prefix.items[i] : node->items;
        size_t end = strlen(check->pointer);
        if (!item) {
            break;
        }
        push_index(check->pointer, i);
        if (!check_node(check, item, json_array_get(value, i), err)) {
            return false;
        }
        check->pointer[end] = '\0';
    }
    return true;
}

static const CorSchemaNode *find_property(const CorSchemaNode *node, const char *name)
{
    for (size_t i = 0; i < node->property_len; i++) {
        if (strcmp(node->properties[i].name, name) == 0) {
            return node->properties[i].node;
        }
    }
    return NULL;
}

static bool check_object(Check *check, const CorSchemaNode *node, const json_t *value,
                         CorError *err)
{
    const char *name = NULL;
    json_t *member = NULL;

    for (size_t i = 0; i < node->required_len; i++) {
        if (!json_object_get(value, node->required[i])) {
            cor_json_schema_priv_push(check->pointer, node->required[i]);
            return cor_fail(err, COR_ERR_INVALID, "is required");
        }
    }
    json_object_foreach((json_t *) (uintptr_t) value, name, member)
    {
        const CorSchemaNode *property = find_property(node, name);
        const CorSchemaNode *wanted = property ? property : node->additional;
        size_t end = strlen(check->pointer);
        if (!wanted) {
            continue;
        }
        cor_json_schema_priv_push(check->pointer, name);
        if (!property && wanted->is_false) {
            return cor_fail(err, COR_ERR_INVALID, "is not known here");
        }
        if (!check_node(check, wanted, member, err)) {
            return false;
        }
        check->pointer[end] = '\0';
    }
    return true;
}

static bool check_by_discriminator(Check *check, const CorSchemaNode *node, const json_t *value,
                                   CorError *err)
{
    const json_t *told = json_object_get(value, node->discriminator);
    COR_CLEANUP(cor_json_freep) json_t *choices = json_array();

    for (size_t i = 0; told && i < node->alternatives.len; i++) {
        const CorSchemaNode *alternative = node->alternatives.items[i];
        const CorSchemaNode *target = alternative->ref ? alternative->ref : alternative;
        json_t *constant = find_property(target, node->discriminator)->constant;
        if (equal(constant, told)) {
            return check_node(check, alternative, value, err);
        }
        (void) json_array_append(choices, constant);
    }
    cor_json_schema_priv_push(check->pointer, node->discriminator);
    return told ? fail_values("must be one of", choices, err)
                : cor_fail(err, COR_ERR_INVALID, "is required");
}

static bool check_one_of(Check *check, const CorSchemaNode *node, const json_t *value,
                         CorError *err)
{
    size_t end = strlen(check->pointer);
    size_t matches = 0;

    if (node->discriminator && json_is_object(value)) {
        return check_by_discriminator(check, node, value, err);
    }
    for (size_t i = 0; i < node->alternatives.len; i++) {
        CorError why = {0};
        if (check_node(check, node->alternatives.items[i], value, &why)) {
            matches++;
        } else if (why.code == COR_ERR_LIMIT) {
            return cor_fail(err, why.code, "%s", why.text);
        }
        check->pointer[end] = '\0';
    }
    if (matches == 1) {
        return true;
    }
    return cor_fail(err, COR_ERR_INVALID,
                    matches == 0
                        ? "has none of the allowed forms"
                        : "has more than one of the forms of which exactly one is allowed");
}

static bool check_content(Check *check, const CorSchemaNode *node, const json_t *value,
                          CorError *err)
{
    if (node->is_false) {
        return cor_fail(err, COR_ERR_INVALID, "is not allowed");
    }
    if (node->types && !has_type(node->types, value)) {
        return fail_type(node->types, err);
    }
    if (node->constant && !equal(node->constant, value)) {
        return fail_values("must be", node->constant, err);
    }
    if (node->choices && !check_choices(node, value, err)) {
        return false;
    }
    switch (json_typeof(value)) {
    case JSON_INTEGER:
    case JSON_REAL:
        return check_number(node, value, err);
    case JSON_STRING:
        return check_string(node, value, err);
    case JSON_ARRAY:
        return check_array(check, node, value, err);
    case JSON_OBJECT:
        return check_object(check, node, value, err);
    case JSON_TRUE:
    case JSON_FALSE:
    case JSON_NULL:
        break;
    }
    return true;
}

static bool check_node(Check *check, const CorSchemaNode *node, const json_t *value, CorError *err)
{
    if (++check->depth > DEPTH_MAX) {
        return cor_fail(err, COR_ERR_LIMIT, "is nested too deeply");
    }
    if ((node->ref && !check_node(check, node->ref, value, err)) ||
        !check_content(check, node, value, err) ||
        (node->alternatives.len > 0 && !check_one_of(check, node, value, err))) {
        check->depth--;
        return false;
    }
    check->depth--;
    return true;
}

bool cor_json_schema_validate(const CorJsonSchema *schema, const json_t *value,
                              char ret_pointer[COR_JSON_POINTER_SIZE], CorError *err)
{
    char pointer[COR_JSON_POINTER_SIZE] = "";
    Check check = {.pointer = pointer};

    if (check_node(&check, schema->root, value, err)) {
        return true;
    }
    if (ret_pointer) {
        memcpy(ret_pointer, pointer, strlen(pointer) + 1);
    }
    return false;
}

static bool fill_node(const CorSchemaNode *node, json_t *value, int depth, CorError *err);

static const json_t *default_of(const CorSchemaNode *node)
{
    for (int depth = 0; node && depth < DEPTH_MAX; depth++, node = node->ref) {
        if (node->fallback) {
            return node->fallback;
        }
    }
    return NULL;
}

static unsigned types_of(const CorSchemaNode *node)
{
    for (int depth = 0; node && depth < DEPTH_MAX; depth++, node = node->ref) {
        if (node->types) {
            return node->types;
        }
    }
    return 0;
}

/* One form for equal numbers: 7.0 becomes 7 where a whole number is wanted, and 2 becomes 2.0 where
 * any number is.  A new reference, or NULL if value stays. */
static json_t *one_form(const CorSchemaNode *node, const json_t *value)
{
    unsigned types = types_of(node);

    if (json_is_integer(value) && (types & COR_SCHEMA_NUMBER)) {
        json_int_t number = json_integer_value(value);
        double real = (double) number;
        return (long double) real == (long double) number ? json_real(real) : NULL;
    }
    if (json_is_real(value) && (types & COR_SCHEMA_INTEGER) && !(types & COR_SCHEMA_NUMBER) &&
        fabs(json_real_value(value)) < 9e15) {
        return json_integer((json_int_t) json_real_value(value));
    }
    return NULL;
}

static bool fill_array(const CorSchemaNode *node, json_t *value, int depth, CorError *err)
{
    for (size_t i = 0; i < json_array_size(value); i++) {
        const CorSchemaNode *item = i < node->prefix.len ? node->prefix.items[i] : node->items;
        json_t *changed = item ? one_form(item, json_array_get(value, i)) : NULL;
        if (changed && json_array_set_new(value, i, changed) != 0) {
            return cor_fail(err, COR_ERR_NOMEM, "out of memory for defaults");
        }
        if (item && !fill_node(item, json_array_get(value, i), depth, err)) {
            return false;
        }
    }
    return true;
}

static bool fill_member(const CorSchemaNode *node, json_t *object, const char *name, int depth,
                        CorError *err)
{
    json_t *member = json_object_get(object, name);

    if (!member && default_of(node)) {
        member = json_deep_copy(default_of(node));
        if (!member || json_object_set_new(object, name, member) != 0) {
            return cor_fail(err, COR_ERR_NOMEM, "out of memory for defaults");
        }
    }
    json_t *changed = member ? one_form(node, member) : NULL;
    if (changed) {
        member = changed;
        if (json_object_set_new(object, name, changed) != 0) {
            return cor_fail(err, COR_ERR_NOMEM, "out of memory for defaults");
        }
    }
    return !member || fill_node(node, member, depth, err);
}

static bool fill_object(const CorSchemaNode *node, json_t *value, int depth, CorError *err)
{
    const char *name = NULL;
    json_t *member = NULL;

    for (size_t i = 0; i < node->property_len; i++) {
        if (!fill_member(node->properties[i].node, value, node->properties[i].name, depth, err)) {
            return false;
        }
    }
    json_object_foreach(value, name, member)
    {
        if (node->additional && !find_property(node, name) &&
            !fill_member(node->additional, value, name, depth, err)) {
            return false;
        }
    }
    return true;
}

static bool fill_alternative(const CorSchemaNode *node, json_t *value, int depth, CorError *err)
{
    for (size_t i = 0; i < node->alternatives.len; i++) {
        char pointer[COR_JSON_POINTER_SIZE] = "";
        Check check = {.pointer = pointer};
        if (check_node(&check, node->alternatives.items[i], value, NULL)) {
            return fill_node(node->alternatives.items[i], value, depth, err);
        }
    }
    return true;
}

static bool fill_node(const CorSchemaNode *node, json_t *value, int depth, CorError *err)
{
    if (depth > DEPTH_MAX) {
        return cor_fail(err, COR_ERR_LIMIT, "is nested too deeply");
    }
    if (node->ref && !fill_node(node->ref, value, depth + 1, err)) {
        return false;
    }
    if (json_is_object(value) && !fill_object(node, value, depth + 1, err)) {
        return false;
    }
    if (json_is_array(value) && !fill_array(node, value, depth + 1, err)) {
        return false;
    }
    return fill_alternative(node, value, depth + 1, err);
}

bool cor_json_schema_fill_defaults(const CorJsonSchema *schema, json_t *value, CorError *err)
{
    return fill_node(schema->root, value, 0, err);
}

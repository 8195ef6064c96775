/* SPDX-License-Identifier: Apache-2.0 */
/* One walk over a data set, from the first byte to the last, that fills the table of elements
 * (PS3.5 sections 7.1 to 7.5).
 *
 * The walk keeps the open sequences and items on a stack of fixed size instead of recursing, so
 * depth costs nothing and is bounded.  Every step either moves forward by at least eight bytes or
 * closes a container.  No length is believed before it was compared with what encloses it; nothing
 * is allocated but the table, which is bounded by elements_max and by the file itself.
 *
 * Where real files deviate, the most common reading is taken: delimiters that are missing at the
 * end of what encloses them, stray ones, an element in implicit VR among explicit ones, UN instead
 * of the VR of a well-known tag (PS3.5 section 6.2.2).
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "dicom/dicom-priv.h"

#define UNDEFINED_LENGTH 0xFFFFFFFFu

enum { DEPTH_MAX = 64, ELEMENTS_FIRST = 256 };

#define TAG_FORMAT "(%04" PRIX32 ",%04" PRIX32 ")"
#define TAG_ARGS(tag) (tag) >> 16, (tag) &0xFFFF

typedef enum ContainerKind { ROOT, SEQUENCE, ITEM, FRAGMENTS } ContainerKind;

typedef struct Container {
    ContainerKind kind;
    uint32_t index; /* in the table; unused for the root */
    uint64_t limit; /* nothing inside may go past this */
    bool is_undefined;
    bool is_implicit;
    bool is_big;
} Container;

typedef struct Scan {
    CorDicom *dicom;
    uint64_t at;
    Container stack[2 * DEPTH_MAX + 2];
    unsigned stack_len;
    unsigned sequences; /* on the stack */
    bool is_signed;     /* Pixel Representation, once seen */
} Scan;

/* What stands before a value. */
typedef struct Head {
    uint32_t tag;
    uint32_t length;
    uint32_t head_size;
    uint16_t vr;
    bool is_implicit; /* encoded without VR */
} Head;

static Container *top_of(Scan *scan)
{
    return &scan->stack[scan->stack_len - 1];
}

/* VRs that the dictionary leaves open. */
static uint16_t settle_vr(const Scan *scan, uint16_t vr)
{
    switch (vr) {
    case COR_DICOM_VR('x', 's'):
        return scan->is_signed ? COR_DICOM_VR('S', 'S') : COR_DICOM_VR('U', 'S');
    case COR_DICOM_VR('o', 'x'):
    case COR_DICOM_VR('p', 'x'):
    case COR_DICOM_VR('l', 't'):
        return COR_DICOM_VR('O', 'W');
    case COR_DICOM_VR('u', 'p'):
        return COR_DICOM_VR('U', 'L');
    case COR_DICOM_VR('n', 'a'):
        return COR_DICOM_VR('U', 'N');
    default:
        return vr;
    }
}

static bool is_capital(uint8_t byte)
{
    return byte >= 'A' && byte <= 'Z';
}

static bool is_sequence_tag(uint32_t tag)
{
    return tag == COR_DICOM_TAG_ITEM || tag == COR_DICOM_TAG_ITEM_END ||
           tag == COR_DICOM_TAG_SEQUENCE_END;
}

/* Read tag, VR and length at the current place.  There are at least 8 bytes. */
static bool read_head(const Scan *scan, const Container *inside, Head *head, CorError *err)
{
    const uint8_t *bytes = scan->dicom->data + scan->at;
    bool is_big = inside->is_big;

    head->tag =
        (uint32_t) cor_dicom_priv_u16(bytes, is_big) << 16 | cor_dicom_priv_u16(bytes + 2, is_big);
    head->head_size = 8;
    if (is_sequence_tag(head->tag)) {
        head->vr = COR_DICOM_VR_NONE;
        head->is_implicit = true;
        head->length = cor_dicom_priv_u32(bytes + 4, is_big);
        return true;
    }
    head->is_implicit = inside->is_implicit || !is_capital(bytes[4]) || !is_capital(bytes[5]);
    if (head->is_implicit) {
        head->vr = settle_vr(scan, cor_dicom_priv_dictionary_vr(head->tag));
        head->length = cor_dicom_priv_u32(bytes + 4, is_big);
        return true;
    }
    head->vr = COR_DICOM_VR(bytes[4], bytes[5]);
    if (!cor_dicom_priv_vr_is_long(head->vr)) {
        head->length = cor_dicom_priv_u16(bytes + 6, is_big);
        return true;
    }
    head->head_size = 12;
    if (inside->limit - scan->at < head->head_size) {
        return cor_fail(err, COR_ERR_CORRUPT, "element " TAG_FORMAT " is cut off in its length",
                        TAG_ARGS(head->tag));
    }
    head->length = cor_dicom_priv_u32(bytes + 8, is_big);
    return true;
}

static bool grow_table(CorDicom *dicom, CorError *err)
{
    size_t max = COR_MIN(dicom->limits.elements_max, (size_t) UINT32_MAX - 1);
    size_t room = dicom->elements_room ? (size_t) dicom->elements_room * 2 : ELEMENTS_FIRST;

    if (dicom->elements_len >= max) {
        return cor_fail(err, COR_ERR_LIMIT, "the file has more than %zu elements", max);
    }
    room = COR_MIN(room, max);
    CorDicomElement *elements = reallocarray(dicom->elements, room, sizeof(*elements));
    if (!elements) {
        return cor_fail(err, COR_ERR_NOMEM, "out of memory for %zu elements", room);
    }
    dicom->elements = elements;
    dicom->elements_room = (uint32_t) room;
    return true;
}

/* Append to the table; the entry ends after itself until a container says otherwise. */
static bool add_element(Scan *scan, const Head *head, uint64_t size, CorError *err)
{
    CorDicom *dicom = scan->dicom;

    if (dicom->elements_len == dicom->elements_room && !grow_table(dicom, err)) {
        return false;
    }
    dicom->elements[dicom->elements_len++] = (CorDicomElement){
        .offset = scan->at + head->head_size,
        .size = size,
        .tag = head->tag,
        .end = dicom->elements_len,
        .vr = head->vr,
        .depth = (uint8_t) scan->sequences,
        .flags = top_of(scan)->is_big ? COR_DICOM_IS_BIG_ENDIAN : 0,
    };
    return true;
}

/* Close the innermost container at the current place. */
static void close_container(Scan *scan)
{
    const Container *closed = top_of(scan);
    CorDicomElement *element = &scan->dicom->elements[closed->index];

    element->end = scan->dicom->elements_len;
    element->size = scan->at - element->offset;
    if (closed->kind == SEQUENCE) {
        scan->sequences--;
    }
    scan->stack_len--;
}

/* Begin a sequence, an item or a series of fragments, whose head is at the current place. */
static bool open_container(Scan *scan, const Head *head, Container inner, CorError *err)
{
    const Container *outer = top_of(scan);

    inner.is_undefined = head->length == UNDEFINED_LENGTH;
    if (inner.kind == SEQUENCE && scan->sequences >= scan->dicom->limits.depth_max) {
        return cor_fail(err, COR_ERR_LIMIT, "sequences are nested deeper than %zu levels",
                        scan->dicom->limits.depth_max);
    }
    if (!add_element(scan, head, 0, err)) {
        return false;
    }
    scan->at += head->head_size;
    inner.index = scan->dicom->elements_len - 1;
    inner.limit = inner.is_undefined ? outer->limit : scan->at + head->length;
    if (inner.kind == SEQUENCE) {
        scan->sequences++;
    }
    if (inner.kind == FRAGMENTS) {
        scan->dicom->elements[inner.index].flags |= COR_DICOM_IS_FRAGMENTED;
    }
    scan->stack[scan->stack_len++] = inner;
    return true;
}

static bool is_top_level_pixels(const Scan *scan, uint32_t tag)
{
    bool is_pixels = tag == COR_DICOM_TAG_PIXELS || tag == COR_DICOM_TAG_FLOAT_PIXELS ||
                     tag == COR_DICOM_TAG_DOUBLE_PIXELS;

    return is_pixels && scan->stack_len == 1;
}

/* Refuse a length that goes past what encloses the element. */
static bool check_length(const Scan *scan, const Head *head, uint64_t limit, CorError *err)
{
    uint64_t left = limit - scan->at - head->head_size;

    if (head->length <= left) {
        return true;
    }
    return cor_fail(err, COR_ERR_CORRUPT,
                    "element " TAG_FORMAT " at offset %" PRIu64 ": length %" PRIu32
                    " goes past the end of the %s",
                    TAG_ARGS(head->tag), scan->at, head->length,
                    limit == scan->dicom->size ? "file" : "item that it is in");
}

/* Read an item of a sequence, or the end of the sequence. */
static bool step_in_sequence(Scan *scan, const Head *head, CorError *err)
{
    const Container *inside = top_of(scan);
    Container item = {.kind = ITEM, .is_implicit = inside->is_implicit, .is_big = inside->is_big};

    if (head->tag == COR_DICOM_TAG_ITEM) {
        return (head->length == UNDEFINED_LENGTH || check_length(scan, head, inside->limit, err)) &&
               open_container(scan, head, item, err);
    }
    if (head->tag == COR_DICOM_TAG_SEQUENCE_END && inside->is_undefined) {
        close_container(scan);
        scan->at += 8;
        return true;
    }
    if (is_sequence_tag(head->tag)) {
        scan->at += 8; /* a stray delimiter */
        return true;
    }
    uint32_t tag = scan->dicom->elements[inside->index].tag;
    return cor_fail(err, COR_ERR_CORRUPT,
                    "sequence " TAG_FORMAT " has " TAG_FORMAT " where an item should begin",
                    TAG_ARGS(tag), TAG_ARGS(head->tag));
}

/* Read a fragment of encapsulated pixels, or their end (PS3.5 section A.4). */
static bool step_in_fragments(Scan *scan, const Head *head, CorError *err)
{
    const Container *inside = top_of(scan);
    uint64_t left = inside->limit - scan->at - head->head_size;
    uint64_t size = head->length;

    if (head->tag == COR_DICOM_TAG_SEQUENCE_END) {
        close_container(scan);
        scan->at += 8;
        return true;
    }
    if (head->tag != COR_DICOM_TAG_ITEM) {
        return cor_fail(err, COR_ERR_CORRUPT,
                        "pixel data has " TAG_FORMAT " where a fragment should begin",
                        TAG_ARGS(head->tag));
    }
    if (size > left) {
        if (scan->stack_len > 2) {
            return check_length(scan, head, inside->limit, err);
        }
        scan->dicom->is_truncated = true;
        size = left;
    }
    if (!add_element(scan, head, size, err)) {
        return false;
    }
    scan->at += head->head_size + size;
    return true;
}

/* True if a value is a sequence although its VR does not say so: UN for the tag of one. */
static bool is_hidden_sequence(const Scan *scan, const Head *head)
{
    const uint8_t *value = scan->dicom->data + scan->at + head->head_size;

    return head->vr == COR_DICOM_VR('U', 'N') && head->length >= 8 &&
           cor_dicom_priv_dictionary_vr(head->tag) == COR_DICOM_VR('S', 'Q') &&
           cor_dicom_priv_u32(value, false) == 0xE000FFFEu;
}

static bool step_undefined(Scan *scan, Head *head, CorError *err)
{
    const Container *inside = top_of(scan);
    Container inner = {
        .kind = SEQUENCE, .is_implicit = inside->is_implicit, .is_big = inside->is_big};

    if (head->tag == COR_DICOM_TAG_PIXELS || head->vr == COR_DICOM_VR('O', 'B') ||
        head->vr == COR_DICOM_VR('O', 'W')) {
        inner.kind = FRAGMENTS;
        return open_container(scan, head, inner, err);
    }
    if (head->vr == COR_DICOM_VR('U', 'N') || head->is_implicit) {
        inner.is_implicit = true; /* PS3.5 section 6.2.2, note */
        inner.is_big = inside->is_big && inside->is_implicit;
    } else if (head->vr != COR_DICOM_VR('S', 'Q')) {
        return cor_fail(err, COR_ERR_CORRUPT, "element " TAG_FORMAT " has an undefined length",
                        TAG_ARGS(head->tag));
    }
    head->vr = COR_DICOM_VR('S', 'Q');
    return open_container(scan, head, inner, err);
}

/* Add a plain value and move past it. */
static bool step_value(Scan *scan, Head *head, uint64_t size, CorError *err)
{
    bool was_un = head->vr == COR_DICOM_VR('U', 'N');

    if (was_un) {
        head->vr = settle_vr(scan, cor_dicom_priv_dictionary_vr(head->tag));
        if (head->vr == COR_DICOM_VR('S', 'Q')) {
            head->vr = COR_DICOM_VR('U', 'N'); /* its content is no sequence */
        }
    }
    if (!add_element(scan, head, size, err)) {
        return false;
    }
    CorDicomElement *added = &scan->dicom->elements[scan->dicom->elements_len - 1];
    if (was_un) {
        added->flags = 0; /* UN is little endian */
    }
    scan->at += head->head_size + size;
    if (head->tag == 0x00280103 && scan->stack_len == 1 && size == 2) {
        scan->is_signed = cor_dicom_priv_u16(scan->dicom->data + added->offset,
                                             added->flags & COR_DICOM_IS_BIG_ENDIAN) == 1;
    }
    return true;
}

/* Read one element of a data set. */
static bool step_in_data_set(Scan *scan, Head *head, CorError *err)
{
    const Container *inside = top_of(scan);

    if (is_sequence_tag(head->tag)) {
        if (head->tag != COR_DICOM_TAG_ITEM && inside->kind == ITEM && inside->is_undefined) {
            close_container(scan);
            scan->at += head->tag == COR_DICOM_TAG_ITEM_END ? 8 : 0;
            return true;
        }
        scan->at += 8; /* a stray delimiter */
        return true;
    }
    if (head->length == UNDEFINED_LENGTH) {
        return step_undefined(scan, head, err);
    }
    if (is_top_level_pixels(scan, head->tag)) {
        uint64_t left = inside->limit - scan->at - head->head_size;

        scan->dicom->is_truncated = scan->dicom->is_truncated || head->length > left;
        return step_value(scan, head, COR_MIN((uint64_t) head->length, left), err);
    }
    if (!check_length(scan, head, inside->limit, err)) {
        return false;
    }
    Container inner = {.kind = SEQUENCE,
                       .is_implicit = inside->is_implicit || head->is_implicit,
                       .is_big = inside->is_big};
    if (is_hidden_sequence(scan, head)) {
        head->vr = COR_DICOM_VR('S', 'Q');
        inner.is_implicit = true;
        inner.is_big = false;
    }
    if (head->vr == COR_DICOM_VR('S', 'Q')) {
        return open_container(scan, head, inner, err);
    }
    return step_value(scan, head, head->length, err);
}

/* True if what is left at the top level is no data set: less than a head, or NULs to the end. */
static bool is_padding(const Scan *scan)
{
    const uint8_t *rest = scan->dicom->data + scan->at;
    size_t left = scan->dicom->size - scan->at;

    return left < 8 || (rest[0] == 0 && memcmp(rest, rest + 1, left - 1) == 0);
}

static bool step(Scan *scan, CorError *err)
{
    const Container *inside = top_of(scan);
    Head head = {0};

    if (inside->limit - scan->at < 8) {
        return cor_fail(err, COR_ERR_CORRUPT,
                        "%" PRIu64 " bytes at offset %" PRIu64 " are too few for an element",
                        inside->limit - scan->at, scan->at);
    }
    if (!read_head(scan, inside, &head, err)) {
        return false;
    }
    switch (inside->kind) {
    case SEQUENCE:
        return step_in_sequence(scan, &head, err);
    case FRAGMENTS:
        return step_in_fragments(scan, &head, err);
    default:
        return step_in_data_set(scan, &head, err);
    }
}

bool cor_dicom_priv_scan(CorDicom *dicom, CorError *err)
{
    Scan scan = {.dicom = dicom, .at = dicom->start, .stack_len = 1};

    scan.stack[0] = (Container){.kind = ROOT,
                                .limit = dicom->size,
                                .is_implicit = dicom->syntax.is_implicit,
                                .is_big = dicom->syntax.is_big_endian};
    for (;;) {
        while (scan.stack_len > 1 && scan.at >= top_of(&scan)->limit) {
            close_container(&scan);
        }
        if (scan.stack_len == 1 && (scan.at >= dicom->size || is_padding(&scan))) {
            return true;
        }
        if (!step(&scan, err)) {
            return false;
        }
    }
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The flat table of elements that everything in this room works on.
 *
 * The table holds every element, item and fragment in file order.  What lies inside element i are
 * the entries i + 1 to end - 1; its next sibling is entry end.  So walking and skipping need no
 * recursion, and an entry costs 32 bytes for at least 8 bytes of file.
 *
 *     index  tag        vr  end
 *     0      0008,0016  UI  1
 *     1      0008,1140  SQ  5
 *     2      FFFE,E000      5      the sequence's only item
 *     3      0008,1150  UI  4
 *     4      0008,1155  UI  5
 *     5      7FE0,0010  OW  6
 *
 * Private to this room.
 */
#pragma once

#include "base/string.h"
#include "dicom/dicom-charset.h"
#include "dicom/dicom.h"

#define COR_DICOM_VR(a, b) ((uint16_t) (((unsigned) (a) << 8) | (unsigned) (b)))
#define COR_DICOM_VR_NONE ((uint16_t) 0) /* items and fragments */

#define COR_DICOM_TAG_ITEM 0xFFFEE000u
#define COR_DICOM_TAG_ITEM_END 0xFFFEE00Du
#define COR_DICOM_TAG_SEQUENCE_END 0xFFFEE0DDu
#define COR_DICOM_TAG_CHARSET 0x00080005u
#define COR_DICOM_TAG_FLOAT_PIXELS 0x7FE00008u
#define COR_DICOM_TAG_DOUBLE_PIXELS 0x7FE00009u
#define COR_DICOM_TAG_PIXELS 0x7FE00010u

/* Flags of an element. */
#define COR_DICOM_IS_BIG_ENDIAN (1u << 0)
#define COR_DICOM_IS_FRAGMENTED (1u << 1) /* its items are fragments, not data sets */

typedef struct CorDicomElement {
    uint64_t offset; /* of the value in the data */
    uint64_t size;   /* bytes of the value; of a sequence or item: of all that is inside */
    uint32_t tag;
    uint32_t end; /* index of the next sibling */
    uint16_t vr;
    uint8_t depth; /* sequences around it */
    uint8_t flags;
} CorDicomElement;

/* A range of siblings: a data set or an item. */
typedef struct CorDicomScope {
    uint32_t begin;
    uint32_t end;
} CorDicomScope;

typedef enum CorDicomCodec {
    COR_CODEC_NATIVE,
    COR_CODEC_RLE,
    COR_CODEC_JPEG,
    COR_CODEC_JPEG_LS,
    COR_CODEC_JPEG_2000, /* and High-Throughput JPEG 2000 */
    COR_CODEC_DEFLATED_FRAME,
    COR_CODEC_NONE, /* we have none */
} CorDicomCodec;

typedef struct CorDicomSyntax {
    const char *uid;
    CorDicomCodec codec;
    bool is_implicit;
    bool is_big_endian;
    bool is_deflated;
    bool is_lossy; /* always */
} CorDicomSyntax;

struct CorDicom {
    const uint8_t *data; /* the file, or the inflated data set */
    size_t size;
    void *mapping; /* what to unmap, or NULL */
    size_t mapping_size;
    CorDicomLimits limits; /* complete */
    char syntax_uid[65];
    CorDicomSyntax syntax; /* as read, so without what the meta header lies about */
    size_t start;          /* of the data set */
    CorDicomElement *elements;
    uint32_t elements_len;
    uint32_t elements_room;
    bool is_truncated;
    bool lacks_meta; /* no preamble, or no transfer syntax stated: the file is none of PS3.10 */
    CorDicomCharset charset; /* of the top level */
};

/* --- dicom-dictionary.c --- */

/** The VR of a public tag by the dictionary: two capitals, or small letters (see dictionary.py), or
 *  UN if it is unknown or private. */
uint16_t cor_dicom_priv_dictionary_vr(uint32_t tag);

/** True if we know this VR. */
bool cor_dicom_priv_vr_is_known(uint16_t vr);

/** True if explicit VR encoding has a four-byte length for it. */
bool cor_dicom_priv_vr_is_long(uint16_t vr);

/** Bytes of one binary number of this VR, or 0 if its values are no numbers. */
unsigned cor_dicom_priv_vr_number_size(uint16_t vr);

/** True for text, character set or not. */
bool cor_dicom_priv_vr_is_text(uint16_t vr);

/** True if Specific Character Set applies (PS3.5 section 6.1.2.3). */
bool cor_dicom_priv_vr_has_charset(uint16_t vr);

/** True if a backslash separates values. */
bool cor_dicom_priv_vr_is_multiple(uint16_t vr);

/* --- dicom-scan.c --- */

/** Fill the table of dicom from its data, syntax and start. */
COR_MUSTCHECK bool cor_dicom_priv_scan(CorDicom *dicom, CorError *err);

/* --- dicom-element.c --- */

/** The whole data set. */
CorDicomScope cor_dicom_priv_root(const CorDicom *dicom);

/** What lies inside an item. */
CorDicomScope cor_dicom_priv_inside(const CorDicom *dicom, const CorDicomElement *item);

/** The element with this tag among the siblings, or NULL. */
const CorDicomElement *cor_dicom_priv_find(const CorDicom *dicom, CorDicomScope scope,
                                           uint32_t tag);

/** Item n of a sequence, or NULL. */
const CorDicomElement *cor_dicom_priv_item(const CorDicom *dicom, const CorDicomElement *sequence,
                                           uint32_t n);

/** The first item of the sequence with this tag as a scope; false if there is none. */
bool cor_dicom_priv_first_item(const CorDicom *dicom, CorDicomScope scope, uint32_t sequence_tag,
                               CorDicomScope *ret_scope);

/** The bytes of an element's value; valid as long as the data set. */
const uint8_t *cor_dicom_priv_bytes(const CorDicom *dicom, const CorDicomElement *element);

/** Value n of a binary number element as a double, false if there is none. */
bool cor_dicom_priv_binary(const CorDicom *dicom, const CorDicomElement *element, size_t n,
                           double *ret_value);

/** Value n of any number, binary, DS or IS; false if there is none.  element may be NULL. */
bool cor_dicom_priv_number(const CorDicom *dicom, const CorDicomElement *element, size_t n,
                           double *ret_value);

/** As above, for whole numbers within +-2^53. */
bool cor_dicom_priv_integer(const CorDicom *dicom, const CorDicomElement *element, size_t n,
                            int64_t *ret_value);

/** Copy value n of a text as ASCII without padding: for codes and UIDs.  False and "" if there is
 *  none, if it does not fit or if it has other characters. */
bool cor_dicom_priv_code(const CorDicom *dicom, const CorDicomElement *element, size_t n,
                         char *text, size_t size);

/** Find value n among values separated by backslashes, without padding; false if there is none. */
bool cor_dicom_priv_value(const CorDicom *dicom, const CorDicomElement *element, size_t n,
                          const char **ret_text, size_t *ret_size);

/** The character set that holds inside a scope whose surroundings have the outer one. */
CorDicomCharset cor_dicom_priv_charset_of(const CorDicom *dicom, CorDicomScope scope,
                                          const CorDicomCharset *outer);

/** Read a little- or big-endian number. */
static inline uint16_t cor_dicom_priv_u16(const uint8_t *bytes, bool is_big)
{
    unsigned first = bytes[0];
    unsigned second = bytes[1];

    return (uint16_t) (is_big ? first << 8 | second : second << 8 | first);
}

static inline uint32_t cor_dicom_priv_u32(const uint8_t *bytes, bool is_big)
{
    uint32_t first = cor_dicom_priv_u16(bytes, is_big);
    uint32_t second = cor_dicom_priv_u16(bytes + 2, is_big);

    return is_big ? first << 16 | second : second << 16 | first;
}

static inline uint64_t cor_dicom_priv_u64(const uint8_t *bytes, bool is_big)
{
    uint64_t first = cor_dicom_priv_u32(bytes, is_big);
    uint64_t second = cor_dicom_priv_u32(bytes + 4, is_big);

    return is_big ? first << 32 | second : second << 32 | first;
}

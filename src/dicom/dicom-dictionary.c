/* SPDX-License-Identifier: Apache-2.0 */
/* Value representations (PS3.5 section 6.2), and the VR of each public tag, from a table that is
 * made of DCMTK's dictionary at build time. */
#include "dicom/dicom-priv.h"

#include "base/array.h"

#define VR_LONG (1u << 0)     /* four-byte length in explicit VR */
#define VR_TEXT (1u << 1)     /* characters */
#define VR_CHARSET (1u << 2)  /* in the data set's character set */
#define VR_MULTIPLE (1u << 3) /* characters with values between backslashes */

static const struct {
    uint16_t vr;
    uint8_t flags;
    uint8_t number_size;
} kinds[] = {
    {COR_DICOM_VR('A', 'E'), VR_TEXT | VR_MULTIPLE, 0},
    {COR_DICOM_VR('A', 'S'), VR_TEXT | VR_MULTIPLE, 0},
    {COR_DICOM_VR('A', 'T'), 0, 0},
    {COR_DICOM_VR('C', 'S'), VR_TEXT | VR_MULTIPLE, 0},
    {COR_DICOM_VR('D', 'A'), VR_TEXT | VR_MULTIPLE, 0},
    {COR_DICOM_VR('D', 'S'), VR_TEXT | VR_MULTIPLE, 0},
    {COR_DICOM_VR('D', 'T'), VR_TEXT | VR_MULTIPLE, 0},
    {COR_DICOM_VR('F', 'D'), 0, 8},
    {COR_DICOM_VR('F', 'L'), 0, 4},
    {COR_DICOM_VR('I', 'S'), VR_TEXT | VR_MULTIPLE, 0},
    {COR_DICOM_VR('L', 'O'), VR_TEXT | VR_CHARSET | VR_MULTIPLE, 0},
    {COR_DICOM_VR('L', 'T'), VR_TEXT | VR_CHARSET, 0},
    {COR_DICOM_VR('O', 'B'), VR_LONG, 0},
    {COR_DICOM_VR('O', 'D'), VR_LONG, 0},
    {COR_DICOM_VR('O', 'F'), VR_LONG, 0},
    {COR_DICOM_VR('O', 'L'), VR_LONG, 0},
    {COR_DICOM_VR('O', 'V'), VR_LONG, 0},
    {COR_DICOM_VR('O', 'W'), VR_LONG, 0},
    {COR_DICOM_VR('P', 'N'), VR_TEXT | VR_CHARSET | VR_MULTIPLE, 0},
    {COR_DICOM_VR('S', 'H'), VR_TEXT | VR_CHARSET | VR_MULTIPLE, 0},
    {COR_DICOM_VR('S', 'L'), 0, 4},
    {COR_DICOM_VR('S', 'Q'), VR_LONG, 0},
    {COR_DICOM_VR('S', 'S'), 0, 2},
    {COR_DICOM_VR('S', 'T'), VR_TEXT | VR_CHARSET, 0},
    {COR_DICOM_VR('S', 'V'), VR_LONG, 8},
    {COR_DICOM_VR('T', 'M'), VR_TEXT | VR_MULTIPLE, 0},
    {COR_DICOM_VR('U', 'C'), VR_LONG | VR_TEXT | VR_CHARSET | VR_MULTIPLE, 0},
    {COR_DICOM_VR('U', 'I'), VR_TEXT | VR_MULTIPLE, 0},
    {COR_DICOM_VR('U', 'L'), 0, 4},
    {COR_DICOM_VR('U', 'N'), VR_LONG, 0},
    {COR_DICOM_VR('U', 'R'), VR_LONG | VR_TEXT, 0},
    {COR_DICOM_VR('U', 'S'), 0, 2},
    {COR_DICOM_VR('U', 'T'), VR_LONG | VR_TEXT | VR_CHARSET, 0},
    {COR_DICOM_VR('U', 'V'), VR_LONG, 8},
};

static const struct {
    uint32_t tag;
    uint16_t vr;
} dictionary[] = {
#include "dicom-dictionary.inc"
};

/* Curves and overlays repeat in every even group of 5000-50FF and 6000-60FF. */
static uint32_t fold_repeating_group(uint32_t tag)
{
    uint32_t family = tag >> 24;

    return family == 0x50 || family == 0x60 ? tag & 0xFF00FFFFu : tag;
}

uint16_t cor_dicom_priv_dictionary_vr(uint32_t tag)
{
    size_t low = 0;
    size_t high = COR_ARRAY_LEN(dictionary);

    if (tag >> 16 & 1) {
        bool is_creator = (tag & 0xFFFF) >= 0x10 && (tag & 0xFFFF) <= 0xFF;
        return is_creator ? COR_DICOM_VR('L', 'O') : COR_DICOM_VR('U', 'N');
    }
    if ((tag & 0xFFFF) == 0) {
        return COR_DICOM_VR('U', 'L'); /* group length */
    }
    tag = fold_repeating_group(tag);
    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (dictionary[middle].tag == tag) {
            return dictionary[middle].vr;
        }
        if (dictionary[middle].tag < tag) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return COR_DICOM_VR('U', 'N');
}

/* Index into kinds, or their number. */
static size_t kind_of(uint16_t vr)
{
    size_t i = 0;

    while (i < COR_ARRAY_LEN(kinds) && kinds[i].vr != vr) {
        i++;
    }
    return i;
}

static bool has_flag(uint16_t vr, unsigned flag)
{
    size_t kind = kind_of(vr);

    return kind < COR_ARRAY_LEN(kinds) && (kinds[kind].flags & flag);
}

bool cor_dicom_priv_vr_is_known(uint16_t vr)
{
    return kind_of(vr) < COR_ARRAY_LEN(kinds);
}

bool cor_dicom_priv_vr_is_long(uint16_t vr)
{
    /* VRs that are added to the standard one day have four bytes (PS3.5 section 7.1.2). */
    return has_flag(vr, VR_LONG) || !cor_dicom_priv_vr_is_known(vr);
}

unsigned cor_dicom_priv_vr_number_size(uint16_t vr)
{
    size_t kind = kind_of(vr);

    return kind < COR_ARRAY_LEN(kinds) ? kinds[kind].number_size : 0;
}

bool cor_dicom_priv_vr_is_text(uint16_t vr)
{
    return has_flag(vr, VR_TEXT);
}

bool cor_dicom_priv_vr_has_charset(uint16_t vr)
{
    return has_flag(vr, VR_CHARSET);
}

bool cor_dicom_priv_vr_is_multiple(uint16_t vr)
{
    return has_flag(vr, VR_MULTIPLE);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Which fragments make a frame (PS3.5 section A.4).
 *
 * Encapsulated pixels are a list of fragments, the first of which is the Basic Offset Table,
 * perhaps empty.  Which fragments make a frame is said by, in this order: there is only one frame;
 * there are as many fragments as frames; the Extended Offset Table; the Basic Offset Table; and
 * else every fragment that begins like a JPEG, JPEG-LS or JPEG 2000 codestream begins a frame.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "dicom/dicom-pixels.h"

#define TAG_EXTENDED_OFFSETS 0x7FE00001u

/* The first fragment whose item begins at an offset or behind it; they lie in the order of the
 * file. Offsets count from the first item behind the Basic Offset Table. */
static uint32_t fragment_from(const CorDicom *dicom, CorDicomFragments all, uint64_t offset)
{
    uint64_t base = dicom->elements[all.begin].offset;
    uint32_t low = all.begin;
    uint32_t high = all.end;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;

        if (dicom->elements[middle].offset - base < offset) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/* Find the fragments whose items begin between two offsets, at the first of them exactly. */
static bool range_by_offset(const CorDicom *dicom, CorDicomFragments all, uint64_t begin,
                            uint64_t end, CorDicomFragments *ret_range)
{
    CorDicomFragments range = {fragment_from(dicom, all, begin), fragment_from(dicom, all, end)};

    if (range.begin >= range.end ||
        dicom->elements[range.begin].offset - dicom->elements[all.begin].offset != begin) {
        return false;
    }
    *ret_range = range;
    return true;
}

/* The Extended Offset Table (PS3.3 section C.7.6.3.1.8): 64-bit offsets. */
static bool range_by_extended_table(const CorDicom *dicom, CorDicomFragments all, uint32_t frame,
                                    uint32_t frames, CorDicomFragments *ret_range)
{
    const CorDicomElement *table =
        cor_dicom_priv_find(dicom, cor_dicom_priv_root(dicom), TAG_EXTENDED_OFFSETS);

    if (!table || table->size < 8 * (uint64_t) frames) {
        return false;
    }
    const uint8_t *offsets = cor_dicom_priv_bytes(dicom, table);
    uint64_t begin = cor_dicom_priv_u64(offsets + 8 * (size_t) frame, false);
    uint64_t end = frame + 1 < frames ? cor_dicom_priv_u64(offsets + 8 * (size_t) frame + 8, false)
                                      : UINT64_MAX;
    return range_by_offset(dicom, all, begin, end, ret_range);
}

static bool range_by_basic_table(const CorDicom *dicom, const CorDicomElement *table,
                                 CorDicomFragments all, uint32_t frame, uint32_t frames,
                                 CorDicomFragments *ret_range)
{
    if (table->size < 4 * (uint64_t) frames) {
        return false;
    }
    const uint8_t *offsets = cor_dicom_priv_bytes(dicom, table);
    uint64_t begin = cor_dicom_priv_u32(offsets + 4 * (size_t) frame, false);
    uint64_t end = frame + 1 < frames ? cor_dicom_priv_u32(offsets + 4 * (size_t) frame + 4, false)
                                      : UINT64_MAX;
    return range_by_offset(dicom, all, begin, end, ret_range);
}

static bool begins_codestream(const CorDicom *dicom, const CorDicomElement *fragment)
{
    const uint8_t *bytes = cor_dicom_priv_bytes(dicom, fragment);

    return fragment->size >= 4 && bytes[0] == 0xFF &&
           ((bytes[1] == 0xD8 && bytes[2] == 0xFF) || (bytes[1] == 0x4F && bytes[2] == 0xFF));
}

/* Fill in where every frame begins by what the fragments begin with; false if that makes another
 * number of frames. */
static bool starts_by_content(const CorDicom *dicom, CorDicomFragments all, uint32_t frames,
                              uint32_t *starts)
{
    uint32_t seen = 0;

    for (uint32_t i = all.begin; i < all.end; i++) {
        if (begins_codestream(dicom, &dicom->elements[i])) {
            if (seen == frames) {
                return false;
            }
            starts[seen++] = i;
        }
    }
    starts[frames] = all.end;
    return seen == frames;
}

/* All fragments of the pixel data behind the Basic Offset Table; false if there are none. */
static bool all_fragments(const CorDicom *dicom, const CorDicomElement *pixels,
                          CorDicomFragments *ret_all)
{
    uint32_t table = (uint32_t) (pixels - dicom->elements) + 1;

    *ret_all = (CorDicomFragments){table + 1, pixels->end};
    return ret_all->begin < ret_all->end;
}

/* Find one frame by counts or by a table. */
static bool range_by_number(const CorDicom *dicom, CorDicomFragments all, uint32_t frame,
                            uint32_t frames, CorDicomFragments *ret_range)
{
    const CorDicomElement *table = &dicom->elements[all.begin - 1];

    if (frames == 1) {
        *ret_range = all;
        return true;
    }
    if (all.end - all.begin == frames) {
        *ret_range = (CorDicomFragments){all.begin + frame, all.begin + frame + 1};
        return true;
    }
    return range_by_extended_table(dicom, all, frame, frames, ret_range) ||
           range_by_basic_table(dicom, table, all, frame, frames, ret_range);
}

static bool fill_ranges(const CorDicom *dicom, CorDicomFragments all, uint32_t frames,
                        CorDicomFragments *ranges, uint32_t *starts)
{
    bool has_starts = false;

    for (uint32_t frame = 0; frame < frames; frame++) {
        if (range_by_number(dicom, all, frame, frames, &ranges[frame])) {
            continue;
        }
        has_starts = has_starts || starts_by_content(dicom, all, frames, starts);
        if (!has_starts) {
            return false;
        }
        ranges[frame] = (CorDicomFragments){starts[frame], starts[frame + 1]};
    }
    return true;
}

bool cor_dicom_priv_fragments(const CorDicom *dicom, uint32_t frames,
                              CorDicomFragments **ret_ranges, CorError *err)
{
    const CorDicomElement *pixels = cor_dicom_priv_pixel_element(dicom);
    CorDicomFragments all = {0};

    if (!(pixels->flags & COR_DICOM_IS_FRAGMENTED)) {
        return cor_fail(err, COR_ERR_CORRUPT,
                        "the transfer syntax is a compressed one but the pixel data is not");
    }
    if (!all_fragments(dicom, pixels, &all) || all.end - all.begin < frames) {
        return cor_fail(err, COR_ERR_CORRUPT,
                        "the pixel data has fewer fragments than the %" PRIu32 " frames", frames);
    }
    CorDicomFragments *ranges = cor_new_array(CorDicomFragments, frames);
    uint32_t *starts = cor_new_array(uint32_t, (size_t) frames + 1);
    bool is_done =
        ranges && starts
            ? fill_ranges(dicom, all, frames, ranges, starts) ||
                  cor_fail(err, COR_ERR_CORRUPT,
                           "the pixel data does not tell its fragments' frames")
            : cor_fail(err, COR_ERR_NOMEM, "out of memory for %" PRIu32 " frames", frames);
    free(starts);
    if (!is_done) {
        free(ranges);
        return false;
    }
    *ret_ranges = ranges;
    return true;
}

/* Find one frame without the list of all. */
static bool find_range(const CorDicom *dicom, const CorDicomElement *pixels, uint32_t frame,
                       uint32_t frames, CorDicomFragments *ret_range, CorError *err)
{
    CorDicomFragments *ranges = NULL;
    CorDicomFragments all = {0};

    if (all_fragments(dicom, pixels, &all) &&
        range_by_number(dicom, all, frame, frames, ret_range)) {
        return true;
    }
    if (!cor_dicom_priv_fragments(dicom, frames, &ranges, NULL)) {
        return cor_fail(err, COR_ERR_CORRUPT,
                        "the pixel data has no fragments for frame %" PRIu32 " of %" PRIu32,
                        frame + 1, frames);
    }
    *ret_range = ranges[frame];
    free(ranges);
    return true;
}

bool cor_dicom_priv_gather(const CorDicom *dicom, CorDicomFragments range,
                           CorDicomFrameBytes *ret_bytes, CorError *err)
{
    const CorDicomElement *pixels = cor_dicom_priv_pixel_element(dicom);
    CorDicomFrameBytes bytes = {0};
    size_t done = 0;

    if (dicom->is_truncated && range.end == pixels->end) {
        return cor_fail(err, COR_ERR_CORRUPT, "the pixel data is cut off in this frame");
    }
    for (uint32_t i = range.begin; i < range.end; i++) {
        bytes.size += dicom->elements[i].size; /* parts of the file: no overflow */
    }
    bytes.data = cor_dicom_priv_bytes(dicom, &dicom->elements[range.begin]);
    if (range.end - range.begin > 1) {
        bytes.gathered = malloc(bytes.size ? bytes.size : 1);
        if (!bytes.gathered) {
            return cor_fail(err, COR_ERR_NOMEM, "out of memory for %zu bytes", bytes.size);
        }
        for (uint32_t i = range.begin; i < range.end; i++) {
            const CorDicomElement *fragment = &dicom->elements[i];

            memcpy(bytes.gathered + done, cor_dicom_priv_bytes(dicom, fragment), fragment->size);
            done += fragment->size;
        }
        bytes.data = bytes.gathered;
    }
    *ret_bytes = bytes;
    return true;
}

bool cor_dicom_priv_encapsulated(const CorDicom *dicom, uint32_t frame, uint32_t frames,
                                 CorDicomFrameBytes *ret_bytes, CorError *err)
{
    const CorDicomElement *pixels = cor_dicom_priv_pixel_element(dicom);
    CorDicomFragments range = {0};

    if (!(pixels->flags & COR_DICOM_IS_FRAGMENTED)) {
        return cor_fail(err, COR_ERR_CORRUPT,
                        "the transfer syntax is a compressed one but the pixel data is not");
    }
    if (!find_range(dicom, pixels, frame, frames, &range, err)) {
        return false;
    }
    return cor_dicom_priv_gather(dicom, range, ret_bytes, err);
}

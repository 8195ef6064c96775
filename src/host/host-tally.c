/* SPDX-License-Identifier: Apache-2.0 */
/* Most of a mask is nothing, so it is looked at eight pixels at a time. */
#include "host/host-tally.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"

bool cor_host_priv_tally_init(CorHostTally *tally, const CorAlgoLabel *labels, size_t label_len,
                              CorError *err)
{
    *tally = (CorHostTally){.labels = labels,
                            .label_len = label_len,
                            .now = cor_new_array(CorHostCount, label_len + 1),
                            .total = cor_new_array(CorHostCount, label_len + 1)};
    if (!tally->now || !tally->total) {
        cor_host_priv_tally_done(tally);
        return cor_fail(err, COR_ERR_NOMEM, "out of memory for measurements");
    }
    for (size_t i = 0; i < label_len; i++) {
        tally->index[labels[i].number] = (uint8_t) (i + 1);
    }
    return true;
}

void cor_host_priv_tally_forget(CorHostTally *tally)
{
    for (size_t i = 0; i < tally->mask_len; i++) {
        free(tally->masks[i].bits);
    }
    tally->mask_len = 0;
}

void cor_host_priv_tally_done(CorHostTally *tally)
{
    cor_host_priv_tally_forget(tally);
    free(tally->masks);
    free(tally->now);
    free(tally->total);
    *tally = (CorHostTally){0};
}

static void count_value(CorHostCount *count, double value)
{
    if (count->pixels == 0) {
        count->shift = value;
        count->low = value;
        count->high = value;
    }
    double off = value - count->shift;
    count->pixels++;
    count->sum += off;
    count->squares += off * off;
    count->low = COR_MIN(count->low, value);
    count->high = COR_MAX(count->high, value);
}

static double value_at(const CorPlane *plane, const void *row, size_t x)
{
    return plane->type == COR_PIXEL_S16 ? (double) ((const int16_t *) row)[x]
                                        : ((const double *) row)[x];
}

static bool is_empty(const uint8_t *mask)
{
    uint64_t eight;

    memcpy(&eight, mask, sizeof(eight));
    return eight == 0;
}

static bool count_row(CorHostTally *tally, const CorPlane *plane, size_t y, const uint8_t *mask)
{
    const void *row = cor_plane_row(plane, y);
    size_t x = 0;

    while (x < plane->width_px) {
        if (x + 8 <= plane->width_px && is_empty(mask + x)) {
            x += 8;
            continue;
        }
        uint8_t which = tally->index[mask[x]];
        if (which > 0) {
            count_value(&tally->now[which - 1], value_at(plane, row, x));
        } else if (mask[x]) {
            return false;
        }
        x++;
    }
    return true;
}

/* Moments of two sets as those of one (Chan, Golub, LeVeque 1979). */
static void add_up(CorHostCount *total, const CorHostCount *now)
{
    double first_mean = total->pixels ? total->sum / (double) total->pixels + total->shift : 0;
    double mean = now->sum / (double) now->pixels + now->shift;
    double first = (double) total->pixels;
    double second = (double) now->pixels;
    double spread = now->squares - now->sum * now->sum / second;

    if (total->pixels == 0) {
        total->low = now->low;
        total->high = now->high;
    } else {
        double apart = mean - first_mean;
        spread += total->squares + apart * apart * first * second / (first + second);
    }
    /* The total keeps its deviations from its mean: shift is the mean, sum is nothing. */
    total->shift = first_mean + (mean - first_mean) * second / (first + second);
    total->sum = 0;
    total->squares = spread;
    total->pixels += now->pixels;
    total->low = COR_MIN(total->low, now->low);
    total->high = COR_MAX(total->high, now->high);
    total->area_mm2 += now->area_mm2;
    total->volume_mm3 += now->volume_mm3;
    total->slices++;
}

/* Keep a mask, whose memory is taken. */
static bool keep_bits(CorHostTally *tally, size_t slice, size_t label, uint8_t *bits)
{
    if (tally->mask_len == tally->mask_room) {
        size_t room = tally->mask_room ? 2 * tally->mask_room : 64;
        CorHostMask *more = realloc(tally->masks, room * sizeof(*more)); // style-ok: a doubling
        if (!more) {
            free(bits);
            return false;
        }
        tally->masks = more;
        tally->mask_room = room;
    }
    tally->masks[tally->mask_len++] =
        (CorHostMask){.slice = slice, .label = label, .bits = bits, .count = tally->now[label]};
    return true;
}

static bool keep_mask(CorHostTally *tally, size_t slice, size_t label, const CorPlane *plane,
                      const uint8_t *mask)
{
    size_t len = plane->width_px * plane->height_px;
    uint8_t number = tally->labels[label].number;
    uint8_t *bits = cor_new_array(uint8_t, cor_host_priv_mask_bytes(plane));

    if (!bits) {
        return false;
    }
    for (size_t i = 0; i < len; i++) {
        bits[i / 8] |= (uint8_t) ((mask[i] == number) << i % 8);
    }
    return keep_bits(tally, slice, label, bits);
}

/* What was counted of a slice becomes part of the run. */
static void add_slice(CorHostTally *tally, size_t slice, const CorAlgoSlice *values,
                      double interval_mm)
{
    double pixel_mm2 = values->row_spacing_mm * values->column_spacing_mm;
    uint64_t pixels = 0;

    tally->has_area = pixel_mm2 > 0;
    tally->has_volume = pixel_mm2 > 0 && interval_mm > 0;
    for (size_t i = 0; i < tally->label_len; i++) {
        CorHostCount *now = &tally->now[i];
        if (now->pixels == 0) {
            continue;
        }
        now->area_mm2 = (double) now->pixels * pixel_mm2;
        now->volume_mm3 = now->area_mm2 * interval_mm;
        pixels += now->pixels;
        add_up(&tally->total[i], now);
    }
    if (pixels > tally->largest_px || (pixels == tally->largest_px && slice < tally->largest)) {
        tally->largest = slice;
        tally->largest_px = pixels;
    }
}

size_t cor_host_priv_mask_bytes(const CorPlane *plane)
{
    return (plane->width_px * plane->height_px + 7) / 8;
}

bool cor_host_priv_tally_add(CorHostTally *tally, size_t slice, const CorAlgoSlice *values,
                             const uint8_t *mask, double interval_mm, CorError *err)
{
    const CorPlane *plane = &values->plane;

    memset(tally->now, 0, tally->label_len * sizeof(*tally->now));
    for (size_t y = 0; y < plane->height_px; y++) {
        if (!count_row(tally, plane, y, mask + y * plane->width_px)) {
            return cor_fail(err, COR_ERR_BUG, "a mask has a number that is no label's");
        }
    }
    add_slice(tally, slice, values, interval_mm);
    for (size_t i = 0; tally->keeps_masks && i < tally->label_len; i++) {
        if (tally->now[i].pixels > 0 && !keep_mask(tally, slice, i, plane, mask)) {
            return cor_fail(err, COR_ERR_NOMEM, "out of memory for masks");
        }
    }
    return true;
}

bool cor_host_priv_tally_join(CorHostTally *tally, const CorHostCountedSlice *counted,
                              const CorAlgoSlice *values, CorError *err)
{
    size_t bits_size = cor_host_priv_mask_bytes(&values->plane);

    memset(tally->now, 0, tally->label_len * sizeof(*tally->now));
    for (size_t i = 0; i < counted->label_len; i++) {
        tally->now[counted->labels[i].label] = counted->labels[i].count;
    }
    add_slice(tally, counted->slice, values, counted->interval_mm);
    for (size_t i = 0; tally->keeps_masks && i < counted->label_len; i++) {
        const CorHostCounted *label = &counted->labels[i];
        uint8_t *bits = cor_new_array(uint8_t, bits_size);
        if (bits) {
            memcpy(bits, label->bits, bits_size);
        }
        if (!bits || !keep_bits(tally, counted->slice, label->label, bits)) {
            return cor_fail(err, COR_ERR_NOMEM, "out of memory for masks");
        }
    }
    return true;
}

/* JSON has no infinities: what would be one is left out. */
static void set_real(json_t *object, const char *name, double value)
{
    if (isfinite(value)) {
        (void) json_object_set_new(object, name, json_real(value));
    }
}

static json_t *describe(const CorHostTally *tally, const CorHostCount *count, bool is_total)
{
    double pixels = (double) count->pixels;
    double variance = (count->squares - count->sum * count->sum / pixels) / pixels;
    json_t *json = json_pack("{s:I}", "area_px", (json_int_t) count->pixels);

    if (is_total) {
        (void) json_object_set_new(json, "slices", json_integer((json_int_t) count->slices));
    }
    if (tally->has_area) {
        set_real(json, "area_mm2", count->area_mm2);
    }
    if (is_total && tally->has_volume) {
        set_real(json, "volume_ml", count->volume_mm3 / 1000);
    }
    set_real(json, "mean_hu", count->shift + count->sum / pixels);
    set_real(json, "sd_hu", sqrt(COR_MAX(variance, 0.0)));
    set_real(json, "min_hu", count->low);
    set_real(json, "max_hu", count->high);
    return json;
}

static json_t *describe_all(const CorHostTally *tally, const CorHostCount *counts, bool is_total)
{
    json_t *json = json_object();

    for (size_t i = 0; i < tally->label_len; i++) {
        if (counts[i].pixels > 0) {
            (void) json_object_set_new(json, tally->labels[i].id,
                                       describe(tally, &counts[i], is_total));
        }
    }
    return json;
}

json_t *cor_host_priv_tally_slice(const CorHostTally *tally)
{
    return describe_all(tally, tally->now, false);
}

json_t *cor_host_priv_tally_total(const CorHostTally *tally)
{
    return describe_all(tally, tally->total, true);
}

json_t *cor_host_priv_tally_group(const CorHostTally *tally, const uint32_t *groups, uint32_t group)
{
    CorHostCount *totals = cor_new_array(CorHostCount, tally->label_len + 1);

    if (!totals) {
        return NULL;
    }
    for (size_t i = 0; i < tally->mask_len; i++) {
        const CorHostMask *mask = &tally->masks[i];
        if (groups[mask->slice] == group) {
            add_up(&totals[mask->label], &mask->count);
        }
    }
    json_t *json = describe_all(tally, totals, true);
    free(totals);
    return json;
}

static int compare(const void *a, const void *b)
{
    const CorHostMask *one = a;
    const CorHostMask *other = b;

    if (one->label != other->label) {
        return one->label < other->label ? -1 : 1;
    }
    return one->slice < other->slice ? -1 : one->slice > other->slice;
}

void cor_host_priv_tally_sort(CorHostTally *tally)
{
    if (tally->mask_len > 0) {
        qsort(tally->masks, tally->mask_len, sizeof(*tally->masks), compare);
    }
}

void cor_host_priv_tally_draw(const CorHostTally *tally, size_t slice, uint8_t *mask, size_t len)
{
    memset(mask, 0, len);
    for (size_t i = 0; i < tally->mask_len; i++) {
        const CorHostMask *from = &tally->masks[i];

        for (size_t n = 0; from->slice == slice && n < len; n++) {
            if (from->bits[n / 8] >> n % 8 & 1) {
                mask[n] = tally->labels[from->label].number;
            }
        }
    }
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "host/host-part.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/array.h"
#include "base/fd.h"
#include "host/host-memfd.h"
#include "host/host-renditions.h"

/* --- writing --- */

bool cor_host_priv_part_begin(CorHostPart *part, CorError *err)
{
    part->size = 0;
    part->slices = json_array();
    return part->slices ? cor_host_priv_memfd_begin("part", &part->fd, err)
                        : cor_fail(err, COR_ERR_NOMEM, "out of memory for a part");
}

void cor_host_priv_part_done(CorHostPart *part)
{
    cor_fd_closep(&part->fd);
    json_decref(part->slices);
    part->slices = NULL;
}

static bool append(CorHostPart *part, const void *data, size_t size, CorError *err)
{
    part->size += size;
    return cor_host_priv_memfd_append(part->fd, data, size, err);
}

/* The counts of the labels that were found, each with its mask. */
static bool add_labels(CorHostPart *part, const CorHostTally *tally, size_t mask_bytes,
                       json_t *labels, CorError *err)
{
    const CorHostMask *mask = tally->masks;

    for (size_t i = 0; i < tally->label_len; i++) {
        if (tally->now[i].pixels == 0) {
            continue;
        }
        uint64_t offset = part->size;
        if (!append(part, &tally->now[i], sizeof(tally->now[i]), err) ||
            (tally->keeps_masks && !append(part, (mask++)->bits, mask_bytes, err))) {
            return false;
        }
        (void) json_array_append_new(labels,
                                     json_pack("[I, I]", (json_int_t) i, (json_int_t) offset));
    }
    return true;
}

bool cor_host_priv_part_add(CorHostPart *part, CorHostRunning *run, const CorAlgoResult *result,
                            CorError *err)
{
    const CorDicomSource *source = &run->slices.items[result->slice].source;
    const CorPlane plane = {.width_px = source->columns, .height_px = source->rows};
    json_t *labels = json_array();
    json_t *slice =
        json_pack("{s:s, s:I, s:b, s:b, s:O?, s:o}", "uid", source->sop_instance_uid, "frame",
                  (json_int_t) source->frame, "found", result->is_found, "image",
                  result->image != NULL, "said", result->measurements, "labels", labels);

    if (!slice || json_array_append_new(part->slices, slice) != 0) {
        return cor_fail(err, COR_ERR_NOMEM, "out of memory for a part");
    }
    bool ok = result->image ||
              add_labels(part, &run->tally, cor_host_priv_mask_bytes(&plane), labels, err);
    cor_host_priv_tally_forget(&run->tally);
    return ok;
}

static json_t *describe(const CorHostPart *part, const CorHostRunning *run)
{
    json_t *uids = json_array();

    for (size_t i = 0; i < run->uid_len; i++) {
        (void) json_array_append_new(uids, json_string(run->uids[i]));
    }
    return json_pack("{s:O, s:o}", "slices", part->slices, "uids", uids);
}

bool cor_host_priv_part_send(CorHostPart *part, CorHostRunning *run, CorError *err)
{
    COR_CLEANUP(cor_json_freep) json_t *json = describe(part, run);
    COR_CLEANUP(cor_json_freep)
    json_t *output = json_pack("{s:s, s:s}", "role", "part", "media_type", "application/x-part");
    char *text = json ? cor_json_text(json) : NULL;

    if (!text) {
        return cor_fail(err, COR_ERR_NOMEM, "out of memory for a part");
    }
    uint64_t size = strlen(text);
    bool ok = append(part, text, size, err) && append(part, &size, sizeof(size), err) &&
              cor_host_priv_output_fd(run->host, output, part->fd, err);
    free(text);
    return ok;
}

/* --- reading --- */

static bool fail_part(CorError *err)
{
    return cor_fail(err, COR_ERR_CORRUPT, "a part of the run cannot be");
}

/* Where the slices of a run are, by UID and frame. */
typedef struct Index {
    const CorHostSlice *slices;
    size_t *sorted; /* indices */
    size_t len;
} Index;

static int compare_names(const CorDicomSource *one, const char *uid, uint32_t frame)
{
    int order = strcmp(one->sop_instance_uid, uid);

    return order ? order : one->frame < frame ? -1 : one->frame > frame;
}

static int compare_slices(const void *a, const void *b, void *context)
{
    const CorHostSlice *slices = context;
    const CorDicomSource *other = &slices[*(const size_t *) b].source;

    return compare_names(&slices[*(const size_t *) a].source, other->sop_instance_uid,
                         other->frame);
}

static bool index_slices(const CorHostRunning *run, Index *ret_index, CorError *err)
{
    Index index = {.slices = run->slices.items, .len = run->slices.len};

    index.sorted = cor_new_array(size_t, index.len);
    if (!index.sorted) {
        return cor_fail(err, COR_ERR_NOMEM, "out of memory for slices");
    }
    for (size_t i = 0; i < index.len; i++) {
        index.sorted[i] = i;
    }
    qsort_r(index.sorted, index.len, sizeof(*index.sorted), compare_slices,
            (void *) (uintptr_t) index.slices);
    *ret_index = index;
    return true;
}

static void index_done(Index *index)
{
    free(index->sorted);
}

/* The slice of that name, or the number of slices. */
static size_t find_slice(const Index *index, const char *uid, uint32_t frame)
{
    size_t low = 0;
    size_t high = index->len;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = compare_names(&index->slices[index->sorted[middle]].source, uid, frame);
        if (order == 0) {
            return index->sorted[middle];
        }
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return index->len;
}

static bool read_labels(const CorHostRunning *run, const CorHostPartFile *file, const json_t *json,
                        size_t mask_bytes, CorHostPartSlice *slice, CorError *err)
{
    size_t len = json_array_size(json);

    if (len > run->tally.label_len) {
        return fail_part(err);
    }
    slice->labels = cor_new_array(CorHostCounted, len + 1);
    if (!slice->labels) {
        return cor_fail(err, COR_ERR_NOMEM, "out of memory for a part");
    }
    for (size_t i = 0; i < len; i++) {
        const json_t *pair = json_array_get(json, i);
        json_int_t label = json_integer_value(json_array_get(pair, 0));
        json_int_t offset = json_integer_value(json_array_get(pair, 1));
        CorHostCounted *counted = &slice->labels[i];
        uint64_t needed =
            sizeof(counted->count) + (run->tally.keeps_masks ? (uint64_t) mask_bytes : 0);

        if (label < 0 || (uint64_t) label >= run->tally.label_len || offset < 0 ||
            needed > file->data_size || (uint64_t) offset > file->data_size - needed) {
            return fail_part(err);
        }
        counted->label = (size_t) label;
        memcpy(&counted->count, file->bytes + offset, sizeof(counted->count));
        counted->bits = file->bytes + offset + sizeof(counted->count);
        if (counted->count.pixels == 0) {
            return fail_part(err);
        }
    }
    slice->label_len = len;
    return true;
}

static bool read_slice(const CorHostRunning *run, const CorHostPartFile *file, const Index *index,
                       const json_t *json, CorHostParts *parts, CorError *err)
{
    json_int_t frame = cor_json_integer(json, "frame", 0);
    size_t i = frame < 0 || frame > UINT32_MAX
                   ? index->len
                   : find_slice(index, cor_json_string(json, "uid", ""), (uint32_t) frame);

    if (i == index->len || parts->slices[i].is_there) {
        return fail_part(err);
    }
    const CorDicomSource *source = &run->slices.items[i].source;
    const CorPlane plane = {.width_px = source->columns, .height_px = source->rows};
    const json_t *said = json_object_get(json, "said");
    CorHostPartSlice *slice = &parts->slices[i];

    slice->is_there = true;
    slice->is_found = cor_json_boolean(json, "found", false);
    slice->is_image = cor_json_boolean(json, "image", false);
    slice->said = json_is_object(said) ? said : NULL;
    return read_labels(run, file, json_object_get(json, "labels"), cor_host_priv_mask_bytes(&plane),
                       slice, err);
}

static bool map_file(const CorHostRunning *run, size_t input, CorHostPartFile *file, CorError *err)
{
    int fd = cor_host_priv_input_fd(run->host, input);
    uint64_t json_size = 0;

    if (!cor_host_priv_memfd_check(fd, &file->size, err)) {
        return false;
    }
    if (file->size < sizeof(json_size)) {
        return fail_part(err);
    }
    void *bytes = mmap(NULL, file->size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (bytes == MAP_FAILED) {
        return cor_fail(err, COR_ERR_NOMEM, "out of memory for a part");
    }
    file->bytes = bytes;
    memcpy(&json_size, file->bytes + file->size - sizeof(json_size), sizeof(json_size));
    if (json_size > file->size - sizeof(json_size)) {
        return fail_part(err);
    }
    file->data_size = file->size - sizeof(json_size) - json_size;
    return cor_json_parse((const char *) file->bytes + file->data_size, json_size, &file->json,
                          err);
}

static bool read_file(CorHostRunning *run, const CorHostPartFile *file, const Index *index,
                      CorHostParts *parts, CorError *err)
{
    size_t i = 0;
    json_t *item = NULL;

    json_array_foreach(json_object_get(file->json, "slices"), i, item)
    {
        if (!read_slice(run, file, index, item, parts, err)) {
            return false;
        }
    }
    json_array_foreach(json_object_get(file->json, "uids"), i, item)
    {
        const char *uid = json_string_value(item);
        if (!uid || !cor_host_priv_note_uid(run, uid, err)) {
            return uid ? false : fail_part(err);
        }
    }
    return true;
}

static bool read_all(CorHostRunning *run, size_t first, CorHostParts *parts, CorError *err)
{
    COR_CLEANUP(index_done) Index index = {0};

    if (!index_slices(run, &index, err)) {
        return false;
    }
    for (size_t i = 0; i < parts->file_len; i++) {
        CorHostPartFile *file = &parts->files[i];
        if (!map_file(run, first + i, file, err) || !read_file(run, file, &index, parts, err)) {
            return false;
        }
    }
    for (size_t i = 0; i < parts->slice_len; i++) {
        if (!parts->slices[i].is_there) {
            return cor_fail(err, COR_ERR_CORRUPT, "no part of the run has image %s",
                            run->slices.items[i].source.sop_instance_uid);
        }
    }
    return true;
}

bool cor_host_priv_parts_read(CorHostRunning *run, size_t first, CorHostParts *ret_parts,
                              CorError *err)
{
    CorHostParts parts = {.slice_len = run->slices.len,
                          .file_len = cor_host_priv_input_len(run->host) - first};

    parts.slices = cor_new_array(CorHostPartSlice, parts.slice_len);
    parts.files = cor_new_array(CorHostPartFile, parts.file_len);
    if (!parts.slices || !parts.files) {
        (void) cor_fail(err, COR_ERR_NOMEM, "out of memory for parts");
        parts.slice_len = parts.slices ? parts.slice_len : 0;
        parts.file_len = parts.files ? parts.file_len : 0;
    } else if (read_all(run, first, &parts, err)) {
        *ret_parts = parts;
        return true;
    }
    cor_host_priv_parts_done(&parts);
    return false;
}

void cor_host_priv_parts_done(CorHostParts *parts)
{
    for (size_t i = 0; i < parts->slice_len; i++) {
        free(parts->slices[i].labels);
    }
    for (size_t i = 0; i < parts->file_len; i++) {
        if (parts->files[i].bytes) {
            (void) munmap((void *) (uintptr_t) parts->files[i].bytes, parts->files[i].size);
        }
        json_decref(parts->files[i].json);
    }
    free(parts->slices);
    free(parts->files);
    *parts = (CorHostParts){0};
}

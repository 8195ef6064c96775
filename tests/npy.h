/* SPDX-License-Identifier: Apache-2.0 */
/* Reads gzip'd NumPy files (format 1, little endian, C order), and finds the shared data.
 *
 * Link zlib.  Needs a little-endian machine, as the files are.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <zlib.h>

typedef struct Npy {
    char type; /* 'h' int16, 'H' uint16, 'B' uint8, 'd' float64 */
    size_t item_size;
    size_t dims[3]; /* filled up with leading 1 */
    size_t len;     /* items */
    size_t size;    /* bytes */
    void *data;     /* free() it */
} Npy;

/* The path of `sub` in the folder of shared data: COR_SHARED_DIR, or ../shared beside the source
 * root (COR_SOURCE_ROOT, set by meson) or beside the current folder.  False if it is not there. */
static inline bool npy_shared_path(char *path, size_t size, const char *sub)
{
    const char *shared = getenv("COR_SHARED_DIR");
    const char *root = getenv("COR_SOURCE_ROOT");
    FILE *file = NULL;

    if (shared && shared[0]) {
        snprintf(path, size, "%s/%s", shared, sub);
    } else {
        snprintf(path, size, "%s/../shared/%s", root && root[0] ? root : ".", sub);
    }
    file = fopen(path, "re");
    if (file) {
        fclose(file);
    }
    return file != NULL;
}

static inline bool npy_parse_header(const char *header, Npy *npy)
{
    static const struct {
        const char *descr;
        char type;
        size_t size;
    } types[] = {{"<i2", 'h', 2}, {"<u2", 'H', 2}, {"|u1", 'B', 1}, {"<f8", 'd', 8}};
    const char *shape = strstr(header, "'shape': (");
    size_t dims[3] = {0};
    int count = 0;

    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        if (strstr(header, types[i].descr)) {
            npy->type = types[i].type;
            npy->item_size = types[i].size;
        }
    }
    if (!shape || !npy->item_size || !strstr(header, "'fortran_order': False")) {
        return false;
    }
    count = sscanf(shape, "'shape': (%zu, %zu, %zu", &dims[0], &dims[1], &dims[2]);
    npy->len = 1;
    for (int i = 0; i < 3; i++) {
        npy->dims[i] = i < 3 - count ? 1 : dims[i - (3 - count)];
        npy->len *= npy->dims[i];
    }
    npy->size = npy->len * npy->item_size;
    return count >= 1 && npy->len > 0 && npy->size < (size_t) 1 << 30;
}

/* False if the file is not there or not what it should be. */
static inline bool npy_read(const char *path, Npy *npy)
{
    unsigned char magic[10] = {0};
    char header[65536] = {0};
    unsigned header_size = 0;
    gzFile file = gzopen(path, "rbe");
    bool is_read = false;

    *npy = (Npy){0};
    if (!file) {
        return false;
    }
    if (gzread(file, magic, sizeof(magic)) == sizeof(magic) && !memcmp(magic, "\x93NUMPY\1", 7)) {
        header_size = magic[8] + 256u * magic[9];
        if (gzread(file, header, header_size) == (int) header_size &&
            npy_parse_header(header, npy)) {
            npy->data = malloc(npy->size);
            is_read = npy->data && gzread(file, npy->data, (unsigned) npy->size) == (int) npy->size;
        }
    }
    gzclose(file);
    return is_read;
}

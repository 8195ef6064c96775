/* SPDX-License-Identifier: Apache-2.0 */
/* The files of the web console, compiled in and compressed already.
 *
 * Threads  Thread-safe: constants.
 * Units    Bytes.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

typedef struct CorConsoleAsset {
    const char *path;  /* "/index.html" */
    const char *type;  /* media type */
    const char *etag;  /* of the content */
    bool is_immutable; /* its name changes with its content */
    size_t size;       /* uncompressed */
    const unsigned char *gzip;
    size_t gzip_size;
    const unsigned char *brotli;
    size_t brotli_size;
} CorConsoleAsset;

/* Made by tools/embed-console.py; empty if the console was not built. */
extern const CorConsoleAsset cor_console_priv_assets[];
extern const size_t cor_console_priv_asset_len;

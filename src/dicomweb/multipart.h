/* SPDX-License-Identifier: Apache-2.0 */
/* Reading multipart/related (RFC 2387, RFC 2046 section 5.1) as it comes in, cut anywhere.
 *
 * The caller feeds bytes and pulls events, so it may stop pulling at any of them and go on later:
 *
 *     PART, DATA ..., PART_END, PART, ..., PART_END, END        and MORE whenever bytes run out
 *
 * Tolerant of what clients do: line ends without CR, no CRLF before the first delimiter or behind
 * the last, blanks behind a boundary, parts without headers, folded headers.  Content-Length inside
 * a part is not looked at: the delimiter alone ends a part.
 *
 * Ownership  cor_dicomweb_priv_multipart_new() gives an object to free.  What events point to is
 *            valid until the next call.
 * Threads    One thread at a time.
 * Blocking   Never.
 * Errors     INVALID: the body is not well formed; LIMIT: a bound below was exceeded.  Either ends
 *            the reading; what was pulled before stands.
 * Units      Bytes.
 */
#pragma once

#include "base/cleanup.h"
#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define COR_MULTIPART_BOUNDARY_MAX ((size_t) 200)      /* RFC 2046: 70; Orthanc sends 73 */
#define COR_MULTIPART_HEADERS_MAX ((size_t) 32)        /* of one part */
#define COR_MULTIPART_HEADER_BYTES_MAX ((size_t) 8192) /* of one part */
#define COR_MULTIPART_PADDING_MAX ((size_t) 256)       /* blanks behind a boundary */
#define COR_MULTIPART_AROUND_MAX ((size_t) 64 * 1024)  /* preamble, epilogue: each */

typedef struct CorMultipart CorMultipart;

typedef enum CorMultipartEvent {
    COR_MULTIPART_MORE,     /* everything that was given has been read */
    COR_MULTIPART_PART,     /* a part begins: its headers can be asked for */
    COR_MULTIPART_DATA,     /* some bytes of it, at least one */
    COR_MULTIPART_PART_END, /* it is complete */
    COR_MULTIPART_END,      /* the closing delimiter; only MORE comes now */
} CorMultipartEvent;

typedef struct CorMultipartPiece {
    CorMultipartEvent event;
    const uint8_t *data; /* of DATA */
    size_t size;
} CorMultipartPiece;

/**
 * Make a reader.
 *
 * @param boundary   without quotes, as the Content-Type header had it
 * @param parts_max  more are a LIMIT
 * @param err        INVALID unless boundary is 1 to COR_MULTIPART_BOUNDARY_MAX of the characters of
 *                   RFC 2046 section 5.1.1
 */
COR_MUSTCHECK bool cor_dicomweb_priv_multipart_new(const char *boundary, size_t parts_max,
                                                   CorMultipart **ret_reader, CorError *err);
void cor_dicomweb_priv_multipart_free(CorMultipart *reader);
COR_DEFINE_CLEANUP(CorMultipart, cor_dicomweb_priv_multipart_free)

/**
 * Read on to the next event.
 *
 * @param at   in: the first byte not read yet; out: behind what was read
 * @param end  behind the last byte that is there
 */
COR_MUSTCHECK bool cor_dicomweb_priv_multipart_next(CorMultipart *reader, const uint8_t **at,
                                                    const uint8_t *end,
                                                    CorMultipartPiece *ret_piece, CorError *err);

/** The body is over: INVALID unless END was read. */
COR_MUSTCHECK bool cor_dicomweb_priv_multipart_finish(const CorMultipart *reader, CorError *err);

/** A header of the current part, without regard to case; NULL if it has none. */
const char *cor_dicomweb_priv_multipart_header(const CorMultipart *reader, const char *name);

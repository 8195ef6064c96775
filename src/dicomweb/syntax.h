/* SPDX-License-Identifier: Apache-2.0 */
/* Transfer syntaxes, as far as they must be known without looking at DICOM bytes: what the media
 * type of a frame is (PS3.18 tables 8.7.3-2, 8.7.3-4 and 8.7.3-5), and whether it is compressed.
 *
 * Ownership  Everything lives for ever.
 * Threads    Thread-safe.
 */
#pragma once

#include <stdbool.h>

#define COR_SYNTAX_EXPLICIT_LE "1.2.840.10008.1.2.1"
#define COR_TYPE_OCTETS "application/octet-stream"

typedef struct CorSyntax {
    const char *uid;
    const char *type;     /* media type of a frame's bit stream; octets if it is not compressed */
    bool is_native;       /* frames are plain values */
    bool is_encapsulated; /* of a native one: each frame in a fragment all the same */
    bool is_type_default; /* what the media type means without a transfer syntax */
    bool is_lossy;        /* may have lost something */
} CorSyntax;

/** The syntax of a UID; of one that is not known, octets in a compression that nobody can name. */
CorSyntax cor_dicomweb_priv_syntax(const char *uid);

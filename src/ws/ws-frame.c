/* SPDX-License-Identifier: Apache-2.0 */
/* Frames of a server are not masked (RFC 6455 section 5.1), so one encoding serves every session.
 */
#include "ws/ws-priv.h"

#include <stdlib.h>
#include <string.h>

#include "base/array.h"

enum { FIN = 0x80, OPCODE_TEXT = 0x1, OPCODE_CLOSE = 0x8, HEADER_MAX = 10, REASON_MAX = 123 };

/* RFC 6455 section 5.2. */
static size_t encode_header(uint8_t opcode, size_t size, uint8_t header[HEADER_MAX])
{
    header[0] = (uint8_t) (FIN | opcode);
    if (size < 126) {
        header[1] = (uint8_t) size;
        return 2;
    }
    size_t len = size <= 0xFFFF ? 2 : 8;
    header[1] = len == 2 ? 126 : 127;
    for (size_t i = 0; i < len; i++) {
        header[2 + i] = (uint8_t) (size >> (8 * (len - 1 - i)));
    }
    return 2 + len;
}

CorBytes *cor_ws_priv_frame(uint8_t opcode, const void *payload, size_t size)
{
    uint8_t header[HEADER_MAX];
    size_t header_size = encode_header(opcode, size, header);
    size_t total = 0;

    if (!cor_size_add(header_size, size, &total, NULL)) {
        return NULL;
    }
    uint8_t *joined = malloc(total);
    if (!joined) {
        return NULL;
    }
    memcpy(joined, header, header_size);
    if (size > 0) {
        memcpy(joined + header_size, payload, size);
    }
    CorBytes *frame = cor_bytes_new(joined, total);
    free(joined);
    return frame;
}

CorBytes *cor_ws_priv_close_frame(uint16_t code, const char *reason)
{
    uint8_t payload[2 + REASON_MAX];
    size_t size = strlen(reason);

    size = COR_MIN(size, (size_t) REASON_MAX);
    payload[0] = (uint8_t) (code >> 8);
    payload[1] = (uint8_t) code;
    memcpy(payload + 2, reason, size);
    return cor_ws_priv_frame(OPCODE_CLOSE, payload, size + 2);
}

CorBytes *cor_ws_frame_new(const char *text, size_t size)
{
    return cor_ws_priv_frame(OPCODE_TEXT, text, size);
}

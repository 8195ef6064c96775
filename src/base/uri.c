/* SPDX-License-Identifier: Apache-2.0 */
#include "base/uri.h"

#include <ctype.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/hash.h"
#include "base/id.h"

/* "nats://user:secret@host" becomes "nats://user:***@host".  The last '@' counts: hiding too much
 * of a URI with a sloppily written password is better than showing a part of the password. */
static void hide_password(char *text, size_t size)
{
    char hidden[COR_URI_MAX];
    char *authority = strstr(text, "://");
    char *at = authority ? strrchr(authority + 3, '@') : NULL;
    char *colon = authority ? strchr(authority + 3, ':') : NULL;

    if (!at || !colon || colon > at) {
        return;
    }
    (void) snprintf(hidden, sizeof(hidden), "%.*s:***%s", (int) (colon - text), text, at);
    (void) snprintf(text, size, "%s", hidden);
}

bool cor_uri_parse(const char *text, CorUri *ret_uri, CorError *err)
{
    const char *colon = strchr(text, ':');
    CorUri uri = {0};

    if (strlen(text) >= COR_URI_MAX - 8) {
        return cor_fail(err, COR_ERR_INVALID, "URI is longer than %d bytes", COR_URI_MAX - 8);
    }
    if (!colon || colon == text || (size_t) (colon - text) >= sizeof(uri.scheme)) {
        return cor_fail(err, COR_ERR_INVALID, "'%s' has no scheme such as 'sqlite:'", text);
    }
    for (size_t i = 0; i < (size_t) (colon - text); i++) {
        uri.scheme[i] = (char) tolower((unsigned char) text[i]);
    }
    (void) snprintf(uri.rest, sizeof(uri.rest), "%s", colon + 1);
    (void) snprintf(uri.shown, sizeof(uri.shown), "%s", text);
    hide_password(uri.shown, sizeof(uri.shown));
    *ret_uri = uri;
    return true;
}

bool cor_uri_has_scheme(const CorUri *uri, const char *scheme)
{
    return strcmp(uri->scheme, scheme) == 0;
}

bool cor_percent_decode(const char *text, size_t size, bool plus_is_space, char *out, CorError *err)
{
    size_t len = 0;

    for (size_t i = 0; i < size; i++) {
        if (text[i] == '%') {
            uint8_t byte = 0;
            char digits[3] = {0};
            if (size - i < 3) {
                return cor_fail(err, COR_ERR_INVALID, "incomplete percent escape");
            }
            memcpy(digits, text + i + 1, 2);
            if (!cor_hex_decode(digits, &byte, 1)) {
                return cor_fail(err, COR_ERR_INVALID, "bad percent escape");
            }
            out[len++] = (char) byte;
            i += 2;
        } else {
            out[len++] = plus_is_space && text[i] == '+' ? ' ' : text[i];
        }
    }
    out[len] = '\0';
    if (!cor_utf8_is_valid(out, len)) {
        return cor_fail(err, COR_ERR_INVALID, "text has a NUL or is not valid UTF-8");
    }
    return true;
}

void cor_percent_encode(CorString *out, const char *text, const char *keep)
{
    for (const char *at = text; *at; at++) {
        unsigned char byte = (unsigned char) *at;
        if ((byte < 0x80 && isalnum(byte)) || strchr("-._~", byte) || strchr(keep, byte)) {
            cor_string_append(out, at, 1);
        } else {
            cor_string_printf(out, "%%%02X", byte);
        }
    }
}

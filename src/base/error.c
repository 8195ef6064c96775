/* SPDX-License-Identifier: Apache-2.0 */
/* Texts are cut at a character boundary when they do not fit, so that they stay valid UTF-8. */
#include "base/error.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char *const code_names[] = {
    [COR_OK] = "ok",
    [COR_ERR_INVALID] = "invalid",
    [COR_ERR_NOT_FOUND] = "not_found",
    [COR_ERR_CONFLICT] = "conflict",
    [COR_ERR_LIMIT] = "limit",
    [COR_ERR_UNSUPPORTED] = "unsupported",
    [COR_ERR_CORRUPT] = "corrupt",
    [COR_ERR_DENIED] = "denied",
    [COR_ERR_NOMEM] = "nomem",
    [COR_ERR_IO] = "io",
    [COR_ERR_UNAVAILABLE] = "unavailable",
    [COR_ERR_TIMEOUT] = "timeout",
    [COR_ERR_HOST_LOST] = "host_lost",
    [COR_ERR_CANCELLED] = "cancelled",
    [COR_ERR_BUG] = "bug",
};
static_assert(sizeof(code_names) / sizeof(code_names[0]) == COR_ERR_COUNT_, "name every code");

/* Drop a multi-byte character that the end of the buffer cut in half. */
static void trim_partial_character(char *text)
{
    size_t len = strlen(text);
    size_t start = len;

    while (start > 0 && ((unsigned char) text[start - 1] & 0xC0) == 0x80) {
        start--;
    }
    if (start == 0 || (unsigned char) text[start - 1] < 0xC0) {
        return;
    }
    unsigned char lead = (unsigned char) text[start - 1];
    size_t wanted = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
    if (len - (start - 1) < wanted) {
        text[start - 1] = '\0';
    }
}

static void record(CorError *err, CorErrorCode code, const char *format, va_list args)
{
    if (!err) {
        return;
    }
    err->code = code;
    (void) vsnprintf(err->text, sizeof(err->text), format, args);
    trim_partial_character(err->text);
}

bool cor_fail(CorError *err, CorErrorCode code, const char *format, ...)
{
    va_list args;

    assert(code != COR_OK && code < COR_ERR_COUNT_);
    va_start(args, format);
    record(err, code, format, args);
    va_end(args);
    return false;
}

static CorErrorCode code_of_errno(int value)
{
    switch (value) {
    case ENOENT:
    case ENOTDIR:
        return COR_ERR_NOT_FOUND;
    case EEXIST:
        return COR_ERR_CONFLICT;
    case EACCES:
    case EPERM:
        return COR_ERR_DENIED;
    case ENOMEM:
        return COR_ERR_NOMEM;
    case EINVAL:
    case ENAMETOOLONG:
        return COR_ERR_INVALID;
    case ETIMEDOUT:
        return COR_ERR_TIMEOUT;
    case ECANCELED:
        return COR_ERR_CANCELLED;
    case ENOSPC:
    case EDQUOT:
    case EROFS:
    case EAGAIN:
    case EBUSY:
    case EMFILE:
    case ENFILE:
    case ESTALE:
    case ECONNREFUSED:
    case ECONNRESET:
    case EHOSTUNREACH:
    case ENETUNREACH:
        return COR_ERR_UNAVAILABLE;
    default:
        return COR_ERR_IO;
    }
}

bool cor_fail_errno(CorError *err, int errno_value, const char *format, ...)
{
    va_list args;
    char reason[128];

    if (!err) {
        return false;
    }
    va_start(args, format);
    record(err, code_of_errno(errno_value), format, args);
    va_end(args);

    const char *text = strerror_r(errno_value, reason, sizeof(reason));
    size_t len = strlen(err->text);
    (void) snprintf(err->text + len, sizeof(err->text) - len, ": %s", text);
    trim_partial_character(err->text);
    return false;
}

void cor_error_wrap(CorError *err, const char *format, ...)
{
    va_list args;
    char inner[COR_ERROR_TEXT_SIZE];

    if (!err) {
        return;
    }
    if (err->code == COR_OK) {
        (void) cor_fail(err, COR_ERR_BUG, "failed without saying why");
    }
    memcpy(inner, err->text, sizeof(inner));

    va_start(args, format);
    record(err, err->code, format, args);
    va_end(args);

    size_t len = strlen(err->text);
    (void) snprintf(err->text + len, sizeof(err->text) - len, ": %s", inner);
    trim_partial_character(err->text);
}

bool cor_error_is_transient(const CorError *err)
{
    return err->code == COR_ERR_UNAVAILABLE || err->code == COR_ERR_TIMEOUT;
}

const char *cor_error_code_name(CorErrorCode code)
{
    assert((unsigned) code < COR_ERR_COUNT_);

    return code_names[code];
}

CorErrorCode cor_error_code_from_name(const char *name)
{
    for (int code = 0; code < COR_ERR_COUNT_; code++) {
        if (strcmp(name, code_names[code]) == 0) {
            return (CorErrorCode) code;
        }
    }
    return COR_ERR_BUG;
}

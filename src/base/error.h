/* SPDX-License-Identifier: Apache-2.0 */
/* Errors as values.
 *
 * A CorError lives on the caller's stack.  Setting one never allocates, so running out of memory
 * can be reported like anything else.  The text is for operators and never holds patient data
 * (invariant 7).
 *
 * Threads: One thread at a time (each caller has its own).
 */
#pragma once

#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

#define COR_MUSTCHECK __attribute__((warn_unused_result))

/* What the caller should do, not who complained. */
typedef enum CorErrorCode {
    COR_OK = 0,
    COR_ERR_INVALID,     /* the request is wrong; the same call will fail again */
    COR_ERR_NOT_FOUND,   /* there is no such thing */
    COR_ERR_CONFLICT,    /* the object is not in a state that allows this */
    COR_ERR_LIMIT,       /* a configured maximum was reached */
    COR_ERR_UNSUPPORTED, /* valid, but we do not do it (transfer syntax, VR, feature) */
    COR_ERR_CORRUPT,     /* stored or received bytes break their own format */
    COR_ERR_DENIED,      /* the caller may not do this */
    COR_ERR_NOMEM,       /* out of memory */
    COR_ERR_IO,          /* the storage failed */
    COR_ERR_UNAVAILABLE, /* transient: the other side is down, full or busy */
    COR_ERR_TIMEOUT,     /* transient: no answer within the time given */
    COR_ERR_HOST_LOST,   /* the child that did the work crashed, hung or grew too big */
    COR_ERR_CANCELLED,   /* somebody asked to stop */
    COR_ERR_BUG,         /* our own mistake */
    COR_ERR_COUNT_
} CorErrorCode;

#define COR_ERROR_TEXT_SIZE 256

typedef struct CorError {
    CorErrorCode code;
    char text[COR_ERROR_TEXT_SIZE]; /* UTF-8, NUL-terminated, outermost context first */
} CorError;

/**
 * Record a failure and return false, so that callers can write `return cor_fail(...)`.
 *
 * @param err   where to record it; NULL drops it
 */
bool cor_fail(CorError *err, CorErrorCode code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/**
 * As cor_fail(), with code and text derived from an errno value: "what: no space left on device".
 * ENOSPC, EDQUOT, EROFS, EIO of an unreachable store and the like are UNAVAILABLE.
 */
bool cor_fail_errno(CorError *err, int errno_value, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/**
 * Put context in front of a recorded failure: "context: old text".
 *
 * If nothing is recorded, somebody failed without saying why: that is recorded as BUG.
 */
void cor_error_wrap(CorError *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

/** True if trying again later can help: UNAVAILABLE and TIMEOUT, nothing else. */
bool cor_error_is_transient(const CorError *err);

/** The code's name in lower case, as it travels in JSON: "not_found". */
const char *cor_error_code_name(CorErrorCode code);

/** The code of a name; COR_ERR_BUG for a name that nobody knows. */
CorErrorCode cor_error_code_from_name(const char *name);

#ifdef __cplusplus
}
#endif

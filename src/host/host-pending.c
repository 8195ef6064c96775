/* SPDX-License-Identifier: Apache-2.0 */
/* Calls that hosts do not answer yet. */
#include "host/host-pool.h"

#define PENDING __attribute__((weak))

static bool pending(CorError *err)
{
    return cor_fail(err, COR_ERR_UNSUPPORTED, "hosts cannot do this yet");
}

PENDING bool cor_host_can_encode(const char *transfer_syntax_uid)
{
    (void) transfer_syntax_uid;
    return false;
}

PENDING bool cor_host_transcode(CorHostPool *pool, int fd, const char *transfer_syntax_uid,
                                int64_t timeout_ms, CorHostFile *ret_file, CorError *err)
{
    (void) pool;
    (void) fd;
    (void) transfer_syntax_uid;
    (void) timeout_ms;
    (void) ret_file;
    return pending(err);
}

PENDING bool cor_host_frame(CorHostPool *pool, int fd, unsigned frame,
                            const char *transfer_syntax_uid, int64_t timeout_ms,
                            CorHostFile *ret_file, CorError *err)
{ // style-ok: as declared
    (void) pool;
    (void) fd;
    (void) frame;
    (void) transfer_syntax_uid;
    (void) timeout_ms;
    (void) ret_file;
    return pending(err);
}

PENDING bool cor_host_bulk(CorHostPool *pool, int fd, const char *path, int64_t timeout_ms,
                           CorHostFile *ret_file, CorError *err)
{
    (void) pool;
    (void) fd;
    (void) path;
    (void) timeout_ms;
    (void) ret_file;
    return pending(err);
}

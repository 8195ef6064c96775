/* SPDX-License-Identifier: Apache-2.0 */
/* The thread has at most one digest, and keeps it for as long as its writer is ahead.  Bytes go in
 * in their order: a writer whose digest is away only says how far the file goes by now; one whose
 * digest is at home takes its bytes in itself, or sends it away with them.
 */
#include "blob/blob-digest.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/array.h"

enum {
    CHUNK = 64 * 1024, /* stays in the second-level cache */
    LEAST = 32 * 1024, /* less is digested before the thread is awake */
};

struct CorBlobDigester {
    pthread_mutex_t mutex;
    pthread_cond_t wanted;
    pthread_cond_t returned;
    CorBlobDigest *digest; /* guarded by mutex: what the thread has */
    bool is_ending;        /* guarded by mutex */
    bool is_running;       /* guarded by mutex */
    bool is_hopeless;      /* guarded by mutex: no thread can be started */
    pthread_t thread;
    atomic_size_t writers; /* files that are being written */
    uint8_t chunk[CHUNK];  /* the thread's */
};

/* --- the thread --- */

static bool take_in(CorBlobDigester *digester, CorBlobDigest *digest, uint64_t at, uint64_t end)
{
    if (digest->memory) {
        cor_sha256_update(digest->sha, digest->memory + at, (size_t) (end - at));
        return true;
    }
    while (at < end) {
        size_t size = (size_t) COR_MIN(end - at, (uint64_t) CHUNK);
        ssize_t got = pread(digest->file, digester->chunk, size, (off_t) at);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            return false;
        }
        cor_sha256_update(digest->sha, digester->chunk, (size_t) got);
        at += (uint64_t) got;
    }
    return true;
}

/* The mutex is locked. */
static void work(CorBlobDigester *digester, CorBlobDigest *digest)
{
    while (digest->done < digest->upto && !digest->is_broken) {
        uint64_t at = digest->done;
        uint64_t end = digest->upto;
        (void) pthread_mutex_unlock(&digester->mutex);
        bool ok = take_in(digester, digest, at, end);
        (void) pthread_mutex_lock(&digester->mutex);
        digest->done = end;
        digest->is_broken = !ok;
    }
    digest->is_away = false;
    digester->digest = NULL;
    (void) pthread_cond_broadcast(&digester->returned);
}

static void *serve(void *context)
{
    CorBlobDigester *digester = context;

    (void) pthread_mutex_lock(&digester->mutex);
    while (!digester->is_ending) {
        if (digester->digest) {
            work(digester, digester->digest);
        } else {
            (void) pthread_cond_wait(&digester->wanted, &digester->mutex);
        }
    }
    (void) pthread_mutex_unlock(&digester->mutex);
    return NULL;
}

/* The mutex is locked. */
static bool is_running(CorBlobDigester *digester)
{
    sigset_t all;
    sigset_t before;

    if (!digester->is_running && !digester->is_hopeless) {
        (void) sigfillset(&all);
        (void) pthread_sigmask(SIG_SETMASK, &all, &before);
        digester->is_running = pthread_create(&digester->thread, NULL, serve, digester) == 0;
        (void) pthread_sigmask(SIG_SETMASK, &before, NULL);
        digester->is_hopeless = !digester->is_running;
        if (digester->is_running) {
            (void) pthread_setname_np(digester->thread, "digest");
        }
    }
    return digester->is_running;
}

CorBlobDigester *cor_blob_priv_digester_new(void)
{
    CorBlobDigester *digester = cor_new(CorBlobDigester);

    if (digester) {
        (void) pthread_mutex_init(&digester->mutex, NULL);
        (void) pthread_cond_init(&digester->wanted, NULL);
        (void) pthread_cond_init(&digester->returned, NULL);
    }
    return digester;
}

void cor_blob_priv_digester_free(CorBlobDigester *digester)
{
    if (!digester) {
        return;
    }
    (void) pthread_mutex_lock(&digester->mutex);
    digester->is_ending = true;
    (void) pthread_cond_signal(&digester->wanted);
    (void) pthread_mutex_unlock(&digester->mutex);
    if (digester->is_running) {
        (void) pthread_join(digester->thread, NULL);
    }
    (void) pthread_cond_destroy(&digester->returned);
    (void) pthread_cond_destroy(&digester->wanted);
    (void) pthread_mutex_destroy(&digester->mutex);
    free(digester);
}

/* --- a digest --- */

bool cor_blob_priv_digest_init(CorBlobDigest *digest, CorBlobDigester *digester, int file,
                               CorError *err)
{
    *digest = (CorBlobDigest){.digester = digester, .file = file, .sha = cor_sha256_new()};
    return digest->sha || cor_fail(err, COR_ERR_NOMEM, "out of memory for a digest");
}

static void count(CorBlobDigest *digest, bool is_writing)
{
    if (digest->is_counted != is_writing) {
        digest->is_counted = is_writing;
        (void) atomic_fetch_add(&digest->digester->writers, is_writing ? 1 : (size_t) -1);
    }
}

/* True if the thread takes the bytes, in its turn. */
static bool send_away(CorBlobDigest *digest, size_t size)
{
    CorBlobDigester *digester = digest->digester;
    bool is_worth_it = size >= LEAST && atomic_load(&digester->writers) == 1;
    bool is_sent = false;

    (void) pthread_mutex_lock(&digester->mutex);
    if (!digest->is_away) {
        digest->upto = digest->done;
        is_sent = is_worth_it && !digester->digest && is_running(digester);
        if (is_sent) {
            digest->is_away = true;
            digester->digest = digest;
        }
    }
    bool is_away = digest->is_away;
    digest->upto += is_away ? size : 0;
    (void) pthread_mutex_unlock(&digester->mutex);
    if (is_sent) {
        (void) pthread_cond_signal(&digester->wanted);
    }
    return is_away;
}

void cor_blob_priv_digest_written(CorBlobDigest *digest, const void *data, size_t size)
{
    if (!digest->sha || size == 0) {
        return; /* finished: these bytes were taken in then */
    }
    count(digest, true);
    if (!send_away(digest, size)) {
        cor_sha256_update(digest->sha, data, size);
        digest->done += size;
    }
}

static void come_home(CorBlobDigest *digest)
{
    CorBlobDigester *digester = digest->digester;

    count(digest, false);
    (void) pthread_mutex_lock(&digester->mutex);
    while (digest->is_away) {
        (void) pthread_cond_wait(&digester->returned, &digester->mutex);
    }
    (void) pthread_mutex_unlock(&digester->mutex);
}

void cor_blob_priv_digest_rest(CorBlobDigest *digest)
{
    if (digest->sha) {
        come_home(digest);
    }
    digest->memory = NULL;
}

bool cor_blob_priv_digest_finish(CorBlobDigest *digest, const void *data, size_t size,
                                 uint8_t ret_sha256[COR_SHA256_SIZE])
{
    if (digest->sha) {
        come_home(digest);
        cor_sha256_update(digest->sha, data, size);
        cor_sha256_final(digest->sha, digest->result);
        cor_sha256_free(COR_TAKE(digest->sha));
    }
    memcpy(ret_sha256, digest->result, COR_SHA256_SIZE);
    return !digest->is_broken;
}

void cor_blob_priv_digest_done(CorBlobDigest *digest)
{
    if (digest->digester && digest->sha) {
        come_home(digest);
        cor_sha256_free(COR_TAKE(digest->sha));
    }
}

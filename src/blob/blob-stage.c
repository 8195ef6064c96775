/* SPDX-License-Identifier: Apache-2.0 */
/* The one that was given back last is taken first: its memory is warm.  Their number bounds the
 * memory.
 *
 * A reader has a descriptor that cannot write, for a host gets it, and sees the length of the file,
 * which is that of the upload while it is open.
 */
#include "blob/blob-stage.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "base/fd.h"

enum { STAGES = 16 };

struct CorBlobStages {
    pthread_mutex_t mutex;
    CorBlobStage stages[STAGES];
    size_t len;         /* guarded by mutex: how many are made */
    CorBlobStage *free; /* guarded by mutex */
    atomic_size_t taken;
};

CorBlobStages *cor_blob_priv_stages_new(void)
{
    CorBlobStages *stages = cor_new(CorBlobStages);

    if (stages) {
        (void) pthread_mutex_init(&stages->mutex, NULL);
    }
    return stages;
}

void cor_blob_priv_stages_free(CorBlobStages *stages)
{
    if (!stages) {
        return;
    }
    for (size_t i = 0; i < stages->len; i++) {
        CorBlobStage *stage = &stages->stages[i];
        cor_blob_priv_direct_done(&stage->direct);
        (void) munmap(stage->data, COR_BLOB_STAGE_SIZE);
        cor_fd_closep(&stage->file);
        cor_fd_closep(&stage->reader);
    }
    (void) pthread_mutex_destroy(&stages->mutex);
    free(stages);
}

static int open_for_reading(int file)
{
    char path[64];

    (void) snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
    return open(path, O_RDONLY | O_CLOEXEC);
}

static bool make(CorBlobStage *stage)
{
    COR_CLEANUP(cor_fd_closep) int file = memfd_create("upload", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    COR_CLEANUP(cor_fd_closep) int reader = file < 0 ? -1 : open_for_reading(file);

    if (reader < 0 || ftruncate(file, COR_BLOB_STAGE_SIZE) != 0) {
        return false;
    }
    void *data = mmap(NULL, COR_BLOB_STAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (data == MAP_FAILED) {
        return false;
    }
    /* Beside the sandbox: who has the reader cannot make a writer of it. */
    (void) fcntl(file, F_ADD_SEALS, F_SEAL_FUTURE_WRITE | F_SEAL_SEAL);
    (void) fchmod(file, S_IRUSR);
    *stage = (CorBlobStage){.data = data, .file = COR_TAKE_FD(file), .reader = COR_TAKE_FD(reader)};
    cor_blob_priv_direct_init(&stage->direct);
    return true;
}

CorBlobStage *cor_blob_priv_stage_take(CorBlobStages *stages)
{
    (void) pthread_mutex_lock(&stages->mutex);
    CorBlobStage *stage = stages->free;
    if (stage) {
        stages->free = stage->next;
    } else if (stages->len < STAGES && make(&stages->stages[stages->len])) {
        stage = &stages->stages[stages->len++];
    }
    (void) pthread_mutex_unlock(&stages->mutex);
    (void) atomic_fetch_add(&stages->taken, stage ? 1 : 0);
    if (stage && ftruncate(stage->file, COR_BLOB_STAGE_SIZE) != 0) {
        cor_blob_priv_stage_give(stages, stage);
        return NULL;
    }
    return stage;
}

void cor_blob_priv_stage_give(CorBlobStages *stages, CorBlobStage *stage)
{
    (void) pthread_mutex_lock(&stages->mutex);
    stage->next = stages->free;
    stages->free = stage;
    (void) pthread_mutex_unlock(&stages->mutex);
    (void) atomic_fetch_sub(&stages->taken, 1);
}

bool cor_blob_priv_stage_is_alone(const CorBlobStages *stages)
{
    return atomic_load(&stages->taken) == 1;
}

bool cor_blob_priv_stage_open(const CorBlobStage *stage, size_t size, int *ret_file, CorError *err)
{
    int file = fcntl(stage->reader, F_DUPFD_CLOEXEC, 3);

    if (file < 0) {
        return cor_fail_errno(err, errno, "open the memory of an upload");
    }
    if (ftruncate(stage->file, (off_t) size) != 0) {
        (void) close(file);
        return cor_fail_errno(err, errno, "cut the memory of an upload");
    }
    *ret_file = file;
    return true;
}

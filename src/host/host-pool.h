/* SPDX-License-Identifier: Apache-2.0 */
/* Algorithm hosts, as their users hold them: a pool of child processes, leased one call at a time.
 *
 * A host is this program started again as `corsia host`: it alone parses DICOM bytes and runs
 * algorithms (invariant 6).  It may crash, hang or grow; that costs the call that it was working on
 * and nothing else.  There are several pools ("jobs", "viewers"), so that a long series never keeps
 * somebody waiting for a picture.
 *
 * Order      Leases are given in the order in which they were asked for.  The most recently used
 *            idle host goes first, so that the others can be given up.
 * Ownership  cor_host_pool_new() gives a pool to free; cor_host_pool_lease() a lease to release
 *            before the pool is freed.  Descriptors given in are borrowed for the call.
 * Threads    CorHostPool: Thread-safe.  CorHostLease: One thread at a time, except
 *            cor_host_lease_cancel(), which any thread may call while the lease is held.
 * Blocking   Calls block until the host has answered, at most as long as their timeout plus two
 *            seconds for the end of a host that had to be killed.  Not for the WebSocket thread.
 * Errors     HOST_LOST: the host crashed, outgrew its memory, hung or broke the protocol;
 *            cor_host_lease_failure() says which.  CANCELLED: cor_host_lease_cancel().  TIMEOUT: no
 *            host came free in time.  UNAVAILABLE: hosts cannot be started at the moment, the text
 *            says why.  INVALID, UNSUPPORTED, CORRUPT, LIMIT, NOT_FOUND: the host's own answer
 *            about the input.  What a callback failed with comes back as it is.
 * Units      Milliseconds, bytes.
 */
#pragma once

#include "base/cleanup.h"
#include "base/error.h"
#include "base/json.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define COR_HOST_POOL_MAX 64      /* hosts in one pool */
#define COR_HOST_INPUT_MAX 4096   /* descriptors of one call */
#define COR_HOST_PART_MAX 64      /* parts of one run */
#define COR_HOST_OUTPUT_MAX 16384 /* output frames of one call, a bound on what a host may send */

#define COR_HOST_LAYER_NO_NEW_PRIVS (1u << 0)
#define COR_HOST_LAYER_LANDLOCK (1u << 1)
#define COR_HOST_LAYER_SECCOMP (1u << 2)
#define COR_HOST_LAYER_RLIMITS (1u << 3)

typedef struct CorHostPool CorHostPool;
typedef struct CorHostLease CorHostLease;

typedef enum CorHostSandbox {
    COR_HOST_SANDBOX_BEST_EFFORT, /* use what the kernel offers, report what is missing */
    COR_HOST_SANDBOX_STRICT,      /* refuse to work if a layer is missing */
} CorHostSandbox;

/* Why the host of a lease is of no use any more. */
typedef enum CorHostFailure {
    COR_HOST_FAILURE_NONE,          /* the host lives */
    COR_HOST_FAILURE_CRASHED,       /* it ended, or broke the protocol */
    COR_HOST_FAILURE_OUT_OF_MEMORY, /* it needed more than memory_max_bytes */
    COR_HOST_FAILURE_TIMED_OUT,     /* no answer within the call's timeout */
    COR_HOST_FAILURE_CANCELLED,     /* cor_host_lease_cancel(), or a callback said no */
    COR_HOST_FAILURE_COUNT_
} CorHostFailure;

typedef struct CorHostPoolOptions {
    const char *name;         /* for messages: "jobs" */
    const char *executable;   /* what to start with the argument "host"; NULL: /proc/self/exe */
    size_t min;               /* hosts that are kept alive; 0 or more */
    size_t max;               /* at most this many at once; 1 to COR_HOST_POOL_MAX */
    int64_t idle_ms;          /* hosts above min end after so much idleness; 0: 30 s */
    size_t memory_max_bytes;  /* of each host; 0: 2 GiB */
    size_t frame_max_bytes;   /* one decoded frame; 0: the default of dicom/dicom.h */
    CorHostSandbox sandbox;   /* which layers are demanded */
    int64_t start_timeout_ms; /* from start to the answer to `hello`; 0: 10 s */
} CorHostPoolOptions;

typedef struct CorHostPoolStats {
    size_t alive;    /* started and not yet ended: starting, idle or leased */
    size_t starting; /* have not yet answered `hello` */
    size_t idle;     /* ready and leased by nobody */
    size_t busy;     /* leased */
    size_t waiting;  /* threads that wait for a lease */
    size_t max;      /* what alive may become */
    uint64_t starts; /* processes started since the pool began */
    uint64_t losses; /* hosts that crashed, outgrew their memory or hung */
    uint64_t calls;  /* calls made */
    unsigned layers; /* COR_HOST_LAYER bits in force in the latest host that started; 0: none yet */
    bool is_ready;   /* the latest start succeeded */
    pid_t pids[COR_HOST_POOL_MAX]; /* of the alive ones; the first `alive` entries are valid */
    char start_error[COR_ERROR_TEXT_SIZE]; /* why the latest start failed; "" if it did not */
} CorHostPoolStats;

/* What a call hears while it runs, on the calling thread.  Any member may be NULL. */
typedef struct CorHostCallbacks {
    /* fraction is 0 to 1; stage is borrowed. */
    void (*on_progress)(void *context, double fraction, const char *stage);
    /* One output: a sealed memory descriptor (or -1 if the frame had none) and its description,
     * both borrowed.  False ends the call with that error.  The time spent in it does not count
     * against the call's timeout. */
    bool (*on_output)(void *context, int fd, const json_t *output, CorError *err);
    /* The result, and the text behind it, not terminated, or NULL; both borrowed. */
    void (*on_result)(void *context, const json_t *result, const char *annex, size_t size);
    void *context;
} CorHostCallbacks;

typedef struct CorHostRequest {
    const json_t *json;   /* object with "op"; "id" and "fds" are added */
    const int *fds;       /* borrowed; readable, offset ignored */
    size_t fd_len;        /* at most COR_HOST_INPUT_MAX and COR_HOST_PART_MAX */
    const json_t *inputs; /* NULL, or an array of fd_len objects that describe the descriptors */
    int64_t timeout_ms;   /* for the whole call; greater than 0 */
} CorHostRequest;

/* One source object of a run. */
typedef struct CorHostInput {
    int fd;                          /* the DICOM file; borrowed */
    const char *sop_instance_uid;    /* as in the catalogue */
    const char *series_instance_uid; /* as in the catalogue */
} CorHostInput;

typedef struct CorHostRun {
    const char *algo_id;
    const json_t *params;  /* complete (defaults filled in) and validated */
    const char *scope;     /* "image", "series" or "study" */
    const json_t *outputs; /* array of the roles that are wanted; NULL: all that there are */
    const CorHostInput *inputs;
    size_t input_len;         /* 1 to COR_HOST_INPUT_MAX */
    bool is_part;             /* the inputs are some of a job's: cor_host_can_split() */
    const int *parts;         /* of all slices of the inputs: join them; borrowed */
    size_t part_len;          /* at most COR_HOST_PART_MAX; 0: the run is whole */
    int64_t accepted_unix_ms; /* becomes the dates inside the derived objects (invariant 5) */
    int64_t timeout_ms;       /* of the algorithm */
} CorHostRun;

/* VOI LUT Function (PS3.3 section C.11.2.1.2.1) of a window that is given. */
typedef enum CorHostWindow {
    COR_HOST_WINDOW_LINEAR = 0,
    COR_HOST_WINDOW_LINEAR_EXACT,
    COR_HOST_WINDOW_SIGMOID,
} CorHostWindow;

/* The source of a viewport (PS3.18 section 8.3.5.1.3). */
typedef struct CorHostRegion {
    size_t left_px;
    size_t top_px;
    size_t width_px; /* 1 or more; what lies outside the frame is cut off */
    size_t height_px;
    bool is_mirrored; /* left and right changed, after cutting */
    bool is_upside_down;
} CorHostRegion;

typedef struct CorHostRender {
    int fd;               /* the DICOM file; borrowed */
    unsigned frame;       /* counted from 1 */
    bool has_window;      /* false: the window that the object asks for */
    double window_center; /* modality values (CT: HU) */
    double window_width;  /* greater than 0 */
    CorHostWindow window_function;
    bool has_region; /* show only this part; region counts in pixels of the frame */
    CorHostRegion region;
    size_t width_px; /* fit into width_px x height_px; 0: as it is */
    size_t height_px;
    bool may_enlarge;   /* to fit; else only made smaller */
    const char *format; /* "png" or "jpeg" */
    int quality;        /* of a JPEG, 1 to 100; 0: 90 */
    int64_t timeout_ms;
} CorHostRender;

/* Which frame, and in which encoding. */
typedef struct CorHostFrameOf {
    int fd;                          /* the DICOM file; borrowed */
    unsigned frame;                  /* counted from 1 */
    const char *transfer_syntax_uid; /* NULL: as it is in the file, whatever that is */
    int64_t timeout_ms;
} CorHostFrameOf;

/* Bytes that a host made. */
typedef struct CorHostFile {
    int fd; /* sealed memory; close it with cor_host_file_done() */
    uint64_t size_bytes;
    json_t *info; /* owned; what the host says of them */
} CorHostFile;

/**
 * Start a pool.  Returns at once; `min` hosts start in the background.
 *
 * @param options   copied
 * @param ret_pool  receives the pool
 * @return true on success.  INVALID for impossible bounds; NOMEM, UNAVAILABLE.
 */
COR_MUSTCHECK bool cor_host_pool_new(const CorHostPoolOptions *options, CorHostPool **ret_pool,
                                     CorError *err);

/**
 * Give no more leases: threads that wait for one are told UNAVAILABLE.  Leases that are held go on.
 * For a server that drains; any thread, any number of times.
 */
void cor_host_pool_stop(CorHostPool *pool);

/** End all hosts, wait for them and free the pool.  No lease may be held.  NULL is ignored. */
void cor_host_pool_free(CorHostPool *pool);
COR_DEFINE_CLEANUP(CorHostPool, cor_host_pool_free)

/**
 * Take a host for one or more calls, starting one if none is idle and the pool is not full.
 *
 * @param wait_ms    longest time to wait; 0 takes an idle host or fails at once
 * @param ret_lease  receives the lease; cor_host_lease_release() it
 * @return true on success.  TIMEOUT if none came free; UNAVAILABLE if hosts do not start, or the
 *         pool is ending.
 */
COR_MUSTCHECK bool cor_host_pool_lease(CorHostPool *pool, int64_t wait_ms, CorHostLease **ret_lease,
                                       CorError *err);

/**
 * Give a host back.  One that failed or was cancelled is ended and, up to `min`, replaced in the
 * background.  NULL is ignored.
 */
void cor_host_lease_release(CorHostLease *lease);
COR_DEFINE_CLEANUP(CorHostLease, cor_host_lease_release)

/** What became of the host of a lease; NONE as long as it can be called again. */
CorHostFailure cor_host_lease_failure(const CorHostLease *lease);

/** "crashed", "out_of_memory", "timed_out", "cancelled"; "none". */
const char *cor_host_failure_name(CorHostFailure failure);

/** Process id of the leased host; for messages and tests. */
pid_t cor_host_lease_pid(const CorHostLease *lease);

/**
 * Stop the call that runs on a lease, now or when it begins.  Any thread, any number of times, as
 * long as the lease is not released.  Returns at once.
 *
 * The host is asked first and killed when it has not answered after 250 ms.  The call returns
 * CANCELLED, or its result if that was already on its way.
 */
void cor_host_lease_cancel(CorHostLease *lease);

/** Fill in the numbers of the moment. */
void cor_host_pool_stats(CorHostPool *pool, CorHostPoolStats *ret_stats);

/** Wait until a host has started; UNAVAILABLE with the reason when that fails, or TIMEOUT. */
COR_MUSTCHECK bool cor_host_pool_wait_ready(CorHostPool *pool, int64_t wait_ms, CorError *err);

/**
 * End idle hosts above `min` that have been idle for idle_ms at the monotonic time now_ms
 * (cor_time_ms()).  The pool does this by itself; tests pass a time of their own.
 */
void cor_host_pool_trim(CorHostPool *pool, int64_t now_ms);

/**
 * Send any request of host-protocol.h and wait for its result.
 *
 * After HOST_LOST, CANCELLED, a failed callback or a broken protocol the lease's host is gone; the
 * lease can only be released.  Any other error is the host's answer, and it can be called again.
 *
 * @param callbacks   NULL if nothing is to be heard
 * @param ret_result  receives a new reference to the answer's members
 */
COR_MUSTCHECK bool cor_host_call(CorHostLease *lease, const CorHostRequest *request,
                                 const CorHostCallbacks *callbacks, json_t **ret_result,
                                 CorError *err);

/**
 * Run an algorithm.
 *
 * on_output() hears one object per derived file, in the order in which they are ready:
 *   {"role":"overlay","media_type":"application/dicom","source":<index into inputs>,
 *    "sop_instance_uid":…, "series_instance_uid":…, "source_sop_instance_uid":…, "size":<bytes>,
 *    "found":bool, "measurements":{…}, "record":{catalogue record of the file}}
 * The result is {"found":bool, "algo_version":…, "measurements":{…}, "decoded":<frames>,
 *   "timing_ms":{"compute":…, "total":…}}.
 *
 * A run that is a part makes what belongs to each of its slices and, last, one output with role
 * "part".  The run that is given the parts of all slices makes what belongs to them all; its result
 * has one more member, "order": [index of the input, frame from 1 or 0] of each slice, as they lie.
 */
COR_MUSTCHECK bool cor_host_run(CorHostLease *lease, const CorHostRun *run,
                                const CorHostCallbacks *callbacks, json_t **ret_result,
                                CorError *err);

/** True if the slices of a job may be given to several hosts: none depends on another. */
bool cor_host_can_split(const char *algo_id);

/**
 * Read the header of a DICOM file: the catalogue record of dicom/dicom.h's cor_dicom_index_json(),
 * but for its attributes.  In the place of the object is a string: attributes_text, which nobody
 * has parsed.  It is UTF-8 that begins with a brace; that it is JSON is only the host's word, so
 * whoever keeps it has to look (cor_catalog_add() does).
 *
 * Waits for a host and for the answer together at most timeout_ms.
 */
COR_MUSTCHECK bool cor_host_index(CorHostPool *pool, int fd, int64_t timeout_ms,
                                  json_t **ret_record, CorError *err);

/**
 * Decode one frame to stored values.
 *
 * @param frame     counted from 1
 * @param ret_file  raw samples, rows without padding; info describes them
 */
COR_MUSTCHECK bool cor_host_decode(CorHostPool *pool, int fd, unsigned frame, int64_t timeout_ms,
                                   CorHostFile *ret_file, CorError *err);

/**
 * True if cor_host_transcode() can write this transfer syntax: explicit VR little endian, deflated,
 * RLE, JPEG lossless, JPEG-LS lossless and JPEG 2000 lossless.
 */
bool cor_host_can_encode(const char *transfer_syntax_uid);

/**
 * Rewrite a DICOM file in another transfer syntax; UIDs and everything but the encoding stay.
 *
 * @param transfer_syntax_uid  NULL: the data set as it is, behind a preamble and meta header of
 * ours
 * @param ret_file  a whole DICOM file
 * @param err       UNSUPPORTED if the pixels cannot be decoded or the syntax cannot be written
 */
COR_MUSTCHECK bool cor_host_transcode(CorHostPool *pool, int fd, const char *transfer_syntax_uid,
                                      int64_t timeout_ms, CorHostFile *ret_file, CorError *err);

/**
 * Get one frame's pixel data as bytes of a transfer syntax that cor_host_can_encode(): for explicit
 * VR little endian the uncompressed frame as it would stand in Pixel Data (1-bit pixels packed from
 * bit 0 on), else its compressed bit stream.
 *
 * @param ret_file  info: {"transfer_syntax_uid", "photometric": what the samples mean, "" if the
 *                  frame is as it is in the file}
 */
COR_MUSTCHECK bool cor_host_frame(CorHostPool *pool, const CorHostFrameOf *of,
                                  CorHostFile *ret_file, CorError *err);

/**
 * Get the value of the element that a BulkDataURI of cor_dicom_index_json() names, as little-endian
 * bytes; of a sequence, its DICOM JSON.
 *
 * @param path      what follows "bulkdata/": "<tag>", "<tag>/<item>/<tag>"
 * @param ret_file  info: {"vr"}
 * @param err       NOT_FOUND; UNSUPPORTED for compressed Pixel Data (see cor_host_frame())
 */
COR_MUSTCHECK bool cor_host_bulk(CorHostPool *pool, int fd, const char *path, int64_t timeout_ms,
                                 CorHostFile *ret_file, CorError *err);

/** Make a PNG or JPEG of one frame; info has width, height and media_type. */
COR_MUSTCHECK bool cor_host_render(CorHostPool *pool, const CorHostRender *render,
                                   CorHostFile *ret_file, CorError *err);

/** Close and free what a CorHostFile holds.  {.fd = -1} and NULL are ignored. */
void cor_host_file_done(CorHostFile *file);

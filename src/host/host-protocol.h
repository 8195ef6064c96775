/* SPDX-License-Identifier: Apache-2.0 */
/* The host protocol, version 1: frames between a pool and its hosts.
 *
 * A frame is a length (4 bytes, big endian, 1 to COR_HOST_FRAME_MAX) and so many bytes of JSON, an
 * object.  In a `result` the object may be followed by a NUL byte and an annex: text that belongs
 * to it and that nobody has to parse, 1 or more bytes up to the end of the frame.  Descriptors
 * travel with the frame's first byte (SCM_RIGHTS); "fds" says how many, at most
 * COR_HOST_FRAME_FDS_MAX, and is absent for none.  The pipe is a SOCK_STREAM socket pair of which
 * the host has its end on descriptor 3.  End of file ends the host.  A side that breaks these rules
 * is given up by the other.
 *
 * The pool asks {"op":..., "id":N, ...}, one request at a time, `hello` first; the host answers
 * {"answer":..., "id":N, ...}, with any number of `progress` and `output` and then one `result` or
 * `error`.  Requests:
 *
 *   hello      protocol, sandbox: "strict" or "best-effort", memory_max, frame_max, nofile_max.
 *              -> protocol, program, version, pid, layers: [name], operations: [name],
 *                 algorithms: [{id, version}]
 *   input      1 to 64 descriptors; inputs: [one object per descriptor], or absent.
 *              No answer: they are collected for the request that follows.
 *   index      1 file.
 *              -> record: that of dicom/dicom.h without its attributes, whose text is the annex; of
 *                 a large record the text comes as an output with role "attributes" instead
 *   decode     1 file; frame from 1, values: "stored" (default) or "modality".
 *              -> output with role "pixels", columns, rows, samples_per_pixel, type, photometric,
 *                 frames
 *   transcode  1 file; transfer_syntax_uid, one of dicom/dicom-syntax.h; without it the data set
 *              stays as it is and only the meta header is written anew.
 *              -> output with role "file"
 *   frame      1 file; frame from 1, transfer_syntax_uid: one of dicom/dicom-syntax.h, or absent
 *              for the bytes as they are.
 *              -> output with role "frame", transfer_syntax_uid, photometric ("" for fragments that
 *                 were not looked at)
 *   bulk       1 file; path: "<tag>" or "<tag>/<item>/<tag>" and so on.
 *              -> output with role "bulk", vr
 *   render     1 file; frame from 1, format: "png" or "jpeg", window_center and window_width or
 *              neither, window_function: "linear" (default), "linear_exact", "sigmoid"; region:
 *              [left, top, width, height] or absent, mirrored, upside_down; width, height, quality:
 *              0 or absent for their defaults; enlarge: may be made larger to fit.
 *              -> output with role "image", media_type, width, height
 *   run        n files; algo_id, params, scope, accepted_unix_ms, outputs: [role] or absent;
 *              inputs in the `input` frames: {sop_instance_uid, series_instance_uid}.
 *              -> outputs with role "overlay" as cor_host_run() says; found, algo_version,
 *                 measurements, decoded: how many frames were, timing_ms
 *              part: true makes what belongs to each slice alone, and an output with role "part"
 *              instead of what is made of them all.  parts: n says that the last n files are such
 *              outputs, which together have all slices of the others; what is made of them all
 *              follows, and order: [[index of the input, frame from 1 or 0]], one per slice
 *   cancel     with the id of the running request, at any time.
 *              No answer of its own: the request ends, as a rule with the error `cancelled`.
 *
 * Answers:
 *
 *   progress   fraction 0 to 1, stage; besides the first and the last at most one in 50 ms
 *   output     role, size, whatever the operation says; one descriptor of sealed memory
 *   result     what the operation says
 *   error      code: name of a CorErrorCode, message: for operators, without patient data
 *
 * Files are sealed memory descriptors or read-only descriptors.  An operation that a host does not
 * know is an error `unsupported`.
 *
 * Ownership  A received frame's JSON, annex and descriptors are the caller's:
 *            cor_host_priv_frame_done().
 * Threads    One thread at a time per descriptor and direction.
 * Blocking   cor_host_priv_send() and _receive() until their deadline; cor_host_priv_read() never.
 * Errors     HOST_LOST: the other side is gone.  CORRUPT: it broke the protocol.  LIMIT: our own
 *            frame is too large.  TIMEOUT.  CANCELLED: the wake-up descriptor became readable.
 *            NOMEM.
 * Units      Deadlines are monotonic milliseconds (cor_time_ms()), -1 for none.
 */
#pragma once

#include "base/error.h"
#include "base/json.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define COR_HOST_PROTOCOL 1
#define COR_HOST_FD 3
#define COR_HOST_FRAME_MAX ((size_t) 1024 * 1024)
#define COR_HOST_FRAME_FDS_MAX 64

typedef struct CorHostFrame {
    json_t *json;      /* an object */
    const char *annex; /* the text behind it, not terminated; NULL if there is none */
    size_t annex_size;
    char *body; /* where the annex lies; malloc()ed */
    int fds[COR_HOST_FRAME_FDS_MAX];
    size_t fd_len;
} CorHostFrame;

/* What has arrived of a frame.  All zero at the start. */
typedef struct CorHostReader {
    uint8_t header[4];
    size_t header_len; /* bytes of the header that are there */
    char *body;        /* NULL until the header is whole */
    size_t body_size;
    size_t body_len; /* bytes of the body that are there */
    int fds[COR_HOST_FRAME_FDS_MAX];
    size_t fd_len;
} CorHostReader;

typedef enum CorHostRead {
    COR_HOST_READ_FRAME,  /* *ret_frame is filled in */
    COR_HOST_READ_AGAIN,  /* nothing more to read at the moment */
    COR_HOST_READ_END,    /* the other side is gone, possibly in the middle of a frame */
    COR_HOST_READ_FAILED, /* CORRUPT, NOMEM or IO in err */
} CorHostRead;

/** Free a frame's JSON and annex and close its descriptors; it is all zero then. */
void cor_host_priv_frame_done(CorHostFrame *frame);

/** Free what has arrived of a frame; the reader is as new. */
void cor_host_priv_reader_done(CorHostReader *reader);

/** Read what is there, up to one frame; never blocks and can be continued at any byte. */
CorHostRead cor_host_priv_read(CorHostReader *reader, int fd, CorHostFrame *ret_frame,
                               CorError *err);

/** Where to send or receive, and what ends the wait. */
typedef struct CorHostWait {
    int fd;
    int wake_fd;         /* -1, or readable when the wait shall end with CANCELLED */
    int64_t deadline_ms; /* -1: none */
} CorHostWait;

/** Wait for one frame. */
COR_MUSTCHECK bool cor_host_priv_receive(CorHostReader *reader, const CorHostWait *wait,
                                         CorHostFrame *ret_frame, CorError *err);

/**
 * Send one frame.  After a failure other than LIMIT, NOMEM and INVALID part of it may have been
 * sent, so that nothing else can be.
 *
 * @param json    an object; "fds" is added when there are any
 * @param fds     borrowed
 * @param fd_len  at most COR_HOST_FRAME_FDS_MAX
 */
COR_MUSTCHECK bool cor_host_priv_send(const CorHostWait *wait, json_t *json, const int *fds,
                                      size_t fd_len, CorError *err);

/**
 * As above, for a frame's bytes: an object that is text already and what may follow it.
 *
 * @param body  says "fds" if there are any
 */
COR_MUSTCHECK bool cor_host_priv_send_body(const CorHostWait *wait, const char *body, size_t size,
                                           const int *fds, size_t fd_len, CorError *err);

/** Name of a COR_HOST_LAYER bit's index (0 to 3): "no_new_privs"; NULL beyond. */
const char *cor_host_priv_layer_name(unsigned index);

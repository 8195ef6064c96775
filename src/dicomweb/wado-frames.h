/* SPDX-License-Identifier: Apache-2.0 */
/* Frames of an instance as parts; also what Pixel Data is as bulk data.
 *
 * Threads   Thread-safe.
 * Blocking  Catalogue and disk.
 */
#pragma once

#include "dicomweb/wado.h"

/**
 * Read a list of frame numbers: "1" or "3,1,1".
 *
 * @param ret_frames  receives malloc()ed numbers in their order
 * @param err         INVALID for what is no list of numbers from 1 on
 */
COR_MUSTCHECK bool cor_dicomweb_priv_read_frames(const char *text, uint32_t **ret_frames,
                                                 size_t *ret_len, CorError *err);

typedef struct CorFramesRequest {
    CorCatalogInstance *instance; /* taken */
    uint32_t *frames;             /* taken; NULL: all */
    size_t frames_len;
    bool is_bulk; /* the value of Pixel Data: if it can be had in one piece, that */
} CorFramesRequest;

/** Answer with frames, in the best form that is accepted. */
void cor_dicomweb_priv_send_frames(CorDicomweb *dicomweb, CorHttpRequest *req, CorHttpResponse *res,
                                   const CorFramesRequest *request);

/* SPDX-License-Identifier: Apache-2.0 */
/* How a picture is to be made: the query parameters of rendered resources (PS3.18 section 8.3.5).
 *
 *     window=<center>,<width>,<linear | linear-exact | sigmoid>
 *     viewport=<width>,<height>[,<x>,<y>,<width>,<height>]   a negative size of the source mirrors
 *     quality=<1 to 100>
 *
 * Threads  Thread-safe.
 * Errors   INVALID naming the parameter.
 * Units    Pixels.
 */
#pragma once

#include "base/error.h"
#include "host/host-pool.h"
#include "http/http-request.h"

#include <stdbool.h>
#include <stddef.h>

#define COR_RENDER_SIDE_MAX 8192 /* pixels of a side of what is asked for */
#define COR_RENDER_TEXT_SIZE ((size_t) 192)

typedef struct CorRenderParams {
    bool has_window;
    double window_center;
    double window_width;
    CorHostWindow window_function;
    size_t width_px; /* 0: as it is */
    size_t height_px;
    bool may_enlarge;
    bool has_region;
    CorHostRegion region;
    int quality;       /* 0: not said */
    bool is_annotated; /* something was asked for that is not done */
} CorRenderParams;

/** Read window's value. */
COR_MUSTCHECK bool cor_dicomweb_priv_read_window(const char *text, CorRenderParams *params,
                                                 CorError *err);

/** Read viewport's value. */
COR_MUSTCHECK bool cor_dicomweb_priv_read_viewport(const char *text, CorRenderParams *params,
                                                   CorError *err);

/** Read all parameters of a rendered resource. */
COR_MUSTCHECK bool cor_dicomweb_priv_read_render_params(const CorHttpRequest *req,
                                                        CorRenderParams *ret_params, CorError *err);

/** Read a decimal number (PS3.5 VR DS) of which nothing is left over; false if it is none. */
bool cor_dicomweb_priv_read_decimal(const char *text, double *ret_number);

/** Write a text that is the same for parameters that make the same picture. */
void cor_dicomweb_priv_render_text(const CorRenderParams *params, const char *format,
                                   char text[COR_RENDER_TEXT_SIZE]);

/* SPDX-License-Identifier: Apache-2.0 */
/* Both libraries leave by longjmp() on failure.  So each encoder is one function with the jump
 * target and the library object, and one that calls the library between them; nothing that the
 * compiler may keep in a register is changed in between.
 *
 * PNG: the filter is always "sub" and the compression level 2.  On a CT slice that takes two thirds
 * of the time of level 3 and gives a file a tenth larger; the usual level 6 is slower still, and
 * somebody waits.
 */
#include "image/encode.h"

#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <jpeglib.h>
#include <png.h>

#define PNG_LEVEL 2
#define JPEG_BUFFER_BYTES 16384

static bool check(const CorPlane *plane, CorError *err)
{
    if (!cor_plane_check(plane, err)) {
        return false;
    }
    if (plane->type != COR_PIXEL_U8 && plane->type != COR_PIXEL_RGB8) {
        return cor_fail(err, COR_ERR_INVALID, "only 8-bit grey and RGB images can be encoded");
    }
    return true;
}

static void png_write(png_structp png, png_bytep data, size_t size)
{
    cor_string_append(png_get_io_ptr(png), data, size);
}

static void png_flush_nothing(png_structp png)
{
    (void) png;
}

static void png_fail(png_structp png, png_const_charp message)
{
    cor_fail(png_get_error_ptr(png), COR_ERR_BUG, "libpng: %s", message);
    png_longjmp(png, 1);
}

static void png_ignore(png_structp png, png_const_charp message)
{
    (void) png;
    (void) message;
}

static void png_write_plane(png_structp png, png_infop info, const CorPlane *plane)
{
    png_set_IHDR(png, info, (png_uint_32) plane->width_px, (png_uint_32) plane->height_px, 8,
                 plane->type == COR_PIXEL_U8 ? PNG_COLOR_TYPE_GRAY : PNG_COLOR_TYPE_RGB,
                 PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    png_set_compression_level(png, PNG_LEVEL);
    png_set_filter(png, PNG_FILTER_TYPE_BASE, PNG_FILTER_SUB);
    png_write_info(png, info);
    for (size_t y = 0; y < plane->height_px; y++) {
        png_write_row(png, cor_plane_row(plane, y));
    }
    png_write_end(png, NULL);
}

bool cor_image_append_png(const CorPlane *plane, CorString *file, CorError *err)
{
    CorError failure = {0};
    png_structp png = NULL;
    png_infop info = NULL;
    volatile bool is_written = false; /* changed before a jump */

    if (!check(plane, err)) {
        return false;
    }
    png = png_create_write_struct(PNG_LIBPNG_VER_STRING, &failure, png_fail, png_ignore);
    info = png ? png_create_info_struct(png) : NULL;
    if (!info) {
        png_destroy_write_struct(&png, NULL);
        return cor_fail(err, COR_ERR_NOMEM, "no memory for a PNG");
    }
    png_set_write_fn(png, file, png_write, png_flush_nothing);
    if (!setjmp(png_jmpbuf(png))) {
        png_write_plane(png, info, plane);
        is_written = true;
    }
    png_destroy_write_struct(&png, &info);
    return is_written ? cor_string_check(file, err)
                      : cor_fail(err, failure.code, "%s", failure.text);
}

/* Where libjpeg puts its bytes: buffer by buffer into the string. */
typedef struct JpegTarget {
    struct jpeg_destination_mgr base; /* first */
    CorString *file;
    JOCTET buffer[JPEG_BUFFER_BYTES];
} JpegTarget;

typedef struct JpegErrors {
    struct jpeg_error_mgr base; /* first */
    jmp_buf jump;
    CorError failure;
} JpegErrors;

static void jpeg_rewind(j_compress_ptr jpeg)
{
    JpegTarget *target = (JpegTarget *) (void *) jpeg->dest;

    target->base.next_output_byte = target->buffer;
    target->base.free_in_buffer = sizeof(target->buffer);
}

static boolean jpeg_empty(j_compress_ptr jpeg)
{
    JpegTarget *target = (JpegTarget *) (void *) jpeg->dest;

    cor_string_append(target->file, target->buffer, sizeof(target->buffer));
    jpeg_rewind(jpeg);
    return TRUE;
}

static void jpeg_finish(j_compress_ptr jpeg)
{
    JpegTarget *target = (JpegTarget *) (void *) jpeg->dest;

    cor_string_append(target->file, target->buffer,
                      sizeof(target->buffer) - target->base.free_in_buffer);
}

static void jpeg_fail(j_common_ptr jpeg)
{
    JpegErrors *errors = (JpegErrors *) (void *) jpeg->err;
    char text[JMSG_LENGTH_MAX];

    errors->base.format_message(jpeg, text);
    cor_fail(&errors->failure, COR_ERR_BUG, "libjpeg: %s", text);
    longjmp(errors->jump, 1);
}

static void jpeg_ignore(j_common_ptr jpeg)
{
    (void) jpeg;
}

static void jpeg_write_plane(j_compress_ptr jpeg, const CorPlane *plane, int quality)
{
    bool is_grey = plane->type == COR_PIXEL_U8;

    jpeg->image_width = (JDIMENSION) plane->width_px;
    jpeg->image_height = (JDIMENSION) plane->height_px;
    jpeg->input_components = is_grey ? 1 : 3;
    jpeg->in_color_space = is_grey ? JCS_GRAYSCALE : JCS_RGB;
    jpeg_set_defaults(jpeg);
    jpeg_set_quality(jpeg, quality, TRUE);
    jpeg->dct_method = JDCT_ISLOW; /* the one that is the same with and without SIMD */
    jpeg_start_compress(jpeg, TRUE);
    for (size_t y = 0; y < plane->height_px; y++) {
        /* libjpeg reads only; its type is older than const. */
        JSAMPROW row = (JSAMPROW) (uintptr_t) cor_plane_row(plane, y);

        jpeg_write_scanlines(jpeg, &row, 1);
    }
    jpeg_finish_compress(jpeg);
}

bool cor_image_append_jpeg(const CorPlane *plane, int quality, CorString *file, CorError *err)
{
    struct jpeg_compress_struct jpeg = {0};
    JpegErrors errors = {0};
    JpegTarget target;
    volatile bool is_written = false; /* changed before a jump */

    if (!check(plane, err)) {
        return false;
    }
    if (quality < 1 || quality > 100) {
        return cor_fail(err, COR_ERR_INVALID, "JPEG quality %d is not 1 to 100", quality);
    }
    if (plane->width_px > JPEG_MAX_DIMENSION || plane->height_px > JPEG_MAX_DIMENSION) {
        return cor_fail(err, COR_ERR_INVALID, "%zu x %zu pixels are too large for JPEG",
                        plane->width_px, plane->height_px);
    }
    jpeg.err = jpeg_std_error(&errors.base);
    errors.base.error_exit = jpeg_fail;
    errors.base.output_message = jpeg_ignore;
    target.file = file;
    target.base.init_destination = jpeg_rewind;
    target.base.empty_output_buffer = jpeg_empty;
    target.base.term_destination = jpeg_finish;
    if (!setjmp(errors.jump)) {
        jpeg_create_compress(&jpeg);
        jpeg.dest = &target.base;
        jpeg_write_plane(&jpeg, plane, quality);
        is_written = true;
    }
    jpeg_destroy_compress(&jpeg);
    return is_written ? cor_string_check(file, err)
                      : cor_fail(err, errors.failure.code, "%s", errors.failure.text);
}

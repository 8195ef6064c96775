/* SPDX-License-Identifier: Apache-2.0 */
/* Real CT series of the shared data, read through dicom/.  Link dicom and zlib. */
#pragma once

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>

#include <zlib.h>

#include "base/fd.h"
#include "ct.h"
#include "dicom/dicom-image.h"
#include "npy.h"

enum { CT_SLICES_MAX = 1024, CT_LABEL_LIVER = 5 };

typedef struct CtFile {
    CorDicomFrame *frame;
    CorDicomFrameInfo info;
} CtFile;

static inline int ct_compare_files(const void *a, const void *b)
{
    double one = ((const CtFile *) a)->info.position_mm[2];
    double other = ((const CtFile *) b)->info.position_mm[2];

    return (one > other) - (one < other);
}

/* False for what is no CT slice. */
static inline bool ct_read_file(const char *path, CtFile *file)
{
    const CorDicomLimits limits = {.frame_bytes_max = (size_t) 1 << 28};
    CorDicom *dicom = NULL;
    CorError err = {0};
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    bool ok = fd >= 0 && cor_dicom_open_fd(fd, &limits, &dicom, &err) &&
              cor_dicom_frame_info(dicom, 0, &file->info, &err) && file->info.has_position &&
              file->info.has_orientation && file->info.has_spacing &&
              cor_dicom_modality_plane(dicom, 0, &file->frame, &err);

    cor_dicom_free(dicom);
    if (fd >= 0) {
        close(fd);
    }
    return ok && cor_dicom_frame_plane(file->frame)->type == COR_PIXEL_S16;
}

/* Put the slices of axial files together; a single one has steps of 5 mm. */
static inline CtSeries ct_from_files(CtFile *files, size_t len)
{
    const CorPlane *plane = cor_dicom_frame_plane(files[0].frame);
    size_t slice = plane->width_px * plane->height_px;

    qsort(files, len, sizeof(*files), ct_compare_files);
    double way_mm = files[len - 1].info.position_mm[2] - files[0].info.position_mm[2];
    CtSeries series =
        ct_make(plane->width_px, plane->height_px, len, files[0].info.column_spacing_mm,
                len > 1 ? way_mm / (double) (len - 1) : 5);
    series.spacing_mm[1] = files[0].info.row_spacing_mm;
    memcpy(series.orientation, files[0].info.orientation, sizeof(series.orientation));
    for (size_t i = 0; i < len; i++) {
        memcpy(series.values + i * slice, cor_dicom_frame_plane(files[i].frame)->data,
               slice * sizeof(*series.values));
        cor_dicom_frame_free(files[i].frame);
    }
    return series;
}

/* Read a folder of the shared data, or one file; all zero if it is not there. */
static inline CtSeries ct_read(const char *sub)
{
    static CtFile files[CT_SLICES_MAX];
    char path[4096];
    size_t len = 0;
    CtSeries none = {0};

    if (!npy_shared_path(path, sizeof(path), sub)) {
        return none;
    }
    DIR *folder = opendir(path);
    if (!folder) {
        return ct_read_file(path, &files[0]) ? ct_from_files(files, 1) : none;
    }
    for (const struct dirent *entry = readdir(folder); entry && len < CT_SLICES_MAX;
         entry = readdir(folder)) {
        char file[8192];

        snprintf(file, sizeof(file), "%s/%s", path, entry->d_name);
        len += strstr(entry->d_name, ".dcm") && ct_read_file(file, &files[len]);
    }
    closedir(folder);
    return len > 0 ? ct_from_files(files, len) : none;
}

/* Read the label map of a series, a NIfTI-1 file of bytes whose rows run upwards. */
static inline bool ct_read_labels(const char *sub, CtSeries *series)
{
    char path[4096];
    unsigned char header[352];
    size_t slice = series->width * series->height;

    gzFile file = npy_shared_path(path, sizeof(path), sub) ? gzopen(path, "rbe") : NULL;
    if (!file) {
        return false;
    }
    bool ok = gzread(file, header, sizeof(header)) == (int) sizeof(header);
    size_t offset = 0;
    float offset_bytes = 0;
    memcpy(&offset_bytes, header + 108, sizeof(offset_bytes));
    offset = (size_t) offset_bytes;
    ok = ok && gzseek(file, (z_off_t) offset, SEEK_SET) == (z_off_t) offset;
    for (size_t i = 0; ok && i < series->height * series->depth; i++) {
        size_t z = i / series->height;
        size_t y = series->height - 1 - i % series->height;
        uint8_t *row = series->labels + z * slice + y * series->width;

        ok = gzread(file, row, (unsigned) series->width) == (int) series->width;
    }
    gzclose(file);
    return ok;
}

/* The contrast-enhanced series with its label map; all zero if it is not there. */
static inline CtSeries ct_read_contrast(void)
{
    CtSeries series = ct_read("data/ct_liver_contrast");

    if (series.values &&
        !ct_read_labels("data/ct_liver_contrast/labels_example_seg_dicom.nii.gz", &series)) {
        ct_free(&series);
    }
    return series;
}

static inline CtSeries ct_read_plain(void)
{
    return ct_read("data/ct_lidc0314_liver_part");
}

/* SPDX-License-Identifier: Apache-2.0 */
/* A trunk made of ellipsoids: enough of an anatomy for the algorithms on volumes. */
#pragma once

#include "ct.h"

enum {
    PHANTOM_OUTSIDE,
    PHANTOM_FAT,
    PHANTOM_MUSCLE,
    PHANTOM_INSIDE,
    PHANTOM_LIVER,
    PHANTOM_SPLEEN,
    PHANTOM_LUNG_LEFT,
    PHANTOM_LUNG_RIGHT,
    PHANTOM_BONE,
    PHANTOM_MARROW,
};

typedef struct PhantomShape {
    int label;
    double center_mm[3]; /* to the patient's left, to the back, to the head */
    double radius_mm[3];
} PhantomShape;

/* The later ones cover the earlier ones.  The series lies around 0, 0, 0. */
static const PhantomShape phantom_shapes[] = {
    {PHANTOM_FAT, {0, 0, 0}, {165, 115, 1e6}},
    {PHANTOM_MUSCLE, {0, 0, 0}, {150, 100, 1e6}},
    {PHANTOM_INSIDE, {0, -5, 0}, {138, 85, 1e6}},
    {PHANTOM_LUNG_LEFT, {70, 5, 70}, {55, 70, 75}},
    {PHANTOM_LUNG_RIGHT, {-70, 5, 85}, {55, 70, 75}},
    {PHANTOM_LIVER, {-70, -10, -25}, {62, 65, 50}},
    {PHANTOM_LIVER, {-20, -35, -25}, {50, 30, 35}},
    {PHANTOM_SPLEEN, {85, 30, -30}, {35, 30, 45}},
    {PHANTOM_BONE, {0, 70, 0}, {26, 24, 1e6}},
    {PHANTOM_MARROW, {0, 70, 0}, {21, 19, 1e6}},
    {PHANTOM_BONE, {-143, 20, 0}, {5, 20, 1e6}},
    {PHANTOM_BONE, {143, 20, 0}, {5, 20, 1e6}},
    {PHANTOM_BONE, {-95, -75, 0}, {16, 5, 1e6}},
    {PHANTOM_BONE, {95, -75, 0}, {16, 5, 1e6}},
};

static inline int phantom_label(double left, double back, double head)
{
    int label = PHANTOM_OUTSIDE;

    for (size_t i = 0; i < sizeof(phantom_shapes) / sizeof(phantom_shapes[0]); i++) {
        const PhantomShape *shape = &phantom_shapes[i];
        double x = (left - shape->center_mm[0]) / shape->radius_mm[0];
        double y = (back - shape->center_mm[1]) / shape->radius_mm[1];
        double z = (head - shape->center_mm[2]) / shape->radius_mm[2];

        label = x * x + y * y + z * z < 1 ? shape->label : label;
    }
    return label;
}

/* 375 mm x 375 mm x 200 mm, pixels of 2.5 mm, slices of 5 mm, noise of 12 HU. */
static inline CtSeries phantom_make(int liver_hu)
{
    const int levels[] = {-1000, -100, 55, -90, liver_hu, liver_hu - 12, -850, -850, 700, 250};
    CtSeries series = ct_make(150, 150, 40, 2.5, 5);
    size_t i = 0;

    for (size_t z = 0; z < series.depth; z++) {
        for (size_t y = 0; y < series.height; y++) {
            for (size_t x = 0; x < series.width; x++, i++) {
                int label = phantom_label(((double) x - 74.5) * 2.5, ((double) y - 74.5) * 2.5,
                                          ((double) z - 19.5) * 5);
                series.labels[i] = (uint8_t) label;
                series.values[i] = (int16_t) levels[label];
            }
        }
    }
    ct_noise(&series, 12);
    return series;
}

#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The steps of the two algorithms through OpenCV's functions, on one thread: medians, as JSON lines.

    opencv.py [input.npy.gz]

A mark of cost, not an oracle: borders and rounding differ from the definition in a few pixels.  The
median above a threshold is taken as a box count, which is the fastest way that OpenCV has.
"""
import gzip
import json
import os
import pathlib
import statistics
import sys
import time

import cv2
import numpy

REPEATS = 101


def disk(radius):
    y, x = numpy.ogrid[-radius:radius + 1, -radius:radius + 1]
    return (y * y + x * x <= radius * radius).astype(numpy.uint8)


CROSS = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))
DISK_7, DISK_9 = disk(7), disk(9)


def fill(mask):
    padded = cv2.copyMakeBorder(mask, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
    cv2.floodFill(padded, None, (0, 0), 1)
    return mask | (1 - padded[1:-1, 1:-1])


def fill_small(mask, area):
    _, labels, stats, _ = cv2.connectedComponentsWithStats(1 - mask, connectivity=4)
    is_small = stats[:, cv2.CC_STAT_AREA] < area
    is_small[0] = False
    return mask | is_small[labels].astype(numpy.uint8) if is_small.any() else mask


def choose(mask, area, x_max, y_max):
    count, labels, stats, centers = cv2.connectedComponentsWithStats(mask, connectivity=4)
    height, width = mask.shape
    fits = [(stats[i, cv2.CC_STAT_AREA], -i) for i in range(1, count)
            if stats[i, cv2.CC_STAT_AREA] >= area and centers[i][0] / width <= x_max
            and centers[i][1] / height <= y_max]
    return (labels == -max(fits)[1]).astype(numpy.uint8) if fits else numpy.zeros_like(mask)


def window(values):
    return cv2.convertScaleAbs(numpy.clip(values, 30, 150) - 30, alpha=255 / 120)


def processing_1(values):
    smooth = cv2.GaussianBlur(window(values), (13, 13), 1.5, borderType=cv2.BORDER_REFLECT)
    mask = cv2.threshold(smooth, 110, 1, cv2.THRESH_BINARY)[1]
    mask = fill(cv2.morphologyEx(mask, cv2.MORPH_CLOSE, DISK_7))
    mask = cv2.morphologyEx(mask, cv2.MORPH_OPEN, DISK_9)
    return choose(fill_small(mask, 5000), 20000, 0.55, 0.70)


def processing_6(values):
    above = cv2.compare(values, 120, cv2.CMP_GT) & 1
    counts = cv2.boxFilter(above, cv2.CV_16S, (11, 11), normalize=False, borderType=cv2.BORDER_REFLECT)
    mask = cv2.compare(counts, 60, cv2.CMP_GT) & 1
    mask = fill(cv2.morphologyEx(mask, cv2.MORPH_CLOSE, DISK_9, iterations=2))
    mask = cv2.morphologyEx(mask, cv2.MORPH_OPEN, CROSS, iterations=2)
    mask = fill(cv2.morphologyEx(mask, cv2.MORPH_CLOSE, CROSS, iterations=9))
    return choose(mask, 25000, 1, 0.70)


def overlay(values, mask):
    grey = cv2.normalize(values, None, 0, 255, cv2.NORM_MINMAX, cv2.CV_8U)
    rgb = cv2.cvtColor(grey, cv2.COLOR_GRAY2RGB)
    colour = numpy.zeros_like(rgb)
    colour[mask > 0] = (255, 0, 255)
    mixed = cv2.addWeighted(colour, 0.4, rgb, 0.6, 0)
    cv2.copyTo(mixed, mask, rgb)
    return rgb


def measure(name, work):
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter_ns()
        work()
        times.append(time.perf_counter_ns() - start)
    print(json.dumps({"bench": name, "median_ns": int(statistics.median(times)), "p10_ns": sorted(times)[REPEATS // 10]}),
          flush=True)


def made_up():
    """As bench-kernels does it without the shared data: rings of different brightness with noise."""
    y, x = numpy.ogrid[-256:256, -256:256]
    radius = numpy.sqrt(x * x + y * y)
    noise = numpy.random.default_rng(1).integers(-32, 32, (512, 512))
    return (numpy.where(radius > 220, -1000, numpy.where(radius > 180, -100, 100)) + noise).astype(numpy.int16)


def read(arguments):
    root = pathlib.Path(__file__).resolve().parent.parent.parent
    shared = pathlib.Path(os.environ.get("COR_SHARED_DIR", root.parent / "shared"))
    path = pathlib.Path(arguments[0]) if arguments else shared / "oracle" / "real_contrast_first" / "input.npy.gz"
    if not path.exists():
        return made_up()
    with gzip.open(path) as file:
        return numpy.squeeze(numpy.load(file))


def main():
    cv2.setNumThreads(1)
    values = read(sys.argv[1:])
    mask = processing_1(values)
    measure("opencv/processing_1", lambda: processing_1(values))
    measure("opencv/processing_6", lambda: processing_6(values))
    measure("opencv/overlay", lambda: overlay(values, mask))


main()

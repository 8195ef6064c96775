/* SPDX-License-Identifier: Apache-2.0 */
#include "floor.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/time.h"

enum { PAGE = 4096, PAGES = 256, RESULT_SIZE = 787 * 1000, SLICE_SIZE = 526 * 1000 };

static void expect(bool is_good, const char *what)
{
    if (!is_good) {
        wire_die("%s: %s", what, strerror(errno));
    }
}

static void write_all(int fd, const char *data, size_t size)
{
    expect(write(fd, data, size) == (ssize_t) size, "write");
}

static int make(const Floor *floor, const char *name)
{
    int fd = openat(floor->folder_fd, name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    expect(fd >= 0, name);
    return fd;
}

void floor_open(Floor *floor, const char *folder)
{
    *floor = (Floor){.folder_fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
    expect(floor->folder_fd >= 0, folder);
    floor->buffer = calloc(1, RESULT_SIZE);
    expect(floor->buffer, "memory");
    floor->page_fd = make(floor, "page");
    for (int i = 0; i < PAGES; i++) {
        write_all(floor->page_fd, floor->buffer, PAGE);
    }
    expect(fsync(floor->page_fd) == 0, "fsync");
    floor->slice_fd = make(floor, "slice");
    write_all(floor->slice_fd, floor->buffer, SLICE_SIZE);
}

static void sample_result(Floor *floor)
{
    char name[32];
    int64_t start_us = cor_time_us();
    int fd = make(floor, "part");

    write_all(fd, floor->buffer, RESULT_SIZE);
    expect(fsync(fd) == 0 && close(fd) == 0, "fsync");
    samples_add(&floor->write, ms_between(start_us, cor_time_us()));

    (void) snprintf(name, sizeof(name), "result-%u", floor->turn);
    start_us = cor_time_us();
    expect(renameat(floor->folder_fd, "part", floor->folder_fd, name) == 0 &&
               fsync(floor->folder_fd) == 0,
           "rename");
    samples_add(&floor->rename, ms_between(start_us, cor_time_us()));
}

void floor_sample(Floor *floor)
{
    int64_t start_us = 0;

    floor->turn++;
    memcpy(floor->buffer, &floor->turn, sizeof(floor->turn));
    start_us = cor_time_us();
    expect(pwrite(floor->page_fd, floor->buffer, PAGE, (off_t) (floor->turn % PAGES) * PAGE) ==
                   PAGE &&
               fdatasync(floor->page_fd) == 0,
           "fdatasync");
    samples_add(&floor->fdatasync, ms_between(start_us, cor_time_us()));
    sample_result(floor);
    start_us = cor_time_us();
    expect(pread(floor->slice_fd, floor->buffer, SLICE_SIZE, 0) == SLICE_SIZE, "read");
    samples_add(&floor->read, ms_between(start_us, cor_time_us()));
}

void floor_print(Floor *floor)
{
    (void) printf("\"floor\":{");
    samples_print("fdatasync", &floor->fdatasync);
    (void) printf(",");
    samples_print("write", &floor->write);
    (void) printf(",");
    samples_print("rename", &floor->rename);
    (void) printf(",");
    samples_print("read", &floor->read);
    (void) printf("}");
}

void floor_close(Floor *floor)
{
    char name[32];

    for (unsigned i = 1; i <= floor->turn; i++) {
        (void) snprintf(name, sizeof(name), "result-%u", i);
        (void) unlinkat(floor->folder_fd, name, 0);
    }
    (void) unlinkat(floor->folder_fd, "page", 0);
    (void) unlinkat(floor->folder_fd, "slice", 0);
    (void) close(floor->page_fd);
    (void) close(floor->slice_fd);
    (void) close(floor->folder_fd);
    samples_free(&floor->fdatasync);
    samples_free(&floor->write);
    samples_free(&floor->rename);
    samples_free(&floor->read);
    free(floor->buffer);
}

void load_floor(const LoadOptions *options)
{
    Floor floor;

    floor_open(&floor, options->folder);
    for (size_t i = 0; i < options->count; i++) {
        floor_sample(&floor);
    }
    (void) printf("{");
    floor_print(&floor);
    (void) printf("}\n");
    floor_close(&floor);
}

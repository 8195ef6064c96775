/* SPDX-License-Identifier: Apache-2.0 */
/* Replays a corpus without libFuzzer: runs the target on every file that is named, and on every
 * file of every folder that is named. */
#include <dirent.h>
#include <string.h>
#include <sys/stat.h>

#include "fuzz.h"

static int replay_file(const char *path)
{
    FILE *file = fopen(path, "rbe");
    struct stat status;
    int result = 1;

    if (!file || fstat(fileno(file), &status) != 0) {
        perror(path);
        if (file) {
            fclose(file);
        }
        return 1;
    }
    size_t size = (size_t) status.st_size;
    uint8_t *data =
        malloc(size ? size : 1); /* of exactly that size, so that sanitizers see its end */
    if (data && fread(data, 1, size, file) == size) {
        fprintf(stderr, "%s\n", path);
        result = LLVMFuzzerTestOneInput(data, size);
    }
    free(data);
    fclose(file);
    return result;
}

static int replay_folder(const char *path)
{
    struct dirent **entries = NULL;
    int count = scandir(path, &entries, NULL, alphasort);
    int result = count < 0;

    for (int i = 0; i < count; i++) {
        char name[4096];

        if (entries[i]->d_name[0] != '.') {
            snprintf(name, sizeof(name), "%s/%s", path, entries[i]->d_name);
            result |= replay_file(name);
        }
        free(entries[i]);
    }
    free(entries);
    return result;
}

int main(int argc, char **argv)
{
    int result = argc < 2;

    for (int i = 1; i < argc; i++) {
        struct stat status;

        if (stat(argv[i], &status) == 0 && S_ISDIR(status.st_mode)) {
            result |= replay_folder(argv[i]);
        } else {
            result |= replay_file(argv[i]);
        }
    }
    return result;
}

/* SPDX-License-Identifier: MIT */
/* Gives a fuzzer every file of a folder, and every beginning of it: replay FOLDER. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include "fuzz/fuzz.h"

/* In memory of its own, so that a read past its end is seen. */
static void run_beginning(const uint8_t *data, size_t len)
{
    uint8_t *copy = malloc(len ? len : 1);

    BL_ASSERT(copy != NULL);
    if (len > 0)
        memcpy(copy, data, len);
    LLVMFuzzerTestOneInput(copy, len);
    free(copy);
}

static void run_file(const char *path)
{
    static uint8_t data[1 << 20];
    FILE *file = fopen(path, "rb");
    size_t len, step;

    if (!file) {
        perror(path);
        exit(1);
    }
    len = fread(data, 1, sizeof data, file);
    fclose(file);
    printf("%s (%zu bytes)\n", path, len);
    fflush(stdout); /* whoever fails is the last one named */
    step = 1 + len / 256;
    for (size_t part = 0; part < len; part += step)
        run_beginning(data, part);
    run_beginning(data, len);
}

static int is_file(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

int main(int argc, char **argv)
{
    struct dirent **entries;
    char path[4096];
    int n;

    if (argc != 2) {
        fprintf(stderr, "usage: %s FOLDER\n", argv[0]);
        return 2;
    }
    n = scandir(argv[1], &entries, is_file, alphasort);
    if (n <= 0) {
        fprintf(stderr, "%s: no inputs\n", argv[1]);
        return 1;
    }
    for (int i = 0; i < n; i++) {
        snprintf(path, sizeof path, "%s/%s", argv[1], entries[i]->d_name);
        run_file(path);
        free(entries[i]);
    }
    free(entries);
    return 0;
}

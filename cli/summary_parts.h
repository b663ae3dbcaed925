/* SPDX-License-Identifier: MIT */
/* What summaries of requests and of calls have in common: lines with labels, percentiles. */
#ifndef CLI_SUMMARY_PARTS_H
#define CLI_SUMMARY_PARTS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "histogram.h"

#define SUMMARY_LABEL_WIDTH 16

struct summary_page {
    FILE *out;
    bool colours;
};

/* Of this process, until now. */
double summary_cpu_s(void);
const char *summary_plural(uint64_t n);

/* "1,000 requests in 1.2 s, 833/s, 0 failed" */
void summary_headline(const struct summary_page *p, const char *noun, uint64_t n, uint64_t failed,
                      double elapsed_s);
void summary_interrupted(const struct summary_page *p, uint64_t cut_off);
void summary_gave_up(const struct summary_page *p, const char *noun, uint64_t not_started);
void summary_label(const struct summary_page *p, const char *text);
/* Of microseconds. */
void summary_percentiles(const struct summary_page *p, const char *name, const struct histogram *h);

/* The same in milliseconds. */
json_t *summary_json_percentiles(const struct histogram *h);
/* On standard output; `object` is given away. */
bool summary_json_print(json_t *object);

#endif

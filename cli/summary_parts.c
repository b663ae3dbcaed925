/* SPDX-License-Identifier: MIT */
/* What summaries of requests and of calls have in common. */
#include "summary_parts.h"

#include <math.h>
#include <sys/resource.h>

#include "text.h"

double summary_cpu_s(void)
{
    struct rusage u;

    getrusage(RUSAGE_SELF, &u);
    return (double)u.ru_utime.tv_sec + (double)u.ru_stime.tv_sec +
           ((double)u.ru_utime.tv_usec + (double)u.ru_stime.tv_usec) / 1e6;
}

const char *summary_plural(uint64_t n)
{
    return n == 1 ? "" : "s";
}

/* ---- text ---- */

void summary_headline(const struct summary_page *p, const char *noun, uint64_t n, uint64_t failed,
                      double elapsed_s)
{
    char figure[TEXT_FIGURE_MAX];
    const char *bold = p->colours ? "\033[1m" : "", *plain = p->colours ? "\033[0m" : "";
    const char *red = p->colours && failed ? "\033[31m" : "";

    fprintf(p->out, "%s%s %s%s%s in ", bold, text_count(figure, n), noun, summary_plural(n), plain);
    fprintf(p->out, "%s", text_duration(figure, (uint64_t)(elapsed_s * 1e6)));
    if (elapsed_s > 0)
        fprintf(p->out, ", %s%s%s", bold, text_rate(figure, (double)n / elapsed_s), plain);
    fprintf(p->out, ", %s%s failed%s\n", red, text_count(figure, failed), plain);
}

void summary_interrupted(const struct summary_page *p, uint64_t cut_off)
{
    char figure[TEXT_FIGURE_MAX];

    fprintf(p->out, "interrupted: %s more in flight %s given up\n", text_count(figure, cut_off),
            cut_off == 1 ? "was" : "were");
}

void summary_gave_up(const struct summary_page *p, const char *noun, uint64_t not_started)
{
    char figure[TEXT_FIGURE_MAX];

    if (not_started)
        fprintf(p->out, "gave up: nothing can be reached, and %s more %s%s not started\n",
                text_count(figure, not_started), noun, not_started == 1 ? " was" : "s were");
    else
        fprintf(p->out, "gave up: nothing can be reached\n");
}

void summary_label(const struct summary_page *p, const char *text)
{
    fprintf(p->out, "  %s%-*s%s", p->colours ? "\033[2m" : "", SUMMARY_LABEL_WIDTH - 2, text,
            p->colours ? "\033[0m" : "");
}

void summary_percentiles(const struct summary_page *p, const char *name, const struct histogram *h)
{
    static const double percents[] = {50, 90, 99};
    char figure[TEXT_FIGURE_MAX];

    summary_label(p, name);
    for (size_t i = 0; i < sizeof percents / sizeof percents[0]; i++)
        fprintf(p->out, "p%.0f %-10s", percents[i],
                text_duration(figure, histogram_percentile(h, percents[i])));
    fprintf(p->out, "max %s\n", text_duration(figure, h->max));
}

/* ---- JSON ---- */

/* Microseconds as milliseconds; jansson prints 17 digits of what is not cut. */
static json_t *milliseconds(double us)
{
    return json_real(round(us) / 1000);
}

json_t *summary_json_percentiles(const struct histogram *h)
{
    return json_pack("{s:o, s:o, s:o, s:o, s:o}", "p50",
                     milliseconds((double)histogram_percentile(h, 50)), "p90",
                     milliseconds((double)histogram_percentile(h, 90)), "p99",
                     milliseconds((double)histogram_percentile(h, 99)), "max",
                     milliseconds((double)h->max), "mean", milliseconds(histogram_mean(h)));
}

bool summary_json_print(json_t *object)
{
    bool good = object &&
                json_dumpf(object, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(12)) == 0 &&
                putchar('\n') != EOF && fflush(stdout) == 0;

    json_decref(object);
    return good;
}

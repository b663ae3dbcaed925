/* SPDX-License-Identifier: MIT */
/* Shrinking by halves: larger portions are left out first, then smaller ones, until no single item can go. */
#include "sim/history_shrink.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define RUNS_MAX  1500
#define SECONDS   45 /* of real time, for all runs */
#define RUN_S     10 /* for one */
#define DIED_TEXT 200

/* What a run leaves for who started it; shared memory. */
struct report {
    volatile unsigned progress;
    volatile bool failed;
    char text[HISTORY_TEXT_MAX];
};

struct shrink {
    history_run_fn *run;
    uint64_t seed;
    struct history_options options;
    struct report *report;
    time_t end;
    unsigned runs;
};

/* ---- one run ---- */

/* The first words of what a process said before it died. */
static void last_words(FILE *said, int status, char *text, size_t size)
{
    char line[DIED_TEXT] = "";

    rewind(said);
    while (fgets(line, sizeof line, said) && !strpbrk(line, "abcdefghijklmnopqrstuvwxyz"))
        ;
    line[strcspn(line, "\n")] = '\0';
    if (WIFSIGNALED(status))
        snprintf(text, size, "signal %d: %s", WTERMSIG(status), line);
    else
        snprintf(text, size, "exit %d: %s", WEXITSTATUS(status), line);
}

static void child(struct shrink *s, const struct history_items *items, FILE *said)
{
    struct history_options o = s->options;

    o.items = items;
    o.progress = &s->report->progress;
    o.verbose = false;
    alarm(RUN_S);
    if (dup2(fileno(said), STDERR_FILENO) < 0)
        _exit(9);
    s->report->failed = s->run(s->seed, &o, s->report->text, sizeof s->report->text) != 0;
    _exit(0);
}

/* Whether it fails, with what in s->report. */
static bool fails(struct shrink *s, const struct history_items *items)
{
    FILE *said = tmpfile();
    int status = 0;
    pid_t pid;

    if (!said)
        abort();
    s->runs++;
    s->report->failed = false;
    s->report->text[0] = '\0';
    fflush(NULL);
    pid = fork();
    if (pid < 0)
        abort();
    if (pid == 0)
        child(s, items, said);
    waitpid(pid, &status, 0);
    if (status != 0) {
        s->report->failed = true;
        last_words(said, status, s->report->text, sizeof s->report->text);
    }
    fclose(said);
    return s->report->failed;
}

/* ---- sameness ---- */

/* The next letter that counts: words that begin with a digit are one, whatever they are. */
static int next_letter(const char **text)
{
    const char *p = *text;

    if (!*p)
        return 0;
    if (isdigit((unsigned char)*p)) {
        while (isalnum((unsigned char)*p) || (*p == '.' && isdigit((unsigned char)p[1])))
            p++;
        *text = p;
        return '0';
    }
    /* "a.sim.test": which host it was does not matter */
    if (strncmp(p + 1, ".sim.test", 9) == 0) {
        *text = p + 10;
        return 'h';
    }
    *text = p + 1;
    return (unsigned char)*p;
}

bool history_same_failure(const char *a, const char *b)
{
    int x, y;

    do {
        x = next_letter(&a);
        y = next_letter(&b);
    } while (x == y && x);
    return x == y;
}

/* ---- shrinking ---- */

static bool is_over(const struct shrink *s)
{
    return s->runs >= RUNS_MAX || time(NULL) >= s->end;
}

/* Leaves out the kept items number `from` to `from + n`, if it still fails so. */
static bool leave_out(struct shrink *s, struct history_items *items, unsigned from, unsigned n,
                      const char *text)
{
    struct history_items less = *items;
    unsigned at = 0;

    for (unsigned i = 0; i < items->n; i++) {
        if (!history_has(items, i))
            continue;
        if (at >= from && at < from + n)
            history_items_keep(&less, i, false);
        at++;
    }
    if (!fails(s, &less) || !history_same_failure(s->report->text, text))
        return false;
    *items = less;
    return true;
}

static void shrink(struct shrink *s, struct history_items *items, const char *text)
{
    unsigned portion = history_items_count(items) / 2;

    while (portion > 0 && !is_over(s)) {
        bool smaller = false;

        /* From the end: what comes late depends on what came before. */
        for (unsigned end = history_items_count(items); end > 0 && !is_over(s);) {
            unsigned n = portion < end ? portion : end;

            smaller |= leave_out(s, items, end - n, n, text);
            end -= n;
        }
        if (portion > 1 || !smaller)
            portion /= 2;
    }
}

int history_shrink(history_run_fn *run, uint64_t seed, const struct history_options *options,
                   struct history_shrunk *ret)
{
    struct shrink s = {.run = run, .seed = seed, .options = *options, .end = time(NULL) + SECONDS};
    struct history_items items;
    int result = -1;

    s.report =
        mmap(NULL, sizeof *s.report, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (s.report == MAP_FAILED)
        abort();
    *ret = (struct history_shrunk){0};
    if (!fails(&s, options->items))
        goto out;
    snprintf(ret->before_text, sizeof ret->before_text, "%s", s.report->text);
    if (options->items)
        items = *options->items;
    else
        history_items_all(&items, s.report->progress + 1);
    ret->before = history_items_count(&items);
    /* Without those that were still to come, it may as well go on as the shrunk one will. */
    if (fails(&s, &items) && history_same_failure(s.report->text, ret->before_text))
        shrink(&s, &items, ret->before_text);
    fails(&s, &items);
    snprintf(ret->text, sizeof ret->text, "%s", s.report->text);
    ret->items = items;
    ret->after = history_items_count(&items);
    ret->runs = s.runs;
    result = 0;
out:
    munmap(s.report, sizeof *s.report);
    return result;
}

/* SPDX-License-Identifier: MIT */
/* Prints docs/transitions.md: the tables as the library has them. */
#include "build/transitions.h"

#include <stdio.h>

static void print_todo(const struct printed_table *t, unsigned todo)
{
    const char *before = "";

    for (unsigned i = 0; i < t->bits; i++) {
        if (!(todo >> i & 1))
            continue;
        printf("%s%s", before, t->bit(i));
        before = ", ";
    }
}

void print_table(const struct printed_table *t)
{
    unsigned next, todo;

    printf("| %s | %s | %s | %s |\n|---|---|---|---|\n", t->heads[0], t->heads[1], t->heads[2],
           t->heads[3]);
    for (unsigned s = 0; s < t->states; s++) {
        const char *name = t->state(s);

        for (unsigned e = 0; name && e < t->events; e++) {
            if (!t->event(e) || !t->rule(s, e, &next, &todo))
                continue;
            printf("| %s | %s | %s | ", name, t->event(e), t->state(next));
            print_todo(t, todo);
            printf(todo ? " |\n" : "|\n");
            name = "";
        }
    }
    printf("\n");
}

static void (*const nouns[])(void) = {
    print_link,
    print_process,
};

int main(void)
{
    printf("# Tables of transitions\n\n"
           "Printed from the tables that the library decides by; `script/transitions` writes this\n"
           "file, and a test compares them. What is not in a table cannot happen, and ends the\n"
           "process. Names are those of the trace ([states.md](states.md)).\n\n");
    for (size_t i = 0; i < sizeof nouns / sizeof *nouns; i++)
        nouns[i]();
    return 0;
}

/* SPDX-License-Identifier: MIT */
/* The process's tables. */
#include <stdio.h>

#include "build/transitions.h"
#include "keep/process_policy.h"

static const char *state(unsigned s)
{
    return s == 0 ? NULL : belay_process_state_name((enum belay_process_state)s);
}

static const char *directive(unsigned d)
{
    return d == 0 ? NULL : bl_pr_do_name((enum belay_do)d);
}

static bool rule(unsigned s, unsigned d, unsigned *ret_next, unsigned *ret_todo)
{
    const struct bl_pr_rule *r = bl_pr_rule((enum belay_process_state)s, (enum belay_do)d);

    *ret_next = r->next;
    *ret_todo = r->todo;
    return r->legal;
}

static const struct printed_table process_table = {
    .heads = {"state", "directive", "next", "what is done, in this order"},
    .states = BL_PR_STATES,
    .events = BL_PR_DOES,
    .bits = BL_PR_BITS,
    .state = state,
    .event = directive,
    .bit = bl_pr_bit_name,
    .rule = rule,
};

static const char *cell(unsigned may)
{
    if (may & BL_PR_MUST_REPLY)
        return "R t h";
    if (may & BL_PR_MAY_WAIT)
        return "yes t h";
    if (may & BL_PR_MAY_REPLY)
        return "yes r";
    return may & BL_PR_LEGAL ? "yes" : "";
}

static void print_directives(void)
{
    printf("| directive |");
    for (unsigned c = 0; c < BL_PR_CALLBACKS; c++)
        printf(" %s |", bl_pr_callback_name((enum bl_pr_callback)c));
    printf("\n|---|---|---|---|---|---|---|\n");
    for (unsigned d = 1; d < BL_PR_DOES; d++) {
        printf("| %s |", bl_pr_do_name((enum belay_do)d));
        for (unsigned c = 0; c < BL_PR_CALLBACKS; c++) {
            const char *text = cell(bl_pr_allows((enum bl_pr_callback)c, (enum belay_do)d));

            printf(*text ? " %s |" : "%s |", text);
        }
        printf("\n");
    }
    printf("\n");
}

void print_process(void)
{
    printf(
        "## process\n\n"
        "Which directive may come from which callback; any other ends the process with\n"
        "`BELAY_EBADRETURN`. *t*: also with a timeout, *h*: also with hibernate, *r*: also with a "
        "reply, *R*:\n"
        "it is one.\n\n");
    print_directives();
    printf(
        "What it makes of the process. In *starting* it comes from init, in *connecting* from "
        "connect and, with\n"
        "`serve_while_connecting`, while that is pending, from a handler, in *disconnecting* from "
        "disconnect, else\n"
        "from a handler. The idle timeout and hibernate hold as the directive says; a reply goes "
        "out if it has one.\n"
        "Nothing but connect and disconnect cancels the backoff; when its time comes, connect is "
        "called behind\n"
        "what is queued, and the state is *connecting*.\n\n");
    print_table(&process_table);
}

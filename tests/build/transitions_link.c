/* SPDX-License-Identifier: MIT */
/* The link's tables. */
#include <stdio.h>

#include "build/transitions.h"
#include "keep/link_policy.h"

static const char *state(unsigned s)
{
    return bl_lp_state_name((enum bl_lp_state)s);
}

static const char *event(unsigned e)
{
    return bl_lp_event_name((enum bl_lp_event)e);
}

static bool get(const struct bl_lp_rule *rule, unsigned *ret_next, unsigned *ret_todo)
{
    *ret_next = rule->next;
    *ret_todo = rule->todo;
    return rule->legal;
}

static bool rule(unsigned s, unsigned e, unsigned *ret_next, unsigned *ret_todo)
{
    return get(&bl_lp_rules[s][e], ret_next, ret_todo);
}

static const char *check(unsigned s)
{
    return bl_lp_check_name((enum bl_lp_check)s);
}

static const char *finding(unsigned e)
{
    return bl_lp_finding_name((enum bl_lp_finding)e);
}

static bool check_rule(unsigned s, unsigned e, unsigned *ret_next, unsigned *ret_todo)
{
    return get(&bl_lp_check_rules[s][e], ret_next, ret_todo);
}

static const struct printed_table link_table = {
    .heads = {"state", "event", "next", "what is done, in this order"},
    .states = BL_LP_STATES,
    .events = BL_LP_EVENTS,
    .bits = BL_LP_BITS,
    .state = state,
    .event = event,
    .bit = bl_lp_bit_name,
    .rule = rule,
};

static const struct printed_table check_table = {
    .heads = {"state", "finding", "next", "what is done"},
    .states = BL_LP_CHECKS,
    .events = BL_LP_FINDINGS,
    .bits = BL_LP_CHECK_BITS,
    .state = check,
    .event = finding,
    .bit = bl_lp_check_bit_name,
    .rule = check_rule,
};

void print_link(void)
{
    printf(
        "## link\n\n"
        "In words in capitals an event of `belay_link_event` goes out: OBTAINED_ADDRESS unless "
        "the\n"
        "address is the last one of the episode again, FAILED_TO_CONNECT unless the error equals "
        "the\n"
        "last one of the episode. *due*: the delay of the last attempt has passed, or somebody\n"
        "kicked; while the link is up, it is time to look for a better address. *go*: the "
        "callbacks\n"
        "have returned. *stay*: the address in use is the best. *spent*: the attempt failed and "
        "no\n"
        "other will be made, because the error is final or the attempts of the backoff are spent.\n"
        "*finish*: `belay_link_close_when_current_closes`. In *asking* and *moving* the link is "
        "up, and\n"
        "the attempt is a candidate's.\n\n");
    print_table(&link_table);
    printf(
        "The check of the connection that is up, a table of its own: *blind* where there is no\n"
        "connection or its connector cannot check it; *due* by `check_interval_ms`, *suspect* by\n"
        "`belay_conn_suspect`, *late* by `check_timeout_ms`. Of one that is lost the link hears "
        "*lost*.\n\n");
    print_table(&check_table);
}

/* SPDX-License-Identifier: MIT */
/*
 * The supervisor's policy as data: rows of facts and of what is to be done then. A row is made of
 * steps, "fact>answer"; children are digits, in order of their start.
 *
 *     facts     u started   f its start failed   i ignored   n s k x ended (normal, shutdown,
 *               killed, error)   - stop it   * start it again   ~ forget it   + one more child
 *               ! its time to stop is over   @N it is N ms later   E all end   K all are killed
 *     answers   S start   T stop   K kill   F forget   . it has ended
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "keep/supervisor_policy.h"
#include "support/test.h"

#define KIDS_MAX 10

struct row {
    const char *name;
    enum belay_strategy strategy;
    const char *kids; /* p permanent, t transient, m temporary; P T M the same, killed at once */
    uint32_t intensity;
    int64_t period_ms;
    const char *steps;
};

struct game {
    struct bl_sp sp;
    struct bl_sp_child kids[KIDS_MAX];
    size_t kids_n;
    uint64_t now;
    uint64_t times[100];
};

#define MS(n) ((uint64_t)(n)*1000000u)

static enum belay_restart restart_of(char letter)
{
    switch (letter | 0x20) {
    case 'p':
        return BELAY_RESTART_PERMANENT;
    case 't':
        return BELAY_RESTART_TRANSIENT;
    default:
        assert_int_equal(letter | 0x20, 'm');
        return BELAY_RESTART_TEMPORARY;
    }
}

static void add(struct game *g, char letter)
{
    assert_true(g->kids_n < KIDS_MAX);
    bl_sp_add(&g->sp, &g->kids[g->kids_n++], restart_of(letter), letter & 0x20 ? MS(5000) : 0,
              g->now);
}

static void begin(struct game *g, enum belay_strategy strategy, uint32_t intensity,
                  int64_t period_ms)
{
    memset(g, 0, sizeof *g);
    g->now = MS(1000);
    assert_true(intensity <= 100);
    bl_sp_init(&g->sp, strategy, intensity, g->times, MS(period_ms));
}

/* What holds after every step. */
static void check(const struct game *g)
{
    uint32_t active = 0, running = 0, children = 0;

    for (size_t i = 0; i < g->kids_n; i++) {
        const struct bl_sp_child *c = &g->kids[i];

        children += !c->forgotten;
        active += c->state >= BL_SP_STARTING;
        running += c->state == BL_SP_RUNNING;
        assert_true(!c->forgotten || c->state == BL_SP_STOPPED);
        assert_true(c->kill_at == BELAY_NEVER || c->state == BL_SP_STOPPING);
        assert_int_equal(bl_list_linked(&c->place),
                         c->state == BL_SP_WAITING || c->state == BL_SP_STARTING);
        assert_false(g->sp.ending && c->state == BL_SP_WAITING);
    }
    assert_int_equal(g->sp.children_n, children);
    assert_int_equal(g->sp.active_n, active);
    assert_int_equal(g->sp.running_n, running);
}

/* Everything that is to be done now, as text. */
static void answers(struct game *g, char *out, size_t size)
{
    static const char letters[] = {0, 'S', 'T', 'K', 'F'};
    enum bl_sp_todo todo;
    struct bl_sp_child *c;
    size_t len = 0;

    out[0] = '\0';
    while ((c = bl_sp_next(&g->sp, &todo)))
        len += (size_t)snprintf(out + len, size - len, "%c%d", letters[todo], (int)(c - g->kids));
    if (g->sp.ended)
        snprintf(out + len, size - len, ".");
    check(g);
}

static void fact(struct game *g, char letter, struct bl_sp_child *c)
{
    static const char endings[] = "nskx";

    switch (letter) {
    case 'u':
        bl_sp_started(&g->sp, c, g->now);
        break;
    case 'f':
    case 'i':
        bl_sp_failed(&g->sp, c, letter == 'i', g->now);
        break;
    case '-':
        bl_sp_stop(&g->sp, c, g->now);
        break;
    case '*':
        bl_sp_restart(&g->sp, c, g->now);
        break;
    case '~':
        bl_sp_delete(&g->sp, c);
        break;
    case '!':
        bl_sp_expire(&g->sp, c, g->now);
        break;
    case 'E':
        bl_sp_end(&g->sp, BELAY_EXIT_SHUTDOWN, g->now);
        break;
    case 'K':
        bl_sp_kill(&g->sp, g->now);
        break;
    default:
        assert_non_null(strchr(endings, letter));
        bl_sp_ended(&g->sp, c, (enum belay_exit_kind)(strchr(endings, letter) - endings), g->now);
    }
}

/* One step; returns where the next begins. */
static const char *play_step(struct game *g, const struct row *row, const char *at)
{
    const char *step = at;
    char want[128], got[128];
    size_t len;

    if (*at == '@') {
        g->now += MS(strtol(at + 1, (char **)(uintptr_t)&at, 10));
    } else if (*at == '+') {
        add(g, at[1]);
        at += 2;
    } else if (*at == '>') {
        /* the beginning: the children that there are */
    } else if (*at == 'E' || *at == 'K') {
        fact(g, *at, NULL);
        at++;
    } else {
        fact(g, *at, &g->kids[at[1] - '0']);
        at += 2;
    }
    assert_int_equal(*at++, '>');
    len = strcspn(at, " ");
    snprintf(want, sizeof want, "%.*s", (int)len, at);
    answers(g, got, sizeof got);
    if (strcmp(want, got) != 0)
        fail_msg("%s: at \"%s\": %s, not %s", row->name, step, got, want);
    at += len;
    return at + strspn(at, " ");
}

static void play(const struct row *row)
{
    struct game g;
    const char *at = row->steps;

    begin(&g, row->strategy, row->intensity, row->period_ms);
    for (const char *k = row->kids; *k; k++)
        add(&g, *k);
    while (*at)
        at = play_step(&g, row, at);
}

static void play_all(const struct row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++)
        play(&rows[i]);
}

#define PLAY(rows) play_all(rows, sizeof(rows) / sizeof((rows)[0]))

#define ONE  BELAY_ONE_FOR_ONE
#define ALL  BELAY_ONE_FOR_ALL
#define REST BELAY_REST_FOR_ONE
#define DYN  BELAY_DYNAMIC

/* ---- starting ---- */

static void children_start_in_order_each_after_those_before_it(void **state)
{
    static const struct row rows[] = {
        {"in order", ONE, "ppp", 3, 5000, ">S0 u0>S1 u1>S2 u2>"},
        {"in order", ALL, "ppp", 3, 5000, ">S0 u0>S1 u1>S2 u2>"},
        {"in order", REST, "ppp", 3, 5000, ">S0 u0>S1 u1>S2 u2>"},
        {"one of many at any time", DYN, "ppp", 3, 5000, ">S0S1S2 u1> u0> u2>"},
        {"ignored is no failure", ONE, "ptm", 3, 5000, ">S0 i0>S1 i1>S2 i2>F2"},
        {"ignored of many is forgotten", DYN, "p", 3, 5000, ">S0 i0>F0"},
        {"a first start that fails is forgotten", ONE, "ptm", 3, 5000, ">S0 f0>F0S1 f1>F1S2 f2>F2"},
        {"and takes nobody with it", ALL, "pp", 3, 5000, ">S0 u0>S1 f1>F1"},
        {"one more while others start", ONE, "p", 3, 5000, ">S0 +p> u0>S1 +p> u1>S2"},
        {"a restart is awaited, too", ONE, "p", 3, 5000, ">S0 u0> x0>S0 +p> u0>S1"},
    };

    (void)state;
    PLAY(rows);
}

/* ---- who is started again ---- */

static bool restarts(enum belay_restart restart, char ending)
{
    return restart == BELAY_RESTART_PERMANENT ||
           (restart == BELAY_RESTART_TRANSIENT && (ending == 'k' || ending == 'x'));
}

/* Three children run, the others permanent, and one ends: everything that happens until they run
 * again, with every stop and start answered at once. */
static void expect(char *out, enum belay_strategy strategy, size_t who, char letter, char ending)
{
    size_t from = strategy == BELAY_ONE_FOR_ALL ? 0 : who;
    size_t to = strategy == BELAY_ONE_FOR_ALL || strategy == BELAY_REST_FOR_ONE ? 3 : who + 1;

    out[0] = '\0';
    if (!restarts(restart_of(letter), ending)) {
        if (letter == 'm' || strategy == BELAY_DYNAMIC)
            sprintf(out, "F%zu", who);
        return;
    }
    for (size_t i = to; i-- > from;) {
        if (i != who)
            sprintf(out + strlen(out), "T%zu", i);
    }
    for (size_t i = from; i < to; i++)
        sprintf(out + strlen(out), "S%zu", i);
}

static void run_until_calm(struct game *g, char *out)
{
    enum bl_sp_todo todo;
    struct bl_sp_child *c;

    while ((c = bl_sp_next(&g->sp, &todo))) {
        sprintf(out + strlen(out), "%c%d", "-STKF"[todo], (int)(c - g->kids));
        if (todo == BL_SP_START)
            bl_sp_started(&g->sp, c, g->now);
        else if (todo != BL_SP_FORGET)
            bl_sp_ended(&g->sp, c, BELAY_EXIT_SHUTDOWN, g->now);
        check(g);
    }
}

static void every_strategy_restart_and_way_of_ending(void **state)
{
    (void)state;
    for (int strategy = ONE; strategy <= DYN; strategy++) {
        for (const char *letter = "ptm"; *letter; letter++) {
            for (const char *ending = "nskx"; *ending; ending++) {
                for (size_t who = 0; who < 3; who++) {
                    char want[64], got[64] = "", nothing[64] = "";
                    struct game g;

                    begin(&g, (enum belay_strategy)strategy, 1, 5000);
                    for (size_t i = 0; i < 3; i++)
                        add(&g, i == who ? *letter : 'p');
                    run_until_calm(&g, nothing);
                    expect(want, (enum belay_strategy)strategy, who, *letter, *ending);
                    fact(&g, *ending, &g.kids[who]);
                    run_until_calm(&g, got);
                    if (strcmp(got, want) != 0)
                        fail_msg("strategy %d, %c ends %c at %zu: %s, not %s", strategy, *letter,
                                 *ending, who, got, want);
                    assert_int_equal(g.sp.restarts, restarts(restart_of(*letter), *ending));
                }
            }
        }
    }
}

static void groups_stop_from_the_last_and_start_from_the_first(void **state)
{
    static const struct row rows[] = {
        {"all", ALL, "ppp", 3, 5000, ">S0 u0>S1 u1>S2 u2> x1>T2 s2>T0 s0>S0 u0>S1 u1>S2 u2>"},
        {"the rest", REST, "pppp", 3, 5000,
         ">S0 u0>S1 u1>S2 u2>S3 u3> x1>T3 s3>T2 s2>S1 u1>S2 u2>S3 u3>"},
        {"a temporary one of the group is not started again", ALL, "pmp", 3, 5000,
         ">S0 u0>S1 u1>S2 u2> x0>T2 s2>T1 s1>F1S0 u0>S2"},
        {"a transient one that had ended is, with its group", ALL, "pt", 3, 5000,
         ">S0 u0>S1 u1> n1> x0>S0 u0>S1"},
        {"and so is one that was stopped", ALL, "pp", 3, 5000,
         ">S0 u0>S1 u1> -1>T1 s1> x0>S0 u0>S1"},
        {"but not one that is stopped meanwhile", ALL, "ppp", 3, 5000,
         ">S0 u0>S1 u1>S2 u2> x0>T2 -1>T1 s1> s2>S0 u0>S2"},
        {"but the next time it is", ALL, "pp", 3, 5000,
         ">S0 u0>S1 u1> x0>T1 -1> s1>S0 u0> x0>S0 u0>S1"},
        {"whoever ends while its group stops is no restart more", ALL, "ppp", 1, 5000,
         ">S0 u0>S1 u1>S2 u2> x0>T2 x1> s2>S0 u0>S1"},
        {"one before the group makes it larger", REST, "ppp", 3, 5000,
         ">S0 u0>S1 u1>S2 u2> x1>T2 x0> s2>S0 u0>S1 u1>S2"},
        {"and counts", REST, "ppp", 1, 5000, ">S0 u0>S1 u1>S2 u2> x1>T2 x0> s2>F2F1F0."},
        {"a start within the group that fails begins it anew, all", ALL, "ppp", 3, 5000,
         ">S0 u0>S1 u1>S2 u2> x0>T2 s2>T1 s1>S0 u0>S1 f1>T0 s0>S0 u0>S1 u1>S2"},
        {"or from there", REST, "ppp", 3, 5000,
         ">S0 u0>S1 u1>S2 u2> x0>T2 s2>T1 s1>S0 u0>S1 f1>S1 u1>S2"},
        {"one that is being started for the first time stops, and starts again", ALL, "pp", 3, 5000,
         ">S0 u0>S1 x0>T1 s1>S0 u0>S1 u1>"},
        {"also a temporary one", ALL, "pm", 3, 5000, ">S0 u0>S1 x0>T1 s1>S0 u0>S1 u1>"},
        {"its first start may still fail", ALL, "pp", 3, 5000, ">S0 u0>S1 x0>T1 s1>S0 u0>S1 f1>F1"},
        {"a failure while the group stops it is none", REST, "ppp", 3, 5000,
         ">S0 u0>S1 u1>S2 x1>T2 f2>S1 u1>S2"},
        {"a new one waits for the group", ALL, "pp", 3, 5000,
         ">S0 u0>S1 u1> x0>T1 +p> s1>S0 u0>S1 u1>S2"},
        {"killed ones are awaited, too", ALL, "pP", 3, 5000, ">S0 u0>S1 u1> x0>K1 k1>S0 u0>S1"},
    };

    (void)state;
    PLAY(rows);
}

/* ---- too many restarts ---- */

static void more_restarts_than_allowed_within_the_period_end_all(void **state)
{
    static const struct row rows[] = {
        {"none allowed", ONE, "pp", 0, 5000, ">S0 u0>S1 u1> x0>T1 s1>F1F0."},
        {"three", ONE, "p", 3, 5000, ">S0 u0> x0>S0 u0> x0>S0 u0> x0>S0 u0> x0>F0."},
        {"as old as the period still counts", ONE, "p", 1, 5000, ">S0 u0> x0>S0 u0> @5000> x0>F0."},
        {"older does not", ONE, "p", 1, 5000, ">S0 u0> x0>S0 u0> @5001> x0>S0 u0> @5001> x0>S0"},
        {"the period slides", ONE, "p", 2, 5000,
         ">S0 u0> x0>S0 u0> @3000> x0>S0 u0> @2001> x0>S0 u0> @2999> x0>F0."},
        {"of all children together", ONE, "pp", 1, 5000, ">S0 u0>S1 u1> x0>S0 u0> x1>T0 s0>F1F0."},
        {"a restart that fails is tried again, and counts", ONE, "p", 2, 5000,
         ">S0 u0> x0>S0 f0>S0 f0>F0."},
        {"a group is one", ALL, "ppp", 1, 5000,
         ">S0 u0>S1 u1>S2 u2> x0>T2 s2>T1 s1>S0 u0>S1 u1>S2 u2> x2>T1 s1>T0 s0>F2F1F0."},
        {"of many", DYN, "ppp", 1, 5000, ">S0S1S2 u0> u1> u2> x0>S0 x1>T0T2 s2> s0>F2F1F0."},
        {"while a group starts", REST, "ppp", 1, 5000,
         ">S0 u0>S1 u1>S2 u2> x1>T2 s2>S1 f1>T0 s0>F2F1F0."},
        {"what ended as it should does not count", ONE, "tm", 0, 5000,
         ">S0 u0>S1 u1> n0> x1>F1 E>F0."},
    };

    (void)state;
    PLAY(rows);
}

static void as_many_restarts_as_allowed_are_remembered(void **state)
{
    struct game g;
    char text[64];

    (void)state;
    begin(&g, BELAY_ONE_FOR_ONE, 100, 99);
    add(&g, 'p');
    answers(&g, text, sizeof text);
    fact(&g, 'u', &g.kids[0]);
    for (int i = 0; i < 500; i++) { /* 100 in 100 ms: the 101st comes as the first is too old */
        fact(&g, 'x', &g.kids[0]);
        answers(&g, text, sizeof text);
        assert_string_equal(text, "S0");
        fact(&g, 'u', &g.kids[0]);
        g.now += MS(1);
    }
    g.now -= MS(1);
    fact(&g, 'x', &g.kids[0]);
    answers(&g, text, sizeof text);
    assert_string_equal(text, "F0.");
    assert_true(g.sp.gave_up);
    assert_int_equal(g.sp.exit, BELAY_EXIT_ERROR);
    assert_int_equal(g.sp.restarts, 500);
    assert_int_equal(g.kids[0].restarts, 500);
}

/* ---- the end ---- */

static void all_end_in_reverse_order_one_at_a_time(void **state)
{
    static const struct row rows[] = {
        {"in order", ONE, "ppp", 3, 5000, ">S0 u0>S1 u1>S2 u2> E>T2 s2>T1 x1>T0 n0>F2F1F0."},
        {"many at once", DYN, "ppp", 3, 5000, ">S0S1S2 u0> u1> u2> E>T0T1T2 s1> s2> s0>F2F1F0."},
        {"nobody", ONE, "", 3, 5000, "E>."},
        {"who waits is never started", ONE, "ppp", 3, 5000, ">S0 E>T0 s0>F2F1F0."},
        {"who starts is stopped", ONE, "pp", 3, 5000, ">S0 u0>S1 E>T1 f1>T0 u0> s0>F1F0."},
        {"what was decided is not done", DYN, "pp", 3, 5000, "E>F1F0."},
        {"who ends meanwhile is not started again", ONE, "ppp", 3, 5000,
         ">S0 u0>S1 u1>S2 u2> E>T2 x0> s2>T1 s1>F2F1F0."},
        {"nor whose restart fails", ONE, "pp", 3, 5000, ">S0 u0>S1 u1> x0>S0 E>T1 f0> s1>F1F0."},
        {"nor what fails to start", ONE, "pp", 3, 5000, ">S0 E>T0 f0>F1F0."},
        {"killed at once without a limit", ONE, "pPp", 3, 5000,
         ">S0 u0>S1 u1>S2 u2> E>T2 s2>K1 k1>T0 s0>F2F1F0."},
        {"killed after its limit", ONE, "pp", 3, 5000,
         ">S0 u0>S1 u1> E>T1 @4999> !1> @1> !1>K1 @9999> !1> k1>T0 s0>F1F0."},
        {"twice is once", ONE, "p", 3, 5000, ">S0 u0> E>T0 E> s0>F0. E>."},
        {"while a group stops", ALL, "ppp", 3, 5000,
         ">S0 u0>S1 u1>S2 u2> x0>T2 E> s2>T1 s1>F2F1F0."},
        {"while one is stopped", ONE, "ppp", 3, 5000,
         ">S0 u0>S1 u1>S2 u2> -1>T1 E>T2 s2> s1>T0 s0>F2F1F0."},
        {"nothing is started or stopped any more", ONE, "ppp", 3, 5000,
         ">S0 u0>S1 u1>S2 u2> -2>T2 s2> E>T1 *2> -0> ~2> s1>T0 s0>F2F1F0."},
    };

    (void)state;
    PLAY(rows);
}

static void a_kill_ends_all_at_once(void **state)
{
    static const struct row rows[] = {
        {"all", ONE, "ppp", 3, 5000, ">S0 u0>S1 u1>S2 K>K2K1K0 k1> s0> k2>F2F1F0."},
        {"while they end", ONE, "ppp", 3, 5000,
         ">S0 u0>S1 u1>S2 u2> E>T2 K>K2K1K0 k2> k1> k0>F2F1F0."},
        {"twice", DYN, "p", 3, 5000, ">S0 u0> K>K0 k0>F0. K>."},
        {"but who is stopped already", ONE, "pp", 3, 5000, ">S0 u0>S1 u1> -1>T1 s1> K>K0 k0>F1F0."},
        {"once each", ONE, "p", 3, 5000, ">S0 u0> E>T0 K>K0 @5000> !0> k0>F0."},
        {"nobody", DYN, "", 3, 5000, "K>."},
        {"who has not begun", DYN, "pp", 3, 5000, "K>F1F0."},
    };
    struct game g;

    (void)state;
    PLAY(rows);
    begin(&g, BELAY_ONE_FOR_ONE, 3, 5000);
    bl_sp_end(&g.sp, BELAY_EXIT_SHUTDOWN, g.now);
    assert_int_equal(g.sp.exit, BELAY_EXIT_SHUTDOWN);
    begin(&g, BELAY_ONE_FOR_ONE, 3, 5000);
    bl_sp_kill(&g.sp, g.now);
    assert_int_equal(g.sp.exit, BELAY_EXIT_KILLED);
}

/* ---- one by one ---- */

static void children_are_stopped_started_again_and_forgotten(void **state)
{
    static const struct row rows[] = {
        {"stopped, and started again", ONE, "pp", 3, 5000, ">S0 u0>S1 u1> -0>T0 s0> *0>S0 u0>"},
        {"a stop is no restart", ONE, "p", 0, 5000, ">S0 u0> -0>T0 x0>"},
        {"a temporary one is forgotten", ONE, "m", 3, 5000, ">S0 u0> -0>T0 s0>F0"},
        {"one of many, too", DYN, "p", 3, 5000, ">S0 u0> -0>T0 s0>F0"},
        {"one that starts for the first time, too", ONE, "p", 3, 5000, ">S0 -0>T0 s0>F0"},
        {"and one that was about to", ONE, "pp", 3, 5000, "-0>F0S1"},
        {"and one that waits for that", ONE, "pp", 3, 5000, ">S0 -1>F1 u0>"},
        {"one that starts again is kept", ONE, "p", 3, 5000, ">S0 u0> x0>S0 -0>T0 s0> *0>S0"},
        {"one whose start was asked for, too", ONE, "p", 3, 5000,
         ">S0 u0> -0>T0 s0> *0>S0 -0>T0 s0> *0>S0"},
        {"a start that was asked for and fails leaves it stopped", ONE, "p", 0, 5000,
         ">S0 u0> -0>T0 s0> *0>S0 f0> *0>S0 i0> *0>S0 u0>"},
        {"one that was ignored is started when asked for", ONE, "p", 3, 5000, ">S0 i0> *0>S0 u0>"},
        {"it waits for those before it", ONE, "ppp", 3, 5000,
         ">S0 u0>S1 u1>S2 u2> -1>T1 s1> -0>T0 s0> *1>S1 *0>S0 u0> u1>"},
        {"forgotten only when it is stopped", ONE, "p", 3, 5000,
         ">S0 ~0> u0> ~0> -0>T0 ~0> s0> ~0>F0"},
        {"started only when it is stopped", ONE, "p", 3, 5000, ">S0 *0> u0> *0> -0>T0 *0> s0>"},
        {"stopping again is nothing", ONE, "p", 3, 5000, ">S0 u0> -0>T0 -0> s0> -0>"},
        {"forgotten while its group stops", ALL, "ppp", 3, 5000,
         ">S0 u0>S1 u1>S2 u2> x0>T2 ~0>F0 s2>T1 s1>S1 u1>S2"},
        {"asked for while its group stops", ALL, "pp", 3, 5000,
         ">S0 u0>S1 u1> x0>T1 *0> s1>S0 f0>S1"},
        {"killed after its limit", ONE, "p", 3, 5000, ">S0 u0> -0>T0 @5000> !0>K0 k0>"},
        {"a limit of before is none", ONE, "p", 3, 5000, ">S0 u0> -0>T0 s0> *0>S0 u0> @9999> !0>"},
        {"it may come up while it is stopped", ONE, "p", 3, 5000, ">S0 -0>T0 u0> s0>F0"},
    };

    (void)state;
    PLAY(rows);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(children_start_in_order_each_after_those_before_it),
        cmocka_unit_test(every_strategy_restart_and_way_of_ending),
        cmocka_unit_test(groups_stop_from_the_last_and_start_from_the_first),
        cmocka_unit_test(more_restarts_than_allowed_within_the_period_end_all),
        cmocka_unit_test(as_many_restarts_as_allowed_are_remembered),
        cmocka_unit_test(all_end_in_reverse_order_one_at_a_time),
        cmocka_unit_test(a_kill_ends_all_at_once),
        cmocka_unit_test(children_are_stopped_started_again_and_forgotten),
    };

    return cmocka_run_group_tests_name("supervisor_policy", tests, NULL, NULL);
}

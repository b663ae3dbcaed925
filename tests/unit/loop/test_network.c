/* SPDX-License-Identifier: MIT */
/* Another network: who hears of it, in what order, and what may happen meanwhile. */
#include "fake_world.h"

#include <string.h>

static struct fake_world w;
static char heard[32];

static void note(char c)
{
    size_t len = strlen(heard);
    assert_true(len + 1 < sizeof heard);
    heard[len] = c;
    heard[len + 1] = '\0';
}

struct thing {
    struct bl_object object;
    char name;
    struct thing *ends, *makes;
};

static void thing_close(struct bl_object *object)
{
    bl_object_fini(object, w.loop);
}

static void thing_hear(struct bl_object *object);

static void thing_init(struct thing *t, char name)
{
    memset(t, 0, sizeof *t);
    t->name = name;
    bl_object_init(&t->object, w.loop, "thing", thing_close);
    t->object.network_changed = thing_hear;
}

static void thing_hear(struct bl_object *object)
{
    struct thing *t = BL_CONTAINER(object, struct thing, object);
    note(t->name);
    if (t->ends)
        bl_object_fini(&t->ends->object, w.loop);
    if (t->makes)
        thing_init(t->makes, 'x');
}

static void set_up(void)
{
    memset(heard, 0, sizeof heard);
    fake_world_open(&w, NULL);
}

static void room_forgets(struct belay_loop *loop, void *ptr)
{
    assert_ptr_equal(loop, w.loop);
    assert_ptr_equal(ptr, heard);
    note('R');
}

static void room_free(struct belay_loop *loop, void *ptr)
{
    (void)loop;
    (void)ptr;
}

static void rooms_forget_before_objects_hear(void **state)
{
    struct thing a, b, deaf;
    (void)state;
    set_up();
    thing_init(&a, 'a');
    thing_init(&deaf, 'd');
    deaf.object.network_changed = NULL;
    thing_init(&b, 'b');
    w.loop->rooms[BL_ROOM_HTTP] = (struct bl_loop_rooms){heard, room_free, room_forgets};
    w.loop->rooms[BL_ROOM_CONN] = (struct bl_loop_rooms){heard, room_free, NULL};
    belay_loop_network_changed(w.loop);
    assert_string_equal(heard, "Rab");
    belay_loop_network_changed(w.loop);
    assert_string_equal(heard, "RabRab");
    belay_loop_network_changed(NULL);
    fake_world_close(&w);
}

static void objects_may_end_and_be_made_meanwhile(void **state)
{
    struct thing a, b, c, d, made;
    (void)state;
    set_up();
    thing_init(&a, 'a');
    thing_init(&b, 'b');
    thing_init(&c, 'c');
    thing_init(&d, 'd');
    a.ends = &b;
    a.makes = &made;
    c.ends = &c;
    d.ends = &a;
    belay_loop_network_changed(w.loop);
    assert_string_equal(heard, "acd");
    heard[0] = '\0';
    d.ends = NULL;
    belay_loop_network_changed(w.loop);
    assert_string_equal(heard, "xd");
    fake_world_close(&w);
}

static void a_loop_that_closes_tells_nobody(void **state)
{
    struct thing a;
    (void)state;
    set_up();
    thing_init(&a, 'a');
    belay_loop_close(w.loop, NULL, NULL);
    belay_loop_network_changed(w.loop);
    assert_string_equal(heard, "");
    fake_world_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rooms_forget_before_objects_hear),
        cmocka_unit_test(objects_may_end_and_be_made_meanwhile),
        cmocka_unit_test(a_loop_that_closes_tells_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

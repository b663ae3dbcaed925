/* SPDX-License-Identifier: MIT */
#include "base/list.h"

#include "base/rand.h"
#include "support/test.h"

struct item {
    int number;
    struct bl_list node;
};

static struct item *item_of(struct bl_list *node)
{
    return BL_LIST_OF(node, struct item, node);
}

static void a_node_out_of_every_list_may_be_removed_again(void **state)
{
    struct bl_list list;
    struct item item;

    (void)state;
    bl_list_init(&list);
    bl_list_init(&item.node);
    assert_false(bl_list_linked(&item.node));
    bl_list_push_back(&list, &item.node);
    assert_true(bl_list_linked(&item.node));
    bl_list_remove(&item.node);
    bl_list_remove(&item.node);
    assert_false(bl_list_linked(&item.node));
    assert_true(bl_list_empty(&list));
    assert_null(bl_list_first(&list));
    assert_null(bl_list_last(&list));
    assert_null(bl_list_pop_front(&list));
}

static void the_current_node_may_be_removed_while_iterating(void **state)
{
    struct bl_list list;
    struct item items[10];
    int seen = 0;

    (void)state;
    bl_list_init(&list);
    for (int i = 0; i < 10; i++) {
        items[i].number = i;
        bl_list_push_back(&list, &items[i].node);
    }
    BL_LIST_EACH(node, &list)
    {
        assert_int_equal(item_of(node)->number, seen++);
        if (item_of(node)->number % 2)
            bl_list_remove(node);
    }
    assert_int_equal(seen, 10);
    seen = 0;
    BL_LIST_EACH(node, &list)
    {
        assert_int_equal(item_of(node)->number, seen);
        seen += 2;
    }
    assert_int_equal(seen, 10);
}

#define ITEMS 40

/* An array of pointers, in order. */
struct model {
    struct item *items[ITEMS];
    size_t n;
};

static void model_insert(struct model *m, size_t at, struct item *item)
{
    memmove(m->items + at + 1, m->items + at, (m->n - at) * sizeof m->items[0]);
    m->items[at] = item;
    m->n++;
}

static bool model_remove(struct model *m, struct item *item)
{
    for (size_t i = 0; i < m->n; i++) {
        if (m->items[i] == item) {
            m->n--;
            memmove(m->items + i, m->items + i + 1, (m->n - i) * sizeof m->items[0]);
            return true;
        }
    }
    return false;
}

static void assert_same(const struct bl_list *list, const struct model *m)
{
    size_t i = 0;

    BL_LIST_EACH(node, list)
    {
        assert_true(i < m->n);
        assert_ptr_equal(item_of(node), m->items[i++]);
    }
    assert_int_equal(i, m->n);
    for (struct bl_list *node = list->prev; node != list; node = node->prev)
        assert_ptr_equal(item_of(node), m->items[--i]);
    assert_int_equal(bl_list_empty(list), m->n == 0);
}

static void splice(struct bl_list lists[2], struct model models[2])
{
    bl_list_splice(&lists[0], &lists[1]);
    memcpy(models[0].items + models[0].n, models[1].items, models[1].n * sizeof(struct item *));
    models[0].n += models[1].n;
    models[1].n = 0;
}

static void list_agrees_with_an_array(void **state)
{
    struct bl_list lists[2];
    struct model models[2] = {{.n = 0}};
    struct item items[ITEMS];
    struct bl_rand r;

    (void)state;
    bl_rand_seed(&r, 2);
    bl_list_init(&lists[0]);
    bl_list_init(&lists[1]);
    for (int i = 0; i < ITEMS; i++)
        bl_list_init(&items[i].node);

    for (int i = 0; i < 20000; i++) {
        struct item *item = &items[bl_rand_below(&r, ITEMS)];
        size_t k = bl_rand_below(&r, 2);
        bool out = !bl_list_linked(&item->node);

        switch (bl_rand_below(&r, 6)) {
        case 0:
            if (out) {
                bl_list_push_front(&lists[k], &item->node);
                model_insert(&models[k], 0, item);
            }
            break;
        case 1:
        case 2:
            if (out) {
                bl_list_push_back(&lists[k], &item->node);
                model_insert(&models[k], models[k].n, item);
            }
            break;
        case 3:
            bl_list_remove(&item->node);
            assert_int_equal(model_remove(&models[0], item) || model_remove(&models[1], item),
                             !out);
            break;
        case 4: {
            struct bl_list *node = bl_list_pop_front(&lists[k]);

            assert_int_equal(node != NULL, models[k].n > 0);
            if (node) {
                assert_ptr_equal(item_of(node), models[k].items[0]);
                assert_false(bl_list_linked(node));
                model_remove(&models[k], item_of(node));
            }
            break;
        }
        default:
            if (bl_rand_below(&r, 20) == 0)
                splice(lists, models);
        }
        assert_same(&lists[0], &models[0]);
        assert_same(&lists[1], &models[1]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_node_out_of_every_list_may_be_removed_again),
        cmocka_unit_test(the_current_node_may_be_removed_while_iterating),
        cmocka_unit_test(list_agrees_with_an_array),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

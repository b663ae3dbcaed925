/* SPDX-License-Identifier: MIT */
/* What the tests of connection strings share. */
#include "chronicle_string_kit.h"

struct bl_mem kit_mem;

static struct bl_chronicle_string *kept;
static struct belay_error error;
static char written[4096];

int kit_set_up(void **state)
{
    (void)state;
    bl_mem_init(&kit_mem, NULL);
    return 0;
}

int kit_tear_down(void **state)
{
    (void)state;
    bl_chronicle_string_free(kept);
    kept = NULL;
    return kit_mem.live == 0 ? 0 : -1;
}

const struct bl_chronicle_string *kit_keep(struct bl_chronicle_string *s)
{
    bl_chronicle_string_free(kept);
    kept = s;
    return s;
}

const struct bl_chronicle_string *kit_parse(const char *text)
{
    struct bl_chronicle_string *s = NULL;

    if (bl_chronicle_string_parse(&kit_mem, bl_span_of(text), &s, &error) < 0)
        fail_msg("%s: %s", text, error.text);
    return kit_keep(s);
}

const char *kit_refused(const char *text, const char *why)
{
    struct bl_chronicle_string *s = NULL;
    size_t live = kit_mem.live;

    memset(&error, 0, sizeof error);
    if (bl_chronicle_string_parse(&kit_mem, bl_span_of(text), &s, &error) != BELAY_EINVAL)
        fail_msg("%s was not refused", text);
    if (error.code != BELAY_EINVAL || !strstr(error.text, why))
        fail_msg("%s: %s", text, error.text);
    assert_null(s);
    assert_int_equal(bl_chronicle_string_parse(&kit_mem, bl_span_of(text), &s, NULL), BELAY_EINVAL);
    assert_int_equal(kit_mem.live, live);
    return error.text;
}

void kit_host(const struct bl_chronicle_string *s, size_t i, const char *name, unsigned port)
{
    assert_true(i < s->hosts_n);
    assert_string_equal(s->hosts[i].name, name);
    assert_int_equal(s->hosts[i].port, port);
    if (s->hosts[i].ip.family != BELAY_FAMILY_NONE)
        assert_int_equal(s->hosts[i].ip.port, port);
}

void kit_auth(const struct bl_chronicle_string *s, enum bl_chronicle_auth auth)
{
    enum bl_chronicle_auth is = (enum bl_chronicle_auth)99;

    assert_int_equal(bl_chronicle_string_auth(s, &is, NULL), 0);
    assert_int_equal(is, auth);
}

const char *kit_written(const struct bl_chronicle_string *s, bool redacted)
{
    struct bl_buf out = {0};
    int rc =
        redacted ? bl_chronicle_string_write_redacted(s, &out) : bl_chronicle_string_write(s, &out);

    assert_int_equal(rc, 0);
    assert_true(bl_buf_len(&out) < sizeof written);
    memcpy(written, bl_buf_head(&out), bl_buf_len(&out));
    written[bl_buf_len(&out)] = '\0';
    bl_buf_free(&out, s->mem);
    return written;
}

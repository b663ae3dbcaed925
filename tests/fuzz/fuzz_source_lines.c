/* SPDX-License-Identifier: MIT */
/*
 * Files of addresses: every line that says something is found once, with its number; each is an
 * endpoint, whose name is a line that means the same, or is refused with a sentence.
 *
 * Input: which pattern the endpoints follow; then the file.
 */
#include "conn/source_lines.h"

#include "fuzz/fuzz.h"

static void check_span(const struct bl_source_line *line, const char *text, size_t len)
{
    struct bl_span at = line->text;

    BL_ASSERT(at.len > 0 && at.data >= text && at.data + at.len <= text + len);
    BL_ASSERT(!memchr(at.data, '\n', at.len) && !memchr(at.data, '#', at.len));
    BL_ASSERT(!strchr(" \t\r", at.data[0]) || at.data[0] == 0);
    BL_ASSERT(!strchr(" \t\r", at.data[at.len - 1]) || at.data[at.len - 1] == 0);
}

/* Its name is an address, and the same one. */
static void check_endpoint(const struct belay_endpoint *like, struct belay_endpoint *e)
{
    const char *name = belay_endpoint_name(e);
    struct bl_source_line line = {.text = bl_span_of(name), .number = 1};
    struct belay_endpoint *again;

    BL_ASSERT(strcmp(belay_endpoint_scheme(e), belay_endpoint_scheme(like)) == 0);
    BL_ASSERT(*belay_endpoint_host(e) && belay_endpoint_port(e) > 0);
    BL_ASSERT(bl_source_line_endpoint(&line, like, &again, NULL) == 0);
    BL_ASSERT(belay_endpoint_equal(e, again));
    belay_endpoint_unref(again);
}

static void check_file(const struct belay_endpoint *like, struct bl_span file)
{
    struct bl_source_lines lines = {.text = file.data, .len = file.len};
    size_t left = bl_source_lines_count(&lines);
    struct bl_source_line line;
    unsigned last = 0;

    while (bl_source_lines_next(&lines, &line)) {
        struct belay_error error = {.code = 0};
        struct belay_endpoint *e = NULL;
        int rc;

        BL_ASSERT(left-- > 0 && line.number > last);
        last = line.number;
        check_span(&line, file.data, file.len);
        rc = bl_source_line_endpoint(&line, like, &e, &error);
        BL_ASSERT((rc == 0) == (e != NULL));
        if (rc == 0) {
            check_endpoint(like, e);
            belay_endpoint_unref(e);
        } else {
            BL_ASSERT(rc == BELAY_EINVAL && error.code == rc);
            fuzz_check_sentence(error.text, sizeof error.text);
        }
    }
    BL_ASSERT(left == 0 && bl_source_lines_count(&lines) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const patterns[] = {"tcp://like.test:7", "http://like.test"};
    static struct belay_endpoint *likes[BL_COUNT(patterns)];
    static struct belay_loop *loop;
    struct fuzz_input in = {data, size};
    unsigned which = fuzz_below(&in, BL_COUNT(patterns));

    if (!loop) { /* one for all inputs: making it costs more than they do */
        BL_ASSERT(belay_loop_new(NULL, &loop, NULL) == 0);
        for (size_t i = 0; i < BL_COUNT(patterns); i++)
            BL_ASSERT(belay_endpoint_parse(loop, patterns[i], &likes[i], NULL) == 0);
    }
    check_file(likes[which], fuzz_rest(&in));
    return 0;
}

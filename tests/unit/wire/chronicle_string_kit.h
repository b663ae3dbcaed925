/* SPDX-License-Identifier: MIT */
/* What the tests of connection strings share. */
#ifndef TEST_UNIT_WIRE_CHRONICLE_STRING_KIT_H
#define TEST_UNIT_WIRE_CHRONICLE_STRING_KIT_H

#include "base/assert.h"
#include "support/failing_alloc.h"
#include "support/test.h"
#include "wire/chronicle_string.h"

/* One string at a time, freed by the next and by kit_tear_down. */
extern struct bl_mem kit_mem;

int kit_set_up(void **state);
int kit_tear_down(void **state);

/* Fails the test when it does not parse. */
const struct bl_chronicle_string *kit_parse(const char *text);

/* The string in place of the one before. */
const struct bl_chronicle_string *kit_keep(struct bl_chronicle_string *s);

/* It is refused, with a sentence that has `why` in it. Returns the sentence, until the next. */
const char *kit_refused(const char *text, const char *why);

void kit_host(const struct bl_chronicle_string *s, size_t i, const char *name, unsigned port);
void kit_auth(const struct bl_chronicle_string *s, enum bl_chronicle_auth auth);

/* As written, or for people; until the next. */
const char *kit_written(const struct bl_chronicle_string *s, bool redacted);

#endif

/* SPDX-License-Identifier: MIT */
/* Filling in a struct belay_error: never allocates, so that running out of memory can be told. */
#ifndef BL_BASE_ERROR_H
#define BL_BASE_ERROR_H

#include "belay/error.h"

/*
 * Writes code, kind, stage and a sentence into *error (NULL is fine), clearing the rest; returns
 * code. bl_error_os adds errno and appends ": " and its text.
 */
int bl_error_set(struct belay_error *error, int code, enum belay_stage stage, const char *format,
                 ...) BELAY_PRINTF(4, 5);
int bl_error_os(struct belay_error *error, int code, enum belay_stage stage, int os_error,
                const char *format, ...) BELAY_PRINTF(5, 6);

/* Puts a sentence in front: "<prefix>: <what the error said>". Cuts at the end, never in the middle
 * of UTF-8. */
void bl_error_prefix(struct belay_error *error, const char *format, ...) BELAY_PRINTF(2, 3);

/* A copy that outlives the callback that told it: without `tried`. */
void bl_error_keep(struct belay_error *to, const struct belay_error *from);

/* EMFILE and ENFILE are BELAY_EMFILE, ENOMEM and ENOBUFS BELAY_ENOMEM, the rest `otherwise`. */
int bl_code_of_errno(int os_error, int otherwise);

/*
 * Text of an errno, without strerror's buffer: "connection refused"; "error 999" for a number that
 * has none, which lives until the next such call of the thread.
 */
const char *bl_errno_text(int os_error);

#endif

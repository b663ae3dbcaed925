/* SPDX-License-Identifier: MIT */
/*
 * Assertions about belay itself: on in release builds, as going on with a broken invariant is worse
 * than ending. Arguments of callers are checked and refused instead. BL_DEBUG_ASSERT is for hot
 * paths.
 */
#ifndef BL_BASE_ASSERT_H
#define BL_BASE_ASSERT_H

#include "belay/base.h"

__attribute__((noreturn, cold)) void bl_assert_failed(const char *what, const char *file, int line);

#define BL_ASSERT(x) ((x) ? (void)0 : bl_assert_failed(#x, __FILE__, __LINE__))

/* Where the program never gets; says why. Does not return. */
#define BL_UNREACHABLE(why) bl_assert_failed(why, __FILE__, __LINE__)

#ifdef NDEBUG
#define BL_DEBUG_ASSERT(x) ((void)sizeof(x))
#else
#define BL_DEBUG_ASSERT(x) BL_ASSERT(x)
#endif

#define BL_CONTAINER(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))
#define BL_COUNT(array)                 (sizeof(array) / sizeof((array)[0]))
#define BL_LIKELY(x)                    __builtin_expect(!!(x), 1)
#define BL_UNLIKELY(x)                  __builtin_expect(!!(x), 0)
/* Seldom called: kept out of line, so that the way past it saves no registers for it. */
#define BL_SELDOM __attribute__((noinline))

#endif

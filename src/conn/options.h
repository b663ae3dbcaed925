/* SPDX-License-Identifier: MIT */
/* The option tables of this floor, for those who resolve them and for the test that walks them. */
#ifndef BL_CONN_OPTIONS_H
#define BL_CONN_OPTIONS_H

#include "base/options.h"

extern const struct bl_option bl_backoff_options[];
extern const size_t bl_backoff_options_n;
extern const struct bl_option bl_dial_options[];
extern const size_t bl_dial_options_n;

#endif

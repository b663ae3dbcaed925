/* SPDX-License-Identifier: MIT */
/* Whom a Chronicle connection believes, and its client certificate. */
#ifndef BL_SERVICE_CHRONICLE_TLS_H
#define BL_SERVICE_CHRONICLE_TLS_H

#include "belay/chronicle.h"
#include "wire/chronicle_string.h"

/*
 * The identity that the string, the option and the caller's channel options (NULL: none) come to,
 * with a reference; NULL: without TLS. BELAY_EINVAL: they contradict each other; BELAY_EFILE: the
 * certificate; else as belay_tls_new.
 */
int bl_chronicle_tls_new(struct belay_loop *loop, const struct bl_chronicle_string *string,
                         enum belay_choice skip_validation,
                         const struct belay_channel_options *channel, struct belay_tls **ret_tls,
                         struct belay_error *error);
/* BELAY_EINVAL alone: what of it needs no file. */
int bl_chronicle_tls_check(const struct bl_chronicle_string *string,
                           enum belay_choice skip_validation,
                           const struct belay_channel_options *channel, struct belay_error *error);

#endif

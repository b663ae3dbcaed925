/* SPDX-License-Identifier: MIT */
/*
 * How a Chronicle connection shows who it is, and whom it believes: from the connection string and
 * the options to a TLS identity and a hook that gives each call its credentials: the metadata
 * "api-key", or "authorization" with a token of the kernel's token endpoint, or none.
 *
 * A call goes without a token where there is none to be had; one that was refused for its token is
 * sent once more with a new one. Secrets are in no error, log or listing, and wiped when freed.
 *
 * Made once for the connection's life, it outlives the channels that ask it: it may be closed when
 * the last of them was. Loop thread.
 */
#ifndef BL_SERVICE_CHRONICLE_AUTH_H
#define BL_SERVICE_CHRONICLE_AUTH_H

#include "belay/chronicle.h"
#include "wire/chronicle_string.h"

struct bl_chronicle_access;

struct bl_chronicle_access_options {
    const struct bl_chronicle_string *string; /* outlives it */
    enum belay_choice skip_tls_validation;
    const struct belay_channel_options *channel; /* the caller's, effective; NULL: none. Read now,
                                                    but `route`, which outlives it */
};

/*
 * Reads the client certificate; dials nothing. BELAY_EINVAL (two ways to authenticate, half of the
 * credentials; a client certificate without TLS or beside the caller's own `tls`, a password without
 * a certificate, not to verify beside the caller's own `tls`; NO beside skipTlsValidation is the
 * option's), BELAY_EFILE (the certificate: missing, not to be read with that password),
 * BELAY_ENOMEM, BELAY_ETLS, BELAY_ECLOSED.
 */
int bl_chronicle_access_new(struct belay_loop *loop,
                            const struct bl_chronicle_access_options *options,
                            struct bl_chronicle_access **ret_access, struct belay_error *error);

/* BELAY_EINVAL alone, of a string that may go away: what of it needs neither a loop nor a file. */
int bl_chronicle_access_check(const struct bl_chronicle_access_options *options,
                              struct belay_error *error);

/*
 * Sets plain, tls, credentials and credentials_arg in the options of a channel, where they are not
 * the caller's own. `tls` is lent: it lives as long as this, or as who takes a reference.
 */
void bl_chronicle_access_apply(const struct bl_chronicle_access *access,
                               struct belay_channel_options *options);
/* Whether channels are to be without TLS. */
bool bl_chronicle_access_is_plain(const struct bl_chronicle_access *access);
/* The TLS identity, lent; NULL: plain. For other requests to the kernel, such as its counts. */
struct belay_tls *bl_chronicle_access_tls(const struct bl_chronicle_access *access);

/*
 * Before each attempt: tokens are those of that kernel from now on. `host` is a name or an address
 * without brackets, `port` its own; authPort takes its place where it was written. BELAY_ENOMEM,
 * BELAY_EINVAL (no host); what was before remains.
 */
int bl_chronicle_access_aim(struct bl_chronicle_access *access, const char *host, uint16_t port,
                            struct belay_error *error);

/* At once: who waits for a token is answered that there is none. NULL is fine. */
void bl_chronicle_access_close(struct bl_chronicle_access *access);

#endif

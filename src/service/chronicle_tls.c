/* SPDX-License-Identifier: MIT */
/* From what a Chronicle connection was told about TLS to one identity. */
#include "service/chronicle_tls.h"

#include "base/error.h"

static int refuse(struct belay_error *error, const char *why)
{
    return bl_error_set(error, BELAY_EINVAL, BELAY_STAGE_NONE, "%s", why);
}

static bool skips(const struct bl_chronicle_string *string, enum belay_choice skip_validation)
{
    return skip_validation == BELAY_CHOICE_YES ||
           (skip_validation != BELAY_CHOICE_NO && string->skip_tls_validation);
}

int bl_chronicle_tls_check(const struct bl_chronicle_string *s, enum belay_choice skip_validation,
                           const struct belay_channel_options *own, struct belay_error *error)
{
    int rc = bl_chronicle_string_check_tls(s, error);

    if (rc < 0 || !own)
        return rc;
    if (own->plain && own->tls)
        return refuse(error, "channel: its tls contradicts its plain");
    if (own->plain && s->certificate_path)
        return refuse(error, "channel: plain and certificatePath exclude each other: a client "
                             "certificate needs TLS");
    if (own->tls && s->disable_tls)
        return refuse(error, "channel: tls contradicts disableTls of the connection string");
    if (own->tls && s->certificate_path)
        return refuse(error, "channel: tls and certificatePath exclude each other: the certificate "
                             "is to be part of tls");
    if (own->tls && skips(s, skip_validation))
        return refuse(error, "channel: tls and skipTlsValidation exclude each other: tls has a "
                             "no_verify of its own");
    return 0;
}

static int make(struct belay_loop *loop, const struct bl_chronicle_string *string, bool skip,
                struct belay_tls **ret_tls, struct belay_error *error)
{
    struct belay_tls_options o = belay_tls_options_init();
    int rc;

    o.no_verify = skip;
    o.cert_file = string->certificate_path;
    o.key_passphrase = string->certificate_password;
    rc = belay_tls_new(loop, &o, ret_tls, error);
    if (rc == BELAY_EFILE)
        bl_error_prefix(error, "certificatePath");
    return rc;
}

int bl_chronicle_tls_new(struct belay_loop *loop, const struct bl_chronicle_string *string,
                         enum belay_choice skip_validation,
                         const struct belay_channel_options *channel, struct belay_tls **ret_tls,
                         struct belay_error *error)
{
    int rc = bl_chronicle_tls_check(string, skip_validation, channel, error);

    if (rc < 0)
        return rc;
    if (string->disable_tls || (channel && channel->plain)) {
        *ret_tls = NULL;
        return 0;
    }
    if (!channel || !channel->tls)
        return make(loop, string, skips(string, skip_validation), ret_tls, error);
    *ret_tls = belay_tls_ref(channel->tls);
    return 0;
}

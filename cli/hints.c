/* SPDX-License-Identifier: MIT */
/* What to try, for an error of the library's. */
#include "hints.h"

#include <errno.h>
#include <openssl/x509_vfy.h>
#include <string.h>
#include <strings.h>

static const char *for_certificate(const struct belay_error *error)
{
    switch (error->tls_code) {
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_CERT_UNTRUSTED:
        return " (--cacert FILE trusts an authority of your own)";
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
        if (strstr(error->text, " on the way to ")) /* a proxy's: --servername is the target's */
            return "";
        if (strstr(error->text, "names no host"))
            return " (it needs a subjectAltName: the common name counts no more)";
        return " (--servername NAME says whom to expect instead)";
    default:
        return "";
    }
}

static const char *for_timeout(enum belay_stage stage)
{
    switch (stage) {
    case BELAY_STAGE_RESOLVE:
    case BELAY_STAGE_CONNECT:
    case BELAY_STAGE_PROXY:
    case BELAY_STAGE_TLS:
        return " (--connect-timeout sets the limit)";
    default:
        return "";
    }
}

const char *hint_for_status(int status)
{
    return status == 407 ? " (--proxy-user NAME:PASSWORD)" : "";
}

/* Some proxies say 401 of wrong credentials; 255 is SOCKS's way of not letting in. */
static const char *for_refusal(const struct belay_error *error)
{
    return hint_for_status(error->status == 401 || error->status == 255 ? 407 : error->status);
}

static bool starts(const char *url, const char *scheme)
{
    return url && strncasecmp(url, scheme, strlen(scheme)) == 0;
}

/* One port, one protocol: which may it be, if not this one? */
static const char *for_plain(const struct belay_error *error)
{
    if (strstr(error->text, "it speaks HTTP/2 without it"))
        return " (http:// with --http2-prior-knowledge)";
    if (strstr(error->text, "it speaks plain HTTP"))
        return " (is it http://?)";
    if (strstr(error->text, "it sent 'HTTP/"))
        return " (it speaks plain http:// on that port)";
    return strstr(error->text, "does not speak TLS") ? " (is it http://, or another port?)" : "";
}

/* A server of HTTP/2 begins with a frame of SETTINGS. */
static const char *for_version(const struct belay_error *error, const char *url)
{
    if (strstr(error->text, "speaks TLS, not"))
        return " (https:// on that port)";
    if (strstr(error->text, "begins with \"\\x00\\x00") &&
        strstr(error->text, "\\x04\\x00\\x00\\x00\\x00\\x00"))
        return " (it speaks HTTP/2: --http2-prior-knowledge)";
    return starts(url, "http") && (strstr(error->text, "speaks HTTP/1.x, not HTTP/2") ||
                                   strstr(error->text, "HTTP/2 was not agreed on"))
               ? " (without --http2-prior-knowledge it is asked by HTTP/1.1)"
               : "";
}

static const char *for_end(const struct belay_error *error, const char *url)
{
    if (error->stage == BELAY_STAGE_TLS)
        return " (it may speak no TLS on that port)";
    return error->code == BELAY_EEOF && starts(url, "http:") && error->sent == BELAY_MAYBE_SENT
               ? " (it may want https:// on that port)"
               : "";
}

const char *hint_for(const struct belay_error *error, const char *url)
{
    switch (error->code) {
    case BELAY_ETLS:
        return for_plain(error);
    case BELAY_EALPN:
    case BELAY_EPROTO:
        return for_version(error, url);
    case BELAY_ERESET:
    case BELAY_EEOF:
        return for_end(error, url);
    case BELAY_ECERT:
        return for_certificate(error);
    case BELAY_ETIMEDOUT:
        return for_timeout(error->stage);
    case BELAY_EPROXY:
        return for_refusal(error);
    case BELAY_EREDIRECT:
        return " (--max-redirs N allows more)";
    case BELAY_EMFILE:
        return " (ulimit -n, or fewer with -c and --max-total)";
    case BELAY_ECONNECT:
        return error->os_error == ECONNREFUSED ? " (is it running, and on that port?)" : "";
    default:
        return "";
    }
}

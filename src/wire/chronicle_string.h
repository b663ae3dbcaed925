/* SPDX-License-Identifier: MIT */
/*
 * Connection strings of Chronicle:
 *
 *     chronicle://[user:password@]host[:port]{,host[:port]}[/][?key=value{&key=value}]
 *     chronicle+srv://[user:password@]name[/][?...]
 *
 * The last "@" before the query ends user and password; a port not written is 35000. What stands
 * between the marks may hold %XX; "+" is a plus. IPv6 addresses are in brackets, and may be bare
 * where no port follows. Keys are known in any case, each once; unknown ones are kept. Nothing holds
 * a control character.
 *
 *     apiKey                 the key to authenticate with
 *     auth                   "none": without credentials, whatever else is there
 *     disableTls             true, false
 *     skipTlsValidation      true: the server's certificate is not verified; false by default
 *     certificatePath        client certificate, PEM or PKCS#12
 *     certificatePassword
 *     authPort               port of the server that gives tokens; by default the host's
 *     loadBalancer           least-connections (default), round-robin, random
 *     srvNameServer          host[:port], which chronicle+srv asks; the system's by default
 *     skipCompatibilityCheck true, false
 *
 * Pure, and immutable once parsed. Errors name the part and show no secret: of a string in which
 * one might be out of its place, nothing is shown. Memory that held secrets is wiped.
 */
#ifndef BL_WIRE_CHRONICLE_STRING_H
#define BL_WIRE_CHRONICLE_STRING_H

#include "base/buf.h"
#include "base/span.h"
#include "belay/error.h"

#define BL_CHRONICLE_PORT       35000
#define BL_CHRONICLE_HOSTS_MAX  64
#define BL_CHRONICLE_PARAMS_MAX 64

#define BL_CHRONICLE_DEFAULT "chronicle://localhost:35000"
#define BL_CHRONICLE_DEVELOPMENT                                                                   \
    "chronicle://chronicle-dev-client:chronicle-dev-secret@localhost:35000"

struct bl_chronicle_host {
    char *name;           /* in lower case; an address in its canonical form, without brackets */
    struct belay_addr ip; /* of an address, with its port; family NONE for a name */
    uint16_t port;
    bool port_given;
};

struct bl_chronicle_param {
    char *key, *value; /* without escapes; of known keys the key is spelt as above */
};

enum bl_chronicle_balancer {
    BL_CHRONICLE_LEAST_CONNECTIONS,
    BL_CHRONICLE_ROUND_ROBIN,
    BL_CHRONICLE_RANDOM,
};

enum bl_chronicle_auth {
    BL_CHRONICLE_AUTH_NONE,
    BL_CHRONICLE_AUTH_API_KEY,
    BL_CHRONICLE_AUTH_CREDENTIALS,
};

struct bl_chronicle_string {
    struct bl_mem *mem;
    bool srv; /* chronicle+srv: hosts[0] is looked up as _chronicle._tcp.<name> */
    struct bl_chronicle_host *hosts; /* at least one */
    size_t hosts_n;
    char *user, *password;             /* NULL: not written */
    struct bl_chronicle_param *params; /* all that were written, sorted by key */
    size_t params_n;

    /* What they mean. Texts are NULL when absent or empty. */
    const char *api_key, *certificate_path, *certificate_password;
    bool no_auth, disable_tls, skip_tls_validation, skip_compatibility_check;
    uint16_t auth_port; /* 0: the host's */
    enum bl_chronicle_balancer balancer;
    struct bl_chronicle_host name_server; /* name NULL: the system's */
};

/* BELAY_EINVAL, BELAY_ENOMEM. The string is freed with bl_chronicle_string_free, which takes NULL. */
int bl_chronicle_string_parse(struct bl_mem *mem, struct bl_span text,
                              struct bl_chronicle_string **ret, struct belay_error *error);
void bl_chronicle_string_free(struct bl_chronicle_string *s);

/* BL_CHRONICLE_DEFAULT: TLS, no credentials; and with the credentials of a development server. */
int bl_chronicle_string_default(struct bl_mem *mem, struct bl_chronicle_string **ret);
int bl_chronicle_string_development(struct bl_mem *mem, struct bl_chronicle_string **ret);

/*
 * How to authenticate: apiKey, or user and password; an empty one is none. BELAY_EINVAL: both are
 * there, or one half of the credentials alone.
 */
int bl_chronicle_string_auth(const struct bl_chronicle_string *s, enum bl_chronicle_auth *ret,
                             struct belay_error *error);

/* BELAY_EINVAL: a client certificate where TLS is off, or a password without one. */
int bl_chronicle_string_check_tls(const struct bl_chronicle_string *s, struct belay_error *error);

/*
 * Another string, which authenticates so and in no other way. BELAY_EINVAL: an empty one, or a
 * control character in one; BELAY_ENOMEM.
 */
int bl_chronicle_string_with_credentials(const struct bl_chronicle_string *s, const char *user,
                                         const char *password, struct bl_chronicle_string **ret,
                                         struct belay_error *error);
int bl_chronicle_string_with_api_key(const struct bl_chronicle_string *s, const char *api_key,
                                     struct bl_chronicle_string **ret, struct belay_error *error);

/*
 * Appends it in its canonical form: ports written (but that of chronicle+srv, where it was not),
 * keys sorted, what is not plain as %XX. Read again it is the same. BELAY_ENOMEM; `out` is then as
 * it was.
 */
int bl_chronicle_string_write(const struct bl_chronicle_string *s, struct bl_buf *out);

/*
 * Likewise for people and logs: the password, and the values of keys in which "password", "pass",
 * "pwd", "secret", "token", "key" or "credential" occurs, are REDACTED.
 */
int bl_chronicle_string_write_redacted(const struct bl_chronicle_string *s, struct bl_buf *out);

#endif

/* SPDX-License-Identifier: MIT */
/* The options that commands which ask servers have in common. */
#include <string.h>

#include "client_options.h"

#define AT(field) offsetof(struct client_options, field)
#include "option_rows.h"

/* ---- values that need more than a place ---- */

static bool take_header(void *into, const char *value, struct complaint *why)
{
    struct client_options *o = into;
    struct header_value header;

    if (!values_header(value, &header, why))
        return false;
    o->headers = memory_grow(o->headers, o->headers_n + 1, sizeof *o->headers);
    o->headers[o->headers_n++] = header;
    return true;
}

static bool add_data(struct client_options *o, const char *text, bool binary)
{
    o->data = memory_grow(o->data, o->data_n + 1, sizeof *o->data);
    o->data[o->data_n++] = (struct data_option){binary, text};
    return true;
}

static bool take_data(void *into, const char *value, struct complaint *why)
{
    (void)why;
    return add_data(into, value, false);
}

static bool take_data_binary(void *into, const char *value, struct complaint *why)
{
    (void)why;
    return add_data(into, value, true);
}

static bool add_form(struct client_options *o, const char *text, bool literal)
{
    o->forms = memory_grow(o->forms, o->forms_n + 1, sizeof *o->forms);
    o->forms[o->forms_n++] = (struct form_option){literal, text};
    return true;
}

static bool take_form(void *into, const char *value, struct complaint *why)
{
    if (value[0] == '=' || !strchr(value, '='))
        return complain(why, "is not NAME=VALUE, NAME=@FILE or NAME=<FILE");
    return add_form(into, value, false);
}

static bool take_form_string(void *into, const char *value, struct complaint *why)
{
    if (value[0] == '=' || !strchr(value, '='))
        return complain(why, "is not NAME=VALUE");
    return add_form(into, value, true);
}

static bool take_user(void *into, const char *value, struct complaint *why)
{
    if (!strchr(value, ':'))
        return complain(why, "there is no password in it (NAME:PASSWORD)");
    for (const char *c = value; *c; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            return complain(why, "has a control character in it");
    ((struct client_options *)into)->user = value;
    return true;
}

static bool take_method(void *into, const char *value, struct complaint *why)
{
    char shown[TEXT_SHOWN_MAX];

    if (!values_is_token(value, strlen(value)))
        return complain(why, "\"%s\" is not a method", text_show(shown, sizeof shown, value));
    ((struct client_options *)into)->method = value;
    return true;
}

static bool take_tls_min(void *into, const char *value, struct complaint *why)
{
    struct belay_tls_options *tls = &((struct client_options *)into)->tls;
    char shown[TEXT_SHOWN_MAX];

    if (strcmp(value, "1.2") == 0)
        tls->min_version = BELAY_TLS_1_2;
    else if (strcmp(value, "1.3") == 0)
        tls->min_version = BELAY_TLS_1_3;
    else
        return complain(why, "\"%s\" is neither 1.2 nor 1.3",
                        text_show(shown, sizeof shown, value));
    return true;
}

/* "sha256//...;sha256//...": the library says what is wrong with one. */
static bool take_pins(void *into, const char *value, struct complaint *why)
{
    struct client_options *o = into;

    if (value[strspn(value, ";")] == '\0')
        return complain(why, "its value is empty");
    for (const char *at = value; *at; at += strspn(at, ";")) {
        size_t len = strcspn(at, ";");

        o->pins = memory_grow(o->pins, o->tls.pins_n + 1, sizeof *o->pins);
        o->pins[o->tls.pins_n++] = memory_copy(at, len);
        at += len;
    }
    o->tls.pins = o->pins;
    return true;
}

static bool take_resolve(void *into, const char *value, struct complaint *why)
{
    return route_add_resolve(&((struct client_options *)into)->routes, value, why);
}

static bool take_connect_to(void *into, const char *value, struct complaint *why)
{
    return route_add_connect_to(&((struct client_options *)into)->routes, value, why);
}

static bool take_proxy(void *into, const char *value, struct complaint *why)
{
    (void)why;
    proxies_add(&((struct client_options *)into)->proxies, value);
    return true;
}

static bool take_proxy_user(void *into, const char *value, struct complaint *why)
{
    if (!strchr(value, ':'))
        return complain(why, "is not NAME:PASSWORD");
    ((struct client_options *)into)->proxies.user = value;
    return true;
}

static bool take_noproxy(void *into, const char *value, struct complaint *why)
{
    (void)why;
    ((struct client_options *)into)->proxies.noproxy = value;
    return true;
}

/* ---- the tables ---- */

static const struct option_row ask_rows[] = {
    HEADING("What to ask"),
    TAKE('X', "request", "METHOD", take_method, "the method (GET)"),
    TAKE('H', "header", "NAME: VALUE", take_header,
         "send a header; NAME; has no value, NAME: takes away\nUser-Agent, or the Content-Type of "
         "-d"),
    TAKE('u', "user", "NAME:PASSWORD", take_user,
         "Basic credentials, kept to the hosts of the URLs"),
};

static const struct option_row request_rows[] = {
    TAKE('d', "data", "TEXT|@FILE", take_data,
         "send a body by POST, as a form; @- is standard input;\n"
         "files without their line ends, several joined by &"),
    TAKE(0, "data-binary", "TEXT|@FILE", take_data_binary, "the same, every byte as it is"),
    TAKE('F', "form", "NAME=VALUE", take_form,
         "send multipart/form-data by POST; NAME=@FILE is a file,\n"
         "NAME=<FILE its text; ;type=TYPE and ;filename=NAME follow"),
    TAKE(0, "form-string", "NAME=VALUE", take_form_string, "the same, VALUE as it is"),
    TEXT('T', "upload-file", "FILE", upload, "send a file by PUT; - is standard input"),
    FLAG('L', "location", location,
         "follow redirects; credentials stay behind when the host changes"),
    COUNT(0, "max-redirs", max_redirects, 1, 1000, "follow at most so many (10)"),
    FLAG('I', "head", head, "ask by HEAD and show the headers"),
    FLAG(0, "compressed", compressed, "ask for gzip or deflate, and unpack it"),
    LIST('i', "input-file", "FILE", url_files,
         "read URLs from a file, one a line, # begins a comment"),
    FLAG(0, "http1.1", http1, "speak HTTP/1.1, whatever the server offers"),
    FLAG(0, "http2", http2, "HTTP/2 where the server speaks it over TLS: so it is anyway"),
    FLAG(0, "http2-prior-knowledge", http2_only, "HTTP/2 and nothing else, without TLS too"),
};

static const struct option_row pool_rows[] = {
    HEADING("Connections that are kept"),
    COUNT(0, "max-connections", max_connections, 1, 100000, "to one endpoint at a time (10)"),
    COUNT(0, "max-total", max_total, 1, 1000000, "in all (1,000)"),
    COUNT(0, "min-idle", min_idle, 1, 100000,
          "keep so many ready for each endpoint, used or not (0)"),
    TIME(0, "idle-timeout", idle_timeout_ms, 0, "close those unused for so long (60s)"),
    TIME(0, "lifetime", lifetime_ms, 0, "and those older than that, when not in use (5m)"),
    COUNT(0, "max-uses", max_uses, 1, INT32_MAX, "and those used so many times (no limit)"),
};

static const struct option_row limit_rows[] = {
    HEADING("How to connect"),
    TIME(0, "connect-timeout", connect_timeout_ms, 0, "for look-up, connecting and TLS together"),
    TIME('m', "timeout", timeout_ms, 0, "for one request, retries included"),
};

static const struct option_row connect_rows[] = {
    TEXT(0, "cacert", "FILE", tls.ca_file, "trust these authorities (PEM) and no others"),
    TEXT(0, "capath", "DIR", tls.ca_dir, "the same, a directory of hashed PEM files"),
    TEXT(0, "cert", "FILE", tls.cert_file, "client certificate and its chain (PEM, PKCS#12)"),
    TEXT(0, "key", "FILE", tls.key_file, "its key, if it is in another file"),
    TEXT(0, "pass", "PHRASE", tls.key_passphrase, "passphrase of the key"),
    FLAG('k', "insecure", tls.no_verify, "believe whoever answers"),
    TAKE(0, "tls-min", "1.2|1.3", take_tls_min, "least version of TLS (1.2)"),
    TAKE(0, "pinnedpubkey", "PINS", take_pins,
         "the server's public key is one of these: sha256//BASE64;..."),
    TEXT(0, "servername", "NAME", server_name, "ask for and verify that name instead of the URL's"),
    TAKE(0, "resolve", "HOST:PORT:ADDR", take_resolve,
         "dial ADDR[,ADDR...] for HOST:PORT; proxies that look names\nup themselves are not told"),
    TAKE(0, "connect-to", "H:P:H2:P2", take_connect_to, "dial H2:P2 for H:P"),
    TEXT(0, "unix", "PATH", unix_path, "dial a Unix socket; @NAME is abstract"),
    FLAG('4', "ipv4", ipv4, "IPv4 only"),
    FLAG('6', "ipv6", ipv6, "IPv6 only"),
    TEXT(0, "interface", "NAME|ADDR", interface, "leave by that interface, or from that address"),
    TAKE(
        'x', "proxy", "URL", take_proxy,
        "through that proxy: http, https, socks4, socks4a, socks5,\nsocks5h://[NAME:PASSWORD@]HOST:"
        "PORT; given again, the\nnext is behind it; 'A | B' tries B when A fails; '' is none\n"
        "(http_proxy, https_proxy, all_proxy of the environment)"),
    TAKE('U', "proxy-user", "NAME:PASSWORD", take_proxy_user,
         "credentials of the proxy, of a chain's last, when its URL\nhas none; %XX is undone"),
    TAKE(0, "noproxy", "LIST", take_noproxy,
         "not for these names, addresses and networks, * is all\n(no_proxy of the environment)"),
};

static bool take_backoff(void *into, const char *value, struct complaint *why)
{
    return values_backoff(value, &((struct client_options *)into)->backoff, why);
}

static const struct option_row link_rows[] = {
    HEADING("When to connect again"),
    TIME(0, "retry-delay", retry_delay_ms, 1,
         "from the start of one attempt to that of the next,\ngive or take 30 % (1s)"),
    TAKE(0, "backoff", "POLICY", take_backoff,
         "instead: FIRST[..MAX][,xFACTOR][,jitter=none|full|N%][,tries=N],\n"
         "such as 100ms..10s,x1.5,jitter=full (x2, jitter=20%)"),
};

static const struct option_row help_rows[] = {
    HEADING("And"),
    {.letter = 'h', .kind = OPTION_HELP, .name = "help", .help = "show this"},
};

const struct option_group client_ask_group = GROUP(ask_rows);
const struct option_group client_request_group = GROUP(request_rows);
const struct option_group client_pool_group = GROUP(pool_rows);
const struct option_group client_limit_group = GROUP(limit_rows);
const struct option_group client_connect_group = GROUP(connect_rows);
const struct option_group client_link_group = GROUP(link_rows);
const struct option_group client_help_group = GROUP(help_rows);

/* What people bring along from curl, h2load and wrk. */
const struct option_hint client_hints[] = {
    {"-s", "quiet is -q"},
    {"--silent", "quiet is -q"},
    {"-S", "errors are always shown"},
    {"--show-error", "errors are always shown"},
    {"-A", "use -H 'User-Agent: NAME'"},
    {"--user-agent", "use -H 'User-Agent: NAME'"},
    {"-b", "use -H 'Cookie: NAME=VALUE'"},
    {"--cookie", "use -H 'Cookie: NAME=VALUE'"},
    {"-e", "use -H 'Referer: URL'"},
    {"--referer", "use -H 'Referer: URL'"},
    {"-r", "use -H 'Range: bytes=FROM-TO'"},
    {"--range", "use -H 'Range: bytes=FROM-TO'"},
    {"--url", "URLs need no option"},
    {"--max-time", "it is --timeout here, or -m"},
    {"--data-raw", "use --data-binary"},
    {"--unix-socket", "it is --unix here"},
    {"--abstract-unix-socket", "use --unix @NAME"},
    {"-Z", "-c says how many at a time"},
    {"--parallel", "-c says how many at a time"},
    {"--parallel-max", "-c says how many at a time"},
    {"--http1.0", "requests are sent as HTTP/1.1 or HTTP/2"},
    {"-0", "requests are sent as HTTP/1.1 or HTTP/2"},
    {"--http3", "it speaks HTTP/1.1 and HTTP/2"},
    {"--tlsv1.2", "use --tls-min 1.2"},
    {"--tlsv1.3", "use --tls-min 1.3"},
    {"--preproxy", "-x is repeated: the nearest first"},
    {"--socks4", "use -x socks4://HOST:PORT"},
    {"--socks4a", "use -x socks4a://HOST:PORT"},
    {"--socks5", "use -x socks5://HOST:PORT"},
    {"--socks5-hostname", "use -x socks5h://HOST:PORT"},
    {"--proxy-cacert", "--cacert is for proxies as well"},
    {"--resolve-host", "use --resolve HOST:PORT:ADDR"},
    {"-t", "one thread is enough; -c says how many at a time"},
    {"--threads", "one thread is enough; -c says how many at a time"},
    {"--duration", "it is --for here"},
    {"--connections", "connections are limited by --max-connections"},
    {"--clients", "connections are limited by --max-connections, requests in flight by -c"},
    {NULL, NULL},
};

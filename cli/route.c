/* SPDX-License-Identifier: MIT */
/* --resolve and --connect-to. */
#include "route.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "memory.h"
#include "proxies.h"
#include "values.h"

static struct route_rule *add(struct route_rules *rules)
{
    rules->items = memory_grow(rules->items, rules->n + 1, sizeof *rules->items);
    memset(&rules->items[rules->n], 0, sizeof *rules->items);
    return &rules->items[rules->n++];
}

static bool read_port(const char *text, bool may_be_empty, int *ret, struct complaint *why)
{
    struct complaint inner;
    int64_t port = 0;

    if (!(may_be_empty && text[0] == '\0') && !values_count(text, 1, 65535, &port, &inner))
        return complain(why, "port %.200s", inner.text);
    *ret = (int)port;
    return true;
}

/* "192.0.2.1,[2001:db8::1]", in place. */
static bool read_addrs(char *list, struct route_rule *rule, struct complaint *why)
{
    char *state = NULL;

    for (char *item = strtok_r(list, ",", &state); item; item = strtok_r(NULL, ",", &state)) {
        char shown[TEXT_SHOWN_MAX];
        size_t len = strlen(item);
        struct belay_addr addr;

        if (len > 2 && item[0] == '[' && item[len - 1] == ']') {
            item++;
            len -= 2;
        }
        if (belay_addr_parse_ip(item, len, 0, &addr) < 0)
            return complain(why, "\"%s\" is not an IP address",
                            text_show(shown, sizeof shown, item));
        rule->addrs = memory_grow(rule->addrs, rule->addrs_n + 1, sizeof *rule->addrs);
        rule->addrs[rule->addrs_n++] = addr;
    }
    return rule->addrs_n > 0 || complain(why, "no address is given");
}

bool route_add_resolve(struct route_rules *rules, const char *text, struct complaint *why)
{
    char *copy = memory_copy(text, strlen(text)), *parts[3], shown[TEXT_SHOWN_MAX];
    struct route_rule *rule = add(rules);
    bool good;

    if (!values_split(copy, parts, 3) || parts[0][0] == '\0')
        good =
            complain(why, "\"%s\" is not HOST:PORT:ADDRESS", text_show(shown, sizeof shown, text));
    else
        good = read_port(parts[1], false, &rule->port, why) && read_addrs(parts[2], rule, why);
    if (good)
        rule->host = memory_copy(parts[0], strlen(parts[0]));
    free(copy);
    return good;
}

bool route_add_connect_to(struct route_rules *rules, const char *text, struct complaint *why)
{
    char *copy = memory_copy(text, strlen(text)), *parts[4], shown[TEXT_SHOWN_MAX];
    struct route_rule *rule = add(rules);
    bool good;

    if (!values_split(copy, parts, 4))
        good = complain(why, "\"%s\" is not HOST:PORT:TO_HOST:TO_PORT",
                        text_show(shown, sizeof shown, text));
    else
        good = read_port(parts[1], true, &rule->port, why) &&
               read_port(parts[3], true, &rule->to_port, why);
    if (good) {
        rule->host = parts[0][0] ? memory_copy(parts[0], strlen(parts[0])) : memory_copy("*", 1);
        rule->to_host = parts[2][0] ? memory_copy(parts[2], strlen(parts[2])) : NULL;
    }
    free(copy);
    return good;
}

static bool fits(const struct route_rule *rule, const struct belay_endpoint_options *o)
{
    return (strcmp(rule->host, "*") == 0 || strcasecmp(rule->host, o->host) == 0) &&
           (rule->port == 0 || rule->port == o->port);
}

static bool is_tls(const char *scheme)
{
    return strcmp(scheme, "https") == 0 || strcmp(scheme, "tls") == 0;
}

int route_apply(struct belay_endpoint_options *o, void *arg)
{
    const struct route_rules *rules = arg;

    for (size_t i = 0; i < rules->n; i++) {
        const struct route_rule *rule = &rules->items[i];

        if (!fits(rule, o) || (rule->addrs && !proxies_look_up_here(o->proxy)))
            continue;
        o->addrs = rule->addrs;
        o->addrs_n = rule->addrs_n;
        if (rule->to_host && !o->server_name && is_tls(o->scheme))
            o->server_name = o->host; /* whoever answers there must be who the URL names */
        if (rule->to_host)
            o->host = rule->to_host;
        if (rule->to_port)
            o->port = rule->to_port;
        return 0;
    }
    return 0;
}

void route_free(struct route_rules *rules)
{
    for (size_t i = 0; i < rules->n; i++) {
        free(rules->items[i].host);
        free(rules->items[i].to_host);
        free(rules->items[i].addrs);
    }
    free(rules->items);
    memset(rules, 0, sizeof *rules);
}

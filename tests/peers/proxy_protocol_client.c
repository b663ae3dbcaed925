/* SPDX-License-Identifier: MIT */
/* Fetches a URL, saying the PROXY protocol first: VERSION URL [CA] [SOURCE DESTINATION PORT PORT]. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "belay/belay.h"

static int refuse(const struct belay_error *error)
{
    fprintf(stderr, "%s\n", error->text);
    return 1;
}

static struct belay_addr addr_of(const char *ip, const char *port)
{
    struct belay_addr addr = {0};

    if (belay_addr_parse_ip(ip, strlen(ip), (uint16_t)atoi(port), &addr) < 0)
        fprintf(stderr, "\"%s\" is not an address\n", ip);
    return addr;
}

static int fetch(struct belay_http *http, const char *url)
{
    struct belay_http_request_options o = belay_http_request_options_init();
    struct belay_http_result result = {.size = sizeof result};
    struct belay_error error;

    o.url = url;
    if (belay_http_fetch_wait(http, &o, 65536, 20000, &result, &error) < 0)
        return refuse(&error);
    printf("%d %s\n", result.status, result.body);
    belay_http_result_free(&result);
    return 0;
}

int main(int argc, char **argv)
{
    struct belay_endpoint_options route = belay_endpoint_options_init();
    struct belay_http_options o = belay_http_options_init();
    struct belay_tls_options tls = belay_tls_options_init();
    struct belay_addr source, destination;
    struct belay_error error;
    struct belay_loop *loop;
    struct belay_http *http;
    int status;

    if (argc < 4)
        return 2;
    route.proxy_protocol = argv[1][0] == '1' ? BELAY_PROXY_PROTOCOL_V1 : BELAY_PROXY_PROTOCOL_V2;
    if (argc == 8) {
        source = addr_of(argv[4], argv[6]);
        destination = addr_of(argv[5], argv[7]);
        route.proxy_source = &source;
        route.proxy_destination = &destination;
    }
    tls.ca_file = argv[3];
    o.route = &route;
    if (belay_loop_new(NULL, &loop, &error) < 0 || belay_tls_new(loop, &tls, &o.tls, &error) < 0 ||
        belay_http_open(loop, &o, &http, &error) < 0)
        return refuse(&error);
    status = fetch(http, argv[2]);
    belay_tls_unref(o.tls);
    belay_loop_free(loop);
    return status;
}

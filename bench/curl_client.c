/* SPDX-License-Identifier: MIT */
/*
 * curl_client.c - the same work done by libcurl.
 *
 * keepalive: multi_perform and multi_poll; sequential, connect and connect-resumed: one easy
 * handle; body and h2-1-body: one too, of which the bytes count; idle: connections that a multi handle keeps when their transfers are gone.
 */
#include "bench_util.h"

#include <curl/curl.h>
#include <malloc.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct transfer {
    CURL *easy;
    bool resumed;
};

static void check(CURLcode code)
{
    if (code != CURLE_OK)
        bench_die("libcurl: %s", curl_easy_strerror(code));
}

static void check_multi(CURLMcode code)
{
    if (code != CURLM_OK)
        bench_die("libcurl: %s", curl_multi_strerror(code));
}

static size_t on_body(char *data, size_t size, size_t count, void *arg)
{
    (void)data;
    (void)arg;
    return size * count;
}

/* The session can be asked for only while the transfer runs. */
static size_t on_body_look_at_session(char *data, size_t size, size_t count, void *arg)
{
    struct transfer *transfer = arg;
    const struct curl_tlssessioninfo *info = NULL;

    (void)data;
    check(curl_easy_getinfo(transfer->easy, CURLINFO_TLS_SSL_PTR, &info));
    if (info != NULL && info->backend == CURLSSLBACKEND_OPENSSL)
        transfer->resumed = SSL_session_reused(info->internals) == 1;
    return size * count;
}

static CURL *make_easy(const struct bench_options *options)
{
    CURL *easy = curl_easy_init();
    char url[300];

    if (easy == NULL)
        bench_die("out of memory");
    snprintf(url, sizeof(url), "%s://%s:%u/%s", options->tls ? "https" : "http", options->host,
             options->port, bench_is_body(options) ? "big" : "");
    check(curl_easy_setopt(easy, CURLOPT_URL, url));
    check(curl_easy_setopt(easy, CURLOPT_PROXY, ""));
    check(curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L));
    check(curl_easy_setopt(easy, CURLOPT_FAILONERROR, 1L));
    check(curl_easy_setopt(easy, CURLOPT_HTTP_VERSION,
                           !bench_h2_connections(options) ? (long)CURL_HTTP_VERSION_1_1
                           : options->tls                 ? (long)CURL_HTTP_VERSION_2TLS
                                          : (long)CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE));
    if (bench_h2_connections(options))
        check(curl_easy_setopt(easy, CURLOPT_PIPEWAIT, 1L));
    check(curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body));
    if (options->tls)
        check(curl_easy_setopt(easy, CURLOPT_CAINFO, options->cafile));
    return easy;
}

/* Takes the next finished transfer out of the multi handle; NULL when there is none. */
static CURL *next_done(CURLM *multi)
{
    CURLMsg *message;
    int left;

    do {
        message = curl_multi_info_read(multi, &left);
        if (message == NULL)
            return NULL;
    } while (message->msg != CURLMSG_DONE);
    check(message->data.result);
    check_multi(curl_multi_remove_handle(multi, message->easy_handle));
    return message->easy_handle;
}

static void run_keepalive(const struct bench_options *options, struct bench_meter *meter)
{
    CURL **easies = bench_calloc(options->inflight, sizeof(*easies));
    unsigned h2 = bench_h2_connections(options);
    CURLM *multi = curl_multi_init();
    int running;

    check_multi(curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, (long)options->inflight));
    if (h2) {
        check_multi(curl_multi_setopt(multi, CURLMOPT_MAX_HOST_CONNECTIONS, (long)h2));
        check_multi(curl_multi_setopt(multi, CURLMOPT_MAX_CONCURRENT_STREAMS,
                                      (long)(options->inflight / h2)));
    }
    for (unsigned i = 0; i < options->inflight; i++) {
        easies[i] = make_easy(options);
        check_multi(curl_multi_add_handle(multi, easies[i]));
    }
    bench_meter_start(meter, options);
    do {
        CURL *done;

        check_multi(curl_multi_perform(multi, &running));
        while ((done = next_done(multi)) != NULL) {
            meter->count++;
            check_multi(curl_multi_add_handle(multi, done));
        }
        check_multi(curl_multi_poll(multi, NULL, 0, 1000, NULL));
    } while (!bench_meter_tick(meter));
    for (unsigned i = 0; i < options->inflight; i++) {
        curl_multi_remove_handle(multi, easies[i]);
        curl_easy_cleanup(easies[i]);
    }
    curl_multi_cleanup(multi);
    free(easies);
}

/* Returns how many TLS sessions were resumed while the meter ran. */
static uint64_t run_easy(const struct bench_options *options, struct bench_meter *meter)
{
    struct transfer transfer = {.easy = make_easy(options)};
    bool connect = strncmp(options->mode, "connect", 7) == 0;
    bool resume = strcmp(options->mode, "connect-resumed") == 0;
    uint64_t resumed = 0;

    check(curl_easy_setopt(transfer.easy, CURLOPT_FORBID_REUSE, connect ? 1L : 0L));
    check(curl_easy_setopt(transfer.easy, CURLOPT_SSL_SESSIONID_CACHE, resume ? 1L : 0L));
    if (resume) {
        check(curl_easy_setopt(transfer.easy, CURLOPT_WRITEFUNCTION, on_body_look_at_session));
        check(curl_easy_setopt(transfer.easy, CURLOPT_WRITEDATA, &transfer));
    }
    bench_meter_start(meter, options);
    do {
        if (meter->count == 0)
            resumed = 0;
        transfer.resumed = false;
        check(curl_easy_perform(transfer.easy));
        resumed += transfer.resumed;
        meter->count++;
    } while (!bench_meter_tick(meter));
    curl_easy_cleanup(transfer.easy);
    return resumed;
}

/* Ends the transfer when the time is up. */
static size_t on_big_body(char *data, size_t size, size_t count, void *arg)
{
    struct bench_meter *meter = arg;

    (void)data;
    meter->count += size * count;
    return bench_meter_tick(meter) ? 0 : size * count;
}

static void run_body(const struct bench_options *options, struct bench_meter *meter)
{
    CURL *easy = make_easy(options);
    CURLcode code;

    /* Plain HTTP/2 ends with an error where a second body comes over the first one's connection. */
    check(curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L));
    check(curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_big_body));
    check(curl_easy_setopt(easy, CURLOPT_WRITEDATA, meter));
    bench_meter_start(meter, options);
    while ((code = curl_easy_perform(easy)) == CURLE_OK)
        continue;
    if (meter->wall_s == 0) /* not ended by us */
        check(code);
    curl_easy_cleanup(easy);
}

static void open_idle(CURLM *multi, CURL *easy)
{
    int running;

    check_multi(curl_multi_add_handle(multi, easy));
    for (;;) {
        check_multi(curl_multi_perform(multi, &running));
        if (next_done(multi) != NULL)
            return;
        check_multi(curl_multi_poll(multi, NULL, 0, 1000, NULL));
    }
}

/*
 * One GET per connection: libcurl does not release OpenSSL's buffers, so a second one would
 * change nothing.
 */
static void run_idle(const struct bench_options *options)
{
    struct bench_memory before, after;
    CURLM *multi = curl_multi_init();
    CURL *easy = make_easy(options);

    bench_raise_nofile(options->inflight + 16);
    check_multi(curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, (long)options->inflight + 1));
    check(curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L));
    open_idle(multi, easy);
    malloc_trim(0);
    bench_memory_read(&before);
    for (unsigned i = 0; i < options->inflight; i++)
        open_idle(multi, easy);
    bench_memory_read(&after);
    bench_report_memory("libcurl", options->inflight, &before, &after);
    curl_easy_cleanup(easy);
    curl_multi_cleanup(multi);
}

int main(int argc, char **argv)
{
    struct bench_options options;
    struct bench_meter meter;

    bench_options_parse(&options, argc, argv, "keepalive");
    check(curl_global_init(CURL_GLOBAL_DEFAULT));
    if (strcmp(options.mode, "idle") == 0) {
        run_idle(&options);
    } else if (bench_is_body(&options)) {
        run_body(&options, &meter);
        bench_report("libcurl", options.mode, &meter);
    } else if (strcmp(options.mode, "keepalive") == 0 || bench_h2_connections(&options)) {
        run_keepalive(&options, &meter);
        bench_report("libcurl", options.mode, &meter);
    } else if (strcmp(options.mode, "connect-resumed") == 0) {
        uint64_t resumed = run_easy(&options, &meter);

        bench_report_resumed("libcurl", options.mode, &meter, resumed);
    } else if (strcmp(options.mode, "sequential") == 0 || strcmp(options.mode, "connect") == 0) {
        run_easy(&options, &meter);
        bench_report("libcurl", options.mode, &meter);
    } else {
        bench_die("unknown mode %s", options.mode);
    }
    curl_global_cleanup();
    return 0;
}

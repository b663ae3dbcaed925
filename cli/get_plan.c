/* SPDX-License-Identifier: MIT */
/* From the options to what every request has in common: files are read and outputs looked at before
 * anything is asked. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base64.h"
#include "get.h"
#include "input.h"

static struct belay_header *add_header(struct get_plan *plan, const char *name, const char *value)
{
    plan->headers = memory_grow(plan->headers, plan->headers_n + 1, sizeof *plan->headers);
    plan->headers[plan->headers_n] = (struct belay_header){
        .name = name, .value = value, .name_len = strlen(name), .value_len = strlen(value)};
    return &plan->headers[plan->headers_n++];
}

static bool has_header(const struct get_options *o, const char *name)
{
    for (size_t i = 0; i < o->client.headers_n; i++)
        if (strcasecmp(o->client.headers[i].name, name) == 0)
            return true;
    return false;
}

static void set_headers(struct get_plan *plan, const struct get_options *o)
{
    for (size_t i = 0; i < o->client.headers_n; i++) {
        const struct header_value *h = &o->client.headers[i];

        if (strcasecmp(h->name, "User-Agent") == 0)
            plan->user_agent = h->value;
        else if (!h->removes)
            add_header(plan, h->name, h->value);
    }
    if (o->client.data_n && !has_header(o, "Content-Type"))
        add_header(plan, "Content-Type", "application/x-www-form-urlencoded");
    if (o->client.user && !has_header(o, "Authorization")) {
        size_t len = strlen(o->client.user);

        plan->authorization = memory_get(sizeof "Basic " + BASE64_LEN(len), 1);
        memcpy(plan->authorization, "Basic ", 6);
        base64_write(o->client.user, len, plan->authorization + 6);
        add_header(plan, "Authorization", plan->authorization);
    }
}

/* curl's custom: -T to a URL that ends in a slash sends to the file's name there. */
static void name_uploads(struct get_options *o)
{
    const char *slash = strrchr(o->client.upload, '/'),
               *name = slash ? slash + 1 : o->client.upload;

    for (size_t i = 0; i < o->client.urls.n; i++) {
        char *url = o->client.urls.items[i];
        size_t len = strlen(url), size = len + strlen(name) + 1;

        if (len == 0 || url[len - 1] != '/' || strpbrk(url, "?#") ||
            strcmp(o->client.upload, "-") == 0)
            continue;
        o->client.urls.items[i] = memory_get(size, 1);
        snprintf(o->client.urls.items[i], size, "%s%s", url, name);
        strings_add(&o->client.owned, o->client.urls.items[i]);
    }
}

static void set_request(struct get_plan *plan, const struct get_options *o)
{
    struct belay_http_request_options *r = &plan->request;

    *r = belay_http_request_options_init();
    r->method = o->client.method;
    r->headers = plan->headers;
    r->headers_n = plan->headers_n;
    if (o->client.data_n) {
        r->body = plan->data.data;
        r->body_len = plan->data.len;
    } else if (plan->upload_size == 0) {
        r->body = "";
    }
    r->unsafe_replay = o->retry.unsafe;
    r->max_redirects = o->client.location ? (int32_t)o->client.max_redirects : BELAY_NONE;
    r->timeout_ms = client_limit_ms(o->client.timeout_ms);
}

static bool check_outputs(const struct get_options *o, struct complaint *why)
{
    return (!o->output || output_check_file(o->output, why)) &&
           (!o->output_dir || output_check_dir(o->output_dir, why)) &&
           (!o->dump_header || output_check_file(o->dump_header, why));
}

bool get_plan_make(struct get_plan *plan, struct get_options *o, struct complaint *why)
{
    memset(plan, 0, sizeof *plan);
    plan->upload_fd = -1;
    plan->upload_size = -1;
    if (!input_urls(&o->client, &plan->url_text, why) || !get_options_check_urls(o, why) ||
        !check_outputs(o, why))
        return false;
    bytes_add(&plan->data, "", 0);
    if (o->client.data_n && !input_data(&o->client, &plan->data, why))
        return false;
    if (o->client.upload &&
        !input_upload(o->client.upload, &plan->upload_fd, &plan->upload_size, why))
        return false;
    if (o->client.upload)
        name_uploads(o);
    set_headers(plan, o);
    set_request(plan, o);
    return true;
}

void get_plan_free(struct get_plan *plan)
{
    bytes_free(&plan->url_text);
    bytes_free(&plan->data);
    free(plan->headers);
    free(plan->authorization);
    if (plan->upload_fd > 0)
        close(plan->upload_fd);
}

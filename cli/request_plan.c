/* SPDX-License-Identifier: MIT */
/* From the options to what every request has in common: files are read before anything is asked. */
#include "request_plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base64.h"
#include "client.h"
#include "input.h"

static struct belay_header *add_header(struct request_plan *plan, const char *name,
                                       const char *value)
{
    plan->headers = memory_grow(plan->headers, plan->headers_n + 1, sizeof *plan->headers);
    plan->headers[plan->headers_n] = (struct belay_header){
        .name = name, .value = value, .name_len = strlen(name), .value_len = strlen(value)};
    return &plan->headers[plan->headers_n++];
}

static const struct header_value *find_header(const struct client_options *o, const char *name)
{
    for (size_t i = 0; i < o->headers_n; i++)
        if (strcasecmp(o->headers[i].name, name) == 0)
            return &o->headers[i];
    return NULL;
}

static bool has_header(const struct client_options *o, const char *name)
{
    return find_header(o, name) != NULL;
}

static const char *get_header(const struct client_options *o, const char *name)
{
    const struct header_value *h = find_header(o, name);

    return h && !h->removes ? h->value : NULL;
}

/* The boundary of a form must stand in its type, whoever says it. */
static bool add_content_type(struct request_plan *plan, const struct client_options *o,
                             struct complaint *why)
{
    const char *type = "multipart/form-data", *own = get_header(o, "Content-Type");
    size_t size;

    if (!o->forms_n) {
        if (o->data_n && !has_header(o, "Content-Type"))
            add_header(plan, "Content-Type", "application/x-www-form-urlencoded");
        return true;
    }
    if (own && (strncasecmp(own, "multipart/", 10) != 0 || strcasestr(own, "boundary=")))
        return complain(why, "-F sends a multipart type, and its own boundary: -H 'Content-Type: "
                             "...' does not go with it");
    type = own ? own : type;
    size = strlen(type) + sizeof "; boundary=" + strlen(plan->boundary);
    plan->content_type = memory_get(size, 1);
    snprintf(plan->content_type, size, "%s; boundary=%s", type, plan->boundary);
    add_header(plan, "Content-Type", plan->content_type);
    return true;
}

static bool set_headers(struct request_plan *plan, const struct client_options *o,
                        struct complaint *why)
{
    for (size_t i = 0; i < o->headers_n; i++) {
        const struct header_value *h = &o->headers[i];

        if (strcasecmp(h->name, "User-Agent") == 0)
            plan->user_agent = h->value;
        else if (!h->removes && !(o->forms_n && strcasecmp(h->name, "Content-Type") == 0))
            add_header(plan, h->name, h->value);
    }
    if (o->compressed && !has_header(o, "Accept-Encoding"))
        add_header(plan, "Accept-Encoding", "gzip, deflate");
    if (o->user && !has_header(o, "Authorization")) {
        size_t len = strlen(o->user);

        plan->authorization = memory_get(sizeof "Basic " + BASE64_LEN(len), 1);
        memcpy(plan->authorization, "Basic ", 6);
        base64_write(o->user, len, plan->authorization + 6);
        add_header(plan, "Authorization", plan->authorization);
    }
    return add_content_type(plan, o, why);
}

/* curl's custom: -T to a URL that ends in a slash sends to the file's name there. */
static void name_uploads(struct client_options *o)
{
    const char *slash = strrchr(o->upload, '/'), *name = slash ? slash + 1 : o->upload;

    for (size_t i = 0; i < o->urls.n; i++) {
        char *url = o->urls.items[i];
        size_t len = strlen(url), size = len + strlen(name) + 1;

        if (len == 0 || url[len - 1] != '/' || strpbrk(url, "?#") || strcmp(o->upload, "-") == 0)
            continue;
        o->urls.items[i] = memory_get(size, 1);
        snprintf(o->urls.items[i], size, "%s%s", url, name);
        strings_add(&o->owned, o->urls.items[i]);
    }
}

static void set_request(struct request_plan *plan, const struct client_options *o)
{
    struct belay_http_request_options *r = &plan->request;

    *r = belay_http_request_options_init();
    r->method = o->method;
    r->headers = plan->headers;
    r->headers_n = plan->headers_n;
    if (o->data_n) {
        r->body = plan->data.data;
        r->body_len = plan->data.len;
    }
    r->max_redirects = o->location ? (int32_t)o->max_redirects : BELAY_NONE;
    r->timeout_ms = client_limit_ms(o->timeout_ms);
}

bool request_plan_urls(struct request_plan *plan, struct client_options *o, struct complaint *why)
{
    memset(plan, 0, sizeof *plan);
    return input_urls(o, &plan->url_text, why);
}

bool request_plan_make(struct request_plan *plan, struct client_options *o, struct complaint *why)
{
    bytes_add(&plan->data, "", 0);
    if (o->data_n && !input_data(o, &plan->data, why))
        return false;
    if (o->upload && !body_add_file(&plan->body, o->upload, why))
        return false;
    if (o->upload)
        name_uploads(o);
    if (o->forms_n) {
        form_boundary(plan->boundary);
        plan->parts = memory_get(o->forms_n, sizeof *plan->parts);
        plan->parts_n = o->forms_n;
        if (!form_body(o, plan->boundary, plan->parts, &plan->body, why))
            return false;
    }
    if (!set_headers(plan, o, why))
        return false;
    set_request(plan, o);
    return true;
}

bool request_plan_is_once(const struct request_plan *plan)
{
    return body_size(&plan->body) < 0;
}

void request_plan_free(struct request_plan *plan)
{
    bytes_free(&plan->url_text);
    bytes_free(&plan->data);
    body_free(&plan->body);
    for (size_t i = 0; i < plan->parts_n; i++)
        form_part_free(&plan->parts[i]);
    free(plan->parts);
    free(plan->headers);
    free(plan->authorization);
    free(plan->content_type);
}

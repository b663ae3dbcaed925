/* SPDX-License-Identifier: MIT */
/* Methods, services and symbols by name, of the server or of files; and the nearest, where there is
 * none of that name. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "grpc.h"
#include "say.h"

static void free_names(struct strings *names)
{
    for (size_t i = 0; i < names->n; i++)
        free(names->items[i]);
    free(names->items);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* ---- where it is known ---- */

static int services(struct grpc *g, struct strings *ret)
{
    int status = EXIT_FINE;

    if (grpc_has_files(g->o))
        grpc_schema_services(g->schema, ret);
    else
        status = grpc_reflect_services(g, ret);
    if (ret->n)
        qsort(ret->items, ret->n, sizeof *ret->items, by_name);
    return status;
}

/* Not all servers know methods by name: what they belong to is asked for then. */
static int look_up(struct grpc *g, const char *symbol, bool *ret_found)
{
    const char *dot = strrchr(symbol, '.');
    char *parent;
    int status = EXIT_FINE;

    if (!grpc_has_files(g->o))
        status = grpc_reflect_symbol(g, symbol, ret_found);
    if (status == EXIT_FINE && !grpc_has_files(g->o) && !*ret_found && dot) {
        parent = memory_copy(symbol, (size_t)(dot - symbol));
        status = grpc_reflect_symbol(g, parent, ret_found);
        free(parent);
    }
    *ret_found = grpc_schema_has(g->schema, symbol);
    return status;
}

/* ---- what is not there ---- */

static void say_missing(struct grpc *g, const char *doing, const char *kind, const char *name,
                        const struct strings *names)
{
    char shown[TEXT_SHOWN_MAX], near[TEXT_SHOWN_MAX], text[480];

    grpc_nearest(near, name, names);
    snprintf(text, sizeof text, "there is no %s %s%s", kind, text_show(shown, sizeof shown, name),
             near[0] ? near : " (list tells what there is)");
    grpc_say(g, doing, text);
}

static int refuse_service(struct grpc *g, const char *doing, const char *name)
{
    struct strings names = {0};
    int status = services(g, &names);

    if (status == EXIT_FINE)
        say_missing(g, doing, "service", name, &names);
    free_names(&names);
    return status == EXIT_FINE ? EXIT_PROBLEM : status;
}

static bool is_service(const struct grpc *g, const char *name)
{
    struct strings names = {0};
    bool found = false;

    grpc_schema_services(g->schema, &names);
    for (size_t i = 0; i < names.n; i++)
        found = found || strcmp(names.items[i], name) == 0;
    free_names(&names);
    return found;
}

/* "shop.Cart", which was taken for a method Cart of shop. */
static int refuse_service_alone(struct grpc *g, const char *doing, const char *service)
{
    struct strings names = {0};
    char shown[TEXT_SHOWN_MAX], text[560];

    grpc_schema_methods(g->schema, service, &names);
    text_show(shown, sizeof shown, service);
    snprintf(text, sizeof text,
             "it is a service; which of its methods? (%s/%.100s; list %s tells all)", shown,
             names.n ? names.items[0] : "METHOD", shown);
    grpc_say(g, doing, text);
    free_names(&names);
    return EXIT_USAGE;
}

static int refuse_method(struct grpc *g, const char *doing)
{
    const struct grpc_options *o = g->o;
    struct strings names = {0};
    char near[TEXT_SHOWN_MAX], shown[TEXT_SHOWN_MAX], method[TEXT_SHOWN_MAX], text[560];

    grpc_schema_methods(g->schema, o->service, &names);
    grpc_nearest(near, o->method, &names);
    snprintf(text, sizeof text, "%s has no method %s%s", text_show(shown, sizeof shown, o->service),
             text_show(method, sizeof method, o->method),
             near[0] ? near : " (list SERVICE tells which it has)");
    grpc_say(g, doing, text);
    free_names(&names);
    return EXIT_PROBLEM;
}

static int refuse_call(struct grpc *g, const char *doing)
{
    const struct grpc_options *o = g->o;
    const char *whole = o->symbol + (o->symbol[0] == '/');
    int status = EXIT_FINE;
    bool found;

    if (is_service(g, o->service))
        return refuse_method(g, doing);
    if (!strchr(whole, '/'))
        status = look_up(g, whole, &found);
    if (status != EXIT_FINE)
        return status;
    return is_service(g, whole) ? refuse_service_alone(g, doing, whole)
                                : refuse_service(g, doing, o->service);
}

/* Of a symbol the server can tell only which services there are; what was asked for may be in one. */
static int refuse_symbol(struct grpc *g, const char *symbol)
{
    struct strings names = {0};
    char shown[TEXT_SHOWN_MAX], doing[TEXT_SHOWN_MAX + 20];
    int status = services(g, &names);

    snprintf(doing, sizeof doing, "describing %s", text_show(shown, sizeof shown, symbol));
    if (status == EXIT_FINE) {
        grpc_schema_symbols(g->schema, &names);
        for (size_t i = 0, n = names.n; i < n; i++) {
            struct strings methods = {0};

            grpc_schema_methods(g->schema, names.items[i], &methods);
            for (size_t k = 0; k < methods.n; k++) {
                size_t size = strlen(names.items[i]) + strlen(methods.items[k]) + 2;
                char *full = memory_get(size, 1);

                snprintf(full, size, "%s.%s", names.items[i], methods.items[k]);
                strings_add(&names, full);
            }
            free_names(&methods);
        }
        say_missing(g, doing, "symbol", symbol, &names);
    }
    free_names(&names);
    return status == EXIT_FINE ? EXIT_PROBLEM : status;
}

/* ---- finding ---- */

static bool find_raw(const struct grpc_options *o, struct grpc_method *ret)
{
    static char path[1024];

    snprintf(path, sizeof path, "/%s/%s", o->service, o->method);
    *ret = (struct grpc_method){.path = path, .client_streams = true, .server_streams = true};
    return strlen(o->service) + strlen(o->method) + 3 <= sizeof path;
}

int grpc_find_method(struct grpc *g, struct grpc_method *ret)
{
    const struct grpc_options *o = g->o;
    char shown[TEXT_SHOWN_MAX], doing[TEXT_SHOWN_MAX + 20];
    bool found = false;
    int status;

    snprintf(doing, sizeof doing, "calling %s", text_show(shown, sizeof shown, o->symbol));
    if (o->format != GRPC_JSON) {
        if (find_raw(o, ret))
            return EXIT_FINE;
        grpc_say(g, doing, "the name is too long");
        return EXIT_USAGE;
    }
    status = look_up(g, o->service, &found);
    if (status != EXIT_FINE)
        return status;
    return grpc_schema_method(g->schema, o->service, o->method, ret) ? EXIT_FINE
                                                                     : refuse_call(g, doing);
}

/* ---- list ---- */

static void add_line(struct bytes *text, const char *before, const char *name)
{
    bytes_add(text, before, strlen(before));
    if (before[0])
        bytes_add(text, "/", 1);
    bytes_add(text, name, strlen(name));
    bytes_add(text, "\n", 1);
}

static void print_names(struct grpc *g, const char *before, const struct strings *names)
{
    struct bytes text = {0};
    json_t *array = json_array();
    char *line;

    for (size_t i = 0; i < names->n; i++) {
        size_t from = text.len;

        add_line(&text, before, names->items[i]);
        json_array_append_new(array, json_stringn(text.data + from, text.len - from - 1));
    }
    if (g->o->client.json) {
        line = json_dumps(array, JSON_COMPACT);
        text.len = 0;
        bytes_add(&text, line, strlen(line));
        bytes_add(&text, "\n", 1);
        free(line);
    }
    if (text.len)
        grpc_print(g, &text);
    json_decref(array);
    bytes_free(&text);
}

int grpc_list(struct grpc *g)
{
    struct strings names = {0};
    const char *service = g->o->symbol;
    bool found = true;
    int status;

    if (!service) {
        status = services(g, &names);
    } else {
        status = look_up(g, service, &found);
        grpc_schema_methods(g->schema, service, &names);
    }
    if (status == EXIT_FINE && service && (!found || names.n == 0))
        status = refuse_service(g, "listing methods", service);
    else if (status == EXIT_FINE)
        print_names(g, service ? service : "", &names);
    free_names(&names);
    return status;
}

/* ---- describe ---- */

static int describe_all(struct grpc *g)
{
    struct strings names = {0};
    struct bytes text = {0};
    int status = services(g, &names);

    for (size_t i = 0; status == EXIT_FINE && i < names.n; i++) {
        bool found = false;

        status = look_up(g, names.items[i], &found);
        if (status == EXIT_FINE && text.len)
            bytes_add(&text, "\n", 1);
        if (status == EXIT_FINE &&
            !(found && grpc_schema_describe(g->schema, names.items[i], &text))) {
            bytes_add(&text, "// ", 3);
            bytes_add(&text, names.items[i], strlen(names.items[i]));
            add_line(&text, "", " is a service that the server does not describe");
        }
    }
    if (status == EXIT_FINE && text.len)
        grpc_print(g, &text);
    bytes_free(&text);
    free_names(&names);
    return status;
}

/* As a shell takes it for one word. */
static void add_quoted(struct bytes *text, const struct bytes *word)
{
    bytes_add(text, "'", 1);
    for (size_t i = 0; i < word->len; i++)
        bytes_add(text, word->data[i] == '\'' ? "'\\''" : &word->data[i],
                  word->data[i] == '\'' ? 4 : 1);
    bytes_add(text, "'", 1);
}

/* What may stand behind -d: the message with every field of its own at its default value. */
static void add_template(struct grpc *g, const char *symbol, struct bytes *text)
{
    static const struct grpc_style style = {.defaults = true};
    const char *dot = strrchr(symbol, '.'), *unknown;
    struct grpc_method method;
    struct complaint why;
    struct bytes json = {0};
    char *service;

    if (!dot)
        return;
    service = memory_copy(symbol, (size_t)(dot - symbol));
    if (grpc_schema_method(g->schema, service, dot + 1, &method) &&
        grpc_schema_write(g->schema, method.input, "", 0, &style, &json, &unknown, &why)) {
        bytes_add(text, "\n// -d ", 7);
        add_quoted(text, &json);
        bytes_add(text, "\n", 1);
    }
    bytes_free(&json);
    free(service);
}

int grpc_describe(struct grpc *g)
{
    struct bytes text = {0};
    char *symbol, *slash;
    const char *given = g->o->symbol;
    bool found;
    int status;

    if (!given)
        return describe_all(g);
    given += given[0] == '.' || given[0] == '/';
    symbol = memory_copy(given, strlen(given));
    slash = strchr(symbol, '/');
    if (slash)
        *slash = '.';
    status = look_up(g, symbol, &found);
    if (status == EXIT_FINE && grpc_schema_describe(g->schema, symbol, &text)) {
        add_template(g, symbol, &text);
        grpc_print(g, &text);
    } else if (status == EXIT_FINE) {
        status = refuse_symbol(g, symbol);
    }
    free(symbol);
    bytes_free(&text);
    return status;
}

/* SPDX-License-Identifier: MIT */
/* Connection strings: what belay makes of the rest of their grammar, and what is never shown. */
#include <stdlib.h>

#include "chronicle_string_kit.h"

/* ---- grammar ---- */

static void a_slash_may_end_the_hosts(void **state)
{
    (void)state;
    kit_host(kit_parse("chronicle://host:1/"), 0, "host", 1);
    assert_true(kit_parse("chronicle://host:1/?disableTls=true")->disable_tls);
    kit_refused("chronicle://host:1/path", "after the hosts comes \"?\"");
    kit_refused("chronicle://host:1/path?disableTls=true", "after the hosts comes \"?\"");
}

static void the_last_at_ends_the_credentials(void **state)
{
    const struct bl_chronicle_string *s = kit_parse("chronicle://us@er:p@ss:w@host");

    (void)state;
    assert_string_equal(s->user, "us@er");
    assert_string_equal(s->password, "p@ss:w");
    kit_host(s, 0, "host", 35000);
}

static void names_are_compared_in_lower_case(void **state)
{
    (void)state;
    kit_host(kit_parse("Chronicle://MyServer.Example:1"), 0, "myserver.example", 1);
    kit_host(kit_parse("chronicle://[2001:DB8:0::1]"), 0, "2001:db8::1", 35000);
    assert_string_equal(kit_written(kit_parse("CHRONICLE+SRV://A?APIKEY=x&DisableTLS=TRUE"), false),
                        "chronicle+srv://a?apiKey=x&disableTls=TRUE");
}

static void addresses_are_told_from_names(void **state)
{
    const struct bl_chronicle_string *s = kit_parse("chronicle://10.0.0.1,[::1]:2,::2,a.test");

    (void)state;
    assert_int_equal(s->hosts_n, 4);
    assert_int_equal(s->hosts[0].ip.family, BELAY_FAMILY_IPV4);
    assert_int_equal(s->hosts[1].ip.family, BELAY_FAMILY_IPV6);
    assert_int_equal(s->hosts[2].ip.family, BELAY_FAMILY_IPV6);
    assert_int_equal(s->hosts[3].ip.family, BELAY_FAMILY_NONE);
    kit_host(s, 2, "::2", 35000);
}

static void hosts_that_cannot_be_are_refused(void **state)
{
    char many[BL_CHRONICLE_HOSTS_MAX * 2 + 32] = "chronicle://a";

    (void)state;
    kit_refused("", "it is empty");
    kit_refused("chronicle", "scheme is missing");
    kit_refused("://host", "scheme is missing");
    kit_refused("chronicle:host", "scheme is missing");
    kit_refused("chronicle+tls://host", "unsupported scheme \"chronicle+tls\"");
    kit_refused("chronicle://a,,b", "host number 2 of 3 is empty");
    kit_refused("chronicle://a,", "host number 2 of 2 is empty");
    kit_refused("chronicle://u:p@", "the host is empty");
    kit_refused("chronicle://?disableTls=true", "the host is empty");
    kit_refused("chronicle://a:", "the port is missing");
    kit_refused("chronicle://a:0", "out of range (1 to 65535)");
    kit_refused("chronicle://a:1x", "is not a number");
    kit_refused("chronicle://a:1,b:70000", "the port \"70000\" is out of range");
    kit_refused("chronicle://[::1", "not closed");
    kit_refused("chronicle://[nope]:1", "not an IPv6 address");
    kit_refused("chronicle://a b", "contains a space");
    kit_refused("chronicle://a\nb", "control character");
    kit_refused("chronicle+srv://10.0.0.1", "the host is an address");
    for (size_t i = 0; i < BL_CHRONICLE_HOSTS_MAX; i++)
        strcat(many, ",a");
    kit_refused(many, "more than 64 hosts");
}

/* ---- keys ---- */

static void every_key_is_read(void **state)
{
    const struct bl_chronicle_string *s =
        kit_parse("chronicle://h?apiKey=k&certificatePath=/etc/c.pfx&certificatePassword=p%26q&"
                  "authPort=8080&skipCompatibilityCheck=true&srvNameServer=[::1]:5353&auth=None");

    (void)state;
    assert_string_equal(s->api_key, "k");
    assert_string_equal(s->certificate_path, "/etc/c.pfx");
    assert_string_equal(s->certificate_password, "p&q");
    assert_int_equal(s->auth_port, 8080);
    assert_true(s->skip_compatibility_check);
    assert_true(s->no_auth);
    assert_string_equal(s->name_server.name, "::1");
    assert_int_equal(s->name_server.port, 5353);
    s = kit_parse("chronicle://h");
    assert_null(s->api_key);
    assert_null(s->certificate_path);
    assert_null(s->certificate_password);
    assert_int_equal(s->auth_port, 0);
    assert_false(s->skip_compatibility_check || s->no_auth || s->disable_tls);
    assert_int_equal(kit_parse("chronicle://h?srvNameServer=ns.test")->name_server.port, 53);
}

static void an_empty_text_is_none(void **state)
{
    const struct bl_chronicle_string *s = kit_parse(
        "chronicle://h?apiKey=&certificatePath=&certificatePassword&auth=&srvNameServer=");

    (void)state;
    assert_null(s->api_key);
    assert_null(s->certificate_path);
    assert_null(s->certificate_password);
    assert_null(s->name_server.name);
    assert_false(s->no_auth);
    assert_int_equal(bl_chronicle_string_check_tls(s, NULL), 0);
    kit_auth(s, BL_CHRONICLE_AUTH_NONE);
}

static void unknown_keys_are_kept_and_written(void **state)
{
    const struct bl_chronicle_string *s =
        kit_parse("chronicle://h:1?zeta=2&&alpha=a%20b+c%C3%A9&zeta=1&flag&authPort=9&");

    (void)state;
    assert_int_equal(s->params_n, 5);
    assert_string_equal(s->params[0].key, "alpha");
    assert_string_equal(s->params[0].value, "a b+c\xc3\xa9");
    assert_string_equal(kit_written(s, false),
                        "chronicle://h:1?alpha=a%20b%2Bc%C3%A9&authPort=9&flag=&zeta=2&zeta=1");
}

static void values_that_cannot_be_are_refused(void **state)
{
    char many[BL_CHRONICLE_PARAMS_MAX * 4 + 32] = "chronicle://h?a=1";

    (void)state;
    kit_refused("chronicle://h?disableTls=1", "disableTls is true or false, not \"1\"");
    kit_refused("chronicle://h?disableTls", "disableTls is true or false");
    kit_refused("chronicle://h?skipTlsValidation=yes", "skipTlsValidation is true or false");
    kit_refused("chronicle://h?skipCompatibilityCheck=", "skipCompatibilityCheck is true or false");
    kit_refused("chronicle://h?auth=basic", "the only value of auth is none");
    kit_refused("chronicle://h?authPort=0", "authPort \"0\" is no port");
    kit_refused("chronicle://h?authPort=65536", "authPort \"65536\" is no port");
    kit_refused("chronicle://h?authPort=", "authPort \"\" is no port");
    kit_refused("chronicle://h?loadBalancer=", "loadBalancer is");
    kit_refused("chronicle://h?srvNameServer=a:b:c", "invalid srvNameServer \"a:b:c\"");
    kit_refused("chronicle://h?srvNameServer=a:99999", "the port \"99999\" is out of range");
    kit_refused("chronicle://h?srvNameServer=a/b", "srvNameServer is a host and a port");
    kit_refused("chronicle://h?=x", "a key is missing");
    kit_refused("chronicle://user:1?234@host", "a key contains an \"@\"");
    kit_refused("chronicle://h?apiKey=a&apikey=b", "apiKey is given twice");
    kit_refused("chronicle://h?apiKey=%zz", "a \"%\" in apiKey is no escape");
    kit_refused("chronicle://h?x=%4", "a \"%\" in a value is no escape");
    kit_refused("chronicle://h?%=4", "a \"%\" in a key is no escape");
    kit_refused("chronicle://u%:p@h", "a \"%\" in the user name is no escape");
    kit_refused("chronicle://u:p%2@h", "a \"%\" in the password is no escape");
    kit_refused("chronicle://h?apiKey=a%0d%0ab", "apiKey contains a control character");
    kit_refused("chronicle://u:%00p@h", "the password contains a control character");
    for (size_t i = 0; i < BL_CHRONICLE_PARAMS_MAX; i++)
        strcat(many, "&a=1");
    kit_refused(many, "more than 64 keys");
}

/* ---- authentication ---- */

static void assert_no_mode(const char *text, const char *why)
{
    enum bl_chronicle_auth auth;
    struct belay_error error = {0};

    assert_int_equal(bl_chronicle_string_auth(kit_parse(text), &auth, &error), BELAY_EINVAL);
    if (!strstr(error.text, why))
        fail_msg("%s: %s", text, error.text);
    assert_null(strstr(error.text, "s3cret"));
}

static void two_ways_to_authenticate_are_refused_when_asked(void **state)
{
    (void)state;
    assert_no_mode("chronicle://u:s3cret@h?apiKey=s3cret2", "both an apiKey and a user");
    kit_auth(kit_parse("chronicle://u@h?apiKey=k"), BL_CHRONICLE_AUTH_API_KEY);
    kit_auth(kit_parse("chronicle://u:p@h?apiKey="), BL_CHRONICLE_AUTH_CREDENTIALS);
}

static void half_of_the_credentials_is_refused_when_asked(void **state)
{
    (void)state;
    assert_no_mode("chronicle://user@h", "a user, and no password");
    assert_no_mode("chronicle://user:@h", "a user, and no password");
    assert_no_mode("chronicle://:s3cret@h", "a password, and no user");
    kit_auth(kit_parse("chronicle://:@h"), BL_CHRONICLE_AUTH_NONE);
    kit_auth(kit_parse("chronicle://@h"), BL_CHRONICLE_AUTH_NONE);
}

static void auth_none_beats_everything(void **state)
{
    (void)state;
    kit_auth(kit_parse("chronicle://u:p@h?apiKey=k&auth=none"), BL_CHRONICLE_AUTH_NONE);
    kit_auth(kit_parse("chronicle://u:p@h?auth=NONE"), BL_CHRONICLE_AUTH_NONE);
    kit_auth(kit_parse("chronicle://u@h?auth=none"), BL_CHRONICLE_AUTH_NONE);
}

static void certificates_need_tls(void **state)
{
    struct belay_error error = {0};

    (void)state;
    assert_int_equal(bl_chronicle_string_check_tls(
                         kit_parse("chronicle://h?disableTls=true&certificatePath=c.pem"), &error),
                     BELAY_EINVAL);
    assert_non_null(strstr(error.text, "disableTls and certificatePath exclude each other"));
    assert_int_equal(bl_chronicle_string_check_tls(
                         kit_parse("chronicle://h?certificatePassword=s3cret"), &error),
                     BELAY_EINVAL);
    assert_non_null(strstr(error.text, "certificatePassword"));
    assert_null(strstr(error.text, "s3cret"));
    assert_int_equal(bl_chronicle_string_check_tls(
                         kit_parse("chronicle://h?certificatePath=c&certificatePassword=p"), NULL),
                     0);
    assert_int_equal(bl_chronicle_string_check_tls(
                         kit_parse("chronicle://h?disableTls=true&skipTlsValidation=true"), NULL),
                     0);
}

/* ---- changed ones ---- */

static void other_credentials_keep_all_else(void **state)
{
    const struct bl_chronicle_string *s =
        kit_parse("chronicle://a:1,[::1]:2?auth=none&other=x&skipTlsValidation=true&apiKey=k");
    struct bl_chronicle_string *other;

    (void)state;
    assert_int_equal(bl_chronicle_string_with_credentials(s, "c@:", "p/?%\xc3\xa9", &other, NULL),
                     0);
    assert_string_equal(kit_written(s, false), "chronicle://a:1,[::1]:2?apiKey=k&auth=none&other=x&"
                                               "skipTlsValidation=true");
    kit_keep(other);
    assert_string_equal(other->user, "c@:");
    assert_string_equal(other->password, "p/?%\xc3\xa9");
    kit_auth(other, BL_CHRONICLE_AUTH_CREDENTIALS);
    assert_string_equal(kit_written(other, false),
                        "chronicle://c%40%3A:p%2F%3F%25%C3%A9@a:1,[::1]:2?other=x&"
                        "skipTlsValidation=true");
    assert_int_equal(bl_chronicle_string_with_api_key(other, "a&b", &other, NULL), 0);
    kit_keep(other);
    assert_string_equal(other->api_key, "a&b");
    kit_auth(other, BL_CHRONICLE_AUTH_API_KEY);
}

static void credentials_that_cannot_be_are_refused(void **state)
{
    const struct bl_chronicle_string *s = kit_parse("chronicle://h");
    struct belay_error error = {0};
    struct bl_chronicle_string *other;

    (void)state;
    assert_int_equal(bl_chronicle_string_with_credentials(s, "", "p", &other, NULL), BELAY_EINVAL);
    assert_int_equal(bl_chronicle_string_with_credentials(s, "u", NULL, &other, NULL),
                     BELAY_EINVAL);
    assert_int_equal(bl_chronicle_string_with_api_key(s, "", &other, NULL), BELAY_EINVAL);
    assert_int_equal(bl_chronicle_string_with_api_key(s, "s3cret\r\n", &other, &error),
                     BELAY_EINVAL);
    assert_non_null(strstr(error.text, "apiKey contains a control character"));
    assert_null(strstr(error.text, "s3cret"));
}

/* ---- secrets ---- */

static void what_is_for_people_is_redacted(void **state)
{
    (void)state;
    assert_string_equal(kit_written(kit_parse("chronicle://client:s3cret@h:1"), true),
                        "chronicle://client:REDACTED@h:1");
    assert_string_equal(
        kit_written(kit_parse("chronicle://h:1?apiKey=s3cret&disableTls=true&certificatePath=/c&"
                              "certificatePassword=s3cret&MyToken=s3cret&clientSECRET=s3cret&"
                              "pwd=s3cret&x-Credentials=s3cret&passphrase=s3cret&auth=none"),
                    true),
        "chronicle://h:1?MyToken=REDACTED&apiKey=REDACTED&auth=none&"
        "certificatePassword=REDACTED&certificatePath=/c&clientSECRET=REDACTED&disableTls=true&"
        "passphrase=REDACTED&pwd=REDACTED&x-Credentials=REDACTED");
}

/* Whatever is wrong, and wherever the secret got to. */
static void errors_show_no_secret(void **state)
{
    static const char *const texts[] = {
        "chronicle://client:s3cret@h:99999",
        "chronicle://client:s3cret@",
        "chronicle://client:s3cret@h h",
        "chronicle://client:s3%cret@h",
        "chronicle://client:s3%s3cret@h",
        "chronicle://client:s3cret/x@h:1",
        "chronicle://client:s3cret?x@h:1",
        "chronicle://client:x?s3cret@h:1?disableTls=2",
        "chronicle://client:x/s3cret@h:1",
        "chronicle://client:s3cret",
        "chronicle://client:s3cret,other:1",
        "chronicle://h;apiKey=s3cret",
        "chronicle://h:1&apiKey=s3cret",
        "chronicle://h:1/apiKey=s3cret",
        "chronicle://h:99999?apiKey=s3cret",
        "chronicle://h:99999?apiKey=a@s3cret",
        "chronicle://h?apiKey=s3cret&disableTls=2",
        "chronicle://h?apiKey=s3cret&apiKey=s3cret2",
        "chronicle://h?apiKey=s3cret%",
        "chronicle://h?apiKey=s3cret%0a",
        "chronicle://client:p@h?certificatePassword=s3cret&authPort=x",
        "chronicle://client:p?loadBalancer=s3cret@h",
        "chronicle://client:1?loadBalancer=s3cret@h",
        "chronicle://client:1?authPort=s3cret@h",
        "chronicle://client:1?disableTls=s3cret@h",
        "chronicle://client:1?srvNameServer=h:s3cret&x=y@h",
        "chronicle://client:p?srvNameServer=h:s3cret@h",
        "http://client:s3cret@h",
        "https://h?apiKey=s3cret",
        "client:s3cret@h",
        "Server=h;ApiKey=s3cret",
        "apiKey=s3cret",
        "s3cret",
        "?apiKey=s3cret",
    };

    (void)state;
    for (size_t i = 0; i < BL_COUNT(texts); i++) {
        const char *sentence = kit_refused(texts[i], "");

        if (strstr(sentence, "s3cret"))
            fail_msg("%s: %s", texts[i], sentence);
        if (!strstr(sentence, "invalid "))
            fail_msg("%s: %s", texts[i], sentence);
    }
}

static void what_is_no_secret_is_shown(void **state)
{
    (void)state;
    kit_refused("chronicle://u:p@my host:1", "\"chronicle://***@my host:1\"");
    kit_refused("chronicle://my-host:99999?apiKey=x", "\"chronicle://my-host:99999\"");
}

/* ---- memory ---- */

/* Wipes are seen by an allocator that looks at what it is given back. */
static bool secret_was_released;

static void *look_allocate(size_t bytes, void *arg)
{
    size_t *block = malloc(sizeof(size_t) + bytes);

    (void)arg;
    *block = bytes;
    memset(block + 1, 0, bytes);
    return block + 1;
}

static void look_release(void *memory, void *arg)
{
    size_t *block = memory;

    (void)arg;
    if (!memory)
        return;
    if (memmem(memory, block[-1], "s3cret", 6))
        secret_was_released = true;
    free(block - 1);
}

static void *look_reallocate(void *memory, size_t bytes, void *arg)
{
    void *other = look_allocate(bytes, arg);
    size_t old = ((size_t *)memory)[-1];

    memcpy(other, memory, old < bytes ? old : bytes);
    look_release(memory, arg);
    return other;
}

static void memory_that_held_secrets_is_wiped(void **state)
{
    static const struct belay_allocator looking = {
        BELAY_SIZED(belay_allocator), .allocate = look_allocate, .reallocate = look_reallocate,
        .release = look_release};
    struct bl_chronicle_string *s, *other;
    struct bl_mem mem;

    (void)state;
    bl_mem_init(&mem, &looking);
    secret_was_released = false;
    assert_int_equal(
        bl_chronicle_string_parse(
            &mem, bl_span_of("chronicle://u:s3cret@h?apiKey=s3cret&certificatePassword=s3cret"), &s,
            NULL),
        0);
    assert_int_equal(bl_chronicle_string_with_credentials(s, "u", "s3cret2", &other, NULL), 0);
    bl_chronicle_string_free(s);
    assert_int_equal(bl_chronicle_string_with_api_key(other, "s3cret3", &s, NULL), 0);
    bl_chronicle_string_free(s);
    bl_chronicle_string_free(other);
    assert_int_equal(
        bl_chronicle_string_parse(
            &mem, bl_span_of("chronicle://u:s3cret@h?apiKey=s3cret&authPort=x"), &s, NULL),
        BELAY_EINVAL);
    assert_int_equal(bl_chronicle_string_parse(
                         &mem, bl_span_of("chronicle://u:s3cret%00@h?apiKey=s3cret%00"), &s, NULL),
                     BELAY_EINVAL);
    assert_int_equal(
        bl_chronicle_string_parse(&mem, bl_span_of("chronicle://h?s3cret=%00"), &s, NULL),
        BELAY_EINVAL);
    assert_false(secret_was_released);
    assert_int_equal(mem.live, 0);
}

/* All that allocates, with the n-th allocation failing; false when there are no more than n. */
static bool run_with_failure(size_t n)
{
    static const char text[] = "chronicle://u:p@a,[::1]:2?apiKey=k&srvNameServer=ns:5&zz=1";
    struct bl_chronicle_string *s = NULL, *with = NULL;
    struct failing_alloc alloc;
    struct bl_buf out = {0};
    struct bl_mem scarce;
    int rc;

    failing_alloc_init(&alloc);
    bl_mem_init(&scarce, &alloc.allocator);
    failing_alloc_once(&alloc, n);
    rc = bl_chronicle_string_parse(&scarce, bl_span_of(text), &s, NULL);
    if (rc == 0)
        rc = bl_chronicle_string_with_credentials(s, "other", "one", &with, NULL);
    if (rc == 0)
        rc = bl_chronicle_string_write_redacted(with, &out);
    assert_int_equal(rc, failing_alloc_failures(&alloc) ? BELAY_ENOMEM : 0);
    assert_true(rc == 0 || bl_buf_len(&out) == 0);
    bl_buf_free(&out, &scarce);
    bl_chronicle_string_free(s);
    bl_chronicle_string_free(with);
    assert_int_equal(scarce.live, 0);
    return failing_alloc_failures(&alloc) > 0;
}

static void memory_may_be_out(void **state)
{
    size_t n = 1;

    (void)state;
    while (run_with_failure(n))
        n++;
    assert_true(n > 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_slash_may_end_the_hosts),
        cmocka_unit_test(the_last_at_ends_the_credentials),
        cmocka_unit_test(names_are_compared_in_lower_case),
        cmocka_unit_test(addresses_are_told_from_names),
        cmocka_unit_test(hosts_that_cannot_be_are_refused),
        cmocka_unit_test(every_key_is_read),
        cmocka_unit_test(an_empty_text_is_none),
        cmocka_unit_test(unknown_keys_are_kept_and_written),
        cmocka_unit_test(values_that_cannot_be_are_refused),
        cmocka_unit_test(two_ways_to_authenticate_are_refused_when_asked),
        cmocka_unit_test(half_of_the_credentials_is_refused_when_asked),
        cmocka_unit_test(auth_none_beats_everything),
        cmocka_unit_test(certificates_need_tls),
        cmocka_unit_test(other_credentials_keep_all_else),
        cmocka_unit_test(credentials_that_cannot_be_are_refused),
        cmocka_unit_test(what_is_for_people_is_redacted),
        cmocka_unit_test(errors_show_no_secret),
        cmocka_unit_test(what_is_no_secret_is_shown),
        cmocka_unit_test(memory_that_held_secrets_is_wiped),
        cmocka_unit_test(memory_may_be_out),
    };
    return cmocka_run_group_tests_name("wire_chronicle_string", tests, kit_set_up, kit_tear_down);
}

/* SPDX-License-Identifier: MIT */
/* Whether a request is made once more, and after how long. */
#include "retry.h"

#include <string.h>
#include <time.h>

#define FIRST_DELAY_MS INT64_C(100)
#define DELAY_MAX_MS   INT64_C(60000)

bool retry_wants_status(const struct retry_policy *policy, int status)
{
    for (size_t i = 0; i < policy->statuses_n; i++)
        if (policy->statuses[i] == status)
            return true;
    return false;
}

bool retry_is_idempotent(const char *method)
{
    static const char *const safe[] = {"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"};

    for (size_t i = 0; i < sizeof safe / sizeof safe[0]; i++)
        if (strcmp(method, safe[i]) == 0)
            return true;
    return false;
}

/* Whether an error leaves no doubt that asking again does no harm, and some hope that it helps. */
static bool error_allows(const struct retry_policy *policy, const struct retry_facts *facts)
{
    const struct belay_error *error = facts->error;

    if (error->kind != BELAY_KIND_RETRY || error->final)
        return false;
    if (error->sent == BELAY_NOT_SENT || policy->unsafe)
        return true;
    return error->sent == BELAY_MAYBE_SENT && facts->idempotent;
}

static int64_t backoff_ms(int64_t retried)
{
    int64_t delay = FIRST_DELAY_MS;

    while (retried-- > 0 && delay < DELAY_MAX_MS)
        delay *= 2;
    return delay < DELAY_MAX_MS ? delay : DELAY_MAX_MS;
}

int64_t retry_delay_ms(const struct retry_policy *policy, const struct retry_facts *facts)
{
    int64_t delay = backoff_ms(facts->retried);

    if (facts->retried >= policy->retries || !facts->replayable || facts->shown)
        return -1;
    if (facts->error ? !error_allows(policy, facts) : !retry_wants_status(policy, facts->status))
        return -1;
    if (!facts->error && facts->retry_after_ms > delay)
        delay = facts->retry_after_ms;
    if (delay > RETRY_AFTER_MAX_MS)
        return -1;
    if (facts->remaining_ms >= 0 && delay >= facts->remaining_ms)
        return -1;
    return delay;
}

static int64_t seconds_ms(const char *text)
{
    int64_t s = 0;

    for (; *text; text++) {
        if (*text < '0' || *text > '9')
            return -1;
        if (s < 1000000000)
            s = s * 10 + (*text - '0');
    }
    return s * 1000;
}

int64_t retry_after_ms(const char *value, size_t len, int64_t now_s)
{
    /* RFC 9110 section 5.6.7: the form that is sent, and the two that are only understood. */
    static const char *const forms[] = {"%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT",
                                        "%a %b %d %H:%M:%S %Y"};
    char text[64];

    if (len == 0 || len >= sizeof text)
        return -1;
    memcpy(text, value, len);
    text[len] = '\0';
    if (text[0] >= '0' && text[0] <= '9')
        return seconds_ms(text);
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        struct tm tm = {0};
        const char *end = strptime(text, forms[i], &tm);

        if (end && *end == '\0') {
            int64_t at = (int64_t)timegm(&tm);

            return at > now_s ? (at - now_s) * 1000 : 0;
        }
    }
    return -1;
}

/* SPDX-License-Identifier: MIT */
/* SRV answers (RFC 1035 section 4, RFC 2782): from a message of unknown origin to records, and
 * their order. */
#include "net/resolver_inside.h"

#define HEADER_LEN   12
#define CLASS_IN     1
#define POINTERS_MAX 64

struct reader {
    const uint8_t *message;
    size_t len;
    size_t at;
    bool broken;
};

static uint8_t get8(struct reader *r)
{
    if (r->at >= r->len) {
        r->broken = true;
        return 0;
    }
    return r->message[r->at++];
}

static uint16_t get16(struct reader *r)
{
    uint16_t high = get8(r);
    return (uint16_t)(high << 8 | get8(r));
}

static uint32_t get32(struct reader *r)
{
    uint32_t high = get16(r);
    return high << 16 | get16(r);
}

static bool add_label(struct reader *r, size_t len, char *out, size_t *out_len)
{
    if (*out_len + len + 1 > BL_NAME_MAX)
        return false;
    for (size_t i = 0; i < len; i++)
        out[(*out_len)++] = (char)get8(r);
    out[(*out_len)++] = '.';
    return true;
}

/* A name, without its final dot; the reader goes on behind it, wherever pointers lead. */
static bool get_name(struct reader *r, char out[BL_NAME_MAX + 1])
{
    size_t out_len = 0, back = 0;
    int pointers = 0;
    for (;;) {
        uint8_t len = get8(r);
        if (r->broken)
            return false;
        if (len == 0)
            break;
        if ((len & 0xc0) == 0xc0) {
            size_t target = (size_t)(len & 0x3f) << 8 | get8(r);
            if (r->broken || ++pointers > POINTERS_MAX)
                return false;
            back = back ? back : r->at;
            r->at = target;
        } else if ((len & 0xc0) || !add_label(r, len, out, &out_len)) {
            return false;
        }
    }
    if (back)
        r->at = back;
    out[out_len ? out_len - 1 : 0] = '\0';
    return !r->broken;
}

/* One resource record; true when it is an SRV record that names somebody. */
static bool get_record(struct reader *r, struct belay_dns_record *out, char text[BL_NAME_MAX + 1])
{
    char owner[BL_NAME_MAX + 1], lower[BL_NAME_MAX + 1];
    struct belay_addr addr;
    uint16_t type, class, data_len;
    uint32_t ttl;
    size_t data;
    if (!get_name(r, owner)) {
        r->broken = true;
        return false;
    }
    type = get16(r);
    class = get16(r);
    ttl = get32(r);
    data_len = get16(r);
    data = r->at;
    r->at += data_len;
    if (r->broken || r->at > r->len) {
        r->broken = true;
        return false;
    }
    if (type != BELAY_DNS_SRV || class != CLASS_IN)
        return false;
    struct reader inside = {r->message, r->len, data, false};
    memset(out, 0, sizeof *out);
    out->ttl_s = ttl;
    out->priority = get16(&inside);
    out->weight = get16(&inside);
    out->port = get16(&inside);
    out->target = text;
    if (!get_name(&inside, text) || inside.at != data + data_len) {
        r->broken = true;
        return false;
    }
    return bl_name_classify(text, lower, &addr) != BL_NAME_BAD; /* "." says: not here */
}

int bl_srv_decode(const uint8_t *message, size_t len, struct belay_dns_record *out, size_t max,
                  char (*text)[BL_NAME_MAX + 1])
{
    struct reader r = {message, len, 4, false};
    char name[BL_NAME_MAX + 1];
    unsigned questions = get16(&r), answers = get16(&r);
    size_t n = 0;
    r.at = HEADER_LEN;
    while (questions-- && !r.broken) {
        if (!get_name(&r, name))
            return BELAY_EDNS;
        r.at += 4;
    }
    while (answers-- && n < max) {
        if (get_record(&r, &out[n], text[n]))
            n++;
        if (r.broken)
            return BELAY_EDNS;
    }
    return n ? (int)n : BELAY_ENONAME;
}

static void swap(struct bl_srv *a, struct bl_srv *b)
{
    struct bl_srv t = *a;
    *a = *b;
    *b = t;
}

/* Of one priority: draws the first by weight, then of the rest, and so on. */
static void draw(struct bl_srv *records, size_t n, struct bl_rand *rand)
{
    for (size_t first = 0; first + 1 < n; first++) {
        uint64_t total = 0, at;
        size_t i = first;
        for (size_t k = first; k < n; k++)
            total += records[k].weight;
        /* Weight 0 keeps a very small chance, as the RFC wants: a draw of 0 takes the first of
         * those. */
        at = bl_rand_below(rand, total + 1);
        for (uint64_t sum = records[i].weight; sum < at; sum += records[i].weight)
            i++;
        swap(&records[first], &records[i]);
    }
}

/* By priority; within it weight 0 first, as the drawing needs. */
static bool is_before(const struct bl_srv *a, const struct bl_srv *b)
{
    if (a->priority != b->priority)
        return a->priority < b->priority;
    return a->weight == 0 && b->weight != 0;
}

void bl_srv_order(struct bl_srv *records, size_t n, struct bl_rand *rand)
{
    for (size_t i = 1; i < n; i++) {
        for (size_t k = i; k && is_before(&records[k], &records[k - 1]); k--)
            swap(&records[k], &records[k - 1]);
    }
    for (size_t from = 0, to; from < n; from = to) {
        for (to = from + 1; to < n && records[to].priority == records[from].priority; to++)
            ;
        draw(records + from, to - from, rand);
    }
}

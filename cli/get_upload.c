/* SPDX-License-Identifier: MIT */
/* Bodies that are read while they are sent: -T. A regular file is read at each request's own place;
 * a stream once. */
#include "get_upload.h"

#include <errno.h>
#include <poll.h>
#include <unistd.h>

static void on_readable(unsigned events, void *arg)
{
    struct slot *slot = arg;

    (void)events;
    belay_watch_set(slot->upload_watch, 0);
    if (slot->request)
        belay_http_request_body_ready(slot->request);
}

/* Nothing is there yet: the loop goes on until there is. */
static ptrdiff_t wait_for_more(struct slot *slot)
{
    int fd = slot->get->plan.upload_fd;
    int rc = slot->upload_watch ? belay_watch_set(slot->upload_watch, BELAY_READABLE)
                                : belay_watch_new(slot->get->loop, fd, BELAY_READABLE, on_readable,
                                                  slot, &slot->upload_watch);

    return rc < 0 ? rc : BELAY_EAGAIN;
}

static ptrdiff_t read_stream(struct slot *slot, void *out, size_t size)
{
    int fd = slot->get->plan.upload_fd;
    struct pollfd p = {.fd = fd, .events = POLLIN};
    ssize_t n;

    if (poll(&p, 1, 0) == 0)
        return wait_for_more(slot);
    n = read(fd, out, size);
    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return wait_for_more(slot);
    return n < 0 ? BELAY_EFILE : n;
}

ptrdiff_t get_upload_read(void *out, size_t size, void *arg)
{
    struct slot *slot = arg;
    const struct get_plan *plan = &slot->get->plan;
    ssize_t n;

    if (plan->upload_size < 0)
        return read_stream(slot, out, size);
    if ((off_t)size > plan->upload_size - slot->upload_at)
        size = (size_t)(plan->upload_size - slot->upload_at);
    n = pread(plan->upload_fd, out, size, slot->upload_at);
    if (n < 0 || (n == 0 && size > 0)) /* it shrank while it was sent */
        return BELAY_EFILE;
    slot->upload_at += n;
    return n;
}

int get_upload_rewind(void *arg)
{
    ((struct slot *)arg)->upload_at = 0;
    return 0;
}

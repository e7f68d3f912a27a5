#define _GNU_SOURCE
#include "events.h"

#include <errno.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "completion.h"
#include "settings.h"

/* The numbers of our own events in the interrupt. The device chooses the numbers of its own. If it chooses one of ours, we
 * look at the socket or the timer for nothing, which does no harm. */
enum { ABOUT_SOCKET = 0x51AC0001, ABOUT_TIMER = 0x51AC0002, EVENTS = 4 };

static int watch(const struct connection *c, const struct fd *fd, uint32_t about)
{
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = about};

    return epoll_ctl(c->interrupt.number, EPOLL_CTL_ADD, fd->number, &event) == 0;
}

int events_open(struct connection *c)
{
    return watch(c, &c->control, ABOUT_SOCKET) && watch(c, &c->timer, ABOUT_TIMER);
}

/* After the welcome the device sends nothing: if the socket is readable, that should be its end. */
static int device_is_there(const struct connection *c)
{
    char text[256];
    ssize_t got;

    if (!fd_is_ours(&c->control))
        return 0;
    got = recv(c->control.number, text, sizeof(text), MSG_DONTWAIT);
    return got > 0 || (got < 0 && (errno == EAGAIN || errno == EINTR));
}

/* Returns 0 if the device has lost so many completions that a new connection is needed. Otherwise all slots would be lost
 * one day, and jobs would wait for a slot for ever. */
static int look_at_deadlines(struct connection *c)
{
    uint64_t count;
    uint32_t owed;

    if (!fd_is_ours(&c->timer) || (read(c->timer.number, &count, sizeof(count)) < 0 && errno != EAGAIN))
        return 0;
    /* Cleared first, so that a submission after completion_expire starts the timer again. */
    atomic_store(&c->timer_armed, 0);
    if (completion_expire(&c->ring, now_ns(), &owed))
        connection_start_timer(c);
    if (owed <= c->ring.entries / 2)
        return 1;
    settings_trace("too many completions never came: connection given up");
    return 0;
}

int events_acknowledge(struct connection *c, int look_at_all)
{
    struct epoll_event events[EVENTS];
    int count, socket = look_at_all, timer = look_at_all;

    if (!fd_is_ours(&c->interrupt)) {
        settings_trace("the application has closed the provider's fds: connection given up");
        return 0;
    }
    count = epoll_wait(c->interrupt.number, events, EVENTS, 0);
    for (int i = 0; i < count; i++) {
        socket |= events[i].data.u64 == ABOUT_SOCKET;
        timer |= events[i].data.u64 == ABOUT_TIMER;
    }
    /* Before the deadlines: what is in flight when the device has gone counts as gone, not as expired. */
    if (socket && !device_is_there(c)) {
        settings_trace("the device went away");
        /* What the device has completed before its end is valid. */
        connection_reap(c);
        return 0;
    }
    return !timer || look_at_deadlines(c);
}

static void handle(struct connection *c, int look_at_all)
{
    if (ring_is_dead(&c->ring))
        return;
    if (events_acknowledge(c, look_at_all))
        connection_reap(c);
    else
        connection_end(c);
}

void events_handle(struct connection *c)
{
    handle(c, 0);
}

void events_wait(struct connection *c, int milliseconds)
{
    struct pollfd interrupt = {.fd = c->interrupt.number, .events = POLLIN};

    /* The application may have closed this fd and opened another under its number, which may be readable always or never.
     * `handle` finds that out in both cases. */
    handle(c, poll(&interrupt, 1, milliseconds) == 0 && milliseconds >= TICK_MS);
}

#define _GNU_SOURCE
#include "events.h"

#include <errno.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "ring.h"
#include "settings.h"

/* What an event of ours says in the interrupt. The device's own events say what it likes: a lie is a look for nothing. */
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

/* Nothing is expected on the socket after the welcome but its end. */
static int device_is_there(const struct connection *c)
{
    char text[256];
    ssize_t got;

    if (!fd_is_ours(&c->control))
        return 0;
    got = recv(c->control.number, text, sizeof(text), MSG_DONTWAIT);
    return got > 0 || (got < 0 && (errno == EAGAIN || errno == EINTR));
}

static void set_timer(struct connection *c)
{
    const struct itimerspec tick = {.it_value.tv_nsec = TICK_NS};

    if (!atomic_exchange(&c->timer_armed, 1) && fd_is_ours(&c->timer))
        timerfd_settime(c->timer.number, 0, &tick, NULL);
}

void events_arm(struct connection *c)
{
    if (settings.deadline_ns != 0)
        set_timer(c);
}

/* 0 if the device has lost so much that the connection is to be made anew: else its slots would all be gone one day, and
 * jobs would stand in line for ever. */
static int look_at_deadlines(struct connection *c)
{
    uint64_t count;
    uint32_t owed;

    if (!fd_is_ours(&c->timer) || (read(c->timer.number, &count, sizeof(count)) < 0 && errno != EAGAIN))
        return 0;
    /* Disarmed before the look: a submission after the look then arms it anew. */
    atomic_store(&c->timer_armed, 0);
    if (ring_expire(c, now_ns(), &owed))
        set_timer(c);
    if (owed <= c->entries / 2)
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
    /* First, as what was in flight then is gone, and not late. */
    if (socket && !device_is_there(c)) {
        settings_trace("the device went away");
        /* What it completed before it died is good. */
        ring_reap(c);
        return 0;
    }
    return !timer || look_at_deadlines(c);
}

static void handle(struct connection *c, int look_at_all)
{
    if (atomic_load(&c->dead))
        return;
    if (events_acknowledge(c, look_at_all))
        ring_reap(c);
    else
        connection_lost(c);
}

void events_handle(struct connection *c)
{
    handle(c, 0);
}

void events_wait(struct connection *c, int milliseconds)
{
    struct pollfd interrupt = {.fd = c->interrupt.number, .events = POLLIN};

    /* An fd that is not ours any more may be readable for ever, or never. Either is found out at the look. */
    handle(c, poll(&interrupt, 1, milliseconds) == 0 && milliseconds >= TICK_MS);
}

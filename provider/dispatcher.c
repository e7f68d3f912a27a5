#define _GNU_SOURCE
#include "dispatcher.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "ring.h"
#include "settings.h"

static void drain(int fd)
{
    uint64_t count;

    if (read(fd, &count, sizeof(count)) < 0)
        return; /* another wake-up took it: what it stood for is looked at anyway */
}

/* 0 if the device has given us something else than an interrupt, which would be readable for ever. */
static int acknowledge(const struct connection *c)
{
    struct epoll_event event;

    return epoll_wait(c->interrupt, &event, 1, 0) >= 0 || errno == EINTR;
}

/* Nothing is expected on the socket after the welcome but its end. */
static int device_is_there(const struct connection *c)
{
    char text[256];
    ssize_t got = recv(c->control, text, sizeof(text), MSG_DONTWAIT);

    return got > 0 || (got < 0 && (errno == EAGAIN || errno == EINTR));
}

/* 0 if the device has lost so much that the connection is to be made anew: else its slots would all be gone one day, and
 * jobs would stand in line for ever. */
static int look_at_deadlines(struct connection *c)
{
    const struct itimerspec tick = {.it_value.tv_nsec = 50000000};
    uint32_t owed;

    drain(c->timer);
    /* Disarmed before the look: a submission after the look then arms it anew. */
    atomic_store(&c->timer_armed, 0);
    if (ring_expire(c, now_ns(), &owed) && !atomic_exchange(&c->timer_armed, 1))
        timerfd_settime(c->timer, 0, &tick, NULL);
    return owed <= c->entries / 2;
}

/* Never calls OpenSSL, which a thread the application does not know of must not do while the process exits. */
static void *run(void *argument)
{
    struct connection *c = argument;
    struct pollfd watched[] = {{.fd = c->interrupt, .events = POLLIN},
                               {.fd = c->control, .events = POLLIN},
                               {.fd = c->timer, .events = POLLIN},
                               {.fd = c->quit, .events = POLLIN}};

    for (;;) {
        if (poll(watched, 4, -1) < 0 && errno != EINTR)
            break;
        if (watched[0].revents != 0) {
            if (!acknowledge(c)) {
                settings_trace("the device has given us no interrupt: connection given up");
                break;
            }
            ring_reap(c);
        }
        if (watched[2].revents != 0 && !look_at_deadlines(c)) {
            settings_trace("too many completions never came: connection given up");
            break;
        }
        if (watched[3].revents != 0)
            break;
        if (watched[1].revents != 0 && !device_is_there(c)) {
            settings_trace("the device went away");
            /* What it completed before it died is good. */
            ring_reap(c);
            break;
        }
        if (atomic_load(&c->dead))
            break;
    }
    connection_lost(c);
    connection_unref(c);
    return NULL;
}

int dispatcher_start(struct connection *c)
{
    sigset_t all, before;
    int started;

    connection_ref(c);
    /* The application's signal handlers must never run in a thread it does not know of. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    started = pthread_create(&c->dispatcher, NULL, run, c) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (!started)
        connection_unref(c);
    else
        pthread_setname_np(c->dispatcher, "simaccel");
    return started;
}

void dispatcher_stop(struct connection *c)
{
    const uint64_t one = 1;

    if (write(c->quit, &one, sizeof(one)) < 0)
        settings_trace("quit: %s", strerror(errno));
    pthread_join(c->dispatcher, NULL);
}

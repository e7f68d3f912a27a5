#define _GNU_SOURCE
#include "dispatcher.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
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

/* An interrupt costs the device 10 us where it has to wake a core, and that thrice an ECDSA signature. So while
 * completions come thick, they are not interrupts but looked for by a timer, which costs the device nothing. With few in
 * flight the device would run dry until the look. */
enum { THICK_NS = 50000, LOOK_NS = 60000, LOOKS = 4, MANY = 4 };

struct pace {
    uint64_t reaped_ns;
    int looks; /* so many more without a completion until interrupts are wanted again; 0: they are */
};

static void reap(struct connection *c, struct pace *p)
{
    const uint64_t now = now_ns();
    const unsigned reaped = ring_reap(c);
    const int looked = p->looks;

    if (looked > 0)
        p->looks = reaped > 0 ? LOOKS : looked - 1;
    else if (now - p->reaped_ns < (uint64_t)reaped * THICK_NS && ring_in_flight(c) >= MANY)
        p->looks = LOOKS;
    p->reaped_ns = now;
    if ((looked > 0) == (p->looks > 0))
        return;
    atomic_store(ring_word(c, WIRE_AT_NO_INTERRUPT), p->looks > 0);
    /* What was completed before the device could see that we want to be told: */
    if (p->looks == 0)
        ring_reap(c);
}

/* Never calls OpenSSL, which a thread the application does not know of must not do while the process exits. */
static void *run(void *argument)
{
    struct connection *c = argument;
    struct pollfd watched[] = {{.fd = c->interrupt, .events = POLLIN},
                               {.fd = c->control, .events = POLLIN},
                               {.fd = c->timer, .events = POLLIN},
                               {.fd = c->quit, .events = POLLIN}};

    const struct timespec look = {.tv_nsec = LOOK_NS};
    struct pace pace = {0};

    prctl(PR_SET_TIMERSLACK, 1);
    for (;;) {
        if (ppoll(watched, 4, pace.looks > 0 ? &look : NULL, NULL) < 0 && errno != EINTR)
            break;
        if (watched[0].revents != 0 && !acknowledge(c)) {
            settings_trace("the device has given us no interrupt: connection given up");
            break;
        }
        if (watched[0].revents != 0 || pace.looks > 0)
            reap(c, &pace);
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

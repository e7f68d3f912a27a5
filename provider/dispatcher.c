#define _GNU_SOURCE
#include "dispatcher.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>

#include "events.h"
#include "ring.h"

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
    struct pollfd watched[] = {{.fd = c->interrupt.number, .events = POLLIN}, {.fd = c->quit.number, .events = POLLIN}};
    /* The application may close our fds while we wait for them, and nobody could then wake us: so look up now and then. */
    const struct timespec look = {.tv_nsec = LOOK_NS}, doze = {.tv_sec = 1};
    struct pace pace = {0};

    prctl(PR_SET_TIMERSLACK, 1);
    for (;;) {
        const int ready = ppoll(watched, 2, pace.looks > 0 ? &look : &doze, NULL);

        if (atomic_load(&c->dead) || atomic_load(&c->closing) || (ready < 0 && errno != EINTR))
            break;
        if (watched[0].revents != 0 || (ready == 0 && pace.looks == 0)) {
            if (!events_acknowledge(c, ready == 0))
                break;
        }
        reap(c, &pace);
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
    started = pthread_create(&c->thread, NULL, run, c) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (!started)
        connection_unref(c);
    else
        pthread_setname_np(c->thread, "simaccel");
    return started;
}

void dispatcher_stop(struct connection *c)
{
    atomic_store(&c->closing, 1);
    fd_ring(&c->quit);
    pthread_join(c->thread, NULL);
}

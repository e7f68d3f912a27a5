#define _GNU_SOURCE
#include "dispatcher.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>

#include "clock.h"
#include "events.h"
#include "wire.h"

/* An interrupt costs the device 10 us when it has to wake a core. With ECDSA signatures that was a third of its time. So
 * while completions come often, the dispatcher asks for no interrupts, and looks at the ring by a timer. That costs the
 * device nothing. With fewer than MANY in flight it does not do so, because the device could run out of work before the next
 * look. */
enum { OFTEN_NS = 50000, LOOK_NS = 60000, LOOKS = 4, MANY = 4 };

struct pace {
    uint64_t reaped_ns;
    int looks; /* how many more looks may find nothing before interrupts are wanted again; 0: they are wanted */
};

static void reap(struct connection *c, struct pace *p)
{
    const uint64_t now = now_ns();
    const unsigned reaped = connection_reap(c);
    const int looked = p->looks;

    if (looked > 0)
        p->looks = reaped > 0 ? LOOKS : looked - 1;
    else if (now - p->reaped_ns < (uint64_t)reaped * OFTEN_NS && ring_in_flight(&c->ring) >= MANY)
        p->looks = LOOKS;
    p->reaped_ns = now;
    if ((looked > 0) == (p->looks > 0))
        return;
    atomic_store(ring_word(&c->ring, WIRE_AT_NO_INTERRUPT), p->looks > 0);
    /* The device may have completed something before it could see that interrupts are wanted again. */
    if (p->looks == 0)
        connection_reap(c);
}

/* The thread never calls OpenSSL, because the application does not know of the thread, and the process may be exiting. */
static void *run(void *argument)
{
    struct connection *c = argument;
    struct pollfd watched[] = {{.fd = c->interrupt.number, .events = POLLIN}, {.fd = c->quit.number, .events = POLLIN}};
    /* The application may close our fds while we wait for them, and then nobody could wake us. So there is a time limit. */
    const struct timespec look = {.tv_nsec = LOOK_NS}, doze = {.tv_sec = 1};
    struct pace pace = {0};

    prctl(PR_SET_TIMERSLACK, 1);
    for (;;) {
        const int ready = ppoll(watched, 2, pace.looks > 0 ? &look : &doze, NULL);

        if (ring_is_dead(&c->ring) || atomic_load(&c->closing) || (ready < 0 && errno != EINTR))
            break;
        if (watched[0].revents != 0 || (ready == 0 && pace.looks == 0)) {
            if (!events_acknowledge(c, ready == 0))
                break;
        }
        reap(c, &pace);
    }
    connection_end(c);
    connection_unref(c);
    return NULL;
}

int dispatcher_start(struct connection *c)
{
    sigset_t all, before;
    int started;

    connection_ref(c);
    /* The application's signal handlers must never run in a thread that it does not know of. */
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

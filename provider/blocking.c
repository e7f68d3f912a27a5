#define _GNU_SOURCE
#include "blocking.h"

#include <errno.h>
#include <linux/futex.h>
#include <sched.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "completion.h"
#include "events.h"

/* How long a thread polls before it sleeps: about as long as a sleep and a wake-up would take. */
enum { POLL_NS = 30000 };

/* How often a thread that waits for a slot looks at completions, if there is no dispatcher to do so. */
enum { LOOK_NS = 1000000 };

static void ring_bell(struct record *r)
{
    atomic_fetch_add(&r->bell, 1);
    syscall(SYS_futex, &r->bell, FUTEX_WAKE_PRIVATE, INT32_MAX, NULL, NULL, 0);
}

static void complete(struct record *r)
{
    struct connection *c = connection_of(r);

    connection_ref(c); /* once the record is done, its own reference may go at any moment */
    atomic_store(&r->state, RECORD_DONE);
    ring_bell(r);
    connection_unref(c);
}

void blocking_attach(struct record *r)
{
    r->complete = complete;
}

/* Rings the bell of one thread whose operation is in flight, so that it waits for the interrupt from now on. */
static void pass_turn(struct connection *c)
{
    pthread_mutex_lock(&c->ring.lock);
    for (uint32_t i = 0; i < c->ring.entries; i++) {
        struct record *r = &c->ring.records[i];

        if (atomic_load(&r->state) == RECORD_BUSY && r->complete == complete) {
            ring_bell(r);
            break;
        }
    }
    pthread_mutex_unlock(&c->ring.lock);
}

/* Sleeps until the bell rings. After a tick it looks at all events itself, in case an interrupt was lost. */
static void sleep_on_bell(struct record *r, uint32_t bell)
{
    const struct timespec tick = {.tv_nsec = TICK_NS};

    if (syscall(SYS_futex, &r->bell, FUTEX_WAIT_PRIVATE, bell, &tick, NULL, 0) < 0 && errno == ETIMEDOUT)
        events_wait(connection_of(r), 0);
}

void blocking_wait(struct record *r)
{
    struct connection *c = connection_of(r);
    const uint64_t sleep_at = now_ns() + POLL_NS;
    int my_turn = 0;

    for (;;) {
        const uint32_t bell = atomic_load(&r->bell);

        if (atomic_load(&r->state) == RECORD_DONE)
            break;
        if (completion_is_there(&c->ring)) {
            connection_reap(c);
        } else if (now_ns() < sleep_at) {
            sched_yield();
        } else if (!connection_has_dispatcher(c) && (my_turn || !atomic_exchange(&c->polling, 1))) {
            my_turn = 1;
            events_wait(c, TICK_MS);
        } else {
            atomic_fetch_add(&c->sleeping, 1);
            /* Read `polling` again: if a thread gave up its turn before it saw us in `sleeping`, it has rung no bell. */
            if (connection_has_dispatcher(c) || atomic_load(&c->polling))
                sleep_on_bell(r, bell);
            atomic_fetch_sub(&c->sleeping, 1);
        }
    }
    if (my_turn)
        atomic_store(&c->polling, 0);
    /* Do this even if we did not have the turn: it may have been passed to this record just after the record was done. */
    if (atomic_load(&c->sleeping) > 0 && !atomic_load(&c->polling))
        pass_turn(c);
}

/* Sleeps until a slot may be free, or for a while. Called under the ring's lock. */
static void sleep_for_slot(struct connection *c, uint64_t until_ns)
{
    const uint64_t look_ns = now_ns() + (connection_has_dispatcher(c) ? TICK_NS : LOOK_NS);
    const uint64_t end_ns = look_ns < until_ns ? look_ns : until_ns;
    const struct timespec end = {.tv_sec = (time_t)(end_ns / 1000000000u), .tv_nsec = (long)(end_ns % 1000000000u)};

    pthread_cond_timedwait(&c->ring.slot_freed, &c->ring.lock, &end);
}

int blocking_wait_for_slot(struct connection *c, uint64_t until_ns)
{
    struct ring *ring = &c->ring;
    int held = 0;

    pthread_mutex_lock(&ring->lock);
    while (ring->free_count == 0 && !ring_is_dead(ring) && !(held = ring->held == ring->entries) &&
           now_ns() < until_ns) {
        sleep_for_slot(c, until_ns);
        pthread_mutex_unlock(&ring->lock);
        events_handle(c);
        pthread_mutex_lock(&ring->lock);
    }
    pthread_mutex_unlock(&ring->lock);
    return !held;
}

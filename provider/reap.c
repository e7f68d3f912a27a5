/* The completion side of the rings: what came back, what came too late, and what never will. */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "counters.h"
#include "events.h"
#include "key.h"
#include "line.h"
#include "ring.h"
#include "settings.h"
#include "waiter.h"

/* How long a thread outside of a job polls before it sleeps: about what a sleep and a wake-up would cost. */
enum { POLL_NS = 30000 };

/* Keeps up what `longest_ns` says: at once when one took longer, and slowly back. */
static void note_duration(struct connection *c, const struct record *r, uint64_t now)
{
    const uint64_t took_ns = now - r->submit_ns;

    c->longest_ns -= c->longest_ns / 1024;
    if (took_ns > c->longest_ns)
        c->longest_ns = took_ns;
}

/* One completion as the device wrote it; nothing in it is believed. Returns the record to fire, if any. */
static struct record *accept_completion(struct connection *c, const struct wire_completion *e, uint64_t now)
{
    const uint32_t index = (uint32_t)e->cookie;
    struct record *r = index < c->entries ? &c->records[index] : NULL;
    uint32_t state;

    if (r == NULL || r->generation != (uint32_t)(e->cookie >> 32)) {
        COUNT(stray);
        return NULL;
    }
    state = atomic_load(&r->state);
    if (state == RECORD_BUSY) {
        r->status = e->status;
        r->out_len = e->out_len;
        /* Longer than asked for: whatever this is, it is not our result. */
        if (e->status == WIRE_OK && e->out_len > r->out_max) {
            r->status = WIRE_FAILED;
            r->out_len = 0;
        }
        note_duration(c, r, now);
        atomic_store(&r->state, RECORD_FIRING);
        return r;
    }
    COUNT(stray);
    if (r->answer_owed) {
        note_duration(c, r, now);
        r->answer_owed = 0;
        if (state == RECORD_LOST)
            return r;
    }
    return NULL;
}

int ring_has_completions(const struct connection *c)
{
    return atomic_load_explicit(ring_word(c, WIRE_AT_CQ_TAIL), memory_order_acquire) !=
           atomic_load_explicit(ring_word(c, WIRE_AT_CQ_HEAD), memory_order_relaxed);
}

static void finish_all(struct record *list)
{
    while (list != NULL) {
        struct record *r = list;

        list = r->next;
        if (atomic_load(&r->state) == RECORD_LOST)
            ring_release(r);
        else
            record_fire(r);
    }
}

unsigned ring_reap(struct connection *c)
{
    struct record *first = NULL, **last = &first;
    uint64_t tail, pending, now;
    unsigned reaped = 0;
    int broken = 0;

    pthread_mutex_lock(&c->lock);
    if (!atomic_load(&c->dead)) {
        tail = atomic_load_explicit(ring_word(c, WIRE_AT_CQ_TAIL), memory_order_acquire);
        pending = tail - c->cq_head;
        broken = pending > c->entries;
        now = pending > 0 ? now_ns() : 0;
        for (; !broken && pending > 0; pending--) {
            struct wire_completion e;

            memcpy(&e, c->memory + c->cq_off + (c->cq_head & (c->entries - 1)) * sizeof(e), sizeof(e));
            c->cq_head++;
            reaped++;
            *last = accept_completion(c, &e, now);
            if (*last != NULL) {
                (*last)->next = NULL;
                last = &(*last)->next;
            }
        }
        atomic_store_explicit(ring_word(c, WIRE_AT_CQ_HEAD), c->cq_head, memory_order_release);
    }
    pthread_mutex_unlock(&c->lock);
    finish_all(first);
    if (broken) {
        settings_trace("the device's completion index runs wild: connection given up");
        connection_lost(c);
    }
    return reaped;
}

static void ring_bell(struct record *r)
{
    atomic_fetch_add(&r->bell, 1);
    syscall(SYS_futex, &r->bell, FUTEX_WAKE_PRIVATE, INT32_MAX, NULL, NULL, 0);
}

/* Of the threads that block, one waits for the interrupt, so that an interrupt wakes one thread and not all. When that one
 * has what it waited for, another takes its turn. */
static void pass_turn(struct connection *c)
{
    pthread_mutex_lock(&c->lock);
    for (uint32_t i = 0; i < c->entries; i++) {
        struct record *r = &c->records[i];

        if (atomic_load(&r->state) == RECORD_BUSY && !r->held && r->loads == NULL) {
            ring_bell(r);
            break;
        }
    }
    pthread_mutex_unlock(&c->lock);
}

/* Until the bell rings. An interrupt that nobody noticed costs a tick. */
static void sleep_on_bell(struct record *r, uint32_t bell)
{
    const struct timespec tick = {.tv_nsec = TICK_NS};

    if (syscall(SYS_futex, &r->bell, FUTEX_WAIT_PRIVATE, bell, &tick, NULL, 0) < 0 && errno == ETIMEDOUT)
        events_wait(r->connection, 0);
}

void ring_wait(struct record *r)
{
    struct connection *c = r->connection;
    const uint64_t sleep_at = now_ns() + POLL_NS;
    int my_turn = 0;

    for (;;) {
        const uint32_t bell = atomic_load(&r->bell);

        if (atomic_load(&r->state) == RECORD_DONE)
            break;
        if (ring_has_completions(c)) {
            ring_reap(c);
        } else if (now_ns() < sleep_at) {
            sched_yield();
        } else if (!connection_has_dispatcher(c) && (my_turn || !atomic_exchange(&c->polling, 1))) {
            my_turn = 1;
            events_wait(c, TICK_MS);
        } else {
            atomic_fetch_add(&c->sleeping, 1);
            /* Looked at again: whoever gives the turn up before it sees that we sleep rings no bell. */
            if (connection_has_dispatcher(c) || atomic_load(&c->polling))
                sleep_on_bell(r, bell);
            atomic_fetch_sub(&c->sleeping, 1);
        }
    }
    if (my_turn)
        atomic_store(&c->polling, 0);
    /* Also without a turn: this may be the one that the bell was rung for, done meanwhile. */
    if (atomic_load(&c->sleeping) > 0 && !atomic_load(&c->polling))
        pass_turn(c);
}

void record_fire(struct record *r)
{
    if (r->loads != NULL) {
        key_loaded(r->loads, r->status);
        ring_release(r);
    } else if (r->waiter != NULL) {
        waiter_fire(r->waiter, r);
    } else {
        struct connection *c = r->connection;

        connection_ref(c); /* once the record is done, its own reference may go at any moment */
        atomic_store(&r->state, RECORD_DONE);
        ring_bell(r);
        connection_unref(c);
    }
}

int ring_expire(struct connection *c, uint64_t now, uint32_t *owed)
{
    struct record *first = NULL;
    int in_flight = 0, expired = 0;

    *owed = 0;
    pthread_mutex_lock(&c->lock);
    for (uint32_t i = 0; i < c->entries; i++) {
        struct record *r = &c->records[i];

        *owed += (uint32_t)r->answer_owed;
        if (atomic_load(&r->state) != RECORD_BUSY)
            continue;
        if (now < r->deadline_ns) {
            in_flight = 1;
            continue;
        }
        COUNT(expired);
        expired = c->distrusted = 1;
        r->status = STATUS_EXPIRED;
        r->out_len = 0;
        r->answer_owed = 1;
        ++*owed;
        atomic_store(&r->state, RECORD_FIRING);
        r->next = first;
        first = r;
    }
    /* What else is in flight is not to wait as long as the one that was lost. */
    for (uint32_t i = 0; expired && i < c->entries; i++) {
        const uint64_t soon_ns = c->records[i].submit_ns + ring_patience_ns(c);

        if (c->records[i].deadline_ns > soon_ns)
            c->records[i].deadline_ns = soon_ns;
    }
    pthread_mutex_unlock(&c->lock);
    finish_all(first);
    return in_flight;
}

void ring_kill(struct connection *c)
{
    struct record *first = NULL;
    struct waiter *w;

    pthread_mutex_lock(&c->lock);
    atomic_store(&c->dead, 1);
    for (uint32_t i = 0; i < c->entries; i++) {
        struct record *r = &c->records[i];

        if (atomic_load(&r->state) != RECORD_BUSY)
            continue;
        COUNT(gone);
        r->status = STATUS_GONE;
        r->out_len = 0;
        atomic_store(&r->state, RECORD_FIRING);
        r->next = first;
        first = r;
    }
    pthread_cond_broadcast(&c->room);
    pthread_mutex_unlock(&c->lock);
    finish_all(first);
    do {
        pthread_mutex_lock(&c->lock);
        w = line_pop(c);
        pthread_mutex_unlock(&c->lock);
        ring_wake(w);
    } while (w != NULL);
}

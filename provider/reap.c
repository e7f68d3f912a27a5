/* The completion side of the rings: what came back, what came too late, and what never will. */
#define _GNU_SOURCE
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "counters.h"
#include "key.h"
#include "line.h"
#include "ring.h"
#include "settings.h"
#include "waiter.h"

/* How long a thread outside of a job polls before it sleeps: about what a sleep and a wake-up would cost. */
enum { POLL_NS = 30000 };

/* One completion as the device wrote it; nothing in it is believed. Returns the record to fire, if any. */
static struct record *accept_completion(struct connection *c, const struct wire_completion *e)
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
        atomic_store(&r->state, RECORD_FIRING);
        return r;
    }
    COUNT(stray);
    if (r->answer_owed) {
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
    uint64_t tail, pending;
    unsigned reaped = 0;
    int broken = 0;

    pthread_mutex_lock(&c->lock);
    if (!atomic_load(&c->dead)) {
        tail = atomic_load_explicit(ring_word(c, WIRE_AT_CQ_TAIL), memory_order_acquire);
        pending = tail - c->cq_head;
        broken = pending > c->entries;
        for (; !broken && pending > 0; pending--) {
            struct wire_completion e;

            memcpy(&e, c->memory + c->cq_off + (c->cq_head & (c->entries - 1)) * sizeof(e), sizeof(e));
            c->cq_head++;
            reaped++;
            *last = accept_completion(c, &e);
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

void ring_wait(struct record *r)
{
    struct connection *c = r->connection;
    const uint64_t sleep_at = now_ns() + POLL_NS;
    uint32_t state;

    while ((state = atomic_load(&r->state)) != RECORD_DONE) {
        if (ring_has_completions(c))
            ring_reap(c);
        else if (now_ns() < sleep_at)
            sched_yield();
        else
            syscall(SYS_futex, &r->state, FUTEX_WAIT_PRIVATE, state, NULL, NULL, 0);
    }
}

void record_fire(struct record *r)
{
    if (r->loads != NULL) {
        key_loaded(r->loads, r->status);
        ring_release(r);
    } else if (r->waiter != NULL) {
        waiter_fire(r->waiter, r);
    } else {
        atomic_store(&r->state, RECORD_DONE);
        syscall(SYS_futex, &r->state, FUTEX_WAKE_PRIVATE, INT32_MAX, NULL, NULL, 0);
    }
}

int ring_expire(struct connection *c, uint64_t now, uint32_t *owed)
{
    struct record *first = NULL;
    int in_flight = 0;

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
        r->status = STATUS_EXPIRED;
        r->out_len = 0;
        r->answer_owed = 1;
        ++*owed;
        atomic_store(&r->state, RECORD_FIRING);
        r->next = first;
        first = r;
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

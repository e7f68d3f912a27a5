#define _GNU_SOURCE
#include "ring.h"

#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "counters.h"
#include "key.h"
#include "line.h"
#include "settings.h"
#include "waiter.h"

/* How long a thread outside of a job polls before it sleeps: about what a sleep and a wake-up would cost. */
enum { POLL_NS = 30000 };

/* How often deadlines are looked at. A deadline is kept to within this. */
enum { TICK_NS = 50000000 };

uint64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static _Atomic uint64_t *word(const struct connection *c, uint32_t at)
{
    return (_Atomic uint64_t *)(void *)(c->memory + at);
}

uint8_t *ring_slot(const struct record *r)
{
    return r->connection->memory + r->connection->slots_off + (size_t)r->index * r->connection->slot_bytes;
}

static uint64_t cookie_of(const struct record *r)
{
    return (uint64_t)r->generation << 32 | r->index;
}

struct record *ring_take(struct connection *c, struct waiter *w)
{
    struct record *r = NULL;

    pthread_mutex_lock(&c->lock);
    if (c->free_count > 0 && !atomic_load(&c->dead)) {
        if (w != NULL)
            line_leave(c, w);
        r = &c->records[c->free_slots[--c->free_count]];
        connection_ref(c);
        atomic_store_explicit(&r->state, RECORD_TAKEN, memory_order_relaxed);
        r->generation++;
        r->waiter = NULL;
        r->loads = NULL;
        r->used_bytes = 0;
        r->answer_owed = 0;
    } else if (w != NULL && !atomic_load(&c->dead)) {
        line_join(c, w);
    }
    pthread_mutex_unlock(&c->lock);
    return r;
}

void ring_wait_for_room(struct connection *c, uint64_t until_ns)
{
    const struct timespec until = {.tv_sec = (time_t)(until_ns / 1000000000u), .tv_nsec = (long)(until_ns % 1000000000u)};

    pthread_mutex_lock(&c->lock);
    while (c->free_count == 0 && !atomic_load(&c->dead) &&
           pthread_cond_timedwait(&c->room, &c->lock, &until) != ETIMEDOUT)
        ;
    pthread_mutex_unlock(&c->lock);
}

/* The dispatcher sleeps without a time-out when nothing is in flight; the first submission sets its timer. */
static void arm_timer(struct connection *c)
{
    const struct itimerspec tick = {.it_value.tv_nsec = TICK_NS};

    if (settings.deadline_ns != 0 && !atomic_exchange(&c->timer_armed, 1))
        timerfd_settime(c->timer, 0, &tick, NULL);
}

static void wake_one(struct waiter *w)
{
    if (w != NULL) {
        waiter_wake(w);
        waiter_unref(w);
    }
}

void ring_submit(struct record *r, const struct request *q)
{
    struct connection *c = r->connection;
    const uint32_t slot_off = c->slots_off + r->index * c->slot_bytes;
    struct wire_submission s = {.cookie = cookie_of(r),
                                .operation = q->operation,
                                .flags = q->flags,
                                .key = q->key,
                                .in_off = slot_off,
                                .in_len = q->in_len,
                                .out_off = slot_off + q->out_off,
                                .out_max = q->out_max,
                                .aux_off = slot_off + q->aux_off,
                                .aux_len = q->aux_len,
                                .t_submit = now_ns()};
    int gone;

    r->out_max = q->out_max;
    r->used_bytes = q->out_off + q->out_max + 4;
    r->deadline_ns = settings.deadline_ns == 0 ? UINT64_MAX : s.t_submit + settings.deadline_ns;
    pthread_mutex_lock(&c->lock);
    gone = atomic_load(&c->dead);
    if (!gone) {
        memcpy(c->memory + c->sq_off + (c->sq_tail & (c->entries - 1)) * sizeof(s), &s, sizeof(s));
        atomic_store_explicit(&r->state, RECORD_BUSY, memory_order_relaxed);
        atomic_store_explicit(word(c, WIRE_AT_SQ_TAIL), ++c->sq_tail, memory_order_release);
    } else {
        r->status = STATUS_GONE;
        r->out_len = 0;
        atomic_store(&r->state, RECORD_FIRING);
    }
    pthread_mutex_unlock(&c->lock);
    if (gone) {
        record_fire(r);
        return;
    }
    /* The device stores 'sleeping' and then looks at the tail; we the other way round. Without a full fence each
     * could miss what the other stored. */
    atomic_thread_fence(memory_order_seq_cst);
    if (atomic_load_explicit(word(c, WIRE_AT_SLEEPING), memory_order_relaxed) != 0) {
        const uint64_t one = 1;

        if (write(c->doorbell, &one, sizeof(one)) < 0)
            settings_trace("doorbell: %s", strerror(errno));
    }
    arm_timer(c);
}

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
    return atomic_load_explicit(word(c, WIRE_AT_CQ_TAIL), memory_order_acquire) !=
           atomic_load_explicit(word(c, WIRE_AT_CQ_HEAD), memory_order_relaxed);
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

void ring_reap(struct connection *c)
{
    struct record *first = NULL, **last = &first;
    uint64_t tail, pending;
    int broken = 0;

    pthread_mutex_lock(&c->lock);
    if (!atomic_load(&c->dead)) {
        tail = atomic_load_explicit(word(c, WIRE_AT_CQ_TAIL), memory_order_acquire);
        pending = tail - c->cq_head;
        broken = pending > c->entries;
        for (; !broken && pending > 0; pending--) {
            struct wire_completion e;

            memcpy(&e, c->memory + c->cq_off + (c->cq_head & (c->entries - 1)) * sizeof(e), sizeof(e));
            c->cq_head++;
            *last = accept_completion(c, &e);
            if (*last != NULL) {
                (*last)->next = NULL;
                last = &(*last)->next;
            }
        }
        atomic_store_explicit(word(c, WIRE_AT_CQ_HEAD), c->cq_head, memory_order_release);
    }
    pthread_mutex_unlock(&c->lock);
    finish_all(first);
    if (broken) {
        settings_trace("the device's completion index runs wild: connection given up");
        connection_lost(c);
    }
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

void ring_release(struct record *r)
{
    struct connection *c = r->connection;
    struct waiter *next = NULL;
    int was_lost;

    pthread_mutex_lock(&c->lock);
    was_lost = atomic_load(&r->state) == RECORD_LOST;
    if (r->answer_owed && !atomic_load(&c->dead)) {
        atomic_store(&r->state, RECORD_LOST);
    } else {
        /* Key material and shared secrets pass through; the next user of the slot must not find them. */
        explicit_bzero(ring_slot(r), r->used_bytes < c->slot_bytes ? r->used_bytes : c->slot_bytes);
        atomic_store(&r->state, RECORD_FREE);
        c->free_slots[c->free_count++] = r->index;
        next = line_pop(c);
        pthread_cond_signal(&c->room);
    }
    pthread_mutex_unlock(&c->lock);
    wake_one(next);
    if (!was_lost)
        connection_unref(c); /* a lost record gave its reference up when it was lost */
}

void ring_leave_line(struct connection *c, struct waiter *w)
{
    struct waiter *next;

    pthread_mutex_lock(&c->lock);
    line_leave(c, w);
    next = c->free_count > 0 ? line_pop(c) : NULL;
    pthread_mutex_unlock(&c->lock);
    wake_one(next);
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
        wake_one(w);
    } while (w != NULL);
}

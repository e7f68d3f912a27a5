#define _GNU_SOURCE
#include "ring.h"

#include <pthread.h>
#include <string.h>
#include <time.h>

#include "events.h"
#include "line.h"
#include "settings.h"
#include "waiter.h"

/* Where a deadline has passed, an operation is lost after so many times of what others take, but not sooner than that: a
 * device that has lost one completion may lose the next one too, and a handshake has three. */
enum { PATIENT_TIMES = 8, LEAST_PATIENCE_NS = 250000000 };

enum { LOOK_FOR_ROOM_NS = 1000000 };

uint64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

_Atomic uint64_t *ring_word(const struct connection *c, uint32_t at)
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
        r->held = 0;
    } else if (w != NULL && !atomic_load(&c->dead)) {
        line_join(c, w);
    }
    pthread_mutex_unlock(&c->lock);
    return r;
}

int ring_is_held(struct connection *c)
{
    int held;

    pthread_mutex_lock(&c->lock);
    held = c->held == c->entries;
    pthread_mutex_unlock(&c->lock);
    return held;
}

/* Sleeps until a slot may be free, or for a while. Under the connection's lock. */
static void sleep_for_room(struct connection *c, uint64_t until_ns)
{
    /* With no dispatcher the thread looks after completions itself. */
    const uint64_t look_ns = now_ns() + (connection_has_dispatcher(c) ? TICK_NS : LOOK_FOR_ROOM_NS);
    const uint64_t end_ns = look_ns < until_ns ? look_ns : until_ns;
    const struct timespec end = {.tv_sec = (time_t)(end_ns / 1000000000u), .tv_nsec = (long)(end_ns % 1000000000u)};

    pthread_cond_timedwait(&c->room, &c->lock, &end);
}

int ring_wait_for_room(struct connection *c, uint64_t until_ns)
{
    int held = 0;

    pthread_mutex_lock(&c->lock);
    while (c->free_count == 0 && !atomic_load(&c->dead) && !(held = c->held == c->entries) && now_ns() < until_ns) {
        sleep_for_room(c, until_ns);
        pthread_mutex_unlock(&c->lock);
        events_handle(c);
        pthread_mutex_lock(&c->lock);
    }
    pthread_mutex_unlock(&c->lock);
    return !held;
}

uint64_t ring_patience_ns(const struct connection *c)
{
    uint64_t patience_ns = settings.deadline_ns;

    if (c->distrusted && c->longest_ns * PATIENT_TIMES < patience_ns)
        patience_ns = c->longest_ns * PATIENT_TIMES;
    if (c->distrusted && patience_ns < LEAST_PATIENCE_NS && settings.deadline_ns > LEAST_PATIENCE_NS)
        patience_ns = LEAST_PATIENCE_NS;
    return patience_ns;
}

void ring_wake(struct waiter *w)
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
    r->submit_ns = s.t_submit;
    pthread_mutex_lock(&c->lock);
    r->deadline_ns = settings.deadline_ns == 0 ? UINT64_MAX : s.t_submit + ring_patience_ns(c);
    r->held = r->waiter != NULL;
    c->held += (uint32_t)r->held;
    gone = atomic_load(&c->dead);
    if (!gone) {
        memcpy(c->memory + c->sq_off + (c->sq_tail & (c->entries - 1)) * sizeof(s), &s, sizeof(s));
        atomic_store_explicit(&r->state, RECORD_BUSY, memory_order_relaxed);
        atomic_store_explicit(ring_word(c, WIRE_AT_SQ_TAIL), ++c->sq_tail, memory_order_release);
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
    if (atomic_load_explicit(ring_word(c, WIRE_AT_SLEEPING), memory_order_relaxed) != 0 && !fd_ring(&c->doorbell)) {
        settings_trace("the application has closed the provider's fds: connection given up");
        connection_lost(c);
        return;
    }
    events_arm(c);
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
        c->held += !r->held;
        r->held = 1;
    } else {
        /* Key material and shared secrets pass through; the next user of the slot must not find them. */
        explicit_bzero(ring_slot(r), r->used_bytes < c->slot_bytes ? r->used_bytes : c->slot_bytes);
        atomic_store(&r->state, RECORD_FREE);
        c->held -= (uint32_t)r->held;
        r->held = 0;
        c->free_slots[c->free_count++] = r->index;
        next = line_pop(c);
        pthread_cond_signal(&c->room);
    }
    pthread_mutex_unlock(&c->lock);
    ring_wake(next);
    if (!was_lost)
        connection_unref(c); /* a lost record gave its reference up when it was lost */
}

uint32_t ring_in_flight(struct connection *c)
{
    uint32_t taken;

    pthread_mutex_lock(&c->lock);
    taken = c->entries - c->free_count;
    pthread_mutex_unlock(&c->lock);
    return taken;
}

void ring_leave_line(struct connection *c, struct waiter *w)
{
    struct waiter *next;

    pthread_mutex_lock(&c->lock);
    line_leave(c, w);
    next = c->free_count > 0 ? line_pop(c) : NULL;
    pthread_mutex_unlock(&c->lock);
    ring_wake(next);
}

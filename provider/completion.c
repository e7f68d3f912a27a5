#include "completion.h"

#include <sched.h>
#include <string.h>

#include "clock.h"
#include "counters.h"
#include "wire.h"

/* Keeps `longest_ns` up to date: it rises at once when an operation took longer, and falls slowly. */
static void note_duration(struct ring *ring, const struct record *r, uint64_t now)
{
    const uint64_t took_ns = now - r->submit_ns;

    ring->longest_ns -= ring->longest_ns / 1024;
    if (took_ns > ring->longest_ns)
        ring->longest_ns = took_ns;
}

/* Reads one completion. Returns the record to finish, or NULL. */
static struct record *accept_completion(struct ring *ring, const struct wire_completion *e, uint64_t now)
{
    const uint32_t index = (uint32_t)e->cookie;
    struct record *r = index < ring->entries ? &ring->records[index] : NULL;
    uint32_t state;

    if (r == NULL || r->generation != (uint32_t)(e->cookie >> 32)) {
        COUNT_AT(ring, stray);
        return NULL;
    }
    state = atomic_load(&r->state);
    if (e->status == WIRE_WAKE) {
        if (state != RECORD_BUSY || !r->needs_resume)
            return NULL;
        r->status = WIRE_WAKE;
        atomic_store(&r->state, RECORD_FIRING);
        return r;
    }
    if (state == RECORD_BUSY) {
        r->status = e->status;
        r->out_len = e->out_len;
        /* A result that is longer than was asked for can't be ours. */
        if (e->status == WIRE_OK && e->out_len > r->out_max) {
            r->status = WIRE_FAILED;
            r->out_len = 0;
        }
        note_duration(ring, r, now);
        atomic_store(&r->state, RECORD_FIRING);
        return r;
    }
    COUNT_AT(ring, stray);
    if (r->answer_owed) {
        note_duration(ring, r, now);
        r->answer_owed = 0;
        if (state == RECORD_LOST)
            return r;
    }
    return NULL;
}

int completion_is_there(const struct ring *ring)
{
    return atomic_load_explicit(ring_word(ring, WIRE_AT_CQ_TAIL), memory_order_acquire) !=
           atomic_load_explicit(ring_word(ring, WIRE_AT_CQ_HEAD), memory_order_relaxed);
}

/* Wakes a job whose operation goes on. The record is in FIRING meanwhile, so that neither the job nor a real completion can
 * end it, and in BUSY again after that. If the connection has died in between, nobody else gives the record up any more.
 * The job, which may be looking at the record, is told only after its token is there to be taken. */
static void wake_early(struct record *r)
{
    struct ring *ring = r->ring;
    int died;

    r->wake(r);
    atomic_store(&r->woken_early, 1);
    pthread_mutex_lock(&ring->lock);
    died = ring_is_dead(ring);
    if (died)
        r->status = STATUS_GONE;
    else
        atomic_store(&r->state, RECORD_BUSY);
    pthread_mutex_unlock(&ring->lock);
    if (died)
        r->complete(r);
}

/* A LOST record has no owner any more: its slot is free now. */
static void finish_all(struct record *list)
{
    while (list != NULL) {
        struct record *r = list;

        list = r->next;
        if (atomic_load(&r->state) == RECORD_LOST)
            ring_release(r);
        else if (r->status == WIRE_WAKE)
            wake_early(r);
        else
            r->complete(r);
    }
}

/* Whether this completion is for a record that another thread is just waking early. */
static int must_wait(const struct ring *ring, const struct wire_completion *e)
{
    const uint32_t index = (uint32_t)e->cookie;
    const struct record *r = index < ring->entries ? &ring->records[index] : NULL;

    return r != NULL && atomic_load(&r->state) == RECORD_FIRING && r->status == WIRE_WAKE;
}

/* Reaps what is there, up to and including a wake-up. What follows a wake-up may complete the same record, so it must wait
 * until that is BUSY again, whichever thread reaps it; `*more` says whether there is any. */
static unsigned reap_some(struct ring *ring, int *broken, int *more)
{
    struct record *first = NULL, **last = &first;
    uint64_t tail, pending, now;
    unsigned reaped = 0;

    *broken = *more = 0;
    pthread_mutex_lock(&ring->lock);
    if (!ring_is_dead(ring)) {
        tail = atomic_load_explicit(ring_word(ring, WIRE_AT_CQ_TAIL), memory_order_acquire);
        pending = tail - ring->cq_head;
        *broken = pending > ring->entries;
        now = pending > 0 ? now_ns() : 0;
        for (; !*broken && !*more && pending > 0; pending--) {
            struct wire_completion e;

            memcpy(&e, ring->memory + ring->cq_off + (ring->cq_head & (ring->entries - 1)) * sizeof(e), sizeof(e));
            if (must_wait(ring, &e)) {
                *more = 1;
                break;
            }
            ring->cq_head++;
            reaped++;
            *last = accept_completion(ring, &e, now);
            if (*last != NULL) {
                *more = (*last)->status == WIRE_WAKE;
                (*last)->next = NULL;
                last = &(*last)->next;
            }
        }
        if (reaped > 0)
            wakes_add(&ring->wakes, ring->memory, now);
        atomic_store_explicit(ring_word(ring, WIRE_AT_CQ_HEAD), ring->cq_head, memory_order_release);
    }
    pthread_mutex_unlock(&ring->lock);
    finish_all(first);
    return reaped;
}

unsigned completion_reap(struct ring *ring, int *broken)
{
    unsigned reaped = 0;
    int more;

    do {
        const unsigned now = reap_some(ring, broken, &more);

        reaped += now;
        if (more && now == 0)
            sched_yield();
    } while (more);
    return reaped;
}

/* Makes a BUSY record FIRING without a completion, and puts it in front of the list. */
static struct record *give_up(struct record *r, int32_t status, struct record *list)
{
    r->status = status;
    r->out_len = 0;
    r->next = list;
    atomic_store(&r->state, RECORD_FIRING);
    return r;
}

int completion_expire(struct ring *ring, uint64_t now, uint32_t *owed)
{
    struct record *first = NULL;
    int in_flight = 0;

    *owed = 0;
    pthread_mutex_lock(&ring->lock);
    for (uint32_t i = 0; i < ring->entries; i++) {
        struct record *r = &ring->records[i];

        *owed += (uint32_t)r->answer_owed;
        if (atomic_load(&r->state) != RECORD_BUSY)
            continue;
        if (now < r->deadline_ns) {
            in_flight = 1;
            continue;
        }
        COUNT_AT(ring, expired);
        ring->distrusted = 1;
        r->answer_owed = 1;
        ++*owed;
        first = give_up(r, STATUS_EXPIRED, first);
    }
    /* The device has lost a completion, so deadlines are shorter from now on. This also holds for what is in flight now. */
    for (uint32_t i = 0; first != NULL && i < ring->entries; i++) {
        const uint64_t soon_ns = ring->records[i].submit_ns + ring_patience_ns(ring);

        if (ring->records[i].deadline_ns > soon_ns)
            ring->records[i].deadline_ns = soon_ns;
    }
    pthread_mutex_unlock(&ring->lock);
    finish_all(first);
    return in_flight;
}

void completion_kill(struct ring *ring)
{
    struct record *first = NULL;
    struct slot_queue_entry *entry;

    pthread_mutex_lock(&ring->lock);
    atomic_store(&ring->dead, 1);
    for (uint32_t i = 0; i < ring->entries; i++) {
        if (atomic_load(&ring->records[i].state) != RECORD_BUSY)
            continue;
        COUNT_AT(ring, gone);
        first = give_up(&ring->records[i], STATUS_GONE, first);
    }
    pthread_cond_broadcast(&ring->slot_freed);
    pthread_mutex_unlock(&ring->lock);
    finish_all(first);
    do {
        pthread_mutex_lock(&ring->lock);
        entry = slot_queue_pop(&ring->queue);
        pthread_mutex_unlock(&ring->lock);
        slot_queue_wake(entry);
    } while (entry != NULL);
}

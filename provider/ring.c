#define _GNU_SOURCE
#include "ring.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "clock.h"
#include "settings.h"
#include "wire.h"

/* After an operation has passed its deadline, each later one may take PATIENT_TIMES as long as operations took lately, and at
 * least LEAST_PATIENCE_NS. A device that has lost one completion may lose the next one too, and a TLS handshake has three. */
enum { PATIENT_TIMES = 8, LEAST_PATIENCE_NS = 250000000 };

int ring_prepare(struct ring *ring)
{
    pthread_condattr_t monotonic;

    pthread_mutex_init(&ring->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&ring->slot_freed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    ring->records = calloc(ring->entries, sizeof(*ring->records));
    ring->free_slots = calloc(ring->entries, sizeof(*ring->free_slots));
    if (ring->records == NULL || ring->free_slots == NULL)
        return 0;
    for (uint32_t i = 0; i < ring->entries; i++) {
        ring->records[i].index = i;
        ring->records[i].ring = ring;
        /* The free slots are a stack. It is filled so that slot 0 is taken first. */
        ring->free_slots[ring->free_count++] = ring->entries - 1 - i;
    }
    return 1;
}

void ring_free(struct ring *ring)
{
    if (ring->memory != NULL)
        munmap(ring->memory, ring->memory_bytes);
    pthread_mutex_destroy(&ring->lock);
    pthread_cond_destroy(&ring->slot_freed);
    free(ring->records);
    free(ring->free_slots);
}

int ring_is_dead(const struct ring *ring)
{
    return atomic_load(&ring->dead);
}

_Atomic uint64_t *ring_word(const struct ring *ring, uint32_t at)
{
    return (_Atomic uint64_t *)(void *)(ring->memory + at);
}

uint8_t *ring_slot(const struct record *r)
{
    return r->ring->memory + r->ring->slots_off + (size_t)r->index * r->ring->slot_bytes;
}

static uint64_t cookie_of(const struct record *r)
{
    return (uint64_t)r->generation << 32 | r->index;
}

struct record *ring_take(struct ring *ring, struct slot_queue_entry *entry)
{
    struct record *r = NULL;

    pthread_mutex_lock(&ring->lock);
    if (ring->free_count > 0 && !ring_is_dead(ring)) {
        if (entry != NULL)
            slot_queue_leave(&ring->queue, entry);
        r = &ring->records[ring->free_slots[--ring->free_count]];
        atomic_store_explicit(&r->state, RECORD_TAKEN, memory_order_relaxed);
        r->generation++;
        r->complete = NULL;
        r->owner = NULL;
        r->needs_resume = 0;
        r->used_bytes = 0;
        r->answer_owed = 0;
        r->held = 0;
    } else if (entry != NULL && !ring_is_dead(ring)) {
        slot_queue_join(&ring->queue, entry);
    }
    pthread_mutex_unlock(&ring->lock);
    return r;
}

uint64_t ring_patience_ns(const struct ring *ring)
{
    uint64_t patience_ns = settings.deadline_ns;

    if (ring->distrusted && ring->longest_ns * PATIENT_TIMES < patience_ns)
        patience_ns = ring->longest_ns * PATIENT_TIMES;
    if (ring->distrusted && patience_ns < LEAST_PATIENCE_NS && settings.deadline_ns > LEAST_PATIENCE_NS)
        patience_ns = LEAST_PATIENCE_NS;
    return patience_ns;
}

enum submitted ring_submit(struct record *r, const struct request *q)
{
    struct ring *ring = r->ring;
    const uint32_t slot_off = ring->slots_off + r->index * ring->slot_bytes;
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
                                .t_submit = now_ns(),
                                .caller = q->caller};
    int dead;

    r->out_max = q->out_max;
    r->used_bytes = q->out_off + q->out_max + 4;
    r->submit_ns = s.t_submit;
    pthread_mutex_lock(&ring->lock);
    r->deadline_ns = settings.deadline_ns == 0 ? UINT64_MAX : s.t_submit + ring_patience_ns(ring);
    r->held = r->needs_resume;
    ring->held += (uint32_t)r->held;
    dead = ring_is_dead(ring);
    if (!dead) {
        memcpy(ring->memory + ring->sq_off + (ring->sq_tail & (ring->entries - 1)) * sizeof(s), &s, sizeof(s));
        atomic_store_explicit(&r->state, RECORD_BUSY, memory_order_relaxed);
        atomic_store_explicit(ring_word(ring, WIRE_AT_SQ_TAIL), ++ring->sq_tail, memory_order_release);
    } else {
        r->status = STATUS_GONE;
        r->out_len = 0;
        atomic_store(&r->state, RECORD_FIRING);
    }
    pthread_mutex_unlock(&ring->lock);
    if (dead)
        return SUBMITTED_TO_NOBODY;
    /* The device stores 'sleeping' and then reads the tail; we store the tail and then read 'sleeping'. Without a full
     * fence each side could miss what the other has stored. */
    atomic_thread_fence(memory_order_seq_cst);
    if (atomic_load_explicit(ring_word(ring, WIRE_AT_SLEEPING), memory_order_relaxed) != 0)
        return SUBMITTED_TO_SLEEPING;
    return SUBMITTED;
}

void ring_release(struct record *r)
{
    struct ring *ring = r->ring;
    struct slot_queue_entry *next = NULL;

    pthread_mutex_lock(&ring->lock);
    if (r->answer_owed && !ring_is_dead(ring)) {
        atomic_store(&r->state, RECORD_LOST);
        ring->held += !r->held;
        r->held = 1;
    } else {
        /* Key material and shared secrets pass through the slot; its next user must not find them. */
        explicit_bzero(ring_slot(r), r->used_bytes < ring->slot_bytes ? r->used_bytes : ring->slot_bytes);
        atomic_store(&r->state, RECORD_FREE);
        ring->held -= (uint32_t)r->held;
        r->held = 0;
        ring->free_slots[ring->free_count++] = r->index;
        next = slot_queue_pop(&ring->queue);
        pthread_cond_signal(&ring->slot_freed);
    }
    pthread_mutex_unlock(&ring->lock);
    slot_queue_wake(next);
}

void ring_leave_queue(struct ring *ring, struct slot_queue_entry *entry)
{
    struct slot_queue_entry *next;

    pthread_mutex_lock(&ring->lock);
    slot_queue_leave(&ring->queue, entry);
    next = ring->free_count > 0 ? slot_queue_pop(&ring->queue) : NULL;
    pthread_mutex_unlock(&ring->lock);
    slot_queue_wake(next);
}

int ring_is_held(struct ring *ring)
{
    int held;

    pthread_mutex_lock(&ring->lock);
    held = ring->held == ring->entries;
    pthread_mutex_unlock(&ring->lock);
    return held;
}

uint32_t ring_in_flight(struct ring *ring)
{
    uint32_t taken;

    pthread_mutex_lock(&ring->lock);
    taken = ring->entries - ring->free_count;
    pthread_mutex_unlock(&ring->lock);
    return taken;
}

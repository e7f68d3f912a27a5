/* The submission side of the memory that is shared with the device: slots, records and the submission ring.
 *
 * The memory holds two rings of descriptors and one slot for each entry. An operation takes a slot, fills it with its
 * input, and submits it: a descriptor that points into the slot goes into the submission ring. The device writes the
 * output into the same slot, and a descriptor into the completion ring. completion.h is about that side.
 *
 * Each slot has a record, in memory of our own, that says who uses the slot:
 *
 *     FREE -> TAKEN -> BUSY -> FIRING -> DONE -> FREE
 *
 *     TAKEN   the owner, which is a job, a thread or the load of a key, fills the slot
 *     BUSY    submitted; the device may read and write the slot
 *     FIRING  completed, and the owner is being woken. The owner must not leave before DONE: the wake-up that is still
 *             on its way would otherwise reach whatever the owner does next
 *     DONE    the owner may read the result, and then frees the slot
 *
 * An operation that passes its deadline ends the same way, but the device may still write to its slot. So when the owner
 * is finished with it, the record becomes LOST instead of FREE, until the completion comes after all or the connection
 * ends.
 *
 * A record is completed by the function in its `complete`, which its owner sets: waiter.c for jobs, blocking.c for
 * threads, key.c for loads. The ring knows none of them (docs/decisions/0028). It does not know fds or the connection
 * either: connection.h adds these.
 */
#ifndef SIMACCEL_RING_H
#define SIMACCEL_RING_H

#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "slot_queue.h"
#include "wakes.h"

enum record_state { RECORD_FREE, RECORD_TAKEN, RECORD_BUSY, RECORD_FIRING, RECORD_DONE, RECORD_LOST };

/* Statuses of operations that ended without a completion, beside those of enum wire_status. */
enum { STATUS_GONE = -100, STATUS_EXPIRED = -101 };

struct record {
    struct ring *ring;
    _Atomic uint32_t state; /* enum record_state */
    uint32_t index;         /* of the slot */
    uint32_t generation;    /* how often the slot was taken; tells a late completion from the one that is expected */
    int32_t status;         /* valid from FIRING on: enum wire_status, STATUS_GONE or STATUS_EXPIRED */
    uint32_t out_len;       /* valid from FIRING on; never more than out_max */
    uint32_t out_max;
    uint32_t used_bytes; /* at the start of the slot; wiped when it is freed */
    uint64_t submit_ns, deadline_ns;
    int needs_resume; /* only the resume of a job will free the slot. Set by the owner before it submits */
    int held;         /* whether this record is counted in the ring's `held`. Under the ring's lock */
    atomic_int woken_early; /* it was woken by a WIRE_WAKE, and its job has not taken the token. Set in FIRING */
    int answer_owed;  /* it passed its deadline, and its completion has not come. Under the ring's lock */

    void (*complete)(struct record *record); /* wakes the owner and makes the record DONE. Called once, in FIRING */
    void (*wake)(struct record *record);     /* wakes the owner alone. Called in FIRING; NULL unless needs_resume */
    void *owner;                             /* for these functions */
    struct record *owner_next;               /* the next record of the same owner. Under the owner's lock */
    struct record *next;                     /* in a list of completed records, while they are worked off */
    _Atomic uint32_t bell;                   /* a futex, for threads that block */
};

struct ring {
    uint8_t *memory;
    uint32_t memory_bytes, entries, slot_bytes, sq_off, cq_off, slots_off;
    atomic_int dead; /* nothing more can be submitted. Set under the lock */

    pthread_mutex_t lock;      /* guards what follows. Nobody pauses, waits or takes another lock under it */
    pthread_cond_t slot_freed; /* for threads that block */
    uint64_t sq_tail, cq_head; /* our own copies: what the device can write to is never read back */
    uint32_t free_count, *free_slots;
    uint32_t held;           /* slots that only the resume of a job, or a completion that is overdue, will free */
    int distrusted;          /* an operation has passed its deadline */
    struct wakes wakes;      /* how long completions wait for us */
    uint64_t longest_ns;     /* about the longest time that an operation took lately */
    struct slot_queue queue; /* jobs that wait for a free slot */
    struct record *records;  /* one for each slot */
};

/* What to submit. Offsets count from the start of the slot; the input starts there. */
struct request {
    uint16_t operation, flags;
    uint32_t key;
    uint32_t in_len, aux_off, aux_len, out_off, out_max;
    uint64_t caller; /* as in wire.h */
};

/* How a submission ended. */
enum submitted {
    SUBMITTED,             /* the device looks at the ring by itself */
    SUBMITTED_TO_SLEEPING, /* the device must be woken */
    SUBMITTED_TO_NOBODY,   /* the ring is dead: the record is in FIRING with STATUS_GONE, and must be completed */
};

/* Makes records and locks for a memory whose layout is set. Returns 0 without memory; ring_free must be called then too. */
int ring_prepare(struct ring *ring);
void ring_free(struct ring *ring);

int ring_is_dead(const struct ring *ring);

/* Takes a free slot. Returns NULL if the ring is full or dead. If it is full, `entry` joins the queue of those that are
 * woken when a slot becomes free. If a slot was taken, `entry` leaves that queue. `entry` may be NULL. */
struct record *ring_take(struct ring *ring, struct slot_queue_entry *entry);

/* Submits what was written into a taken slot. */
enum submitted ring_submit(struct record *record, const struct request *request);

/* Wipes and frees the slot, or makes it LOST, and wakes the first of the queue. Must not be called under a waiter's lock,
 * because the wake-up takes such a lock. */
void ring_release(struct record *record);

/* Takes `entry` out of the queue. If it was woken for a slot that it will not take now, the next entry is woken. */
void ring_leave_queue(struct ring *ring, struct slot_queue_entry *entry);

/* Whether every slot waits for the resume of a job or for a completion that is overdue. */
int ring_is_held(struct ring *ring);

/* How many slots are taken. */
uint32_t ring_in_flight(struct ring *ring);

/* The memory of a record's slot. */
uint8_t *ring_slot(const struct record *record);

/* How long an operation that is submitted now may take. Called under the ring's lock, with settings.deadline_ns not 0. */
uint64_t ring_patience_ns(const struct ring *ring);

/* A word of page 0; see wire.h. */
_Atomic uint64_t *ring_word(const struct ring *ring, uint32_t at);

#endif

/* The rings and slots of a connection: take a slot, submit what is in it, reap what has completed, free the slot.
 *
 * A record, one for each slot, goes FREE -> TAKEN -> BUSY -> FIRING -> DONE -> FREE. Its owner, the job or thread that
 * took it, may look at the result in DONE only: in FIRING the wake-up is still on its way, and an owner that left
 * then would have it hit what it does next. A record given up at its deadline goes DONE -> LOST: its slot belongs to
 * the device until the completion comes after all, or the connection ends.
 */
#ifndef SIMACCEL_RING_H
#define SIMACCEL_RING_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "connection.h"
#include "wire.h"

struct key;

enum record_state { RECORD_FREE, RECORD_TAKEN, RECORD_BUSY, RECORD_FIRING, RECORD_DONE, RECORD_LOST };

/* Ends of an operation that the device did not report. */
enum { STATUS_GONE = -100, STATUS_EXPIRED = -101 };

struct record {
    _Atomic uint32_t state; /* enum record_state */
    uint32_t index, generation;
    int32_t status;   /* valid from FIRING on: enum wire_status, STATUS_GONE or STATUS_EXPIRED */
    uint32_t out_len; /* likewise; never more than out_max */
    uint32_t out_max;
    uint32_t used_bytes; /* of the slot, to be wiped */
    uint64_t submit_ns, deadline_ns;
    int held;                  /* counted in the connection's `held`; under its lock */
    _Atomic uint32_t bell;     /* a thread that blocks waits on it with a futex, for DONE or for its turn at the interrupt */
    int answer_owed;           /* given up at the deadline, and the completion has not come yet */
    struct connection *connection;
    struct waiter *waiter;     /* the job's, with a reference; NULL if a thread blocks, or nobody waits */
    struct record *waiter_next; /* the next one of the same waiter */
    struct key *loads;         /* nobody waits: this loads a key, with a reference on it */
    struct record *next;       /* in a list of completed ones, while it is worked off */
};

/* What to submit: offsets count from the start of the slot. */
struct request {
    uint16_t operation, flags;
    uint32_t key;
    uint32_t in_len, aux_off, aux_len, out_off, out_max;
};

/* A free slot, or NULL: the ring is full or dead. `waiter`, if given, is then in line to be woken when one is free.
 * A record that is taken holds a reference to its connection until it is released. */
struct record *ring_take(struct connection *connection, struct waiter *waiter);

/* Waits for a slot to fall free, or for `until_ns`; for threads outside of a job. 0: only jobs that are resumed can set
 * one free, and for these nobody must wait, as it may be this thread that is to resume them. */
int ring_wait_for_room(struct connection *connection, uint64_t until_ns);

/* Whether all slots are such. */
int ring_is_held(struct connection *connection);

/* The memory of a record's slot. */
uint8_t *ring_slot(const struct record *record);

/* Hands a taken record to the device, input at the start of the slot. A dead connection completes it at once. */
void ring_submit(struct record *record, const struct request *request);

/* Works off the completion ring: marks records and wakes who waits for them. Any thread may call it. */
unsigned ring_reap(struct connection *connection);

/* How long an operation submitted now may take before it counts as lost. Under the connection's lock. */
uint64_t ring_patience_ns(const struct connection *connection);

/* Slots that are taken. */
uint32_t ring_in_flight(struct connection *connection);

/* Whether there is something to reap, without taking the lock. */
int ring_has_completions(const struct connection *connection);

/* Blocks until the record is done: polls the ring first, then waits for the interrupt, or for another thread that does. */
void ring_wait(struct record *record);

/* Wipes and frees the slot; the next in line for one is woken. Not to be called under a waiter's lock. */
void ring_release(struct record *record);

/* `waiter` is no longer in line; if it was woken for a slot that it never took, the next one is. */
void ring_leave_line(struct connection *connection, struct waiter *waiter);

/* Gives up what is past its deadline. Returns whether anything is in flight still; `owed` are the slots that wait for
 * a completion that nobody else waits for any more. */
int ring_expire(struct connection *connection, uint64_t now_ns, uint32_t *owed);

/* Completes all that is in flight with STATUS_GONE; no more can be submitted. */
void ring_kill(struct connection *connection);

/* A word of page 0. */
_Atomic uint64_t *ring_word(const struct connection *connection, uint32_t at);

/* Wakes one that was popped from the line, if any, and drops the line's reference. Under no lock. */
void ring_wake(struct waiter *waiter);

uint64_t now_ns(void);

#endif

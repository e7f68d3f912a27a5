/* The queue of jobs that paused because the ring was full.
 *
 * A job joins the queue when it finds no free slot. Each slot that is freed wakes the job at the front, which then tries
 * again. The queue does not know what a job is: an entry is a part of the job's waiter, and brings the functions that
 * count references to that waiter and wake it. The ring's lock guards a queue and its entries.
 */
#ifndef SIMACCEL_SLOT_QUEUE_H
#define SIMACCEL_SLOT_QUEUE_H

#include <stdatomic.h>

struct slot_queue_entry;

struct slot_queue_functions {
    void (*ref)(struct slot_queue_entry *entry);
    void (*unref)(struct slot_queue_entry *entry);
    void (*wake)(struct slot_queue_entry *entry);
};

struct slot_queue_entry {
    const struct slot_queue_functions *functions;
    atomic_int queued; /* written under the ring's lock, read by anybody */
    struct slot_queue_entry *next;
};

struct slot_queue {
    struct slot_queue_entry *first, *last;
};

/* Puts the entry at the end, unless it is in the queue already. The queue holds a reference to it from then on. */
void slot_queue_join(struct slot_queue *queue, struct slot_queue_entry *entry);

/* Takes the entry out, wherever it is in the queue. Does nothing if it is not there. */
void slot_queue_leave(struct slot_queue *queue, struct slot_queue_entry *entry);

/* Takes out the first entry and passes the queue's reference on to the caller. NULL if the queue is empty. */
struct slot_queue_entry *slot_queue_pop(struct slot_queue *queue);

/* Wakes a popped entry and drops its reference. Does nothing for NULL. The caller must hold no lock. */
void slot_queue_wake(struct slot_queue_entry *entry);

#endif

/* The completion side of a ring: results that came, operations whose deadline has passed, and the end of the ring.
 *
 * Each function collects, under the ring's lock, the records whose operation has ended, and makes them FIRING. After the
 * unlock it calls each record's `complete`, which wakes the owner. Any thread may call these functions, and several at
 * once: an operation is completed by the first of them.
 *
 * Nothing that the device wrote is trusted: completions with an unknown cookie are counted and dropped, and a result that
 * is longer than was asked for is a failure.
 */
#ifndef SIMACCEL_COMPLETION_H
#define SIMACCEL_COMPLETION_H

#include "ring.h"

/* Whether the completion ring holds anything. Takes no lock. */
int completion_is_there(const struct ring *ring);

/* Takes everything from the completion ring. Returns the number of completions. Sets `broken` to 1 if the device's index
 * makes no sense, so that the ring can't be used any more, and otherwise to 0. */
unsigned completion_reap(struct ring *ring, int *broken);

/* Ends operations whose deadline has passed, with STATUS_EXPIRED. Returns whether any operation is still in flight.
 * `owed` is set to the number of slots that wait only for an overdue completion. */
int completion_expire(struct ring *ring, uint64_t now_ns, uint32_t *owed);

/* Ends all operations in flight, with STATUS_GONE, and wakes all jobs that wait for a slot. Nothing can be submitted from
 * then on. May be called again. */
void completion_kill(struct ring *ring);

#endif

/* How an operation gets its slot.
 *
 * It asks the connection that device.h chooses. While the ring is full, a job pauses with ASYNC_STATUS_EAGAIN until a slot is
 * free, and a thread outside of jobs blocks. If the device goes away meanwhile, the operation asks another one.
 */
#ifndef SIMACCEL_SLOT_WAIT_H
#define SIMACCEL_SLOT_WAIT_H

#include <stdint.h>

#include "key.h"
#include "place.h"

/* After this many resumes in vain, an operation waits a little at each further resume. Some programs resume a job a thousand
 * times without looking at its fd. And if pauses are blocked (ASYNC_block_pause), each pause returns at once. Neither should
 * keep a core busy. */
enum { PATIENCE = 2000 };

/* Takes a slot of a connection on which the key is loaded. `id` is set to the id that the key has there; 0 without a key.
 * Returns NULL and `why` if there is no slot. */
struct record *slot_wait(struct key *key, uint32_t *id, struct place *place, const char **why);

#endif

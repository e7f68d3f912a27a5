/* Threads that wait for the device themselves, because they run outside of any job or because their job can't be woken.
 *
 * A thread that waits for its operation polls the completion ring for a moment, and then sleeps. If there is a dispatcher,
 * it sleeps until the dispatcher rings the bell of its record. If there is none, one of the sleeping threads waits for the
 * connection's interrupt and handles the events for all, so that an interrupt wakes one thread and not all of them. When
 * that thread has what it waited for, it rings the bell of another one, which takes its place.
 */
#ifndef SIMACCEL_BLOCKING_H
#define SIMACCEL_BLOCKING_H

#include "connection.h"

/* Makes the calling thread the owner of a taken record. Must be called before the record is submitted. */
void blocking_attach(struct record *record);

/* Blocks until the record, which was attached and submitted, is done. */
void blocking_wait(struct record *record);

/* Blocks until a slot may be free, or until that time. Returns 0 at once if only the resume of a job could free a slot. No
 * thread may wait for that, because it may be the thread that has to resume the job. */
int blocking_wait_for_slot(struct connection *connection, uint64_t until_ns);

#endif

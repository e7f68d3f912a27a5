/* The thread of a connection that waits for the device on behalf of paused jobs.
 *
 * It waits for the connection's interrupt, takes completions from the ring, and wakes the jobs to which they belong. The
 * first job that pauses starts it. If there can be no thread, jobs do without it; see waiter.h. Threads that block never
 * need it.
 */
#ifndef SIMACCEL_DISPATCHER_H
#define SIMACCEL_DISPATCHER_H

#include "connection.h"

/* Starts the thread, which holds a reference to the connection. Returns 0 if there can be no thread. */
int dispatcher_start(struct connection *connection);

/* Tells the thread to end, and waits until it has. Must not be called in the child of a fork, which has no such thread. */
void dispatcher_stop(struct connection *connection);

#endif

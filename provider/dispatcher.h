/* The thread of a connection that waits for the device on behalf of paused jobs. It is started by the first job. Where
 * there can be no thread, jobs do without, see waiter.h. Threads that block never need it. */
#ifndef SIMACCEL_DISPATCHER_H
#define SIMACCEL_DISPATCHER_H

#include "connection.h"

/* Starts it, with a reference to the connection. 0 if there can be no thread. */
int dispatcher_start(struct connection *connection);

/* Tells it to end and waits for that. Never to be called in a child after a fork: the thread is not there. */
void dispatcher_stop(struct connection *connection);

#endif

/* What the device and the clock have to say to a connection: completions, deadlines, the device's end.
 *
 * All of it makes one fd readable, the connection's interrupt, so that it does not matter who waits: the dispatcher, a
 * thread that blocks, or the application itself, through the fd of a job that is in flight. Any number of them may wait
 * at once; whoever comes first does the work for all.
 */
#ifndef SIMACCEL_EVENTS_H
#define SIMACCEL_EVENTS_H

#include "connection.h"

/* How often deadlines are looked at. A deadline is kept to within this. */
enum { TICK_NS = 50000000, TICK_MS = 50 };

/* Has the interrupt, which the device made, watch the socket and the timer too. 0 if it is no interrupt. */
int events_open(struct connection *connection);

/* Acknowledges the interrupt and sees to what it stood for, or, if asked to, to all that it can stand for; except for
 * completions, which are the caller's to reap. 0 if the connection can't go on; the caller then calls connection_lost. */
int events_acknowledge(struct connection *connection, int look_at_all);

/* The same and reaps; gives the connection up where need be. Does not block. */
void events_handle(struct connection *connection);

/* Waits for an event, and handles it. After a whole tick without one it looks at all that may have happened, so that a
 * lost interrupt costs a tick and not a hang. */
void events_wait(struct connection *connection, int milliseconds);

/* Sees to it that the deadline of what was just submitted is looked at. */
void events_arm(struct connection *connection);

#endif

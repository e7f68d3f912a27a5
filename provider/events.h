/* What can happen to a connection: completions, deadlines, the device's end.
 *
 * Each of these makes one fd readable, the connection's interrupt. It is an epoll that the device made, and it watches the
 * device's own interrupt, the socket and the timer. The dispatcher may wait for it, a thread that blocks, or the application
 * itself, through the fd of a paused job. Any number of them may wait at once, and the first that wakes handles the events
 * for all.
 */
#ifndef SIMACCEL_EVENTS_H
#define SIMACCEL_EVENTS_H

#include "connection.h"

/* Makes the interrupt watch the socket and the timer too. Returns 0 if the fd that the device sent is no epoll. */
int events_open(struct connection *connection);

/* Acknowledges the interrupt and handles the events that it reports, or, with `look_at_all`, every kind of event.
 * Completions are left: the caller reaps them. Returns 0 if the connection can't go on; the caller then calls
 * connection_end. */
int events_acknowledge(struct connection *connection, int look_at_all);

/* Handles the events that the interrupt reports, and completions. Ends the connection if it must. Does not block. */
void events_handle(struct connection *connection);

/* Waits for an event, and handles it. After a whole tick without one it looks at every kind of event, so that a lost
 * interrupt costs a tick and not a hang. */
void events_wait(struct connection *connection, int milliseconds);

#endif

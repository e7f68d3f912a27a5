/* The line of waiters whose job paused because the ring was full, first come, first woken. Under the connection's lock. */
#ifndef SIMACCEL_LINE_H
#define SIMACCEL_LINE_H

#include "connection.h"

/* At the end of the line, once; the line holds a reference. */
void line_join(struct connection *connection, struct waiter *waiter);

/* Out of the line, wherever it stands in it, if it does. */
void line_leave(struct connection *connection, struct waiter *waiter);

/* The first one that is not gone, with the line's reference on it; NULL if there is none. */
struct waiter *line_pop(struct connection *connection);

#endif

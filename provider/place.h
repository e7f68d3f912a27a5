/* Where an operation waits: in a job, which pauses, or in a thread, which blocks.
 *
 * A job has a wait context, and for that a waiter (waiter.h) if it can be woken. The waiter is made only when it is certain
 * that the operation pauses, because making it announces an fd, and applications do not expect that a job announces an fd
 * without a pause: HAProxy aborts. A job that can't be woken blocks, as a thread outside of jobs does.
 */
#ifndef SIMACCEL_PLACE_H
#define SIMACCEL_PLACE_H

#include <openssl/async.h>

#include "connection.h"
#include "waiter.h"

struct place {
    ASYNC_WAIT_CTX *context; /* NULL: there is no job */
    struct waiter *waiter;   /* NULL: none was made yet, or none can be */
    int mute;                /* the job can't be woken, so it blocks too */
};

/* The reason why an operation fails if its job was begun in the parent of this process. */
extern const char PLACE_BEFORE_FORK[];

/* The place of the calling thread: that of its job if it runs one. */
struct place place_here(void);

/* The waiter of the place, made at first use, for an operation on this connection. NULL: there is no job, or it can't be
 * woken. */
struct waiter *place_waiter(struct place *place, struct connection *connection);

/* Pauses the job with this status. The place must have a waiter. `at`: the ring of the device that the job waits for; NULL:
 * none. Returns 0 if this is no longer the process in which the operation was begun. */
int place_pause(struct place *place, int status, const struct ring *at);

/* Ends the wait of an operation. If the operation announced an fd but never paused, the job wakes itself and pauses once. */
void place_settle(struct place *place);

#endif

/* Who is woken when an operation of a job completes: the fd announced in the job's wait context, or the callback that the
 * application set there.
 *
 * Where the dispatcher runs, it makes the fd readable. Where there can be no thread, the fd watches the connection's
 * interrupt while an operation is in flight, so that the device itself makes it readable, and whoever is resumed first
 * wakes the others. A callback can't do without the dispatcher.
 *
 * The wait context holds one reference, through the cleanup of its fd; so does each operation in flight and the line
 * for a slot. Whoever completes an operation therefore never touches a wait context or a closed fd, however the
 * application tears its connection down.
 */
#ifndef SIMACCEL_WAITER_H
#define SIMACCEL_WAITER_H

#include <openssl/async.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/types.h>

#include "waitfd.h"

struct connection;
struct record;

struct waiter {
    atomic_uint refs;
    pid_t pid;            /* a child of this process must leave it alone */
    atomic_int gone;      /* the wait context was freed */
    int unreported;       /* announced, and no pause since; the job's thread's own */
    struct wait_fd fd;    /* one for the life of the wait context; not open in callback mode */
    pthread_mutex_t lock; /* guards what follows. Held while the callback runs, so that it can't run on a freed context */
    int (*callback)(void *);
    void *argument;
    struct record *records; /* operations in flight */

    atomic_int in_line; /* for a slot; this and the next under the connection's lock */
    struct waiter *line_next;
    struct connection *line_of; /* where it last stood in line, with a reference; the job's thread's own */
};

/* The waiter of a wait context, made and announced at first use, for an operation on this connection; borrowed, the context
 * holds it. NULL: there is no memory, no fd, or a callback and no thread, so block instead. */
struct waiter *waiter_of(ASYNC_WAIT_CTX *context, struct connection *connection);

/* To be called before an operation is in flight or in line: the fd watches the device meanwhile, if nobody else does. 0: it
 * can't, so block instead. */
int waiter_watch(struct waiter *waiter, struct connection *connection);

/* An operation has ended: without another one, the fd watches no longer. */
void waiter_rest(struct waiter *waiter);

void waiter_ref(struct waiter *waiter);
void waiter_unref(struct waiter *waiter);

/* Ties a record to the waiter, before it is submitted. */
void waiter_attach(struct waiter *waiter, struct record *record);

/* Unties it after it is done, and takes its token from the eventfd, so that the next operation does not find it. */
void waiter_detach(struct waiter *waiter, struct record *record);

/* Takes a token that meant 'a slot is free'. */
void waiter_take_token(struct waiter *waiter);

/* Wakes without completing anything: a slot is free, look again. */
void waiter_wake(struct waiter *waiter);

/* Wakes, and then marks the record done; or frees it if the context is gone. */
void waiter_fire(struct waiter *waiter, struct record *record);

/* Completes a record for whoever waits for it (any kind of record; in ring.c). */
void record_fire(struct record *record);

/* Remembers where it stands in line. NULL: nowhere. */
void waiter_set_line(struct waiter *waiter, struct connection *connection);

#endif

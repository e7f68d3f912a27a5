/* How a paused job is woken: by the fd that is announced in the job's wait context, or by the callback that the application
 * has set there.
 *
 * Each wait context that an operation has paused in has a waiter. If the dispatcher runs, it makes the waiter's fd
 * readable. If there can be no thread, the fd watches the connection's interrupt while an operation is in flight: the device
 * makes it readable, and the job that is resumed first wakes the others. A callback needs the dispatcher.
 *
 * A waiter is kept by references: one of the wait context, which ends with the cleanup of its fd; one of each operation in
 * flight; and one of the queue for a free slot. So a thread that completes an operation never touches a wait context that is
 * gone or an fd that is closed, however the application tears its connection down. An operation whose wait context was
 * freed is completed without a wake-up, and its slot is freed.
 */
#ifndef SIMACCEL_WAITER_H
#define SIMACCEL_WAITER_H

#include <openssl/async.h>
#include <sys/types.h>

#include "connection.h"

struct waiter;

/* The waiter of a wait context, for an operation on this connection. It is made and announced at first use, and belongs to
 * the wait context. NULL: the job can't be woken, because there is no memory, no fd, or a callback but no thread. The
 * operation must block instead. */
struct waiter *waiter_of(ASYNC_WAIT_CTX *context, struct connection *connection);

/* Makes the fd watch the device, if there is no dispatcher. Must be called before an operation is in flight or in the queue.
 * Returns 0 if that is not possible. Then the operation must block instead. */
int waiter_watch(struct waiter *waiter, struct connection *connection);

/* Undoes waiter_watch after an operation, unless another one is in flight. */
void waiter_rest(struct waiter *waiter);

/* Whether this is the process that made it. In the child of a fork a waiter must be left alone. */
int waiter_is_ours(const struct waiter *waiter);

/* A number from 1 that no other waiter of this process has. */
uint64_t waiter_serial(const struct waiter *waiter);

/* Whether the fd was announced and no pause has followed, so that the application has not seen it yet. */
int waiter_is_unreported(const struct waiter *waiter);
void waiter_set_reported(struct waiter *waiter);

/* Makes the waiter the owner of a taken record. Must be called before the record is submitted. */
void waiter_attach(struct waiter *waiter, struct record *record);

/* Undoes waiter_attach after the record is done, and takes its token from the fd, so that the next operation does not find
 * it. */
void waiter_detach(struct waiter *waiter, struct record *record);

/* Takes a slot, or puts the waiter into the connection's queue; see ring_take. */
struct record *waiter_take_slot(struct waiter *waiter, struct connection *connection);

/* The connection whose slots it last asked for; NULL: none. */
const struct connection *waiter_queue(const struct waiter *waiter);

/* Takes a token that meant 'a slot is free'. */
void waiter_take_token(struct waiter *waiter);

/* Wakes the job without completing anything. */
void waiter_wake(struct waiter *waiter);

#endif

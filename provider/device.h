/* The devices, as this process reaches them: each through one connection, or none.
 *
 * Connections are made when an operation first needs one. When one has ended, whether because the device went away or
 * because this process is the child of a fork, the next operation makes a new one, at most once a second. A connection
 * that has ended may still have a dispatcher's thread; such connections are kept in a list until their thread is joined.
 *
 * An operation goes to the device with the most free slots. A device that has let an operation pass its deadline, and
 * has completed nothing since, is the last choice.
 */
#ifndef SIMACCEL_DEVICE_H
#define SIMACCEL_DEVICE_H

#include "connection.h"

/* A living connection, with a reference, or NULL: there is no device now. It is `preferred`, if that is not NULL and still
 * lives: an operation that stands in a device's queue for a slot must stay there, because its turn would be lost. Blocks for
 * as long as a connect takes, a quarter of a second at most for each device that is missing. */
struct connection *device_connection(const struct connection *preferred);

/* Why the last connect failed; "" if it did not. */
const char *device_failure(void);

/* Starts the connection's dispatcher unless it runs. Returns 0 if there can be no thread, as under RLIMIT_NPROC. That is
 * not tried again. */
int device_start_dispatcher(struct connection *connection);

/* Tells the device of that number that a key is no longer used, if its connection still has that serial. */
void device_forget_key(unsigned device, uint64_t serial, uint32_t key);

/* Ends the connections and joins all threads. A later device_connection makes a new one. */
void device_disconnect(void);

/* To be called around a fork. If another thread held the lock at that moment, it would stay locked in the child. */
void device_before_fork(void);
void device_after_fork_in_parent(void);
void device_after_fork_in_child(void);

#endif

/* The device, as this process reaches it: through one connection, or none.
 *
 * The connection is made when an operation first needs it. When it has ended, whether because the device went away or
 * because this process is the child of a fork, the next operation makes a new one, at most once a second. A connection
 * that has ended may still have a dispatcher's thread; such connections are kept in a list until their thread is joined.
 */
#ifndef SIMACCEL_DEVICE_H
#define SIMACCEL_DEVICE_H

#include "connection.h"

/* The living connection, with a reference, or NULL: there is no device now. Blocks for as long as a connect takes, a
 * quarter of a second at most. */
struct connection *device_connection(void);

/* Why the last connect failed; "" if it did not. */
const char *device_failure(void);

/* Starts the connection's dispatcher unless it runs. Returns 0 if there can be no thread, as under RLIMIT_NPROC. That is
 * not tried again. */
int device_start_dispatcher(struct connection *connection);

/* Tells the device that a key is no longer used, if the connection of that serial is still the current one. */
void device_forget_key(uint64_t serial, uint32_t key);

/* Ends the connection and joins all threads. A later device_connection makes a new one. */
void device_disconnect(void);

/* To be called around a fork. If another thread held the lock at that moment, it would stay locked in the child. */
void device_before_fork(void);
void device_after_fork_in_parent(void);
void device_after_fork_in_child(void);

#endif

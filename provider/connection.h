/* One connection to the device: a ring, the fds that go with it, and its life.
 *
 * device.c makes connections. From then on a connection is kept by references: one of device.c while it is the current
 * one, one of the dispatcher's thread, one of each record that is taken, and one of each wait context that waits for a slot
 * or watches the interrupt. The memory is unmapped and the fds are closed when the last reference goes.
 *
 * A connection ends once, in connection_end. The thread that notices the end calls it. All operations in flight are then
 * completed with STATUS_GONE.
 */
#ifndef SIMACCEL_CONNECTION_H
#define SIMACCEL_CONNECTION_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/types.h>

#include "fds.h"
#include "ring.h"

/* How often deadlines are looked at. An operation is given up at most this long after its deadline. */
enum { TICK_NS = 50000000, TICK_MS = 50 };

enum dispatcher_state { DISPATCHER_NONE, DISPATCHER_RUNS, DISPATCHER_IMPOSSIBLE };

struct connection {
    struct ring ring;
    atomic_uint refs;
    pid_t pid;            /* of the process that made it; no other one may touch the memory */
    unsigned device;      /* which of the devices of the settings */
    const char *address;  /* its socket */
    atomic_int suspect;   /* an operation has passed its deadline, and nothing has completed since */
    uint64_t serial;      /* unique in this process and its parents; tells where a key was loaded */
    struct fd control;    /* the socket */
    struct fd doorbell;   /* an eventfd that wakes the device */
    struct fd interrupt;  /* an epoll of the device's, readable for whatever events.h names */
    struct fd quit;       /* an eventfd that tells the dispatcher to end */
    struct fd timer;      /* a timerfd for deadlines, armed only while something is in flight */
    atomic_int timer_armed;
    uint32_t next_key;    /* the id of the next key. Under the lock of key.c */
    void (*ended)(struct connection *connection); /* of device.c: called by connection_end */

    atomic_int polling;   /* one of the threads that block waits at the interrupt, for all of them */
    atomic_uint sleeping; /* how many others there are */

    atomic_int dispatcher; /* enum dispatcher_state */
    atomic_int closing;    /* the dispatcher is to end */
    pthread_t thread;      /* the dispatcher's */
    struct connection *unjoined; /* the next connection whose dispatcher nobody has joined yet. Under device.c's lock */
};

void connection_ref(struct connection *connection);
void connection_unref(struct connection *connection);

/* Closes the fds. In the child of a fork this is all that may be done. */
void connection_close_fds(struct connection *connection);

/* Whether this process made it. After a fork the child must leave the connection alone. */
int connection_is_ours(const struct connection *connection);

/* Whether a thread waits for its events. */
int connection_has_dispatcher(const struct connection *connection);

/* The connection that a record belongs to. */
struct connection *connection_of(const struct record *record);

/* Takes a free slot, as ring_take does. The record holds a reference to the connection until connection_release. */
struct record *connection_take(struct connection *connection, struct slot_queue_entry *entry);

/* Hands a taken slot to the device and makes sure that its deadline is watched. `complete` must be set. It may already have
 * been called when this returns, for instance because the connection has ended. */
void connection_submit(struct record *record, const struct request *request);

/* Gives up a record that is TAKEN or DONE, and its reference to the connection. */
void connection_release(struct record *record);

/* Completes what has come, and ends the connection if the device breaks the protocol. Returns the number of
 * completions. Does not block. */
unsigned connection_reap(struct connection *connection);

/* Starts the timer for deadlines, unless it runs already. */
void connection_start_timer(struct connection *connection);

/* Ends the connection, because the device went away, it broke the protocol, or the application closed our fds. Any thread
 * that holds a reference may call it, any number of times. */
void connection_end(struct connection *connection);

#endif

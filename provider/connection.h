/* The connection of this process to the device: made when first needed, given up when the device goes away or after
 * a fork, made again at most once a second. */
#ifndef SIMACCEL_CONNECTION_H
#define SIMACCEL_CONNECTION_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/types.h>

#include "fds.h"

struct record;
struct waiter;

struct connection {
    atomic_uint refs;
    pid_t pid;       /* of the process that made it; no other one may touch the memory */
    uint64_t serial; /* of all connections of the process and its parents, so that keys know where they were loaded */
    struct fd control, doorbell;
    struct fd interrupt; /* an epoll, readable for whatever events.h names */
    struct fd quit;      /* eventfd by which the dispatcher is told to end */
    struct fd timer;     /* timerfd for deadlines, armed only while something is in flight */
    atomic_int timer_armed;
    atomic_int dead;
    atomic_int dispatcher; /* enum dispatcher_state */
    atomic_int closing;    /* the dispatcher is to end */

    uint8_t *memory;
    uint32_t memory_bytes, entries, slot_bytes, sq_off, cq_off, slots_off;

    pthread_mutex_t lock; /* guards what follows. Nobody pauses, waits or takes another lock under it */
    pthread_cond_t room;  /* a slot fell free: for threads that block */
    uint64_t sq_tail, cq_head; /* our own copies: what the device can write is never read back */
    uint32_t next_key;
    uint32_t free_count, *free_slots;
    uint32_t held; /* slots that only the resume of a job, or a completion that is overdue, sets free */
    int distrusted;      /* a deadline has passed on it */
    uint64_t longest_ns; /* about the longest that a completion took lately */
    struct waiter *room_first, *room_last; /* waiters whose job paused because the ring was full */
    struct record *records;                /* one for each slot */

    atomic_int polling;     /* one of the threads that block waits at the interrupt, on behalf of all */
    atomic_uint sleeping;   /* the others */

    pthread_t thread;            /* the dispatcher's */
    struct connection *unjoined; /* the next one whose dispatcher nobody has joined yet */
};

enum dispatcher_state { DISPATCHER_NONE, DISPATCHER_RUNS, DISPATCHER_IMPOSSIBLE };

/* The living connection, with a reference, or NULL: no device now. Blocks for the length of a connect, a quarter
 * of a second at most. */
struct connection *connection_get(void);

/* Why the last connect failed; "" if it did not. */
const char *connection_failure(void);

/* Whether it was made by this process: after a fork the child must leave all of it alone. */
int connection_is_ours(const struct connection *connection);

/* Whether a thread waits for its events. */
int connection_has_dispatcher(const struct connection *connection);

/* Starts one unless it runs. 0 if there can be none, as under RLIMIT_NPROC; that is not tried again. */
int connection_start_dispatcher(struct connection *connection);

void connection_ref(struct connection *connection);
void connection_unref(struct connection *connection);

/* The device no longer needs a key. */
void connection_forget_key(uint64_t serial, uint32_t key);

/* Called by whoever finds that the device went away or broke the protocol, or that our fds were closed. */
void connection_lost(struct connection *connection);

/* Ends the connection and its thread; a later connection_get makes a new one. */
void connection_close(void);

/* Around fork: no other thread may hold our locks at that moment, or the child would find them held for ever. */
void connection_before_fork(void);
void connection_after_fork_in_parent(void);
void connection_after_fork_in_child(void);

#endif

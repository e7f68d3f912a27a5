/* What the provider counts about itself. Any thread may count at any time, without a lock.
 *
 * Each count is kept twice. `counters` belongs to the process and goes on from the loading of the provider; programs read it
 * as provider parameters. The other copy lies in page 0 of the memory that is shared with a device, and starts at 0 with each
 * connection. From it `simaccel stat` reads what the device can't see: whether a client pauses, and what it does in software.
 *
 * What happens at one device is counted there, with COUNT_AT: each of several devices sees what concerns it, and their sum is
 * right. What happens at none, such as an operation that is never sent, is counted at `counters_shown`. That is page 0 of one
 * of the connections, and while there is no connection a page that nobody reads.
 */
#ifndef SIMACCEL_COUNTERS_H
#define SIMACCEL_COUNTERS_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "wire.h"

/* The names of the counts, in the order of the wire (COUNTS in simaccel/bridge/wire.py). New ones go to the end. */
#define COUNTERS(X)                                                                 \
    X(offloaded)   /* operations whose result came from the device */               \
    X(software)    /* operations done by the default provider instead */            \
    X(unsupported) /* those of `software` of a kind or size that is never sent */   \
    X(pauses)      /* pauses of jobs */                                             \
    X(spurious)    /* resumes that found the operation still in flight */           \
    X(full)        /* times that the ring was full */                               \
    X(expired)     /* operations given up at their deadline */                      \
    X(failed)      /* operations that the device failed */                          \
    X(damaged)     /* results whose checksum did not match */                       \
    X(gone)        /* operations in flight when the device went away */             \
    X(stray)       /* completions that nobody was waiting for */                    \
    X(orphaned)    /* operations whose job was abandoned before they completed */   \
    X(connects)    /* connections made */                                           \
    X(blocked)     /* operations for which a thread waited instead of a job */

struct counters {
#define X(name) atomic_uint_fast64_t name;
    COUNTERS(X)
#undef X
};

extern struct counters counters;
extern struct counters *_Atomic counters_shown;

/* Adds one to both copies. This takes two relaxed additions, to memory that no other process writes. */
#define COUNT(name) (counters_add(&counters.name), counters_add(&counters_shown_now()->name))

/* The same, for what happens at the device of this ring, whose memory must still be mapped. */
#define COUNT_AT(ring, name) (counters_add(&counters.name), counters_add(&counters_in((ring)->memory)->name))

static inline void counters_add(atomic_uint_fast64_t *count)
{
    atomic_fetch_add_explicit(count, 1, memory_order_relaxed);
}

static inline struct counters *counters_shown_now(void)
{
    return atomic_load_explicit(&counters_shown, memory_order_relaxed);
}

static inline struct counters *counters_in(uint8_t *memory)
{
    return (struct counters *)(void *)(memory + WIRE_AT_CLIENT_COUNTS);
}

/* Tells the device of this memory that we count, and what. Called once for each connection. */
void counters_begin(uint8_t *memory);

/* Makes and frees the page of `counters_shown`, when the provider is loaded and unloaded. If there is no memory, nothing is
 * shown. */
void counters_set_up(void);
void counters_tear_down(void);

/* Moves `counters_shown` into page 0 of this memory, that of a connection. */
void counters_show(uint8_t *memory);

/* Moves `counters_shown` out again, when the connection has ended or could not be made, and there is no other. */
void counters_hide(void);

/* In the child of a fork: sets its counts to 0 and leaves those that the device sees to the parent. */
void counters_after_fork_in_child(void);

#endif

/* What the provider counts about itself. Any thread may count.
 *
 * Each count is kept twice. `counters` is the process's own, since it loaded the provider; programs read it as provider
 * parameters. `counters_shown` lies in page 0 of the memory that is shared with the device, so that `simaccel stat` can
 * tell of a client what the device does not see: whether it pauses, and what it does in software. That one begins at 0
 * with each connection. While there is no connection it lies in a page that nobody reads, so that a thread may count at
 * any time and needs no lock and no look at the connection.
 */
#ifndef SIMACCEL_COUNTERS_H
#define SIMACCEL_COUNTERS_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

/* Name, what it counts. The order is that of the wire (COUNTS in simaccel/bridge/wire.py): new ones go to the end. */
#define COUNTERS(X)                                                                 \
    X(offloaded)   /* operations whose result came from the device */               \
    X(software)    /* operations done by the default provider instead */            \
    X(unsupported) /* of these: kind of key, scheme or size that we do not send */  \
    X(pauses)      /* pauses of jobs */                                             \
    X(spurious)    /* resumes that found the operation still in flight */           \
    X(full)        /* times that the ring was full */                               \
    X(expired)     /* operations given up at their deadline */                      \
    X(failed)      /* operations that the device failed */                          \
    X(damaged)     /* results whose checksum did not match */                       \
    X(gone)        /* operations in flight when the device went away */             \
    X(stray)       /* completions that nobody was waiting for */                    \
    X(orphaned)    /* operations whose job was given up before they completed */    \
    X(connects)    /* connections made */                                           \
    X(blocked)     /* operations for which a thread waited, instead of a job */

struct counters {
#define X(name) atomic_uint_fast64_t name;
    COUNTERS(X)
#undef X
};

extern struct counters counters;
extern struct counters *_Atomic counters_shown;

/* Two relaxed additions, to memory that this process alone writes. */
#define COUNT(name) (counters_add(&counters.name), counters_add(&counters_shown_now()->name))

static inline void counters_add(atomic_uint_fast64_t *count)
{
    atomic_fetch_add_explicit(count, 1, memory_order_relaxed);
}

static inline struct counters *counters_shown_now(void)
{
    return atomic_load_explicit(&counters_shown, memory_order_relaxed);
}

/* With the provider: makes the page that `counters_shown` lies in. Without memory nothing is ever shown. */
void counters_set_up(void);
void counters_tear_down(void);

/* From now on the device sees what is counted, from 0: `memfd` is the memory of a new connection. */
void counters_show(int memfd);

/* The connection has ended, or was never finished. */
void counters_hide(void);

/* In the child of a fork: its counts are its own, and not those of its parent. */
void counters_after_fork_in_child(void);

#endif

/* What the provider counts about itself. Any thread may count; a program reads them as provider parameters. */
#ifndef SIMACCEL_COUNTERS_H
#define SIMACCEL_COUNTERS_H

#include <stdatomic.h>
#include <stdint.h>

/* name, what it counts */
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
    X(connects)    /* connections made */

struct counters {
#define X(name) atomic_uint_fast64_t name;
    COUNTERS(X)
#undef X
};

extern struct counters counters;

#define COUNT(name) ((void)atomic_fetch_add_explicit(&counters.name, 1, memory_order_relaxed))

#endif

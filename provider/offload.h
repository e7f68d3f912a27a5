/* One operation on the device, from the caller's data to the result.
 *
 * offload_run takes a slot of the ring, loads the key if the device does not have it, writes the input into the slot,
 * submits it, waits for the completion, and copies the result. Inside an ASYNC_JOB it waits by pausing the job, until the
 * waiter of the job's wait context wakes it. Outside of a job it blocks the thread. If the ring is full, it waits for a slot
 * in the same way; a job then pauses with the status ASYNC_STATUS_EAGAIN.
 *
 * If anything goes wrong, the caller is told to do the operation in software, unless the settings say otherwise.
 */
#ifndef SIMACCEL_OFFLOAD_H
#define SIMACCEL_OFFLOAD_H

#include <stddef.h>
#include <stdint.h>

struct key;

struct operation {
    uint16_t code;   /* enum wire_operation */
    struct key *key; /* NULL: it needs none */
    const unsigned char *in;
    size_t in_len;
    const unsigned char *aux;
    size_t aux_len;
    unsigned char *out;
    size_t out_max; /* the longest result; at most what the caller's buffer holds */
    size_t out_len; /* set on success */
};

enum outcome {
    OUTCOME_DONE,     /* the result is there */
    OUTCOME_SOFTWARE, /* the caller is to do it in software */
    OUTCOME_FAILED,   /* it failed and is not to be done in software (fallback = no): an error was raised */
};

/* Blocks, or pauses the job of the calling thread. */
enum outcome offload_run(struct operation *operation);

/* The outcome of an operation of a kind that is never sent to the device; `what` says why, for the report. */
enum outcome offload_unsupported(const char *what);

#endif

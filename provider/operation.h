/* One operation on the device, from the caller's data to the result: in a job it pauses, else it blocks. */
#ifndef SIMACCEL_OPERATION_H
#define SIMACCEL_OPERATION_H

#include <stddef.h>
#include <stdint.h>

struct key;

struct operation {
    uint16_t code;   /* enum wire_operation */
    struct key *key; /* NULL: none needed */
    const unsigned char *in;
    size_t in_len;
    const unsigned char *aux;
    size_t aux_len;
    unsigned char *out;
    size_t out_max; /* of the result; at most what the caller's buffer holds */
    size_t out_len; /* set on success */
};

enum outcome {
    OPERATION_DONE,     /* the result is there */
    OPERATION_SOFTWARE, /* do it in software */
    OPERATION_FAILED,   /* there is to be no software (fallback = no): an error was raised */
};

enum outcome operation_run(struct operation *operation);

/* The outcome for what is never sent to the device. */
enum outcome operation_unsupported(const char *what);

#endif

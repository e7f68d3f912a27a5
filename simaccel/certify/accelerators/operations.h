/* The operations that a provider or an engine may offer, done by the library under test or by the default provider. */
#ifndef CERTIFY_OPERATIONS_H
#define CERTIFY_OPERATIONS_H

#include <stddef.h>

#include "verdict.h"

enum { MOST_BYTES = 512, MESSAGE_BYTES = 32 };
enum operation { DIGEST, X25519, RSA_SIGN, OPERATIONS };

/* What goes into an operation, and what comes out. */
struct work {
    unsigned char message[MESSAGE_BYTES], out[MOST_BYTES], right[MOST_BYTES];
    size_t out_bytes, right_bytes;
};

extern const char *const operation_names[OPERATIONS];
extern int offered[OPERATIONS];
extern enum operation operation; /* the cheapest of those that are offered */

/* Loads the library under test, and finds out what it offers. Ends the process if it offers nothing. */
void load_accelerator(const char *kind, const char *path, const char *name);

/* Has the library under test do it. Returns whether that succeeded. */
int operate(enum operation o, struct work *w);

/* Has the default provider do it. */
void know_the_right_result(enum operation o, struct work *w);
int is_right(const struct work *w);

/* Gives everything back and unloads the library. */
void unload_accelerator(void);

#endif

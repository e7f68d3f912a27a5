/* The scheme of a signature, for sequences with RSA and elliptic curves. */
#ifndef SEQUENCES_SCHEME_H
#define SEQUENCES_SCHEME_H

#include "sequences_classic.h"

extern enum key signing_key; /* the key of this sequence */

enum { LENGTHS = 17 };
extern const size_t lengths[LENGTHS]; /* of inputs: those of digests, and others */

/* The parameters that a context has. */
struct scheme {
    char digest[50], mgf1[50];
    int padding, salt;
    unsigned nonce;
};

/* Makes one random setting. */
void set_something(void);

/* The parameters of the context, which must be the same on both sides. */
struct scheme scheme_now(void);

/* Compares two signatures of the same input. They must be equal, or, if signatures are random, both valid and with salts of the
 * same length. */
void compare_signatures(const char *name, const struct answer answers[SIDES], const struct scheme *scheme,
                        const unsigned char *tbs, size_t length);

#endif

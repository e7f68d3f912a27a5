/* What the programs in this folder share: a library context with the provider, one without, keys, and the operations,
 * each checked with the other context. */
#ifndef TESTS_REAL_LOAD_H
#define TESTS_REAL_LOAD_H

#include <openssl/evp.h>
#include <stdint.h>

enum kind { RSA_PKCS1, RSA_PSS, RSA_OAEP, ECDSA, ED25519, X25519, KINDS };
enum outcome { GOOD, BAD, FAILED };

extern const char *const kind_names[KINDS];

/* Loads the provider from `module` into a context of its own, and makes all keys. Exits with a message on failure. */
void load_begin(const char *module);
void load_end(void);

/* One operation of a kind over data made from `serial`: GOOD if it succeeded and its result was verified in software,
 * BAD if it claims success and the result is wrong, FAILED if it said so itself. May pause. */
enum outcome load_run(enum kind kind, uint64_t serial);

/* A counter of the provider. */
uint64_t load_counter(const char *name);

#endif

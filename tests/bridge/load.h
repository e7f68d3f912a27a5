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

/* Runs one operation of a kind on data that is made from `serial`. GOOD: it succeeded and its result was verified in software.
 * BAD: it reported success, but the result is wrong. FAILED: it reported failure. May pause. */
enum outcome load_run(enum kind kind, uint64_t serial);

/* A counter of the provider. */
uint64_t load_counter(const char *name);

#endif

/* Dispatch tables, the lists of functions by which providers and libcrypto call each other. */
#ifndef SIMACCEL_DISPATCH_H
#define SIMACCEL_DISPATCH_H

#include <openssl/core.h>

/* One function of a table, or NULL. */
void (*dispatch_find(const OSSL_DISPATCH *table, int id))(void);

/* A copy of a table without the functions whose id is above `last`; 0 keeps all. A function that is in the table and in
 * `changes` is replaced, or left out if the change is NULL. `changes` may be NULL. The caller frees the copy. NULL: no
 * memory. */
OSSL_DISPATCH *dispatch_change(const OSSL_DISPATCH *table, int last, const OSSL_DISPATCH *changes);

#endif

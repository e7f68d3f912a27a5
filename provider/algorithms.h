/* The rows that the provider offers to libcrypto: the default provider's own rows, with some functions replaced.
 *
 * Every file of an offloaded algorithm has an array of struct algorithm, with one element for each row that it needs: the
 * operations that it offloads, the key management of its keys, and rows that are passed on unchanged. When the provider is
 * loaded, algorithms_make looks up each row in the default provider, lets the algorithm remember the default provider's
 * functions, and makes a copy of the row's dispatch table with the changes.
 *
 * Rows are passed on unchanged so that an application with a key of ours finds them here. If they were missing, libcrypto
 * would export the key to another provider for each use.
 */
#ifndef SIMACCEL_ALGORITHMS_H
#define SIMACCEL_ALGORITHMS_H

#include <openssl/core.h>
#include <openssl/core_dispatch.h>

#include "offloaded.h"

struct algorithm {
    int operation;                              /* OSSL_OP_SIGNATURE, ... */
    const char *name;                           /* as the default provider calls it */
    int last;                                   /* functions with a higher id are left out; 0: none are */
    const OSSL_DISPATCH *changes;               /* functions of ours; a NULL leaves one out. NULL: no changes at all */
    void (*adopt)(const OSSL_DISPATCH *table);  /* remembers the default provider's functions. NULL: nothing to remember */
};

/* The arrays of the algorithms' files. Each ends with an element without a name. */
#define X(name) extern const struct algorithm name##_algorithms[];
OFFLOADED(X)
#undef X

/* Makes all rows. Returns 0 if there is no memory; algorithms_free must be called even then. */
int algorithms_make(void);
void algorithms_free(void);

/* The rows of an operation. The last one has no name. NULL: there are none. */
const OSSL_ALGORITHM *algorithms_rows(int operation);

/* Whether we manage keys of that name. */
int algorithms_manage_keys(const char *name);

#endif

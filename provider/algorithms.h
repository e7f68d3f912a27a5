/* The algorithms we serve: for each operation, how the default provider's table is changed. */
#ifndef SIMACCEL_ALGORITHMS_H
#define SIMACCEL_ALGORITHMS_H

#include <openssl/core.h>

/* The rows of an operation, ended by one without a name; NULL: none. */
const OSSL_ALGORITHM *algorithms_rows(int operation);

/* Makes the rows from the default provider's. 0: no memory. */
int algorithms_make(void);
void algorithms_free(void);

/* Whether we manage keys of that name. */
int algorithms_manage_keys(const char *name);

/* One for each row that is changed. `adopt` remembers the default provider's own functions. */
struct algorithm {
    int operation;
    const char *name;
    int last; /* the highest function id that stays; 0: all */
    const OSSL_DISPATCH *changes;
    void (*adopt)(const OSSL_DISPATCH *table);
};

extern const struct algorithm keymgmt_algorithms[], signature_algorithms[], eddsa_algorithms[], cipher_algorithms[],
    exchange_algorithms[];

#endif

/* A type of keys: what an algorithm says about its keys. */
#ifndef SIMACCEL_KEY_TYPE_H
#define SIMACCEL_KEY_TYPE_H

#include <openssl/core_dispatch.h>
#include <stddef.h>

/* How the device gets a key that is generated from a seed, as those of ML-DSA: as PKCS #8 with the seed alone. OpenSSL would
 * write the expanded key too, which is a hundred times as long, and which the device does not need. */
struct key_seed {
    const unsigned char *prefix; /* the DER in front of the seed */
    size_t prefix_bytes, seed_bytes;
};

struct key_type {
    const char *name;                     /* as the default provider calls it */
    OSSL_FUNC_keymgmt_export_fn **export; /* the default provider's function, once that is loaded */
    int is_rsa;
    const struct key_seed *seed;          /* NULL: the device gets the key as OpenSSL writes it */
};

#endif

/* A private key as the device gets it: DER, PKCS #8 or the traditional form. */
#ifndef SIMACCEL_KEY_DER_H
#define SIMACCEL_KEY_DER_H

#include "key_type.h"

/* Exports the private key of a key object. Returns the length of `bytes`, which are to be freed with OPENSSL_clear_free, or 0
 * if the key can't be exported: it has no private part, or it has lost the seed that its type needs. Leaves no errors. */
size_t key_der(void *object, const struct key_type *type, unsigned char **bytes);

#endif

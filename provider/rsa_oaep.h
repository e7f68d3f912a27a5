/* RSA decryption with the padding OAEP.
 *
 * Decryption with PKCS #1 v1.5 stays in software on purpose: its implicit rejection must take the same time for good and bad
 * paddings, which a device can't promise. Decryption without padding stays there too, because the device does no raw RSA.
 */
#ifndef SIMACCEL_RSA_OAEP_H
#define SIMACCEL_RSA_OAEP_H

#include <openssl/core.h>

/* For the row of RSA in OSSL_OP_ASYM_CIPHER. */
extern const OSSL_DISPATCH rsa_oaep_changes[];
void rsa_oaep_adopt(const OSSL_DISPATCH *table);

#endif

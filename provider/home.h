/* Which default provider serves the library context that has loaded us: the one of that same context, so that digests
 * come from all of the application's providers, and random numbers from the generators that it chose.
 *
 * Our provider context in that library context is the default provider's there. A function that we pass on unchanged
 * thus gets the context that it expects, whatever functions later versions of OpenSSL add.
 *
 * This needs one libcrypto for the application and for us. A program that is linked to a libcrypto of its own, as many
 * Python wheels are, has library contexts that ours can't read. It gets the default provider of default.h.
 */
#ifndef SIMACCEL_HOME_H
#define SIMACCEL_HOME_H

#include <openssl/core.h>
#include <openssl/types.h>

/* The provider context for the library context behind `handle`. To be called under no lock of ours: it may load the
 * application's configuration, and so other providers. Activates the default provider there until home_close. */
void *home_open(const OSSL_CORE_HANDLE *handle, const OSSL_DISPATCH *in);

/* Ends one home_open. Not under a lock of ours either. */
void home_close(void *provctx);

/* Where to fetch digests for that provider context. */
OSSL_LIB_CTX *home_libctx(void *provctx);

void home_before_fork(void);
void home_after_fork(void);

#endif

/* The library contexts of the application that have loaded us, and their default providers.
 *
 * A function of ours calls the default provider's function that it replaces. That one runs in the application's own library
 * context, so that digests come from all of the application's providers, and random numbers from the generators that it
 * chose. For this, our provider context in a library context is the default provider's context there. Functions that
 * we pass on unchanged thus get the context that they expect, whatever functions later versions of OpenSSL add.
 *
 * This needs one libcrypto for the application and for us. A program that is linked to a libcrypto of its own, as many
 * Python wheels are, has library contexts that ours can't read. It gets the private default provider of default_provider.h.
 */
#ifndef SIMACCEL_APP_LIBCTX_H
#define SIMACCEL_APP_LIBCTX_H

#include <openssl/core.h>
#include <openssl/types.h>

/* Returns our provider context for the library context of `handle`, and keeps the default provider active there until
 * app_libctx_close. Called without a lock of ours, because it may load the application's configuration and other
 * providers. */
void *app_libctx_open(const OSSL_CORE_HANDLE *handle, const OSSL_DISPATCH *in);

/* Undoes one app_libctx_open. This is also called without a lock of ours. */
void app_libctx_close(void *provctx);

/* The library context from which digests are fetched for that provider context. */
OSSL_LIB_CTX *app_libctx_of(void *provctx);

void app_libctx_before_fork(void);
void app_libctx_after_fork(void);

#endif

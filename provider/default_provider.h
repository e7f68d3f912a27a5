/* The default provider, loaded into a library context of our own.
 *
 * Our rows are made from its rows (algorithms.h), and keys are written as DER in its context, where our own key management
 * is not in the way (key.c). The functions that applications call run in the context of the application's own default
 * provider if possible (app_libctx.h), and else in this one.
 */
#ifndef SIMACCEL_DEFAULT_PROVIDER_H
#define SIMACCEL_DEFAULT_PROVIDER_H

#include <openssl/core.h>
#include <openssl/core_dispatch.h>
#include <openssl/types.h>

/* Returns 0 if libcrypto has no default provider. */
int default_load(void);
void default_unload(void);

OSSL_LIB_CTX *default_libctx(void);
void *default_provctx(void);

/* The default provider's first row of that name in an operation, or the next one after `after`. NULL: there is none. */
const OSSL_ALGORITHM *default_row(int operation, const char *name, const OSSL_ALGORITHM *after);

/* Passes on a query of capabilities. */
int default_capabilities(const char *capability, OSSL_CALLBACK *callback, void *argument);

#endif

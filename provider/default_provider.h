/* The default provider in a library context of our own. Its tables are those that we re-export, and keys are written
 * as DER here, where our own key management can't get in between. What applications call mostly runs in the context of
 * the application's own default provider, see home.h; in this one only if there is no other way.
 */
#ifndef SIMACCEL_DEFAULT_H
#define SIMACCEL_DEFAULT_H

#include <openssl/core.h>
#include <openssl/core_dispatch.h>
#include <openssl/types.h>

/* 0 if there is no default provider. */
int default_load(void);
void default_unload(void);

OSSL_LIB_CTX *default_libctx(void);
void *default_provctx(void);

/* The default provider's first row for a name in an operation, or the first after `after`. NULL: none. */
const OSSL_ALGORITHM *default_row(int operation, const char *name, const OSSL_ALGORITHM *after);

/* Forwards a query of capabilities. */
int default_capabilities(const char *capability, OSSL_CALLBACK *callback, void *argument);

/* One function of a dispatch table, or NULL. */
void (*dispatch_find(const OSSL_DISPATCH *table, int id))(void);

/* A copy of a table without the functions of ids above `last` (0: all stay), and with those in `changes` replaced where
 * the table has them, or dropped where the change is NULL. The caller frees it. NULL: no memory. */
OSSL_DISPATCH *dispatch_change(const OSSL_DISPATCH *table, int last, const OSSL_DISPATCH *changes);

#endif

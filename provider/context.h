/* What we keep about an operation context of the default provider (signature, key exchange, cipher): found by its
 * address, as the context itself is not ours. */
#ifndef SIMACCEL_CONTEXT_H
#define SIMACCEL_CONTEXT_H

#include <openssl/types.h>

struct key;

struct context {
    struct key *key;     /* with a reference; NULL before the init */
    void *object;        /* the provider-side key; the default provider's context keeps it alive */
    void *peer;          /* of a key exchange: the peer's key object, kept alive likewise */
    EVP_MD_CTX *digest;  /* of a signature that hashes; NULL if it does not */
    int software;        /* told something that the device does not do */
};

/* NULL: none (get), no memory (make). */
struct context *context_get(void *address);
struct context *context_make(void *address);

/* Frees ours. To be called before the default provider frees its own: the address may be used again right after. */
void context_free(void *address);

/* The state of a duplicated context. 0: no memory. */
int context_dup(void *from, void *to);

void contexts_before_fork(void);
void contexts_after_fork(void);

#endif

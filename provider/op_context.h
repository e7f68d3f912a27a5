/* What we keep about an operation context of the default provider (signature, key exchange, cipher): found by its
 * address, as the context itself is not ours. */
#ifndef SIMACCEL_CONTEXT_H
#define SIMACCEL_CONTEXT_H

#include <openssl/types.h>

struct key;
struct key_type;

/* How the default provider's context was last begun. */
enum context_mode {
    CONTEXT_OTHER,   /* not for what we do, or in a way that failed: all is the default provider's */
    CONTEXT_DIRECT,  /* to sign what is given, to decrypt or to derive */
    CONTEXT_MESSAGE, /* to hash a message and sign that */
};

struct context {
    struct key *key;     /* with a reference; NULL before the init */
    void *object;        /* the provider-side key; the default provider's context keeps it alive */
    void *peer;          /* of a key exchange: the peer's key object, kept alive likewise */
    enum context_mode mode;
    OSSL_LIB_CTX *libctx; /* of a signature: where its digests are fetched */
    char *properties;     /* of a signature: with which properties; NULL: none */
    EVP_MD_CTX *digest;   /* of a message that is being hashed; NULL if we can't, or no longer */
    int software;        /* told something that the device does not do */
};

/* NULL: none (get), no memory (make). */
struct context *context_get(void *address);
struct context *context_make(void *address);

/* Begins anew, with the key behind `object`; NULL: with the same key again. */
void context_begin(struct context *context, enum context_mode mode, void *object, const struct key_type *type);

/* An init has failed half-way: until the next, the default provider alone knows what its context is good for. */
void context_spoil(void *address);

/* Frees ours. To be called before the default provider frees its own: the address may be used again right after. */
void context_free(void *address);

/* The state of a duplicated context. 0: no memory. */
int context_dup(void *from, void *to);

void contexts_before_fork(void);
void contexts_after_fork(void);

#endif

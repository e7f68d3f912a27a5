/* What we know about an operation context of the default provider: a signature, a decryption or a key exchange. The context
 * itself is not ours, so ours is found by the address of the default provider's.
 *
 * Ours follows the life of the other one: it is made or begun again when that one is initialized, copied when it is
 * duplicated, and freed before it is freed.
 */
#ifndef SIMACCEL_OP_CONTEXT_H
#define SIMACCEL_OP_CONTEXT_H

#include <openssl/types.h>

struct key;
struct key_type;

/* What the default provider's context was last initialized for. */
enum op_mode {
    OP_OTHER,   /* for something that we do not do, or its initialization failed: everything is the default provider's */
    OP_DIRECT,  /* to sign the given digest or message, to decrypt, or to derive */
    OP_MESSAGE, /* to hash a message and sign the digest */
};

struct op_context {
    struct key *key;      /* with a reference; NULL: none */
    void *object;         /* the key object; the default provider's context keeps it alive */
    void *peer;           /* of a key exchange: the peer's key object, kept alive in the same way */
    enum op_mode mode;
    OSSL_LIB_CTX *libctx; /* of a signature: where to fetch its digest */
    char *properties;     /* of a signature: with which properties; NULL: none */
    EVP_MD_CTX *digest;   /* of the message that is being hashed; NULL: it is signed in software */
    int software;         /* the application asked for a variant that the device does not do */
};

/* NULL: there is none (get), or no memory (make). */
struct op_context *op_context_get(void *address);
struct op_context *op_context_make(void *address);

/* To be called after the default provider has initialized its context; `done` is what it returned. With `object` NULL the
 * context keeps its key. With `type` NULL it gets no struct key. Returns NULL if the initialization failed, which leaves our
 * context unusable until the next one, or if there is no memory. */
struct op_context *op_context_begin(void *address, int done, enum op_mode mode, void *object, const struct key_type *type);

/* Frees our context and then the default provider's, in this order because the address may be used again right after. */
void op_context_free(void *address, void (*default_free)(void *address));

/* To be called after the default provider has duplicated its context. Returns `copy`, or NULL if the default provider had no
 * memory (`copy` is NULL then) or we have none; `copy` is freed then. */
void *op_context_dup(void *address, void *copy, void (*default_free)(void *address));

void op_contexts_before_fork(void);
void op_contexts_after_fork(void);

#endif

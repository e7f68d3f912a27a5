/* What we know about an operation context of the default provider, which is a signature, a decryption or a key exchange. The
 * default provider owns that context, and ours is found by its address.
 *
 * Our context follows the life of the default provider's: it is made or begun again when the other is initialized, copied
 * when the other is duplicated, and freed just before the other is freed.
 */
#ifndef SIMACCEL_OP_CONTEXT_H
#define SIMACCEL_OP_CONTEXT_H

#include <openssl/types.h>
#include <stddef.h>

struct key;
struct key_type;

/* What the default provider's context was last initialized for. */
enum op_mode {
    OP_OTHER,   /* for something that we do not do, or the initialization failed: the default provider does everything */
    OP_DIRECT,  /* to sign the given digest or message, to decrypt, or to derive */
    OP_MESSAGE, /* to hash a message and sign the digest */
};

struct op_context {
    struct key *key;      /* with a reference; NULL: none */
    void *object;         /* the key object; the default provider's context keeps it alive */
    void *peer;           /* for a key exchange: the peer's key object, kept alive in the same way */
    enum op_mode mode;
    OSSL_LIB_CTX *libctx; /* for a signature: where to fetch its digest */
    char *properties;     /* for a signature: the properties to fetch its digest with; NULL: none */
    EVP_MD_CTX *digest;   /* of the message that is being hashed; NULL: it is signed in software */
    unsigned char context[255]; /* of an ML-DSA signature: its context string */
    size_t context_len;
    int external_mu;      /* of an ML-DSA signature: the input is not the message, but its representative */
    int software;         /* the application asked for a variant that the device does not do */
};

/* `get` returns NULL if there is none, `make` if there is no memory. */
struct op_context *op_context_get(void *address);
struct op_context *op_context_make(void *address);

/* Must be called after the default provider has initialized its context; `done` is what it returned. If `object` is NULL, the
 * context keeps its key. If `type` is NULL, it gets no struct key. Returns NULL if the initialization failed, and then our
 * context is unusable until the next one; or if there is no memory. */
struct op_context *op_context_begin(void *address, int done, enum op_mode mode, void *object, const struct key_type *type);

/* Frees our context and then the default provider's, in this order because the address may be used again right after. */
void op_context_free(void *address, void (*default_free)(void *address));

/* Must be called after the default provider has duplicated its context as `copy`. Returns `copy`. If that is NULL, because
 * the default provider had no memory, it returns NULL. If we have no memory, it frees `copy` and returns NULL. */
void *op_context_dup(void *address, void *copy, void (*default_free)(void *address));

/* Defines the functions that free and duplicate a context, for a dispatch table. `default_free` and `default_dup` are
 * those of the default provider. */
#define OP_CONTEXT_DEFINE_FREE_AND_DUP(free_name, dup_name, default_free, default_dup) \
    static void free_name(void *ctx)                                                   \
    {                                                                                  \
        op_context_free(ctx, default_free);                                            \
    }                                                                                  \
    static void *dup_name(void *ctx)                                                   \
    {                                                                                  \
        return op_context_dup(ctx, default_dup(ctx), default_free);                    \
    }

void op_contexts_before_fork(void);
void op_contexts_after_fork(void);

#endif

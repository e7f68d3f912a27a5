/* Signatures of a digest: what RSA and ECDSA have in common. The digest goes to the device. The default provider does
 * verification and everything else.
 *
 * A message that is hashed and signed is hashed twice, by us and by the default provider's context. Otherwise software could
 * not sign it if the device fails at the end: since OpenSSL 3.4, a context of the default provider that was begun with a
 * message does not take a finished digest any more.
 *
 * An operation goes to the device only if it is certain to pass every check that the default provider makes before it signs.
 * All others are left to the default provider, so that the application sees its errors.
 */
#ifndef SIMACCEL_DIGEST_SIGNATURE_H
#define SIMACCEL_DIGEST_SIGNATURE_H

#include "algorithms.h"
#include "dispatch.h"
#include "key.h"
#include "offload.h"
#include "op_context.h"

/* One algorithm: its own part, and the default provider's functions. */
struct digest_signature {
    const struct key_type *type;
    enum offloaded offload;
    /* Runs an operation that has a key, a digest and room for the signature, or says that it is not supported. */
    enum outcome (*run)(const struct digest_signature *m, void *ctx, struct op_context *c, struct operation *o);
    OSSL_FUNC_signature_newctx_fn *newctx;
    OSSL_FUNC_signature_sign_init_fn *sign_init;
    OSSL_FUNC_signature_sign_fn *sign;
    OSSL_FUNC_signature_digest_sign_init_fn *digest_sign_init;
    OSSL_FUNC_signature_digest_sign_update_fn *update;
    OSSL_FUNC_signature_digest_sign_final_fn *final;
    OSSL_FUNC_signature_freectx_fn *freectx;
    OSSL_FUNC_signature_dupctx_fn *dupctx;
    OSSL_FUNC_signature_get_ctx_params_fn *get_ctx_params;
};

void *digest_signature_newctx(const struct digest_signature *m, void *provctx, const char *properties);
int digest_signature_sign_init(const struct digest_signature *m, void *ctx, void *object, const OSSL_PARAM *params);
int digest_signature_sign(const struct digest_signature *m, void *ctx, unsigned char *sig, size_t *sig_len, size_t sig_size,
                          const unsigned char *tbs, size_t tbs_len);
int digest_signature_hash_init(const struct digest_signature *m, void *ctx, const char *name, void *object,
                               const OSSL_PARAM *params);
int digest_signature_hash_update(const struct digest_signature *m, void *ctx, const unsigned char *data, size_t bytes);
int digest_signature_hash_final(const struct digest_signature *m, void *ctx, unsigned char *sig, size_t *sig_len,
                                size_t sig_size);

/* Defines the functions of an algorithm, and IDENT_signature_changes and IDENT_signature_adopt for its row. IDENT_run must be
 * defined before. A function of a dispatch table is not told which algorithm it is called for, so each algorithm has a set
 * of its own. */
#define DIGEST_SIGNATURE_DEFINE(ident, keytype)                                                                        \
    static struct digest_signature ident = {.type = &keytype, .offload = OFFLOADED_##ident, .run = ident##_run};       \
    static void ident##_signature_adopt(const OSSL_DISPATCH *t)                                                        \
    {                                                                                                                  \
        ident.newctx = (OSSL_FUNC_signature_newctx_fn *)dispatch_find(t, OSSL_FUNC_SIGNATURE_NEWCTX);                  \
        ident.sign_init = (OSSL_FUNC_signature_sign_init_fn *)dispatch_find(t, OSSL_FUNC_SIGNATURE_SIGN_INIT);         \
        ident.sign = (OSSL_FUNC_signature_sign_fn *)dispatch_find(t, OSSL_FUNC_SIGNATURE_SIGN);                        \
        ident.digest_sign_init =                                                                                       \
            (OSSL_FUNC_signature_digest_sign_init_fn *)dispatch_find(t, OSSL_FUNC_SIGNATURE_DIGEST_SIGN_INIT);         \
        ident.update =                                                                                                 \
            (OSSL_FUNC_signature_digest_sign_update_fn *)dispatch_find(t, OSSL_FUNC_SIGNATURE_DIGEST_SIGN_UPDATE);     \
        ident.final =                                                                                                  \
            (OSSL_FUNC_signature_digest_sign_final_fn *)dispatch_find(t, OSSL_FUNC_SIGNATURE_DIGEST_SIGN_FINAL);       \
        ident.freectx = (OSSL_FUNC_signature_freectx_fn *)dispatch_find(t, OSSL_FUNC_SIGNATURE_FREECTX);               \
        ident.dupctx = (OSSL_FUNC_signature_dupctx_fn *)dispatch_find(t, OSSL_FUNC_SIGNATURE_DUPCTX);                  \
        ident.get_ctx_params =                                                                                         \
            (OSSL_FUNC_signature_get_ctx_params_fn *)dispatch_find(t, OSSL_FUNC_SIGNATURE_GET_CTX_PARAMS);             \
    }                                                                                                                  \
    static void *ident##_newctx(void *provctx, const char *properties)                                                 \
    {                                                                                                                  \
        return digest_signature_newctx(&ident, provctx, properties);                                                   \
    }                                                                                                                  \
    static int ident##_sign_init(void *ctx, void *object, const OSSL_PARAM *params)                                    \
    {                                                                                                                  \
        return digest_signature_sign_init(&ident, ctx, object, params);                                                \
    }                                                                                                                  \
    static int ident##_sign(void *ctx, unsigned char *sig, size_t *len, size_t size, const unsigned char *t, size_t n) \
    {                                                                                                                  \
        return digest_signature_sign(&ident, ctx, sig, len, size, t, n);                                               \
    }                                                                                                                  \
    static int ident##_digest_sign_init(void *ctx, const char *name, void *object, const OSSL_PARAM *params)           \
    {                                                                                                                  \
        return digest_signature_hash_init(&ident, ctx, name, object, params);                                          \
    }                                                                                                                  \
    static int ident##_update(void *ctx, const unsigned char *data, size_t bytes)                                      \
    {                                                                                                                  \
        return digest_signature_hash_update(&ident, ctx, data, bytes);                                                 \
    }                                                                                                                  \
    static int ident##_final(void *ctx, unsigned char *sig, size_t *len, size_t size)                                  \
    {                                                                                                                  \
        return digest_signature_hash_final(&ident, ctx, sig, len, size);                                               \
    }                                                                                                                  \
    OP_CONTEXT_DEFINE_FREE_AND_DUP(ident##_freectx, ident##_dupctx, ident.freectx, ident.dupctx)                       \
    static const OSSL_DISPATCH ident##_signature_changes[] = {                                                         \
        {OSSL_FUNC_SIGNATURE_NEWCTX, (void (*)(void))ident##_newctx},                                                  \
        {OSSL_FUNC_SIGNATURE_SIGN_INIT, (void (*)(void))ident##_sign_init},                                            \
        {OSSL_FUNC_SIGNATURE_SIGN, (void (*)(void))ident##_sign},                                                      \
        {OSSL_FUNC_SIGNATURE_DIGEST_SIGN_INIT, (void (*)(void))ident##_digest_sign_init},                              \
        {OSSL_FUNC_SIGNATURE_DIGEST_SIGN_UPDATE, (void (*)(void))ident##_update},                                      \
        {OSSL_FUNC_SIGNATURE_DIGEST_SIGN_FINAL, (void (*)(void))ident##_final},                                        \
        {OSSL_FUNC_SIGNATURE_DIGEST_SIGN, NULL}, /* libcrypto then uses UPDATE and FINAL */                            \
        {OSSL_FUNC_SIGNATURE_FREECTX, (void (*)(void))ident##_freectx},                                                \
        {OSSL_FUNC_SIGNATURE_DUPCTX, (void (*)(void))ident##_dupctx},                                                  \
        {0, NULL}}

/* The element of an array of struct algorithm. Functions with a higher id, which exist since 3.4, sign a message in one call.
 * They are left out, because they would bypass us. */
#define DIGEST_SIGNATURE_ROW(ident, name)                                                                       \
    {                                                                                                           \
        OSSL_OP_SIGNATURE, name, OSSL_FUNC_SIGNATURE_SETTABLE_CTX_MD_PARAMS, ident##_signature_changes,         \
            ident##_signature_adopt                                                                             \
    }

#endif

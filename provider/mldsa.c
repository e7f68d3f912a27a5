/* ML-DSA signatures (FIPS 204), since OpenSSL 3.5. What goes to the device is mu, the 64 bytes that represent public key,
 * context string and message. So the message may have any length, and the device need not know the context string.
 *
 * The default provider's context does not tell which parameters it was given, so they are noted here as they pass. What the
 * device does not do is signed in software: deterministic signatures, randomness that the caller gives, and messages that
 * the caller has encoded. All three exist for tests.
 *
 * A message that is signed in pieces, since OpenSSL 4.0, is hashed twice, as digest_signature.h says of others.
 */
#include <openssl/core_dispatch.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <string.h>

#include "default_provider.h"
#include "keymgmt.h"
#include "offload.h"
#include "op_context.h"
#include "settings.h"
#include "wire.h"

/* Functions of OpenSSL 3.4 and later. The ids never change, so a provider that was built for an older one still runs there. */
#ifndef OSSL_FUNC_SIGNATURE_SIGN_MESSAGE_INIT
#define OSSL_FUNC_SIGNATURE_SIGN_MESSAGE_INIT 27
#define OSSL_FUNC_SIGNATURE_SIGN_MESSAGE_UPDATE 28
#define OSSL_FUNC_SIGNATURE_SIGN_MESSAGE_FINAL 29
#endif

enum { MU_BYTES = 64, ENCODED_BY_US = 1 };

/* PKCS #8 of a seed: version 0, the algorithm 2.16.840.1.101.3.4.3.N without parameters, and the seed under the tag [0]. */
#define SEED_DEFINE(ident, number)                                                                                       \
    static const unsigned char ident##_prefix[] = {0x30, 0x34, 0x02, 0x01, 0x00, 0x30, 0x0B, 0x06, 0x09, 0x60, 0x86,     \
                                                   0x48, 0x01, 0x65, 0x03, 0x04, 0x03, number, 0x04, 0x22, 0x80, 0x20};  \
    static const struct key_seed ident##_seed = {ident##_prefix, sizeof(ident##_prefix), 32}

SEED_DEFINE(mldsa44, 17);
SEED_DEFINE(mldsa65, 18);
SEED_DEFINE(mldsa87, 19);

KEYMGMT_DEFINE(mldsa44, "ML-DSA-44", 0, &mldsa44_seed);
KEYMGMT_DEFINE(mldsa65, "ML-DSA-65", 0, &mldsa65_seed);
KEYMGMT_DEFINE(mldsa87, "ML-DSA-87", 0, &mldsa87_seed);

/* One size of ML-DSA, with the default provider's functions. */
struct size {
    const struct key_type *type;
    uint16_t code;
    OSSL_FUNC_signature_digest_sign_init_fn *digest_sign_init;
    OSSL_FUNC_signature_sign_init_fn *message_init;
    OSSL_FUNC_signature_digest_sign_update_fn *update;
    OSSL_FUNC_signature_digest_sign_final_fn *final;
    OSSL_FUNC_signature_sign_fn *sign;
    OSSL_FUNC_signature_set_ctx_params_fn *set;
    OSSL_FUNC_signature_freectx_fn *freectx;
    OSSL_FUNC_signature_dupctx_fn *dupctx;
};

/* Whether a number is set to something else than `usual`. */
static int differs(const OSSL_PARAM *params, const char *name, int usual)
{
    const OSSL_PARAM *p = OSSL_PARAM_locate_const(params, name);
    int value;

    return p != NULL && (!OSSL_PARAM_get_int(p, &value) || value != usual);
}

/* Notes what the default provider's context has just been told. `software` stays set: the default provider keeps all of this
 * until it is told otherwise, also over the next initialization. */
static void note(struct op_context *c, const OSSL_PARAM *params)
{
    const OSSL_PARAM *string = params != NULL ? OSSL_PARAM_locate_const(params, "context-string") : NULL;
    const OSSL_PARAM *mu = params != NULL ? OSSL_PARAM_locate_const(params, "mu") : NULL;
    void *at = c->context;

    if (params == NULL)
        return;
    if ((string != NULL && !OSSL_PARAM_get_octet_string(string, &at, sizeof(c->context), &c->context_len)) ||
        (mu != NULL && !OSSL_PARAM_get_int(mu, &c->external_mu)) || differs(params, "deterministic", 0) ||
        differs(params, "message-encoding", ENCODED_BY_US) || OSSL_PARAM_locate_const(params, "test-entropy") != NULL)
        c->software = 1;
}

static int begin(const struct size *s, void *ctx, int done, void *object, const OSSL_PARAM *params)
{
    struct op_context *c = op_context_begin(ctx, done, OP_DIRECT, object, s->type);

    if (c == NULL)
        return 0;
    c->external_mu = 0;
    note(c, params);
    return 1;
}

static int set(const struct size *s, void *ctx, const OSSL_PARAM *params)
{
    struct op_context *c = op_context_get(ctx);
    const int done = s->set(ctx, params);

    if (c != NULL && done)
        note(c, params);
    else if (c != NULL)
        c->software = 1; /* some of them may have been set */
    return done;
}

/* A hash that has got all that comes before the message; FIPS 204, algorithms 2 and 7. NULL: that is not possible. */
static EVP_MD_CTX *hash_begin(const struct op_context *c)
{
    const unsigned char *public_hash = key_public_hash(c->key);
    const unsigned char head[] = {0, (unsigned char)c->context_len};
    EVP_MD *shake = EVP_MD_fetch(default_libctx(), "SHAKE256", NULL);
    EVP_MD_CTX *hash = EVP_MD_CTX_new();

    if (public_hash == NULL || shake == NULL || hash == NULL || !EVP_DigestInit_ex2(hash, shake, NULL) ||
        !EVP_DigestUpdate(hash, public_hash, KEY_HASH_BYTES) || !EVP_DigestUpdate(hash, head, sizeof(head)) ||
        !EVP_DigestUpdate(hash, c->context, c->context_len)) {
        EVP_MD_CTX_free(hash);
        hash = NULL;
    }
    EVP_MD_free(shake);
    return hash;
}

/* Whether the device signs what this context is to sign. */
static int is_for_device(const struct op_context *c)
{
    return c != NULL && c->mode == OP_DIRECT && c->key != NULL && !c->software && settings_offload(OFFLOADED_mldsa);
}

static int represent(const struct op_context *c, const unsigned char *tbs, size_t tbs_len, unsigned char *mu)
{
    EVP_MD_CTX *hash;
    int done;

    if (c->external_mu) {
        if (tbs_len == MU_BYTES)
            memcpy(mu, tbs, MU_BYTES);
        return tbs_len == MU_BYTES;
    }
    hash = hash_begin(c);
    done = hash != NULL && EVP_DigestUpdate(hash, tbs, tbs_len) && EVP_DigestFinalXOF(hash, mu, MU_BYTES);
    EVP_MD_CTX_free(hash);
    return done;
}

static enum outcome on_device(const struct size *s, struct op_context *c, const unsigned char *mu, unsigned char *sig,
                              size_t *sig_len, size_t full)
{
    struct operation o = {.code = s->code, .key = c->key, .in = mu, .in_len = MU_BYTES, .out = sig, .out_max = full};
    enum outcome outcome = offload_run(&o);

    if (outcome == OUTCOME_DONE && o.out_len != full)
        outcome = OUTCOME_SOFTWARE;
    *sig_len = o.out_len;
    return outcome;
}

static int sign(const struct size *s, void *ctx, unsigned char *sig, size_t *sig_len, size_t sig_size,
                const unsigned char *tbs, size_t tbs_len)
{
    struct op_context *c = op_context_get(ctx);
    unsigned char mu[MU_BYTES];
    size_t full = 0;
    enum outcome outcome;

    if (sig == NULL || !s->sign(ctx, NULL, &full, 0, tbs, tbs_len))
        return s->sign(ctx, sig, sig_len, sig_size, tbs, tbs_len);
    if (!is_for_device(c) || sig_size < full || !represent(c, tbs, tbs_len, mu))
        outcome = offload_unsupported("not configured, or a variant of ML-DSA");
    else
        outcome = on_device(s, c, mu, sig, sig_len, full);
    if (outcome == OUTCOME_SOFTWARE)
        return s->sign(ctx, sig, sig_len, sig_size, tbs, tbs_len);
    return outcome == OUTCOME_DONE;
}

static int update(const struct size *s, void *ctx, const unsigned char *data, size_t bytes)
{
    struct op_context *c = op_context_get(ctx);

    if (!s->update(ctx, data, bytes))
        return 0;
    if (!is_for_device(c))
        return 1;
    if (c->digest == NULL)
        c->digest = hash_begin(c);
    if (c->digest == NULL || !EVP_DigestUpdate(c->digest, data, bytes))
        c->software = 1;
    return 1;
}

/* Leaves the default provider's context as if it had signed: it ends its hash, and finds no room for the signature. */
static void end_message(const struct size *s, void *ctx)
{
    unsigned char nowhere[1];
    size_t length = 0;

    ERR_set_mark();
    s->final(ctx, nowhere, &length, 0);
    ERR_pop_to_mark();
}

static int final(const struct size *s, void *ctx, unsigned char *sig, size_t *sig_len, size_t sig_size)
{
    struct op_context *c = op_context_get(ctx);
    unsigned char mu[MU_BYTES];
    size_t full = 0;
    enum outcome outcome;

    if (sig == NULL || !s->final(ctx, NULL, &full, 0))
        return s->final(ctx, sig, sig_len, sig_size);
    if (!is_for_device(c) || c->digest == NULL || sig_size < full || !EVP_DigestFinalXOF(c->digest, mu, MU_BYTES))
        outcome = offload_unsupported("not configured, or a variant of ML-DSA");
    else
        outcome = on_device(s, c, mu, sig, sig_len, full);
    if (c != NULL) {
        EVP_MD_CTX_free(c->digest);
        c->digest = NULL;
    }
    if (outcome == OUTCOME_SOFTWARE)
        return s->final(ctx, sig, sig_len, sig_size);
    end_message(s, ctx);
    return outcome == OUTCOME_DONE;
}

/* A function of a dispatch table is not told which size it is called for, so each size has a set of its own. */
#define SIZE_DEFINE(ident, wire_code)                                                                                        \
    static struct size ident = {.type = &key_type_##ident, .code = wire_code};                                               \
    static void ident##_adopt(const OSSL_DISPATCH *t)                                                                        \
    {                                                                                                                        \
        ident.digest_sign_init =                                                                                             \
            (OSSL_FUNC_signature_digest_sign_init_fn *)dispatch_find(t, OSSL_FUNC_SIGNATURE_DIGEST_SIGN_INIT);               \
        ident.message_init = (OSSL_FUNC_signature_sign_init_fn *)dispatch_find(t, OSSL_FUNC_SIGNATURE_SIGN_MESSAGE_INIT);    \
        ident.update =                                                                                                       \
            (OSSL_FUNC_signature_digest_sign_update_fn *)dispatch_find(t, OSSL_FUNC_SIGNATURE_SIGN_MESSAGE_UPDATE);          \
        ident.final = (OSSL_FUNC_signature_digest_sign_final_fn *)dispatch_find(t, OSSL_FUNC_SIGNATURE_SIGN_MESSAGE_FINAL);  \
        ident.sign = (OSSL_FUNC_signature_sign_fn *)dispatch_find(t, OSSL_FUNC_SIGNATURE_SIGN);                              \
        ident.set = (OSSL_FUNC_signature_set_ctx_params_fn *)dispatch_find(t, OSSL_FUNC_SIGNATURE_SET_CTX_PARAMS);           \
        ident.freectx = (OSSL_FUNC_signature_freectx_fn *)dispatch_find(t, OSSL_FUNC_SIGNATURE_FREECTX);                     \
        ident.dupctx = (OSSL_FUNC_signature_dupctx_fn *)dispatch_find(t, OSSL_FUNC_SIGNATURE_DUPCTX);                        \
    }                                                                                                                        \
    static int ident##_digest_sign_init(void *ctx, const char *name, void *object, const OSSL_PARAM *params)                 \
    {                                                                                                                        \
        return begin(&ident, ctx, ident.digest_sign_init(ctx, name, object, params), object, params);                        \
    }                                                                                                                        \
    static int ident##_message_init(void *ctx, void *object, const OSSL_PARAM *params)                                       \
    {                                                                                                                        \
        return begin(&ident, ctx, ident.message_init(ctx, object, params), object, params);                                  \
    }                                                                                                                        \
    static int ident##_update(void *ctx, const unsigned char *data, size_t bytes)                                            \
    {                                                                                                                        \
        return update(&ident, ctx, data, bytes);                                                                             \
    }                                                                                                                        \
    static int ident##_final(void *ctx, unsigned char *sig, size_t *len, size_t size)                                        \
    {                                                                                                                        \
        return final(&ident, ctx, sig, len, size);                                                                           \
    }                                                                                                                        \
    static int ident##_sign(void *ctx, unsigned char *sig, size_t *len, size_t size, const unsigned char *tbs, size_t bytes) \
    {                                                                                                                        \
        return sign(&ident, ctx, sig, len, size, tbs, bytes);                                                                \
    }                                                                                                                        \
    static int ident##_set(void *ctx, const OSSL_PARAM *params)                                                              \
    {                                                                                                                        \
        return set(&ident, ctx, params);                                                                                     \
    }                                                                                                                        \
    static void ident##_freectx(void *ctx)                                                                                   \
    {                                                                                                                        \
        op_context_free(ctx, ident.freectx);                                                                                 \
    }                                                                                                                        \
    static void *ident##_dupctx(void *ctx)                                                                                   \
    {                                                                                                                        \
        return op_context_dup(ctx, ident.dupctx(ctx), ident.freectx);                                                        \
    }                                                                                                                        \
    static const OSSL_DISPATCH ident##_changes[] = {                                                                         \
        {OSSL_FUNC_SIGNATURE_DIGEST_SIGN_INIT, (void (*)(void))ident##_digest_sign_init},                                    \
        {OSSL_FUNC_SIGNATURE_DIGEST_SIGN, (void (*)(void))ident##_sign},                                                     \
        {OSSL_FUNC_SIGNATURE_SIGN, (void (*)(void))ident##_sign},                                                            \
        {OSSL_FUNC_SIGNATURE_SIGN_MESSAGE_INIT, (void (*)(void))ident##_message_init},                                       \
        {OSSL_FUNC_SIGNATURE_SIGN_MESSAGE_UPDATE, (void (*)(void))ident##_update},                                           \
        {OSSL_FUNC_SIGNATURE_SIGN_MESSAGE_FINAL, (void (*)(void))ident##_final},                                             \
        {OSSL_FUNC_SIGNATURE_SET_CTX_PARAMS, (void (*)(void))ident##_set},                                                   \
        {OSSL_FUNC_SIGNATURE_FREECTX, (void (*)(void))ident##_freectx},                                                      \
        {OSSL_FUNC_SIGNATURE_DUPCTX, (void (*)(void))ident##_dupctx},                                                        \
        {0, NULL}}

SIZE_DEFINE(mldsa44, WIRE_ML_DSA_44_SIGN);
SIZE_DEFINE(mldsa65, WIRE_ML_DSA_65_SIGN);
SIZE_DEFINE(mldsa87, WIRE_ML_DSA_87_SIGN);

const struct algorithm mldsa_algorithms[] = {
    KEYMGMT_ROW(mldsa44, "ML-DSA-44"),
    KEYMGMT_ROW(mldsa65, "ML-DSA-65"),
    KEYMGMT_ROW(mldsa87, "ML-DSA-87"),
    {OSSL_OP_SIGNATURE, "ML-DSA-44", 0, mldsa44_changes, mldsa44_adopt},
    {OSSL_OP_SIGNATURE, "ML-DSA-65", 0, mldsa65_changes, mldsa65_adopt},
    {OSSL_OP_SIGNATURE, "ML-DSA-87", 0, mldsa87_changes, mldsa87_adopt},
    {0},
};

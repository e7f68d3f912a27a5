/* RSA and ECDSA signatures: the digest goes to the device, with the padding that the default provider's context was
 * told; verification and everything else stays in software.
 *
 * A signature that hashes is hashed twice, by us and by the default provider: only so can it still be made in software
 * when the device fails at the end, since from OpenSSL 3.4 on the default provider no longer takes a finished digest
 * in a context that was begun with one.
 *
 * To the device goes only what is sure to pass all checks that the default provider makes before it signs. Anything else
 * it gets itself, to refuse in its own words.
 */
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/rsa.h>
#include <string.h>

#include "algorithms.h"
#include "op_context.h"
#include "default_provider.h"
#include "home.h"
#include "key.h"
#include "keytypes.h"
#include "offload.h"
#include "scheme.h"
#include "settings.h"

/* The default provider's own. */
struct methods {
    const struct key_type *type;
    unsigned offload;
    enum outcome (*run)(const struct methods *m, void *ctx, struct context *c, struct operation *o);
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

/* Room for the longest name of a digest, and what PKCS #1 v1.5 adds at least (RFC 8017, 9.2). */
enum { NAME_BYTES = 50, PKCS1_BYTES = 11 };

static enum outcome rsa_run(const struct methods *m, void *ctx, struct context *c, struct operation *o)
{
    char digest[NAME_BYTES] = "", mgf1[NAME_BYTES] = "";
    int padding = 0, salt_length = 0, number;
    struct wire_scheme scheme = {0};
    OSSL_PARAM asked[] = {OSSL_PARAM_construct_int(OSSL_SIGNATURE_PARAM_PAD_MODE, &padding),
                          OSSL_PARAM_construct_utf8_string(OSSL_SIGNATURE_PARAM_DIGEST, digest, sizeof(digest)),
                          OSSL_PARAM_construct_utf8_string(OSSL_SIGNATURE_PARAM_MGF1_DIGEST, mgf1, sizeof(mgf1)),
                          OSSL_PARAM_construct_int(OSSL_SIGNATURE_PARAM_PSS_SALTLEN, &salt_length),
                          OSSL_PARAM_construct_end()};

    if (!m->get_ctx_params(ctx, asked) || (padding != RSA_PKCS1_PADDING && padding != RSA_PKCS1_PSS_PADDING))
        return offload_unsupported("padding");
    number = scheme_digest(digest);
    if (number < 0 || (number > 0 && o->in_len != scheme_digest_bytes(number)))
        return offload_unsupported("digest");
    if (number == 0 && o->in_len + PKCS1_BYTES > o->out_max)
        return offload_unsupported("length");
    scheme.padding = (uint16_t)padding;
    scheme.digest = (uint16_t)number;
    if (padding == RSA_PKCS1_PSS_PADDING) {
        const int mgf1_number = *mgf1 != '\0' ? scheme_digest(mgf1) : number;

        scheme.salt_len = scheme_salt_bytes(salt_length, key_bits(c->key), number);
        /* Without a digest there is no PSS, and a key of type RSA-PSS may ask for more salt. */
        if (number == 0 || mgf1_number <= 0 || scheme.salt_len < 0 || scheme.salt_len < key_min_salt_bytes(c->key))
            return offload_unsupported("PSS parameters");
        scheme.mgf1_digest = (uint16_t)mgf1_number;
    }
    o->code = WIRE_RSA_SIGN;
    o->aux = (const unsigned char *)&scheme;
    o->aux_len = sizeof(scheme);
    return offload_run(o);
}

static enum outcome ecdsa_run(const struct methods *m, void *ctx, struct context *c, struct operation *o)
{
    unsigned nonce_type = 0;
    size_t digest_bytes = 0;
    OSSL_PARAM asked[] = {OSSL_PARAM_construct_uint("nonce-type", &nonce_type),
                          OSSL_PARAM_construct_size_t(OSSL_SIGNATURE_PARAM_DIGEST_SIZE, &digest_bytes),
                          OSSL_PARAM_construct_end()};

    (void)c;
    /* Known from 3.2 on; before that the default provider leaves what it does not know untouched. */
    if (!m->get_ctx_params(ctx, asked) || nonce_type != 0)
        return offload_unsupported("deterministic ECDSA");
    /* The digest's name plays no part in the signature, and speed does not give one; but where one was given, that is
     * the length to sign. */
    if ((digest_bytes != 0 && o->in_len != digest_bytes) || scheme_digest_of_length(o->in_len) < 0)
        return offload_unsupported("digest");
    o->code = WIRE_ECDSA_SIGN;
    return offload_run(o);
}

static void *newctx(const struct methods *m, void *provctx, const char *properties)
{
    void *ctx = m->newctx(provctx, properties);
    struct context *c = ctx != NULL ? context_make(ctx) : NULL;

    if (c != NULL) {
        c->libctx = home_libctx(provctx);
        if (properties == NULL || (c->properties = strdup(properties)) != NULL)
            return ctx;
        context_free(ctx);
    }
    if (ctx != NULL)
        m->freectx(ctx);
    return NULL;
}

static int sign_init(const struct methods *m, void *ctx, void *object, const OSSL_PARAM *params)
{
    struct context *c = context_get(ctx);

    if (!m->sign_init(ctx, object, params)) {
        context_spoil(ctx);
        return 0;
    }
    if (c != NULL)
        context_begin(c, CONTEXT_DIRECT, object, m->type);
    return 1;
}

/* `full` is what the default provider says the signature may take. */
static enum outcome on_device(const struct methods *m, void *ctx, struct context *c, const unsigned char *digest,
                              size_t digest_len, unsigned char *sig, size_t *sig_len, size_t sig_size, size_t full)
{
    struct operation o = {.key = c != NULL ? c->key : NULL, .in = digest, .in_len = digest_len, .out = sig};
    enum outcome outcome;

    if (o.key == NULL || (settings.operations & m->offload) == 0 || sig_size < full)
        return offload_unsupported("not configured, or no room for the result");
    /* Callers may say that they have 8 KiB; the slot need not hold more than there can be. */
    o.out_max = full;
    outcome = m->run(m, ctx, c, &o);
    *sig_len = o.out_len;
    return outcome;
}

static int sign(const struct methods *m, void *ctx, unsigned char *sig, size_t *sig_len, size_t sig_size,
                const unsigned char *tbs, size_t tbs_len)
{
    struct context *c = context_get(ctx);
    size_t full = 0;

    /* Within a context that hashes, SIGN means different things to different versions: theirs. */
    if (sig == NULL || c == NULL || c->mode != CONTEXT_DIRECT || !m->sign(ctx, NULL, &full, 0, tbs, tbs_len))
        return m->sign(ctx, sig, sig_len, sig_size, tbs, tbs_len);
    switch (on_device(m, ctx, c, tbs, tbs_len, sig, sig_len, sig_size, full)) {
    case OUTCOME_DONE:
        return 1;
    case OUTCOME_SOFTWARE:
        return m->sign(ctx, sig, sig_len, sig_size, tbs, tbs_len);
    default:
        return 0;
    }
}

/* Our own hash beside theirs. Where we can't have one, the signature is made in software. */
static void begin_digest(const struct methods *m, void *ctx, struct context *c)
{
    char name[NAME_BYTES] = "";
    OSSL_PARAM asked[] = {OSSL_PARAM_construct_utf8_string(OSSL_SIGNATURE_PARAM_DIGEST, name, sizeof(name)),
                          OSSL_PARAM_construct_end()};
    EVP_MD *md = NULL;

    if (m->get_ctx_params(ctx, asked) && scheme_digest(name) > 0)
        md = EVP_MD_fetch(c->libctx, name, c->properties);
    c->digest = md != NULL ? EVP_MD_CTX_new() : NULL;
    if (c->digest != NULL && !EVP_DigestInit_ex2(c->digest, md, NULL)) {
        EVP_MD_CTX_free(c->digest);
        c->digest = NULL;
    }
    EVP_MD_free(md);
}

static int digest_sign_init(const struct methods *m, void *ctx, const char *name, void *object, const OSSL_PARAM *params)
{
    struct context *c = context_get(ctx);

    if (!m->digest_sign_init(ctx, name, object, params)) {
        context_spoil(ctx);
        return 0;
    }
    if (c != NULL)
        context_begin(c, CONTEXT_MESSAGE, object, m->type);
    if (c != NULL && (settings.operations & m->offload) != 0)
        begin_digest(m, ctx, c);
    return 1;
}

static int digest_sign_update(const struct methods *m, void *ctx, const unsigned char *data, size_t bytes)
{
    struct context *c = context_get(ctx);

    return m->update(ctx, data, bytes) && (c == NULL || c->digest == NULL || EVP_DigestUpdate(c->digest, data, bytes));
}

/* The device has signed. The default provider's context must be as if it had: without room for the signature it ends its
 * hash, and goes no further. */
static void end_message(const struct methods *m, void *ctx)
{
    unsigned char nowhere[1];
    size_t length = 0;

    ERR_set_mark();
    m->final(ctx, nowhere, &length, 0);
    ERR_pop_to_mark();
}

static int digest_sign_final(const struct methods *m, void *ctx, unsigned char *sig, size_t *sig_len, size_t sig_size)
{
    struct context *c = context_get(ctx);
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned digest_len = 0;
    size_t full = 0;

    if (sig == NULL)
        return m->final(ctx, sig, sig_len, sig_size);
    if (c == NULL || c->digest == NULL || !m->final(ctx, NULL, &full, 0) ||
        !EVP_DigestFinal_ex(c->digest, digest, &digest_len)) {
        offload_unsupported("not configured, or a digest that is not on the wire");
        return m->final(ctx, sig, sig_len, sig_size);
    }
    EVP_MD_CTX_free(c->digest);
    c->digest = NULL;
    switch (on_device(m, ctx, c, digest, digest_len, sig, sig_len, sig_size, full)) {
    case OUTCOME_DONE:
        end_message(m, ctx);
        return 1;
    case OUTCOME_SOFTWARE:
        return m->final(ctx, sig, sig_len, sig_size);
    default:
        return 0;
    }
}

static void *dupctx(const struct methods *m, void *ctx)
{
    void *copy = m->dupctx(ctx);

    if (copy != NULL && !context_dup(ctx, copy)) {
        context_free(copy);
        m->freectx(copy);
        return NULL;
    }
    return copy;
}

/* A dispatch table's functions get no argument that says which algorithm they are of, so each has its own set. */
#define SIGNATURE(ident, keytype, bits)                                                                                \
    static struct methods ident = {.type = &keytype, .offload = bits, .run = ident##_run};                             \
    static void ident##_adopt(const OSSL_DISPATCH *t)                                                                  \
    {                                                                                                                  \
        ident.newctx = (OSSL_FUNC_signature_newctx_fn *)dispatch_find(t, OSSL_FUNC_SIGNATURE_NEWCTX);                   \
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
        return newctx(&ident, provctx, properties);                                                                    \
    }                                                                                                                  \
    static int ident##_sign_init(void *ctx, void *object, const OSSL_PARAM *params)                                    \
    {                                                                                                                  \
        return sign_init(&ident, ctx, object, params);                                                                 \
    }                                                                                                                  \
    static int ident##_sign(void *ctx, unsigned char *sig, size_t *len, size_t size, const unsigned char *t, size_t n) \
    {                                                                                                                  \
        return sign(&ident, ctx, sig, len, size, t, n);                                                                \
    }                                                                                                                  \
    static int ident##_digest_sign_init(void *ctx, const char *name, void *object, const OSSL_PARAM *params)           \
    {                                                                                                                  \
        return digest_sign_init(&ident, ctx, name, object, params);                                                    \
    }                                                                                                                  \
    static int ident##_update(void *ctx, const unsigned char *data, size_t bytes)                                      \
    {                                                                                                                  \
        return digest_sign_update(&ident, ctx, data, bytes);                                                           \
    }                                                                                                                  \
    static int ident##_final(void *ctx, unsigned char *sig, size_t *len, size_t size)                                  \
    {                                                                                                                  \
        return digest_sign_final(&ident, ctx, sig, len, size);                                                         \
    }                                                                                                                  \
    static void ident##_freectx(void *ctx)                                                                             \
    {                                                                                                                  \
        context_free(ctx);                                                                                             \
        ident.freectx(ctx);                                                                                            \
    }                                                                                                                  \
    static void *ident##_dupctx(void *ctx)                                                                             \
    {                                                                                                                  \
        return dupctx(&ident, ctx);                                                                                    \
    }                                                                                                                  \
    static const OSSL_DISPATCH ident##_changes[] = {                                                                   \
        {OSSL_FUNC_SIGNATURE_NEWCTX, (void (*)(void))ident##_newctx},                                                  \
        {OSSL_FUNC_SIGNATURE_SIGN_INIT, (void (*)(void))ident##_sign_init},                                            \
        {OSSL_FUNC_SIGNATURE_SIGN, (void (*)(void))ident##_sign},                                                      \
        {OSSL_FUNC_SIGNATURE_DIGEST_SIGN_INIT, (void (*)(void))ident##_digest_sign_init},                              \
        {OSSL_FUNC_SIGNATURE_DIGEST_SIGN_UPDATE, (void (*)(void))ident##_update},                                      \
        {OSSL_FUNC_SIGNATURE_DIGEST_SIGN_FINAL, (void (*)(void))ident##_final},                                        \
        {OSSL_FUNC_SIGNATURE_DIGEST_SIGN, NULL}, /* libcrypto then uses UPDATE and FINAL */                            \
        {OSSL_FUNC_SIGNATURE_FREECTX, (void (*)(void))ident##_freectx},                                                \
        {OSSL_FUNC_SIGNATURE_DUPCTX, (void (*)(void))ident##_dupctx},                                                  \
        {0, NULL}};

SIGNATURE(rsa, key_type_rsa, OFFLOAD_RSA)
SIGNATURE(ecdsa, key_type_ec, OFFLOAD_ECDSA)

const struct algorithm signature_algorithms[] = {
    {OSSL_OP_SIGNATURE, "RSA", OSSL_FUNC_SIGNATURE_SETTABLE_CTX_MD_PARAMS, rsa_changes, rsa_adopt},
    {OSSL_OP_SIGNATURE, "ECDSA", OSSL_FUNC_SIGNATURE_SETTABLE_CTX_MD_PARAMS, ecdsa_changes, ecdsa_adopt},
    {0},
};

#include "digest_signature.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <string.h>

#include "app_libctx.h"
#include "scheme.h"
#include "settings.h"

void *digest_signature_newctx(const struct digest_signature *m, void *provctx, const char *properties)
{
    void *ctx = m->newctx(provctx, properties);
    struct op_context *c = ctx != NULL ? op_context_make(ctx) : NULL;

    if (c != NULL) {
        c->libctx = app_libctx_of(provctx);
        if (properties == NULL || (c->properties = strdup(properties)) != NULL)
            return ctx;
    }
    if (ctx != NULL)
        op_context_free(ctx, m->freectx);
    return NULL;
}

int digest_signature_sign_init(const struct digest_signature *m, void *ctx, void *object, const OSSL_PARAM *params)
{
    return op_context_begin(ctx, m->sign_init(ctx, object, params), OP_DIRECT, object, m->type) != NULL;
}

/* Signs a digest on the device. `full` is the length of the longest signature, as the default provider gives it. */
static enum outcome on_device(const struct digest_signature *m, void *ctx, struct op_context *c, const unsigned char *digest,
                              size_t digest_len, unsigned char *sig, size_t *sig_len, size_t sig_size, size_t full)
{
    struct operation o = {.key = c->key, .in = digest, .in_len = digest_len, .out = sig};
    enum outcome outcome;

    if (o.key == NULL || !settings_offload(m->offload) || sig_size < full)
        return offload_unsupported("not configured, or no room for the result");
    /* A caller may have room for 8 KiB, but the slot need not hold more than the longest signature. */
    o.out_max = full;
    outcome = m->run(m, ctx, c, &o);
    *sig_len = o.out_len;
    return outcome;
}

int digest_signature_sign(const struct digest_signature *m, void *ctx, unsigned char *sig, size_t *sig_len, size_t sig_size,
                const unsigned char *tbs, size_t tbs_len)
{
    struct op_context *c = op_context_get(ctx);
    size_t full = 0;

    /* What SIGN does in a context that hashes differs between versions of OpenSSL, so it is left to the default provider. */
    if (sig == NULL || c == NULL || c->mode != OP_DIRECT || !m->sign(ctx, NULL, &full, 0, tbs, tbs_len))
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

/* Starts our own hash, beside the default provider's. If that is not possible, the signature is made in software. */
static void begin_digest(const struct digest_signature *m, void *ctx, struct op_context *c)
{
    char name[SCHEME_NAME_BYTES] = "";
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

int digest_signature_hash_init(const struct digest_signature *m, void *ctx, const char *name, void *object,
                            const OSSL_PARAM *params)
{
    struct op_context *c =
        op_context_begin(ctx, m->digest_sign_init(ctx, name, object, params), OP_MESSAGE, object, m->type);

    if (c == NULL)
        return 0;
    if (settings_offload(m->offload))
        begin_digest(m, ctx, c);
    return 1;
}

int digest_signature_hash_update(const struct digest_signature *m, void *ctx, const unsigned char *data, size_t bytes)
{
    struct op_context *c = op_context_get(ctx);

    return m->update(ctx, data, bytes) && (c == NULL || c->digest == NULL || EVP_DigestUpdate(c->digest, data, bytes));
}

/* Leaves the default provider's context as if it had signed itself, after the device has signed. We call its function with
 * no room for the signature. Then it ends its hash, and does nothing else. */
static void end_message(const struct digest_signature *m, void *ctx)
{
    unsigned char nowhere[1];
    size_t length = 0;

    ERR_set_mark();
    m->final(ctx, nowhere, &length, 0);
    ERR_pop_to_mark();
}

int digest_signature_hash_final(const struct digest_signature *m, void *ctx, unsigned char *sig, size_t *sig_len,
                                size_t sig_size)
{
    struct op_context *c = op_context_get(ctx);
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

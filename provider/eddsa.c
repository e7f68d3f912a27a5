/* Ed25519: the message itself goes to the device, if it fits a slot. */
#include <openssl/params.h>
#include <string.h>

#include "algorithms.h"
#include "op_context.h"
#include "key.h"
#include "keytypes.h"
#include "offload.h"
#include "settings.h"
#include "wire.h"

enum { SIGNATURE_BYTES = 64 };

static OSSL_FUNC_signature_digest_sign_init_fn *default_init;
static OSSL_FUNC_signature_digest_sign_fn *default_sign;
static OSSL_FUNC_signature_set_ctx_params_fn *default_set;
static OSSL_FUNC_signature_freectx_fn *default_freectx;
static OSSL_FUNC_signature_dupctx_fn *default_dupctx;

/* The variants with a context or a pre-hash, since 3.2, are not on the wire. libssl of 4.0 passes other parameters, so
 * it is these two that count and not whether there are any. */
static int wants_variant(const OSSL_PARAM *params)
{
    return params != NULL && (OSSL_PARAM_locate_const(params, "instance") != NULL ||
                              OSSL_PARAM_locate_const(params, "context-string") != NULL);
}

static int init(void *ctx, const char *digest, void *object, const OSSL_PARAM *params)
{
    struct context *c;

    if (!default_init(ctx, digest, object, params)) {
        context_spoil(ctx);
        return 0;
    }
    c = context_make(ctx);
    if (c == NULL)
        return 0;
    context_begin(c, CONTEXT_DIRECT, object, &key_type_ed25519);
    /* Without a key the default provider goes on with the variant it was told before. */
    c->software = wants_variant(params) || (object == NULL && c->software);
    return 1;
}

static int set(void *ctx, const OSSL_PARAM *params)
{
    struct context *c = context_get(ctx);

    if (c != NULL && wants_variant(params))
        c->software = 1;
    return default_set(ctx, params);
}

static int sign(void *ctx, unsigned char *sig, size_t *sig_len, size_t sig_size, const unsigned char *tbs, size_t tbs_len)
{
    struct context *c = context_get(ctx);
    struct operation o = {.code = WIRE_ED25519_SIGN, .in = tbs, .in_len = tbs_len, .out = sig, .out_max = SIGNATURE_BYTES};
    enum outcome outcome;

    if (sig == NULL)
        return default_sign(ctx, sig, sig_len, sig_size, tbs, tbs_len);
    o.key = c != NULL ? c->key : NULL;
    if (o.key == NULL || c->mode != CONTEXT_DIRECT || c->software || sig_size < SIGNATURE_BYTES || (settings.operations & OFFLOAD_ED25519) == 0)
        outcome = offload_unsupported("variant of EdDSA");
    else
        outcome = offload_run(&o);
    if (outcome == OUTCOME_SOFTWARE)
        return default_sign(ctx, sig, sig_len, sig_size, tbs, tbs_len);
    *sig_len = o.out_len;
    return outcome == OUTCOME_DONE;
}

static void freectx(void *ctx)
{
    context_free(ctx);
    default_freectx(ctx);
}

static void *dupctx(void *ctx)
{
    void *copy = default_dupctx(ctx);

    if (copy != NULL && !context_dup(ctx, copy)) {
        freectx(copy);
        return NULL;
    }
    return copy;
}

static void adopt(const OSSL_DISPATCH *t)
{
    default_init = (OSSL_FUNC_signature_digest_sign_init_fn *)dispatch_find(t, OSSL_FUNC_SIGNATURE_DIGEST_SIGN_INIT);
    default_sign = (OSSL_FUNC_signature_digest_sign_fn *)dispatch_find(t, OSSL_FUNC_SIGNATURE_DIGEST_SIGN);
    default_set = (OSSL_FUNC_signature_set_ctx_params_fn *)dispatch_find(t, OSSL_FUNC_SIGNATURE_SET_CTX_PARAMS);
    default_freectx = (OSSL_FUNC_signature_freectx_fn *)dispatch_find(t, OSSL_FUNC_SIGNATURE_FREECTX);
    default_dupctx = (OSSL_FUNC_signature_dupctx_fn *)dispatch_find(t, OSSL_FUNC_SIGNATURE_DUPCTX);
}

static const OSSL_DISPATCH changes[] = {{OSSL_FUNC_SIGNATURE_DIGEST_SIGN_INIT, (void (*)(void))init},
                                        {OSSL_FUNC_SIGNATURE_DIGEST_SIGN, (void (*)(void))sign},
                                        {OSSL_FUNC_SIGNATURE_SET_CTX_PARAMS, (void (*)(void))set},
                                        {OSSL_FUNC_SIGNATURE_FREECTX, (void (*)(void))freectx},
                                        {OSSL_FUNC_SIGNATURE_DUPCTX, (void (*)(void))dupctx},
                                        {0, NULL}};

const struct algorithm eddsa_algorithms[] = {{OSSL_OP_SIGNATURE, "ED25519", 0, changes, adopt}, {0}};

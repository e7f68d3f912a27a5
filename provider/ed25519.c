/* Ed25519 signatures. The message itself goes to the device, if it fits into a slot. */
#include <openssl/core_dispatch.h>
#include <openssl/params.h>

#include "keymgmt.h"
#include "offload.h"
#include "op_context.h"
#include "settings.h"
#include "wire.h"

KEYMGMT_DEFINE(ed25519, "ED25519", 0, NULL);

enum { SIGNATURE_BYTES = 64 };

static OSSL_FUNC_signature_digest_sign_init_fn *default_init;
static OSSL_FUNC_signature_digest_sign_fn *default_sign;
static OSSL_FUNC_signature_set_ctx_params_fn *default_set;
static OSSL_FUNC_signature_freectx_fn *default_freectx;
static OSSL_FUNC_signature_dupctx_fn *default_dupctx;

/* Whether the application asks for a variant with a context string or a pre-hash, which exist since OpenSSL 3.2. The device
 * does not do them. Other parameters do not matter; libssl of 4.0 passes some. */
static int wants_variant(const OSSL_PARAM *params)
{
    return params != NULL && (OSSL_PARAM_locate_const(params, "instance") != NULL ||
                              OSSL_PARAM_locate_const(params, "context-string") != NULL);
}

static int init(void *ctx, const char *digest, void *object, const OSSL_PARAM *params)
{
    struct op_context *c =
        op_context_begin(ctx, default_init(ctx, digest, object, params), OP_DIRECT, object, &key_type_ed25519);

    if (c == NULL)
        return 0;
    /* Without a new key the default provider keeps the variant that it was given before. */
    c->software = wants_variant(params) || (object == NULL && c->software);
    return 1;
}

static int set(void *ctx, const OSSL_PARAM *params)
{
    struct op_context *c = op_context_get(ctx);

    if (c != NULL && wants_variant(params))
        c->software = 1;
    return default_set(ctx, params);
}

static int sign(void *ctx, unsigned char *sig, size_t *sig_len, size_t sig_size, const unsigned char *tbs, size_t tbs_len)
{
    struct op_context *c = op_context_get(ctx);
    struct operation o = {.code = WIRE_ED25519_SIGN, .in = tbs, .in_len = tbs_len, .out = sig, .out_max = SIGNATURE_BYTES};
    enum outcome outcome;

    if (sig == NULL)
        return default_sign(ctx, sig, sig_len, sig_size, tbs, tbs_len);
    o.key = c != NULL ? c->key : NULL;
    if (o.key == NULL || c->mode != OP_DIRECT || c->software || sig_size < SIGNATURE_BYTES ||
        !settings_offload(OFFLOADED_ed25519))
        outcome = offload_unsupported("not configured, or a variant of EdDSA");
    else
        outcome = offload_run(&o);
    if (outcome == OUTCOME_SOFTWARE)
        return default_sign(ctx, sig, sig_len, sig_size, tbs, tbs_len);
    *sig_len = o.out_len;
    return outcome == OUTCOME_DONE;
}

OP_CONTEXT_DEFINE_FREE_AND_DUP(freectx, dupctx, default_freectx, default_dupctx)

static void adopt(const OSSL_DISPATCH *t)
{
    default_init = (OSSL_FUNC_signature_digest_sign_init_fn *)dispatch_find(t, OSSL_FUNC_SIGNATURE_DIGEST_SIGN_INIT);
    default_sign = (OSSL_FUNC_signature_digest_sign_fn *)dispatch_find(t, OSSL_FUNC_SIGNATURE_DIGEST_SIGN);
    default_set = (OSSL_FUNC_signature_set_ctx_params_fn *)dispatch_find(t, OSSL_FUNC_SIGNATURE_SET_CTX_PARAMS);
    default_freectx = (OSSL_FUNC_signature_freectx_fn *)dispatch_find(t, OSSL_FUNC_SIGNATURE_FREECTX);
    default_dupctx = (OSSL_FUNC_signature_dupctx_fn *)dispatch_find(t, OSSL_FUNC_SIGNATURE_DUPCTX);
}

static const OSSL_DISPATCH changes[] = {
    {OSSL_FUNC_SIGNATURE_DIGEST_SIGN_INIT, (void (*)(void))init},
    {OSSL_FUNC_SIGNATURE_DIGEST_SIGN, (void (*)(void))sign},
    {OSSL_FUNC_SIGNATURE_SET_CTX_PARAMS, (void (*)(void))set},
    {OSSL_FUNC_SIGNATURE_FREECTX, (void (*)(void))freectx},
    {OSSL_FUNC_SIGNATURE_DUPCTX, (void (*)(void))dupctx},
    {0, NULL},
};

const struct algorithm ed25519_algorithms[] = {
    KEYMGMT_ROW(ed25519, "ED25519"),
    {OSSL_OP_SIGNATURE, "ED25519", 0, changes, adopt},
    {0},
};

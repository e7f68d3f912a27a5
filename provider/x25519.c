/* X25519 key exchange. Both keys go to the device with the operation. They are not loaded as other keys are, because TLS uses
 * a key share only once. */
#include <openssl/core_dispatch.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/params.h>
#include <string.h>

#include "keymgmt.h"
#include "offload.h"
#include "op_context.h"
#include "settings.h"
#include "wire.h"

KEYMGMT_DEFINE(x25519, "X25519", 0, NULL);

enum { KEY_BYTES = 32 };

static OSSL_FUNC_keyexch_init_fn *default_init;
static OSSL_FUNC_keyexch_set_peer_fn *default_set_peer;
static OSSL_FUNC_keyexch_derive_fn *default_derive;
static OSSL_FUNC_keyexch_freectx_fn *default_freectx;
static OSSL_FUNC_keyexch_dupctx_fn *default_dupctx;

struct keys {
    unsigned char private[KEY_BYTES], peer[KEY_BYTES]; /* the input of the operation */
    int found;
};

static int init(void *ctx, void *object, const OSSL_PARAM *params)
{
    struct op_context *c = op_context_begin(ctx, default_init(ctx, object, params), OP_DIRECT, object, NULL);

    if (c == NULL)
        return 0;
    c->object = object;
    c->peer = NULL;
    return 1;
}

static int set_peer(void *ctx, void *object)
{
    struct op_context *c = op_context_get(ctx);

    if (!default_set_peer(ctx, object))
        return 0;
    if (c != NULL)
        c->peer = object;
    return 1;
}

static int take(const OSSL_PARAM *params, const char *name, unsigned char *to)
{
    const OSSL_PARAM *p = OSSL_PARAM_locate_const(params, name);

    if (p == NULL || p->data_type != OSSL_PARAM_OCTET_STRING || p->data_size != KEY_BYTES)
        return 0;
    memcpy(to, p->data, KEY_BYTES);
    return 1;
}

static int take_private(const OSSL_PARAM *params, void *argument)
{
    struct keys *keys = argument;

    return keys->found += take(params, OSSL_PKEY_PARAM_PRIV_KEY, keys->private);
}

static int take_public(const OSSL_PARAM *params, void *argument)
{
    struct keys *keys = argument;

    return keys->found += take(params, OSSL_PKEY_PARAM_PUB_KEY, keys->peer);
}

static enum outcome on_device(struct op_context *c, unsigned char *secret, size_t *secret_len)
{
    static const unsigned char zero[KEY_BYTES];
    struct keys keys = {.found = 0};
    struct operation o = {.code = WIRE_X25519, .in_len = 2 * KEY_BYTES, .out = secret, .out_max = KEY_BYTES};
    OSSL_FUNC_keymgmt_export_fn *export = *key_type_x25519.export;
    enum outcome outcome;

    export(c->object, OSSL_KEYMGMT_SELECT_KEYPAIR, take_private, &keys);
    export(c->peer, OSSL_KEYMGMT_SELECT_PUBLIC_KEY, take_public, &keys);
    o.in = keys.private; /* and `peer`, which follows it */
    outcome = keys.found == 2 ? offload_run(&o) : offload_unsupported("key");
    OPENSSL_cleanse(&keys, sizeof(keys));
    /* A secret of zeros means that the peer sent a point of small order. Software refuses it, with OpenSSL's own error. */
    if (outcome == OUTCOME_DONE && (o.out_len != KEY_BYTES || CRYPTO_memcmp(secret, zero, KEY_BYTES) == 0))
        outcome = OUTCOME_SOFTWARE;
    *secret_len = o.out_len;
    return outcome;
}

static int derive(void *ctx, unsigned char *secret, size_t *secret_len, size_t size)
{
    struct op_context *c = op_context_get(ctx);
    enum outcome outcome;

    if (secret == NULL)
        return default_derive(ctx, secret, secret_len, size);
    if (c == NULL || c->object == NULL || c->peer == NULL || size < KEY_BYTES || !settings_offload(OFFLOADED_x25519))
        outcome = offload_unsupported("not configured");
    else
        outcome = on_device(c, secret, secret_len);
    if (outcome == OUTCOME_SOFTWARE)
        return default_derive(ctx, secret, secret_len, size);
    return outcome == OUTCOME_DONE;
}

OP_CONTEXT_DEFINE_FREE_AND_DUP(freectx, dupctx, default_freectx, default_dupctx)

static void adopt(const OSSL_DISPATCH *t)
{
    default_init = (OSSL_FUNC_keyexch_init_fn *)dispatch_find(t, OSSL_FUNC_KEYEXCH_INIT);
    default_set_peer = (OSSL_FUNC_keyexch_set_peer_fn *)dispatch_find(t, OSSL_FUNC_KEYEXCH_SET_PEER);
    default_derive = (OSSL_FUNC_keyexch_derive_fn *)dispatch_find(t, OSSL_FUNC_KEYEXCH_DERIVE);
    default_freectx = (OSSL_FUNC_keyexch_freectx_fn *)dispatch_find(t, OSSL_FUNC_KEYEXCH_FREECTX);
    default_dupctx = (OSSL_FUNC_keyexch_dupctx_fn *)dispatch_find(t, OSSL_FUNC_KEYEXCH_DUPCTX);
}

static const OSSL_DISPATCH changes[] = {
    {OSSL_FUNC_KEYEXCH_INIT, (void (*)(void))init},
    {OSSL_FUNC_KEYEXCH_SET_PEER, (void (*)(void))set_peer},
    {OSSL_FUNC_KEYEXCH_DERIVE, (void (*)(void))derive},
    {OSSL_FUNC_KEYEXCH_FREECTX, (void (*)(void))freectx},
    {OSSL_FUNC_KEYEXCH_DUPCTX, (void (*)(void))dupctx},
    {0, NULL},
};

const struct algorithm x25519_algorithms[] = {
    KEYMGMT_ROW(x25519, "X25519"),
    /* Functions with a higher id derive a key object. They are left out, because they would bypass us. */
    {OSSL_OP_KEYEXCH, "X25519", OSSL_FUNC_KEYEXCH_GETTABLE_CTX_PARAMS, changes, adopt},
    {OSSL_OP_KEM, "X25519", 0, NULL, NULL},
    {0},
};

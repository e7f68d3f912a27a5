#include "rsa_oaep.h"

#include <openssl/core_dispatch.h>
#include <openssl/core_names.h>
#include <openssl/params.h>
#include <openssl/rsa.h>
#include <string.h>

#include "dispatch.h"
#include "offload.h"
#include "op_context.h"
#include "rsa_key.h"
#include "scheme.h"
#include "settings.h"
#include "wire.h"

/* The longest label that is sent. */
enum { LABEL_BYTES = 256 };

static OSSL_FUNC_asym_cipher_decrypt_init_fn *default_init;
static OSSL_FUNC_asym_cipher_decrypt_fn *default_decrypt;
static OSSL_FUNC_asym_cipher_get_ctx_params_fn *default_get;
static OSSL_FUNC_asym_cipher_freectx_fn *default_freectx;
static OSSL_FUNC_asym_cipher_dupctx_fn *default_dupctx;

static int init(void *ctx, void *object, const OSSL_PARAM *params)
{
    return op_context_begin(ctx, default_init(ctx, object, params), OP_DIRECT, object, &key_type_rsa) != NULL;
}

static enum outcome on_device(void *ctx, struct op_context *c, unsigned char *out, size_t *out_len, size_t full,
                              const unsigned char *in, size_t in_len)
{
    char digest[SCHEME_NAME_BYTES] = "", mgf1[SCHEME_NAME_BYTES] = "";
    void *label = NULL;
    int padding = 0, number, mgf1_number;
    struct {
        struct wire_scheme scheme;
        unsigned char label[LABEL_BYTES];
    } aux = {.scheme = {.padding = WIRE_PAD_OAEP}};
    OSSL_PARAM asked[] = {OSSL_PARAM_construct_int(OSSL_ASYM_CIPHER_PARAM_PAD_MODE, &padding),
                          OSSL_PARAM_construct_utf8_string(OSSL_ASYM_CIPHER_PARAM_OAEP_DIGEST, digest, sizeof(digest)),
                          OSSL_PARAM_construct_utf8_string(OSSL_ASYM_CIPHER_PARAM_MGF1_DIGEST, mgf1, sizeof(mgf1)),
                          OSSL_PARAM_construct_octet_ptr(OSSL_ASYM_CIPHER_PARAM_OAEP_LABEL, &label, 0),
                          OSSL_PARAM_construct_end()};
    struct operation o = {.code = WIRE_RSA_DECRYPT, .key = c->key, .in = in, .in_len = in_len, .out = out, .out_max = full};
    size_t label_len;
    enum outcome outcome;

    if (!default_get(ctx, asked) || padding != RSA_PKCS1_OAEP_PADDING)
        return offload_unsupported("padding");
    number = *digest != '\0' ? scheme_digest(digest) : WIRE_SHA1; /* OAEP's default */
    mgf1_number = *mgf1 != '\0' ? scheme_digest(mgf1) : number;
    label_len = label != NULL ? asked[3].return_size : 0;
    if (number <= 0 || mgf1_number <= 0 || label_len > LABEL_BYTES)
        return offload_unsupported("OAEP parameters");
    aux.scheme.digest = (uint16_t)number;
    aux.scheme.mgf1_digest = (uint16_t)mgf1_number;
    if (label_len > 0)
        memcpy(aux.label, label, label_len);
    o.aux = (const unsigned char *)&aux;
    o.aux_len = sizeof(aux.scheme) + label_len;
    outcome = offload_run(&o);
    *out_len = o.out_len;
    return outcome;
}

static int decrypt(void *ctx, unsigned char *out, size_t *out_len, size_t size, const unsigned char *in, size_t in_len)
{
    struct op_context *c = op_context_get(ctx);
    size_t full = 0;
    enum outcome outcome;

    if (out == NULL || c == NULL || c->key == NULL || !default_decrypt(ctx, NULL, &full, 0, in, in_len))
        return default_decrypt(ctx, out, out_len, size, in, in_len);
    if (size < full || in_len != full || !settings_offload(OFFLOADED_rsa))
        outcome = offload_unsupported("not configured, or a wrong length");
    else
        outcome = on_device(ctx, c, out, out_len, full, in, in_len);
    if (outcome == OUTCOME_SOFTWARE)
        return default_decrypt(ctx, out, out_len, size, in, in_len);
    return outcome == OUTCOME_DONE;
}

OP_CONTEXT_DEFINE_FREE_AND_DUP(freectx, dupctx, default_freectx, default_dupctx)

void rsa_oaep_adopt(const OSSL_DISPATCH *t)
{
    default_init = (OSSL_FUNC_asym_cipher_decrypt_init_fn *)dispatch_find(t, OSSL_FUNC_ASYM_CIPHER_DECRYPT_INIT);
    default_decrypt = (OSSL_FUNC_asym_cipher_decrypt_fn *)dispatch_find(t, OSSL_FUNC_ASYM_CIPHER_DECRYPT);
    default_get = (OSSL_FUNC_asym_cipher_get_ctx_params_fn *)dispatch_find(t, OSSL_FUNC_ASYM_CIPHER_GET_CTX_PARAMS);
    default_freectx = (OSSL_FUNC_asym_cipher_freectx_fn *)dispatch_find(t, OSSL_FUNC_ASYM_CIPHER_FREECTX);
    default_dupctx = (OSSL_FUNC_asym_cipher_dupctx_fn *)dispatch_find(t, OSSL_FUNC_ASYM_CIPHER_DUPCTX);
}

const OSSL_DISPATCH rsa_oaep_changes[] = {
    {OSSL_FUNC_ASYM_CIPHER_DECRYPT_INIT, (void (*)(void))init},
    {OSSL_FUNC_ASYM_CIPHER_DECRYPT, (void (*)(void))decrypt},
    {OSSL_FUNC_ASYM_CIPHER_FREECTX, (void (*)(void))freectx},
    {OSSL_FUNC_ASYM_CIPHER_DUPCTX, (void (*)(void))dupctx},
    {0, NULL},
};

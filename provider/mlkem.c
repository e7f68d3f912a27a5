/* ML-KEM decapsulation (FIPS 203), since OpenSSL 3.5. The private key goes to the device with the operation, as the seed that
 * it was generated from. It is not loaded as other keys are, because TLS uses it only once.
 *
 * A damaged ciphertext is not an error: the device answers with the secret of implicit rejection, as the default provider
 * does, and takes as long for it. A ciphertext of a wrong length never gets there.
 */
#include <openssl/core_dispatch.h>
#include <openssl/crypto.h>
#include <openssl/params.h>
#include <string.h>

#include "keymgmt.h"
#include "offload.h"
#include "op_context.h"
#include "settings.h"
#include "wire.h"

KEYMGMT_DEFINE(mlkem768, "ML-KEM-768", 0, NULL);
KEYMGMT_DEFINE(mlkem1024, "ML-KEM-1024", 0, NULL);

enum { SEED_BYTES = 64, SECRET_BYTES = 32, LONGEST_CIPHERTEXT_BYTES = 1568 };

/* One size of ML-KEM, with the default provider's functions. */
struct size {
    const struct key_type *type;
    uint16_t code;
    size_t ciphertext_bytes;
    OSSL_FUNC_kem_decapsulate_init_fn *init;
    OSSL_FUNC_kem_decapsulate_fn *decapsulate;
    OSSL_FUNC_kem_freectx_fn *freectx;
};

static int begin(const struct size *s, void *ctx, void *object, const OSSL_PARAM *params)
{
    struct op_context *c = op_context_begin(ctx, s->init(ctx, object, params), OP_DIRECT, object, NULL);

    if (c == NULL)
        return 0;
    c->object = object;
    return 1;
}

struct input {
    unsigned char seed[SEED_BYTES], ciphertext[LONGEST_CIPHERTEXT_BYTES];
    int found;
};

static int take_seed(const OSSL_PARAM *params, void *argument)
{
    const OSSL_PARAM *seed = OSSL_PARAM_locate_const(params, "seed");
    struct input *input = argument;

    if (seed != NULL && seed->data_type == OSSL_PARAM_OCTET_STRING && seed->data_size == SEED_BYTES) {
        memcpy(input->seed, seed->data, SEED_BYTES);
        input->found = 1;
    }
    return 1;
}

static enum outcome on_device(const struct size *s, struct op_context *c, unsigned char *secret, size_t *secret_len,
                              const unsigned char *ciphertext)
{
    struct input input = {.found = 0};
    struct operation o = {.code = s->code,
                          .in = input.seed, /* and `ciphertext`, which follows it */
                          .in_len = SEED_BYTES + s->ciphertext_bytes,
                          .out = secret,
                          .out_max = SECRET_BYTES};
    OSSL_FUNC_keymgmt_export_fn *export = *s->type->export;
    enum outcome outcome;

    export(c->object, OSSL_KEYMGMT_SELECT_PRIVATE_KEY, take_seed, &input);
    memcpy(input.ciphertext, ciphertext, s->ciphertext_bytes);
    outcome = input.found ? offload_run(&o) : offload_unsupported("a key without its seed");
    OPENSSL_cleanse(&input, sizeof(input));
    if (outcome == OUTCOME_DONE && o.out_len != SECRET_BYTES)
        outcome = OUTCOME_SOFTWARE;
    *secret_len = SECRET_BYTES;
    return outcome;
}

static int decapsulate(const struct size *s, void *ctx, unsigned char *secret, size_t *secret_len,
                       const unsigned char *ciphertext, size_t ciphertext_len)
{
    struct op_context *c = op_context_get(ctx);
    enum outcome outcome;

    if (secret == NULL)
        return s->decapsulate(ctx, secret, secret_len, ciphertext, ciphertext_len);
    if (c == NULL || c->mode != OP_DIRECT || c->object == NULL || secret_len == NULL || *secret_len < SECRET_BYTES ||
        ciphertext_len != s->ciphertext_bytes || !settings_offload(OFFLOADED_mlkem))
        outcome = offload_unsupported("not configured, or a wrong length");
    else
        outcome = on_device(s, c, secret, secret_len, ciphertext);
    if (outcome == OUTCOME_SOFTWARE)
        return s->decapsulate(ctx, secret, secret_len, ciphertext, ciphertext_len);
    return outcome == OUTCOME_DONE;
}

#define SIZE_DEFINE(ident, wire_code, bytes)                                                                                \
    static struct size ident = {.type = &key_type_##ident, .code = wire_code, .ciphertext_bytes = bytes};                   \
    static void ident##_adopt(const OSSL_DISPATCH *t)                                                                       \
    {                                                                                                                       \
        ident.init = (OSSL_FUNC_kem_decapsulate_init_fn *)dispatch_find(t, OSSL_FUNC_KEM_DECAPSULATE_INIT);                 \
        ident.decapsulate = (OSSL_FUNC_kem_decapsulate_fn *)dispatch_find(t, OSSL_FUNC_KEM_DECAPSULATE);                    \
        ident.freectx = (OSSL_FUNC_kem_freectx_fn *)dispatch_find(t, OSSL_FUNC_KEM_FREECTX);                                \
    }                                                                                                                       \
    static int ident##_init(void *ctx, void *object, const OSSL_PARAM *params)                                              \
    {                                                                                                                       \
        return begin(&ident, ctx, object, params);                                                                          \
    }                                                                                                                       \
    static int ident##_decapsulate(void *ctx, unsigned char *secret, size_t *len, const unsigned char *in, size_t in_bytes) \
    {                                                                                                                       \
        return decapsulate(&ident, ctx, secret, len, in, in_bytes);                                                         \
    }                                                                                                                       \
    static void ident##_freectx(void *ctx)                                                                                  \
    {                                                                                                                       \
        op_context_free(ctx, ident.freectx);                                                                                \
    }                                                                                                                       \
    static const OSSL_DISPATCH ident##_changes[] = {{OSSL_FUNC_KEM_DECAPSULATE_INIT, (void (*)(void))ident##_init},         \
                                                    {OSSL_FUNC_KEM_DECAPSULATE, (void (*)(void))ident##_decapsulate},       \
                                                    {OSSL_FUNC_KEM_FREECTX, (void (*)(void))ident##_freectx},               \
                                                    {0, NULL}}

SIZE_DEFINE(mlkem768, WIRE_ML_KEM_768_DECAPSULATE, 1088);
SIZE_DEFINE(mlkem1024, WIRE_ML_KEM_1024_DECAPSULATE, 1568);

const struct algorithm mlkem_algorithms[] = {
    KEYMGMT_ROW(mlkem768, "ML-KEM-768"),
    KEYMGMT_ROW(mlkem1024, "ML-KEM-1024"),
    {OSSL_OP_KEM, "ML-KEM-768", 0, mlkem768_changes, mlkem768_adopt},
    {OSSL_OP_KEM, "ML-KEM-1024", 0, mlkem1024_changes, mlkem1024_adopt},
    {0},
};

#include "key_der.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/x509.h>
#include <string.h>

#include "default_provider.h"

struct der {
    const struct key_type *type;
    unsigned char *bytes;
    int length;
};

/* An EC key may come without its public part, as Erlang gives its keys. libcrypto does not write it as DER, unless it is
 * told to leave the public part out. The device then computes that part. */
static int to_der(EVP_PKEY *pkey, unsigned char **bytes)
{
    size_t length = 0;

    if (EVP_PKEY_is_a(pkey, "EC") && !EVP_PKEY_get_octet_string_param(pkey, OSSL_PKEY_PARAM_PUB_KEY, NULL, 0, &length))
        EVP_PKEY_set_int_param(pkey, OSSL_PKEY_PARAM_EC_INCLUDE_PUBLIC, 0);
    return i2d_PrivateKey(pkey, bytes);
}

/* Makes a key of the private library context from the exported parts, because the default provider can write that key as
 * DER. So no type of key needs an encoder of ours. */
static int write_der(const OSSL_PARAM *params, void *argument)
{
    struct der *der = argument;
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(default_libctx(), der->type->name, NULL);
    EVP_PKEY *pkey = NULL;

    if (ctx != NULL && EVP_PKEY_fromdata_init(ctx) > 0 &&
        EVP_PKEY_fromdata(ctx, &pkey, EVP_PKEY_KEYPAIR, (OSSL_PARAM *)params) > 0)
        der->length = to_der(pkey, &der->bytes);
    EVP_PKEY_free(pkey);
    EVP_PKEY_CTX_free(ctx);
    return der->length > 0;
}

/* Writes the DER of a key that consists of its seed. OpenSSL knows such keys, and the parameter "seed", since 3.5. */
static int write_seed(const OSSL_PARAM *params, void *argument)
{
    struct der *der = argument;
    const struct key_seed *form = der->type->seed;
    const OSSL_PARAM *seed = OSSL_PARAM_locate_const(params, "seed");

    if (seed == NULL || seed->data_type != OSSL_PARAM_OCTET_STRING || seed->data_size != form->seed_bytes ||
        (der->bytes = OPENSSL_malloc(form->prefix_bytes + form->seed_bytes)) == NULL)
        return 0;
    memcpy(der->bytes, form->prefix, form->prefix_bytes);
    memcpy(der->bytes + form->prefix_bytes, seed->data, form->seed_bytes);
    der->length = (int)(form->prefix_bytes + form->seed_bytes);
    return 1;
}

size_t key_der(void *object, const struct key_type *type, unsigned char **bytes)
{
    struct der der = {.type = type};
    /* The restrictions of an RSA-PSS key are left out: the device gets a plain RSA key, which has none, and the default
     * provider's signature context enforces them. */
    const int parts = type->seed != NULL ? OSSL_KEYMGMT_SELECT_PRIVATE_KEY
                      : type->is_rsa     ? OSSL_KEYMGMT_SELECT_KEYPAIR
                                         : OSSL_KEYMGMT_SELECT_ALL;

    /* A key that can't be exported, such as one without a private part, gives errors. Software will report its own. */
    ERR_set_mark();
    (*type->export)(object, parts, type->seed != NULL ? write_seed : write_der, &der);
    ERR_pop_to_mark();
    *bytes = der.bytes;
    return der.length > 0 ? (size_t)der.length : 0;
}

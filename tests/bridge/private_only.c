/* Signs with a P-256 key that was given by its private part alone, and verifies with the public part that belongs to it.
 * Exits with 0 if the signature is right. */
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <string.h>

static EVP_PKEY *key_of(const BIGNUM *number, const unsigned char *point, size_t point_bytes)
{
    OSSL_PARAM_BLD *parts = OSSL_PARAM_BLD_new();
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
    EVP_PKEY *pkey = NULL;
    OSSL_PARAM *params;

    OSSL_PARAM_BLD_push_utf8_string(parts, OSSL_PKEY_PARAM_GROUP_NAME, "P-256", 0);
    if (number != NULL)
        OSSL_PARAM_BLD_push_BN(parts, OSSL_PKEY_PARAM_PRIV_KEY, number);
    if (point != NULL)
        OSSL_PARAM_BLD_push_octet_string(parts, OSSL_PKEY_PARAM_PUB_KEY, point, point_bytes);
    params = OSSL_PARAM_BLD_to_param(parts);
    EVP_PKEY_fromdata_init(ctx);
    EVP_PKEY_fromdata(ctx, &pkey, number != NULL ? EVP_PKEY_KEYPAIR : EVP_PKEY_PUBLIC_KEY, params);
    OSSL_PARAM_free(params);
    OSSL_PARAM_BLD_free(parts);
    EVP_PKEY_CTX_free(ctx);
    return pkey;
}

int main(void)
{
    unsigned char digest[32] = {1}, signature[80], point[65];
    size_t signature_bytes = sizeof(signature), point_bytes = 0;
    EVP_PKEY *whole = EVP_EC_gen("P-256"), *private_part, *public_part;
    EVP_PKEY_CTX *signing, *verifying;
    BIGNUM *number = NULL;
    int right;

    EVP_PKEY_get_bn_param(whole, OSSL_PKEY_PARAM_PRIV_KEY, &number);
    EVP_PKEY_get_octet_string_param(whole, OSSL_PKEY_PARAM_PUB_KEY, point, sizeof(point), &point_bytes);
    private_part = key_of(number, NULL, 0);
    public_part = key_of(NULL, point, point_bytes);
    signing = EVP_PKEY_CTX_new(private_part, NULL);
    verifying = EVP_PKEY_CTX_new(public_part, NULL);
    right = EVP_PKEY_sign_init(signing) > 0 &&
            EVP_PKEY_sign(signing, signature, &signature_bytes, digest, sizeof(digest)) > 0 &&
            EVP_PKEY_verify_init(verifying) > 0 &&
            EVP_PKEY_verify(verifying, signature, signature_bytes, digest, sizeof(digest)) > 0;
    EVP_PKEY_CTX_free(signing);
    EVP_PKEY_CTX_free(verifying);
    EVP_PKEY_free(whole);
    EVP_PKEY_free(private_part);
    EVP_PKEY_free(public_part);
    BN_free(number);
    return !right;
}

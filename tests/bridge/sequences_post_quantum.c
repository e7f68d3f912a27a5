#include "sequences_post_quantum.h"

#include <openssl/core_names.h>
#include <openssl/params.h>

void (*const kinds[])(void) = {sign_messages, decapsulate};
const unsigned kind_count = sizeof(kinds) / sizeof(*kinds);
const int key_count = KEYS;

/* The same key as if it had been kept in its expanded form alone. */
static EVP_PKEY *without_seed(EVP_PKEY *whole)
{
    static unsigned char private[8000];
    size_t length = 0;
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(sides[PLAIN].libctx, whole, NULL);
    EVP_PKEY *pkey = NULL;
    OSSL_PARAM parts[] = {OSSL_PARAM_construct_end(), OSSL_PARAM_construct_end()};

    must(EVP_PKEY_get_octet_string_param(whole, OSSL_PKEY_PARAM_PRIV_KEY, private, sizeof(private), &length), "private");
    parts[0] = OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PRIV_KEY, private, length);
    must(EVP_PKEY_fromdata_init(ctx), "fromdata");
    must(EVP_PKEY_fromdata(ctx, &pkey, EVP_PKEY_KEYPAIR, parts), "fromdata");
    EVP_PKEY_CTX_free(ctx);
    EVP_PKEY_free(whole);
    return pkey;
}

EVP_PKEY *make_key(int key)
{
    static const char *const names[KEYS] = {"ML-DSA-44",  "ML-DSA-65",   "ML-DSA-87",  "ML-DSA-65",
                                            "ML-KEM-768", "ML-KEM-1024", "ML-KEM-768", "ML-KEM-512"};
    EVP_PKEY *pkey = EVP_PKEY_Q_keygen(sides[PLAIN].libctx, NULL, names[key]);

    must(pkey != NULL, names[key]);
    return key == MLDSA_SEEDLESS || key == MLKEM_SEEDLESS ? without_seed(pkey) : pkey;
}

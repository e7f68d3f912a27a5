#include "sequences_classic.h"

#include <openssl/rsa.h>

void (*const kinds[])(void) = {sign_digests, sign_messages, sign_messages, decrypt, derive};
const unsigned kind_count = sizeof(kinds) / sizeof(*kinds);
const int key_count = KEYS;

EVP_PKEY *make_key(int key)
{
    OSSL_LIB_CTX *libctx = sides[PLAIN].libctx;
    const int bound = key == RSA_PSS_BOUND, pss = bound || key == RSA_PSS;
    EVP_PKEY_CTX *ctx;
    EVP_PKEY *pkey = NULL;

    switch (key) {
    case P256:
    case P521:
        return EVP_PKEY_Q_keygen(libctx, NULL, "EC", key == P256 ? "P-256" : "P-521");
    case ED25519:
    case X25519:
        return EVP_PKEY_Q_keygen(libctx, NULL, key == ED25519 ? "ED25519" : "X25519");
    default:
        ctx = EVP_PKEY_CTX_new_from_name(libctx, pss ? "RSA-PSS" : "RSA", NULL);
        must(EVP_PKEY_keygen_init(ctx), "keygen");
        must(EVP_PKEY_CTX_set_rsa_keygen_bits(ctx, key == RSA1024 ? 1024 : 2048), "bits");
        if (bound) {
            must(EVP_PKEY_CTX_ctrl_str(ctx, "rsa_pss_keygen_md", "sha256"), "digest");
            must(EVP_PKEY_CTX_ctrl_str(ctx, "rsa_pss_keygen_mgf1_md", "sha256"), "digest");
            must(EVP_PKEY_CTX_ctrl_str(ctx, "rsa_pss_keygen_saltlen", "40"), "salt");
        }
        must(EVP_PKEY_keygen(ctx, &pkey), "keygen");
        EVP_PKEY_CTX_free(ctx);
        return pkey;
    }
}

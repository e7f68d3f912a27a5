/* RSA: signatures with the paddings of PKCS #1 v1.5 and PSS, and decryption with OAEP, which is in rsa_oaep.c. */
#include <openssl/core_names.h>
#include <openssl/params.h>
#include <openssl/rsa.h>

#include "digest_signature.h"
#include "rsa_key.h"
#include "rsa_oaep.h"
#include "scheme.h"
#include "wire.h"

/* The least number of bytes that the padding of PKCS #1 v1.5 takes (RFC 8017, 9.2). */
enum { PKCS1_BYTES = 11 };

static enum outcome rsa_run(const struct digest_signature *m, void *ctx, struct op_context *c, struct operation *o)
{
    char digest[SCHEME_NAME_BYTES] = "", mgf1[SCHEME_NAME_BYTES] = "";
    int padding = 0, salt_length = 0, number;
    struct wire_scheme scheme = {0};
    OSSL_PARAM asked[] = {OSSL_PARAM_construct_int(OSSL_SIGNATURE_PARAM_PAD_MODE, &padding),
                          OSSL_PARAM_construct_utf8_string(OSSL_SIGNATURE_PARAM_DIGEST, digest, sizeof(digest)),
                          OSSL_PARAM_construct_utf8_string(OSSL_SIGNATURE_PARAM_MGF1_DIGEST, mgf1, sizeof(mgf1)),
                          OSSL_PARAM_construct_int(OSSL_SIGNATURE_PARAM_PSS_SALTLEN, &salt_length),
                          OSSL_PARAM_construct_end()};

    if (!m->get_ctx_params(ctx, asked) || (padding != RSA_PKCS1_PADDING && padding != RSA_PKCS1_PSS_PADDING))
        return offload_unsupported("padding");
    number = scheme_digest(digest);
    if (number < 0 || (number > 0 && o->in_len != scheme_digest_bytes(number)))
        return offload_unsupported("digest");
    if (number == 0 && o->in_len + PKCS1_BYTES > o->out_max)
        return offload_unsupported("length");
    scheme.padding = (uint16_t)padding;
    scheme.digest = (uint16_t)number;
    if (padding == RSA_PKCS1_PSS_PADDING) {
        const int mgf1_number = *mgf1 != '\0' ? scheme_digest(mgf1) : number;

        scheme.salt_len = scheme_salt_bytes(salt_length, key_bits(c->key), number);
        /* There is no PSS without a digest, and a key of type RSA-PSS may demand a longer salt. */
        if (number == 0 || mgf1_number <= 0 || scheme.salt_len < 0 || scheme.salt_len < key_min_salt_bytes(c->key))
            return offload_unsupported("PSS parameters");
        scheme.mgf1_digest = (uint16_t)mgf1_number;
    }
    o->code = WIRE_RSA_SIGN;
    o->aux = (const unsigned char *)&scheme;
    o->aux_len = sizeof(scheme);
    return offload_run(o);
}

DIGEST_SIGNATURE_DEFINE(rsa, key_type_rsa);

const struct algorithm rsa_algorithms[] = {
    KEYMGMT_ROW(rsa, "RSA"),
    KEYMGMT_ROW(rsapss, "RSA-PSS"),
    DIGEST_SIGNATURE_ROW(rsa, "RSA"),
    {OSSL_OP_ASYM_CIPHER, "RSA", 0, rsa_oaep_changes, rsa_oaep_adopt},
    {OSSL_OP_KEM, "RSA", 0, NULL, NULL},
    {0},
};

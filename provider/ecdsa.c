/* ECDSA signatures. The curve belongs to the key. If the device does not know the curve, it refuses the key. */
#include <openssl/core_names.h>
#include <openssl/params.h>

#include "digest_signature.h"
#include "keymgmt.h"
#include "scheme.h"
#include "wire.h"

KEYMGMT_DEFINE(ec, "EC", 0, NULL);

static enum outcome ecdsa_run(const struct digest_signature *m, void *ctx, struct op_context *c, struct operation *o)
{
    unsigned nonce_type = 0;
    size_t digest_bytes = 0;
    OSSL_PARAM asked[] = {OSSL_PARAM_construct_uint("nonce-type", &nonce_type),
                          OSSL_PARAM_construct_size_t(OSSL_SIGNATURE_PARAM_DIGEST_SIZE, &digest_bytes),
                          OSSL_PARAM_construct_end()};

    (void)c;
    /* "nonce-type" is known since OpenSSL 3.2. Older versions leave a parameter that they do not know as it is. */
    if (!m->get_ctx_params(ctx, asked) || nonce_type != 0)
        return offload_unsupported("deterministic ECDSA");
    /* The name of the digest plays no part in the signature, and `openssl speed` gives none. If the application gave one, the
     * input must have the length of that digest. */
    if ((digest_bytes != 0 && o->in_len != digest_bytes) || scheme_digest_of_length(o->in_len) < 0)
        return offload_unsupported("digest");
    o->code = WIRE_ECDSA_SIGN;
    return offload_run(o);
}

DIGEST_SIGNATURE_DEFINE(ecdsa, key_type_ec);

const struct algorithm ecdsa_algorithms[] = {
    KEYMGMT_ROW(ec, "EC"),
    DIGEST_SIGNATURE_ROW(ecdsa, "ECDSA"),
    {OSSL_OP_KEYEXCH, "ECDH", 0, NULL, NULL},
    {OSSL_OP_KEM, "EC", 0, NULL, NULL},
    /* The default provider makes EC keys on the curve SM2, but its encoders do not take such a key from another provider.
     * Without encoders of ours, an SM2 key of ours could not be written. */
    {OSSL_OP_ENCODER, "EC", 0, NULL, NULL},
    {0},
};

/* The scheme of a signature: random settings of it, what a context then says, and the comparison of two signatures. */
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/params.h>
#include <openssl/rsa.h>
#include <stdio.h>
#include <string.h>

#include "sequences_scheme.h"

static const char *const digests[] = {"SHA1",     "SHA256", "SHA2-512", "SHA512-224", "SHA3-256", "MD5",
                                      "MD5-SHA1", "SM3",    "SHA256",   "SHAKE128",   "unknown",  "SHA256"};
static const char *const paddings[] = {"pkcs1", "pss", "pss", "x931", "none", "oaep"};
static const char *const salts[] = {"digest", "max", "auto", "0", "20", "32", "39", "40", "94", "222", "223", "-7"};
const size_t lengths[LENGTHS] = {0, 1, 16, 20, 28, 32, 32, 36, 48, 64, 64, 117, 118, 128, 245, 246, 256};

enum key signing_key;

struct setting {
    const char *name, *value;
};

static void set(struct side *side, struct answer *answer, const void *argument)
{
    const struct setting *setting = argument;

    answer->status = EVP_PKEY_CTX_ctrl_str(side->ctx, setting->name, setting->value);
}

static void set_size(struct side *side, struct answer *answer, const void *argument)
{
    size_t size = *(const size_t *)argument;
    OSSL_PARAM params[] = {OSSL_PARAM_construct_size_t(OSSL_SIGNATURE_PARAM_DIGEST_SIZE, &size),
                           OSSL_PARAM_construct_end()};

    answer->status = EVP_PKEY_CTX_set_params(side->ctx, params);
}

/* The nonce type of deterministic ECDSA. libcrypto also takes other numbers, and then signs with random nonces. */
enum { DETERMINISTIC = 1 };

static void set_nonce(struct side *side, struct answer *answer, const void *argument)
{
    unsigned type = *(const unsigned *)argument;
    OSSL_PARAM params[] = {OSSL_PARAM_construct_uint("nonce-type", &type), OSSL_PARAM_construct_end()};

    answer->status = EVP_PKEY_CTX_set_params(side->ctx, params);
}

void set_something(void)
{
    struct answer answers[SIDES];
    struct setting setting;
    char name[80];

    switch (any(signing_key <= RSA_PSS_BOUND ? 4 : 3)) {
    case 0:
        setting = (struct setting){"digest", ANY_OF(digests)};
        break;
    case 1:
        if (signing_key == P256 || signing_key == P521) {
            both("digest-size", set_size, &ANY_OF(lengths), answers);
            return;
        }
        setting = (struct setting){"rsa_padding_mode", ANY_OF(paddings)};
        break;
    case 2:
        if (signing_key == P256 || signing_key == P521) {
            unsigned type = any(3);

            both("nonce-type", set_nonce, &type, answers);
            return;
        }
        setting = (struct setting){"rsa_pss_saltlen", ANY_OF(salts)};
        break;
    default:
        setting = (struct setting){"rsa_mgf1_md", ANY_OF(digests)};
    }
    snprintf(name, sizeof(name), "%s:%s", setting.name, setting.value);
    both(name, set, &setting, answers);
}

static void read_scheme(struct side *side, struct answer *answer, const void *argument)
{
    struct scheme scheme = {.salt = 0};
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_SIGNATURE_PARAM_DIGEST, scheme.digest, sizeof(scheme.digest)),
        OSSL_PARAM_construct_utf8_string(OSSL_SIGNATURE_PARAM_MGF1_DIGEST, scheme.mgf1, sizeof(scheme.mgf1)),
        OSSL_PARAM_construct_int(OSSL_SIGNATURE_PARAM_PAD_MODE, &scheme.padding),
        OSSL_PARAM_construct_int(OSSL_SIGNATURE_PARAM_PSS_SALTLEN, &scheme.salt),
        OSSL_PARAM_construct_uint("nonce-type", &scheme.nonce), OSSL_PARAM_construct_end()};

    (void)argument;
    answer->status = side->ctx != NULL && EVP_PKEY_CTX_get_params(side->ctx, params);
    answer->length = sizeof(scheme);
    memcpy(answer->out, &scheme, sizeof(scheme));
}

struct scheme scheme_now(void)
{
    struct answer answers[SIDES];
    struct scheme scheme = {.padding = -1};

    if (!both("get", read_scheme, NULL, answers))
        return scheme;
    if (memcmp(answers[OURS].out, answers[PLAIN].out, sizeof(scheme)) != 0)
        differ("get", "the contexts say different things");
    memcpy(&scheme, answers[PLAIN].out, sizeof(scheme));
    return scheme;
}

/* Verifies a signature in software. `salt` is the length of the salt of PSS; -2: any. */
static int verifies(const struct answer *answer, const struct scheme *scheme, const unsigned char *tbs, size_t length,
                    int salt)
{
    struct side *plain = &sides[PLAIN];
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(plain->libctx, plain->keys[signing_key], NULL);
    char number[16];
    int good;

    snprintf(number, sizeof(number), "%d", salt);
    ERR_set_mark();
    good = EVP_PKEY_verify_init(ctx) > 0 &&
           (*scheme->digest == '\0' || EVP_PKEY_CTX_ctrl_str(ctx, "digest", scheme->digest) > 0) &&
           (signing_key > RSA_PSS_BOUND || EVP_PKEY_CTX_set_rsa_padding(ctx, scheme->padding) > 0) &&
           (scheme->padding != RSA_PKCS1_PSS_PADDING || signing_key > RSA_PSS_BOUND ||
            (EVP_PKEY_CTX_ctrl_str(ctx, "rsa_pss_saltlen", salt == -2 ? "auto" : number) > 0 &&
             (*scheme->mgf1 == '\0' || EVP_PKEY_CTX_ctrl_str(ctx, "rsa_mgf1_md", scheme->mgf1) > 0))) &&
           EVP_PKEY_verify(ctx, answer->out, answer->length, tbs, length) > 0;
    ERR_pop_to_mark();
    EVP_PKEY_CTX_free(ctx);
    return good;
}

void compare_signatures(const char *name, const struct answer answers[SIDES], const struct scheme *scheme,
                        const unsigned char *tbs, size_t length)
{
    const int is_rsa = signing_key <= RSA_PSS_BOUND, pss = is_rsa && scheme->padding == RSA_PKCS1_PSS_PADDING;
    const struct answer *ours = &answers[OURS], *plain = &answers[PLAIN];
    int salt = 0;

    if (signing_key == ED25519 || (is_rsa && !pss) || scheme->nonce == DETERMINISTIC) {
        if (ours->length != plain->length || memcmp(ours->out, plain->out, ours->length) != 0)
            differ(name, "different signatures");
        same_bytes++;
        return;
    }
    /* Not even the default provider signs its input in this state. */
    if (!verifies(plain, scheme, tbs, length, -2))
        return;
    while (pss && salt < 256 && !verifies(plain, scheme, tbs, length, salt))
        salt++;
    if (!verifies(ours, scheme, tbs, length, pss ? salt : -2))
        differ(name, "a signature that does not verify, or with another length of salt");
    verified++;
}

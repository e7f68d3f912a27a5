#include "load.h"

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/params.h>
#include <openssl/pem.h>
#include <openssl/provider.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const kind_names[KINDS] = {"rsa-pkcs1", "rsa-pss", "rsa-oaep", "ecdsa", "ed25519", "x25519"};

static OSSL_LIB_CTX *accelerated, *plain;
static OSSL_PROVIDER *providers[3];
/* The private half goes to the provider. The public half stays with the software that checks results. */
static EVP_PKEY *private_keys[KINDS], *public_keys[KINDS];

static void die(const char *what)
{
    fprintf(stderr, "%s failed\n", what);
    ERR_print_errors_fp(stderr);
    exit(3);
}

/* The same key for all runs: to make one takes longer than most runs. */
static EVP_PKEY *rsa_from_file(void)
{
    BIO *file = BIO_new_file(RSA_KEY_FILE, "r");
    EVP_PKEY *pkey = file != NULL ? PEM_read_bio_PrivateKey_ex(file, NULL, NULL, NULL, plain, NULL) : NULL;

    BIO_free(file);
    return pkey;
}

static EVP_PKEY *make(enum kind kind)
{
    switch (kind) {
    case RSA_PKCS1:
    case RSA_PSS:
    case RSA_OAEP:
        return rsa_from_file();
    case ECDSA:
        return EVP_PKEY_Q_keygen(plain, NULL, "EC", "P-256");
    case ED25519:
        return EVP_PKEY_Q_keygen(plain, NULL, "ED25519");
    default:
        return EVP_PKEY_Q_keygen(plain, NULL, "X25519");
    }
}

/* Makes the key from DER, like a key that is read from a file. */
static EVP_PKEY *moved(EVP_PKEY *pkey, OSSL_LIB_CTX *to)
{
    unsigned char *der = NULL;
    int length = i2d_PrivateKey(pkey, &der);
    const unsigned char *at = der;
    EVP_PKEY *copy = length > 0 ? d2i_AutoPrivateKey_ex(NULL, &at, length, to, NULL) : NULL;

    OPENSSL_free(der);
    return copy;
}

void load_begin(const char *module)
{
    accelerated = OSSL_LIB_CTX_new();
    plain = OSSL_LIB_CTX_new();
    if (accelerated == NULL || plain == NULL)
        die("library context");
    providers[0] = OSSL_PROVIDER_load(accelerated, module);
    providers[1] = OSSL_PROVIDER_load(accelerated, "default");
    providers[2] = OSSL_PROVIDER_load(plain, "default");
    for (int i = 0; i < 3; i++)
        if (providers[i] == NULL)
            die("provider");
    if (!EVP_set_default_properties(accelerated, "?simaccel.offload=yes"))
        die("properties");
    for (int kind = 0; kind < KINDS; kind++) {
        public_keys[kind] = kind == RSA_PSS || kind == RSA_OAEP ? public_keys[RSA_PKCS1] : make((enum kind)kind);
        private_keys[kind] = public_keys[kind] != NULL ? moved(public_keys[kind], accelerated) : NULL;
        if (private_keys[kind] == NULL)
            die(kind_names[kind]);
    }
}

void load_end(void)
{
    for (int kind = 0; kind < KINDS; kind++) {
        EVP_PKEY_free(private_keys[kind]);
        if (kind != RSA_PSS && kind != RSA_OAEP)
            EVP_PKEY_free(public_keys[kind]);
    }
    for (int i = 0; i < 3; i++)
        OSSL_PROVIDER_unload(providers[i]);
    OSSL_LIB_CTX_free(accelerated);
    OSSL_LIB_CTX_free(plain);
}

uint64_t load_counter(const char *name)
{
    char full[64] = "";
    uint64_t value = 0;
    OSSL_PARAM asked[] = {OSSL_PARAM_construct_uint64(full, &value), OSSL_PARAM_construct_end()};

    snprintf(full, sizeof(full), "simaccel-%s", name);
    if (!OSSL_PROVIDER_get_params(providers[0], asked))
        die("counter");
    return value;
}

static int set_pss(EVP_PKEY_CTX *ctx)
{
    return EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PSS_PADDING) > 0 &&
           EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, RSA_PSS_SALTLEN_DIGEST) > 0;
}

static enum outcome sign_and_verify(enum kind kind, const unsigned char *message, size_t bytes)
{
    const char *digest = kind == ED25519 ? NULL : "SHA256";
    unsigned char signature[512];
    size_t length = sizeof(signature);
    EVP_MD_CTX *signing = EVP_MD_CTX_new(), *verifying = EVP_MD_CTX_new();
    EVP_PKEY_CTX *ctx;
    enum outcome outcome = FAILED;

    if (EVP_DigestSignInit_ex(signing, &ctx, digest, accelerated, NULL, private_keys[kind], NULL) > 0 &&
        (kind != RSA_PSS || set_pss(ctx)) && EVP_DigestSign(signing, signature, &length, message, bytes) > 0) {
        outcome = BAD;
        if (EVP_DigestVerifyInit_ex(verifying, &ctx, digest, plain, NULL, public_keys[kind], NULL) > 0 &&
            (kind != RSA_PSS || set_pss(ctx)) && EVP_DigestVerify(verifying, signature, length, message, bytes) > 0)
            outcome = GOOD;
    }
    EVP_MD_CTX_free(signing);
    EVP_MD_CTX_free(verifying);
    return outcome;
}

static enum outcome decrypt(const unsigned char *message, size_t bytes)
{
    unsigned char sealed[512], opened[512];
    size_t sealed_len = sizeof(sealed), opened_len = sizeof(opened);
    EVP_PKEY_CTX *there = EVP_PKEY_CTX_new_from_pkey(plain, public_keys[RSA_OAEP], NULL);
    EVP_PKEY_CTX *back = EVP_PKEY_CTX_new_from_pkey(accelerated, private_keys[RSA_OAEP], NULL);
    enum outcome outcome = FAILED;

    if (EVP_PKEY_encrypt_init(there) <= 0 || EVP_PKEY_CTX_set_rsa_padding(there, RSA_PKCS1_OAEP_PADDING) <= 0 ||
        EVP_PKEY_encrypt(there, sealed, &sealed_len, message, bytes) <= 0)
        die("encryption in software");
    if (EVP_PKEY_decrypt_init(back) > 0 && EVP_PKEY_CTX_set_rsa_padding(back, RSA_PKCS1_OAEP_PADDING) > 0 &&
        EVP_PKEY_decrypt(back, opened, &opened_len, sealed, sealed_len) > 0)
        outcome = opened_len == bytes && memcmp(opened, message, bytes) == 0 ? GOOD : BAD;
    EVP_PKEY_CTX_free(there);
    EVP_PKEY_CTX_free(back);
    return outcome;
}

static int derive(OSSL_LIB_CTX *libctx, EVP_PKEY *pkey, EVP_PKEY *peer, unsigned char *secret)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(libctx, pkey, NULL);
    size_t length = 32;
    int ok = EVP_PKEY_derive_init(ctx) > 0 && EVP_PKEY_derive_set_peer(ctx, peer) > 0 &&
             EVP_PKEY_derive(ctx, secret, &length) > 0 && length == 32;

    EVP_PKEY_CTX_free(ctx);
    return ok;
}

/* Makes a new key each time, as a handshake does. */
static enum outcome agree(void)
{
    unsigned char ours[32], theirs[32];
    EVP_PKEY *fresh = EVP_PKEY_Q_keygen(accelerated, NULL, "X25519");
    EVP_PKEY *peer = fresh != NULL ? moved(fresh, plain) : NULL;
    enum outcome outcome = FAILED;

    if (peer != NULL && derive(accelerated, fresh, public_keys[X25519], ours))
        outcome = derive(plain, public_keys[X25519], peer, theirs) && memcmp(ours, theirs, 32) == 0 ? GOOD : BAD;
    EVP_PKEY_free(fresh);
    EVP_PKEY_free(peer);
    return outcome;
}

enum outcome load_run(enum kind kind, uint64_t serial)
{
    unsigned char message[48];
    enum outcome outcome;

    for (size_t i = 0; i < sizeof(message); i++)
        message[i] = (unsigned char)(serial * 0x9E3779B97F4A7C15u >> (i % 8 * 8));
    outcome = kind == RSA_OAEP ? decrypt(message, sizeof(message))
              : kind == X25519 ? agree()
                               : sign_and_verify(kind, message, sizeof(message));
    ERR_clear_error();
    return outcome;
}

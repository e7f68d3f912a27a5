#define OPENSSL_SUPPRESS_DEPRECATED
#include "operations.h"

#include <openssl/core_names.h>
#include <openssl/engine.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/provider.h>
#include <openssl/rsa.h>
#include <stdio.h>
#include <string.h>

const char *const operation_names[OPERATIONS] = {"digest", "x25519", "rsa-sign"};
int offered[OPERATIONS];
enum operation operation;

static OSSL_LIB_CTX *library;
static OSSL_PROVIDER *provider;
static ENGINE *engine;
static char theirs[256]; /* the property query that fetches theirs */
static EVP_MD *their_digest, *right_digest;
static EVP_PKEY *rsa, *their_rsa, *mine, *peer;

static int digest(EVP_MD *type, ENGINE *by, const unsigned char *message, unsigned char *out, size_t *bytes)
{
    unsigned int length = 0;
    const int done = EVP_Digest(message, MESSAGE_BYTES, out, &length, type, by);

    *bytes = length;
    return done;
}

static int derive(const char *properties, unsigned char *out, size_t *bytes)
{
    EVP_PKEY_CTX *c = EVP_PKEY_CTX_new_from_pkey(library, mine, properties);
    int done;

    *bytes = MOST_BYTES;
    done = c != NULL && EVP_PKEY_derive_init(c) > 0 && EVP_PKEY_derive_set_peer(c, peer) > 0 &&
           EVP_PKEY_derive(c, out, bytes) > 0;
    EVP_PKEY_CTX_free(c);
    return done;
}

/* The digest comes from the default provider, because the library may have none. An engine knows no such parameter. */
static int set_digest(EVP_PKEY_CTX *c)
{
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_SIGNATURE_PARAM_DIGEST, (char *)"SHA256", 0),
        OSSL_PARAM_construct_utf8_string(OSSL_SIGNATURE_PARAM_PROPERTIES, (char *)"provider=default", 0), OSSL_PARAM_END};

    return EVP_PKEY_CTX_set_params(c, params) > 0 || EVP_PKEY_CTX_set_signature_md(c, EVP_sha256()) > 0;
}

static int sign(EVP_PKEY *key, const char *properties, const unsigned char *message, unsigned char *out, size_t *bytes)
{
    EVP_PKEY_CTX *c = engine != NULL && key == their_rsa ? EVP_PKEY_CTX_new(key, engine)
                                                         : EVP_PKEY_CTX_new_from_pkey(library, key, properties);
    int done;

    *bytes = MOST_BYTES;
    done = c != NULL && EVP_PKEY_sign_init(c) > 0 && EVP_PKEY_CTX_set_rsa_padding(c, RSA_PKCS1_PADDING) > 0 &&
           set_digest(c) && EVP_PKEY_sign(c, out, bytes, message, MESSAGE_BYTES) > 0;
    EVP_PKEY_CTX_free(c);
    return done;
}

int operate(enum operation o, struct work *w)
{
    if (o == DIGEST)
        return digest(their_digest, engine, w->message, w->out, &w->out_bytes);
    return o == X25519 ? derive(theirs, w->out, &w->out_bytes)
                       : sign(their_rsa, theirs, w->message, w->out, &w->out_bytes);
}

void know_the_right_result(enum operation o, struct work *w)
{
    const int done = o == DIGEST   ? digest(right_digest, NULL, w->message, w->right, &w->right_bytes)
                     : o == X25519 ? derive("provider=default", w->right, &w->right_bytes)
                                   : sign(rsa, "provider=default", w->message, w->right, &w->right_bytes);

    if (!done)
        end(BROKEN, "the default provider itself failed %s", operation_names[o]);
}

int is_right(const struct work *w)
{
    return w->out_bytes == w->right_bytes && memcmp(w->out, w->right, w->right_bytes) == 0;
}

static void load_provider(const char *path, const char *name)
{
    if (OSSL_PROVIDER_load(library, "default") == NULL || (provider = OSSL_PROVIDER_load(library, path)) == NULL) {
        ERR_print_errors_fp(stderr);
        end(BROKEN, "libcrypto can't load it");
    }
    snprintf(theirs, sizeof(theirs), "provider=%s", name);
    their_digest = EVP_MD_fetch(library, "SHA2-256", theirs);
    right_digest = EVP_MD_fetch(library, "SHA2-256", "provider=default");
}

#ifdef OPENSSL_NO_ENGINE /* as in OpenSSL 4 */
static void load_engine(const char *path)
{
    (void)path;
    end(DOES_NOT_APPLY, "this libcrypto has no engines");
}

static void unload_engine(void)
{
}
#else
static void load_engine(const char *path)
{
    EVP_PKEY *copy;
    RSA *legacy;
    const RSA *from;
    const BIGNUM *n, *e, *d, *p, *q, *dmp1, *dmq1, *iqmp;

    OSSL_PROVIDER_load(library, "default");
    ENGINE_load_dynamic();
    engine = ENGINE_by_id("dynamic");
    if (engine == NULL || !ENGINE_ctrl_cmd_string(engine, "SO_PATH", path, 0) ||
        !ENGINE_ctrl_cmd_string(engine, "LOAD", NULL, 0) || !ENGINE_init(engine)) {
        ERR_print_errors_fp(stderr);
        end(BROKEN, "libcrypto can't load it as an engine");
    }
    their_digest = (EVP_MD *)(ENGINE_get_digest(engine, NID_sha256) != NULL ? EVP_sha256() : EVP_sha1());
    if (ENGINE_get_digests(engine) == NULL || ENGINE_get_digest(engine, EVP_MD_get_type(their_digest)) == NULL)
        their_digest = NULL;
    else
        right_digest = EVP_MD_fetch(library, EVP_MD_get0_name(their_digest), "provider=default");
    if (ENGINE_get_RSA(engine) == NULL && ENGINE_get_pkey_meth(engine, EVP_PKEY_RSA) == NULL)
        return;
    from = EVP_PKEY_get0_RSA(rsa);
    RSA_get0_key(from, &n, &e, &d);
    RSA_get0_factors(from, &p, &q);
    RSA_get0_crt_params(from, &dmp1, &dmq1, &iqmp);
    legacy = ENGINE_get_RSA(engine) != NULL ? RSA_new_method(engine) : RSA_new();
    RSA_set0_key(legacy, BN_dup(n), BN_dup(e), BN_dup(d));
    RSA_set0_factors(legacy, BN_dup(p), BN_dup(q));
    RSA_set0_crt_params(legacy, BN_dup(dmp1), BN_dup(dmq1), BN_dup(iqmp));
    copy = EVP_PKEY_new();
    EVP_PKEY_assign_RSA(copy, legacy);
    their_rsa = copy;
}

static void unload_engine(void)
{
    ENGINE_finish(engine);
    ENGINE_free(engine);
}
#endif

/* Which of our operations the library has. Tries them outside of a job, so it blocks. */
static void find_operations(void)
{
    struct work t = {.message = "which operations are there?"};
    int found = 0;

    offered[DIGEST] = their_digest != NULL && operate(DIGEST, &t);
    offered[X25519] = engine == NULL && operate(X25519, &t);
    offered[RSA_SIGN] = their_rsa != NULL && operate(RSA_SIGN, &t);
    ERR_clear_error();
    for (int o = OPERATIONS - 1; o >= 0; o--)
        if (offered[o]) {
            operation = (enum operation)o;
            found = 1;
        }
    if (!found)
        end(DOES_NOT_APPLY, "it offers none of SHA2-256 (SHA-1 for an engine), X25519 and RSA signatures");
}

void load_accelerator(const char *kind, const char *path, const char *name)
{
    library = OSSL_LIB_CTX_new();
    rsa = EVP_PKEY_Q_keygen(library, "provider=default", "RSA", (size_t)2048);
    mine = EVP_PKEY_Q_keygen(library, "provider=default", "X25519");
    peer = EVP_PKEY_Q_keygen(library, "provider=default", "X25519");
    if (strcmp(kind, "engine") == 0) {
        load_engine(path);
    } else {
        their_rsa = rsa;
        load_provider(path, name);
    }
    find_operations();
}

void unload_accelerator(void)
{
    EVP_MD_free(engine == NULL ? their_digest : NULL);
    EVP_MD_free(right_digest);
    EVP_PKEY_free(mine);
    EVP_PKEY_free(peer);
    if (engine != NULL) {
        EVP_PKEY_free(their_rsa);
        unload_engine();
    } else {
        OSSL_PROVIDER_unload(provider);
    }
    EVP_PKEY_free(rsa);
    OSSL_LIB_CTX_free(library);
}

/* RSA decryption and X25519. */
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/rsa.h>
#include <stdio.h>
#include <string.h>

#include "sequences_classic.h"

struct setting {
    const char *name, *value;
};

static void set(struct side *side, struct answer *answer, const void *argument)
{
    const struct setting *setting = argument;

    answer->status = EVP_PKEY_CTX_ctrl_str(side->ctx, setting->name, setting->value);
}

static void duplicate(struct side *side, struct answer *answer, const void *argument)
{
    EVP_PKEY_CTX *copy = EVP_PKEY_CTX_dup(side->ctx);

    (void)argument;
    answer->status = copy != NULL;
    if (copy == NULL)
        return;
    EVP_PKEY_CTX_free(side->ctx);
    side->ctx = copy;
}

enum { MOST_BYTES = 300 };

struct ciphertext {
    unsigned char bytes[MOST_BYTES];
    size_t length;
    int room;
};

static void decrypt_init(struct side *side, struct answer *answer, const void *argument)
{
    (void)argument;
    answer->status = EVP_PKEY_decrypt_init(side->ctx);
}

static void decrypt_it(struct side *side, struct answer *answer, const void *argument)
{
    const struct ciphertext *c = argument;

    answer->length = (size_t)c->room;
    answer->status =
        EVP_PKEY_decrypt(side->ctx, c->room > 0 ? answer->out : NULL, &answer->length, c->bytes, c->length);
}

/* What the context says of itself. */
static void read_oaep(struct side *side, struct answer *answer, const void *argument)
{
    char digest[50] = "", mgf1[50] = "";
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_ASYM_CIPHER_PARAM_OAEP_DIGEST, digest, sizeof(digest)),
        OSSL_PARAM_construct_utf8_string(OSSL_ASYM_CIPHER_PARAM_MGF1_DIGEST, mgf1, sizeof(mgf1)), OSSL_PARAM_construct_end()};

    (void)argument;
    answer->status = EVP_PKEY_CTX_get_params(side->ctx, params);
    answer->length = (size_t)snprintf((char *)answer->out, OUT_BYTES, "%s %s", digest, mgf1);
}

static const struct setting settings[] = {
    {"rsa_padding_mode", "oaep"}, {"rsa_padding_mode", "oaep"}, {"rsa_padding_mode", "pkcs1"},
    {"rsa_padding_mode", "none"}, {"rsa_padding_mode", "pss"},  {"rsa_oaep_md", "SHA256"},
    {"rsa_oaep_md", "SHA512"},    {"rsa_oaep_md", "MD5"},       {"rsa_mgf1_md", "SHA1"},
    {"rsa_mgf1_md", "SHA256"},    {"rsa_oaep_label", "6c"},     {"rsa_oaep_label", ""}};

/* Takes the settings of the encryption from the same few as those of the decryption, so that they often are the same. */
static struct ciphertext encrypted(enum key key, const struct setting *chosen, unsigned count)
{
    static const int rooms[] = {256, 256, 256, 128, 127, 300, 0};
    struct ciphertext c = {.length = 0, .room = ANY_OF(rooms)};
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(sides[PLAIN].libctx, sides[PLAIN].keys[key], NULL);

    EVP_PKEY_encrypt_init(ctx);
    for (unsigned i = 0; i < count; i++)
        EVP_PKEY_CTX_ctrl_str(ctx, chosen[i].name, chosen[i].value);
    c.length = sizeof(c.bytes);
    if (EVP_PKEY_encrypt(ctx, c.bytes, &c.length, some_bytes(), any(30)) <= 0) {
        c.length = (size_t)EVP_PKEY_get_size(sides[PLAIN].keys[key]);
        memcpy(c.bytes, some_bytes(), c.length);
    }
    EVP_PKEY_CTX_free(ctx);
    switch (any(10)) {
    case 0:
        c.bytes[any((unsigned)c.length)] ^= 1;
        break;
    case 1:
        c.length -= any((unsigned)c.length);
        break;
    case 2:
        memset(c.bytes, any(2) ? 0xff : 0, c.length);
        break;
    default:
        break;
    }
    return c;
}

void decrypt(void)
{
    const enum key key = any(2) ? RSA1024 : RSA2048;
    const unsigned steps = 2 + any(6);
    struct setting chosen[8];
    struct answer answers[SIDES];
    unsigned count = 0;

    for (int i = 0; i < SIDES; i++)
        sides[i].ctx = EVP_PKEY_CTX_new_from_pkey(sides[i].libctx, sides[i].keys[key], NULL);
    both("decrypt_init", decrypt_init, NULL, answers);
    for (unsigned step = 0; step < steps; step++) {
        const unsigned what = any(12);

        if (what < 6) {
            struct setting setting = ANY_OF(settings);
            char name[80];

            snprintf(name, sizeof(name), "%s:%s", setting.name, setting.value);
            if (both(name, set, &setting, answers) && count < 8)
                chosen[count++] = setting;
        } else if (what < 10) {
            struct ciphertext c = encrypted(key, chosen, count);

            if (both("get", read_oaep, NULL, answers) &&
                strcmp((const char *)answers[OURS].out, (const char *)answers[PLAIN].out) != 0)
                differ("get", "the contexts say different things");
            if (both("decrypt", decrypt_it, &c, answers) && c.room > 0) {
                if (answers[OURS].length != answers[PLAIN].length ||
                    memcmp(answers[OURS].out, answers[PLAIN].out, answers[OURS].length) != 0)
                    differ("decrypt", "different plaintexts");
                same_bytes++;
            }
        } else if (what < 11) {
            both("dup", duplicate, NULL, answers);
        } else {
            both("decrypt_init", decrypt_init, NULL, answers);
            count = 0;
        }
    }
}

static void derive_init(struct side *side, struct answer *answer, const void *argument)
{
    (void)argument;
    answer->status = EVP_PKEY_derive_init(side->ctx);
}

/* A public key of these 32 bytes; all zero is a point of small order. With NULL it is a key of another type. */
static void set_peer(struct side *side, struct answer *answer, const void *argument)
{
    EVP_PKEY *peer = argument != NULL ? EVP_PKEY_new_raw_public_key_ex(side->libctx, "X25519", NULL, argument, 32)
                                      : EVP_PKEY_dup(side->keys[P256]);

    answer->status = EVP_PKEY_derive_set_peer(side->ctx, peer);
    EVP_PKEY_free(peer);
}

static void derive_it(struct side *side, struct answer *answer, const void *argument)
{
    answer->length = *(const size_t *)argument;
    answer->status = EVP_PKEY_derive(side->ctx, answer->length > 0 ? answer->out : NULL, &answer->length);
}

void derive(void)
{
    static const unsigned char zero[32];
    static const size_t rooms[] = {0, 31, 32, 32, 32, 100};
    const unsigned steps = 2 + any(6);
    struct answer answers[SIDES];

    for (int i = 0; i < SIDES; i++)
        sides[i].ctx = EVP_PKEY_CTX_new_from_pkey(sides[i].libctx, sides[i].keys[X25519], NULL);
    both("derive_init", derive_init, NULL, answers);
    for (unsigned step = 0; step < steps; step++) {
        const unsigned what = any(10);

        if (what < 4) {
            both("set_peer", set_peer, any(6) == 0 ? zero : any(8) == 0 ? NULL : some_bytes() + any(100), answers);
        } else if (what < 8) {
            const size_t room = ANY_OF(rooms);

            if (both("derive", derive_it, &room, answers) && room > 0) {
                if (answers[OURS].length != answers[PLAIN].length ||
                    memcmp(answers[OURS].out, answers[PLAIN].out, answers[OURS].length) != 0)
                    differ("derive", "different secrets");
                same_bytes++;
            }
        } else if (what < 9) {
            both("dup", duplicate, NULL, answers);
        } else {
            both("derive_init", derive_init, NULL, answers);
        }
    }
}

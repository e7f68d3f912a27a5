/* SHA-256 as of old: a context of EVP costs more than such short hashes. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "tls13.h"

#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HANDSHAKE = 22, APPLICATION = 23, SERVER_HELLO = 2, FINISHED = 20, TAG = 16, HASH = 32 };

static EVP_PKEY *ours; /* the same for all connections: the server can't tell */
static uint8_t our_share[32], zeros[HASH], no_message[HASH];
static EVP_CIPHER *gcm;
static EVP_CIPHER_CTX *cipher;

static void need(int ok, const char *what)
{
    if (ok <= 0) {
        fprintf(stderr, "%s failed\n", what);
        exit(2);
    }
}

void tls13_begin(void)
{
    size_t length = sizeof(our_share);

    ours = EVP_PKEY_Q_keygen(NULL, NULL, "X25519");
    gcm = EVP_CIPHER_fetch(NULL, "AES-128-GCM", NULL);
    cipher = EVP_CIPHER_CTX_new();
    need(ours != NULL && gcm != NULL && EVP_PKEY_get_raw_public_key(ours, our_share, &length), "set-up");
    SHA256(NULL, 0, no_message);
}

static void hmac(const uint8_t *key, const uint8_t *data, size_t bytes, uint8_t *out)
{
    SHA256_CTX inner, outer;
    uint8_t pad[64];

    memset(pad, 0x36, sizeof(pad));
    for (int i = 0; i < HASH; i++)
        pad[i] ^= key[i];
    SHA256_Init(&inner);
    SHA256_Update(&inner, pad, sizeof(pad));
    SHA256_Update(&inner, data, bytes);
    SHA256_Final(out, &inner);
    memset(pad, 0x5c, sizeof(pad));
    for (int i = 0; i < HASH; i++)
        pad[i] ^= key[i];
    SHA256_Init(&outer);
    SHA256_Update(&outer, pad, sizeof(pad));
    SHA256_Update(&outer, out, HASH);
    SHA256_Final(out, &outer);
}

/* HKDF-Expand-Label of at most one hash. */
static void expand(const uint8_t *secret, const char *label, const uint8_t *context, size_t context_bytes, uint8_t *out,
                   size_t bytes)
{
    uint8_t info[128], block[HASH], *at = info;
    const size_t label_bytes = strlen(label);

    *at++ = 0;
    *at++ = (uint8_t)bytes;
    *at++ = (uint8_t)(6 + label_bytes);
    memcpy(at, "tls13 ", 6);
    memcpy(at + 6, label, label_bytes);
    at += 6 + label_bytes;
    *at++ = (uint8_t)context_bytes;
    memcpy(at, context, context_bytes);
    at += context_bytes;
    *at++ = 1;
    hmac(secret, info, (size_t)(at - info), block);
    memcpy(out, block, bytes);
}

static void set_keys(const uint8_t *secret, struct tls13_keys *keys)
{
    expand(secret, "key", NULL, 0, keys->key, sizeof(keys->key));
    expand(secret, "iv", NULL, 0, keys->iv, sizeof(keys->iv));
    keys->sequence = 0;
}

/* From the secret of the stage to both traffic secrets and keys. */
static void set_traffic(struct tls13 *t, const char *client, const char *server)
{
    uint8_t hash[HASH];

    SHA256(t->transcript, t->transcript_bytes, hash);
    expand(t->secret, client, hash, HASH, t->client_secret, HASH);
    expand(t->secret, server, hash, HASH, t->server_secret, HASH);
    set_keys(t->server_secret, &t->read);
}

static void next_stage(struct tls13 *t, const uint8_t *input)
{
    uint8_t derived[HASH];

    expand(t->secret, "derived", no_message, HASH, derived, HASH);
    hmac(derived, input, HASH, t->secret);
}

static int seal(int encrypt, struct tls13_keys *keys, const uint8_t *header, uint8_t *text, size_t bytes)
{
    uint8_t nonce[12];
    int length;

    memcpy(nonce, keys->iv, sizeof(nonce));
    for (int i = 0; i < 8; i++)
        nonce[11 - i] ^= (uint8_t)(keys->sequence >> (8 * i));
    keys->sequence++;
    need(EVP_CipherInit_ex(cipher, gcm, NULL, keys->key, nonce, encrypt), "cipher");
    EVP_CipherUpdate(cipher, NULL, &length, header, 5);
    EVP_CipherUpdate(cipher, text, &length, text, (int)bytes);
    if (!encrypt)
        EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_AEAD_SET_TAG, TAG, text + bytes);
    if (EVP_CipherFinal_ex(cipher, text + bytes, &length) <= 0)
        return 0;
    return !encrypt || EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_AEAD_GET_TAG, TAG, text + bytes) > 0;
}

static size_t put_record(struct tls13_keys *keys, uint8_t type, const void *text, size_t bytes, uint8_t *out)
{
    const size_t length = bytes + 1 + TAG;
    const uint8_t header[5] = {APPLICATION, 3, 3, (uint8_t)(length >> 8), (uint8_t)length};

    memcpy(out, header, sizeof(header));
    memcpy(out + 5, text, bytes);
    out[5 + bytes] = type;
    need(seal(1, keys, header, out + 5, bytes + 1), "seal");
    return 5 + length;
}

static void add(struct tls13 *t, const uint8_t *message, size_t bytes)
{
    need(t->transcript_bytes + bytes <= sizeof(t->transcript), "room for the handshake");
    memcpy(t->transcript + t->transcript_bytes, message, bytes);
    t->transcript_bytes += bytes;
}

size_t tls13_hello(struct tls13 *t, uint8_t *out)
{
    static const uint8_t extensions[] = {
        0, 43, 0, 3, 2, 3, 4,                         /* supported_versions: 1.3 */
        0, 10, 0, 4, 0, 2, 0, 29,                     /* supported_groups: X25519 */
        0, 13, 0, 4, 0, 2, 8, 4,                      /* signature_algorithms: rsa_pss_rsae_sha256 */
        0, 51, 0, 38, 0, 36, 0, 29, 0, 32,            /* key_share, the key behind it */
    };
    uint8_t *at = out + 9;

    memset(t, 0, sizeof(*t));
    *at++ = 3, *at++ = 3;
    RAND_bytes(at, 32);
    at += 32;
    *at++ = 0;                                     /* session id */
    *at++ = 0, *at++ = 2, *at++ = 0x13, *at++ = 1; /* TLS_AES_128_GCM_SHA256 */
    *at++ = 1, *at++ = 0;                          /* no compression */
    *at++ = 0, *at++ = sizeof(extensions) + 32;
    memcpy(at, extensions, sizeof(extensions));
    memcpy(at + sizeof(extensions), our_share, 32);
    at += sizeof(extensions) + 32;
    memcpy(out, (uint8_t[]){HANDSHAKE, 3, 1, 0, (uint8_t)(at - out - 5), 1, 0, 0, (uint8_t)(at - out - 9)}, 9);
    add(t, out + 5, (size_t)(at - out - 5));
    return (size_t)(at - out);
}

static int greet(struct tls13 *t, const uint8_t *message, size_t bytes)
{
    static const uint8_t share[] = {0, 51, 0, 36, 0, 29, 0, 32};
    uint8_t shared[32];
    size_t length = sizeof(shared);
    const uint8_t *at = NULL;
    EVP_PKEY *theirs;
    EVP_PKEY_CTX *ctx;

    for (size_t i = 0; i + sizeof(share) + 32 <= bytes && at == NULL; i++)
        if (memcmp(message + i, share, sizeof(share)) == 0)
            at = message + i + sizeof(share);
    if (message[0] != SERVER_HELLO || at == NULL)
        return 0;
    theirs = EVP_PKEY_new_raw_public_key(EVP_PKEY_X25519, NULL, at, 32);
    ctx = EVP_PKEY_CTX_new(ours, NULL);
    need(EVP_PKEY_derive_init(ctx) > 0 && EVP_PKEY_derive_set_peer_ex(ctx, theirs, 0) > 0 &&
             EVP_PKEY_derive(ctx, shared, &length) > 0,
         "X25519");
    EVP_PKEY_CTX_free(ctx);
    EVP_PKEY_free(theirs);
    add(t, message, bytes);
    hmac(zeros, zeros, HASH, t->secret);
    next_stage(t, shared);
    set_traffic(t, "c hs traffic", "s hs traffic");
    t->greeted = 1;
    return 1;
}

/* Our Finished, and the request behind it. */
static size_t finish(struct tls13 *t, const char *request, uint8_t *out)
{
    uint8_t message[4 + HASH] = {FINISHED, 0, 0, HASH}, key[HASH], hash[HASH];
    size_t bytes;

    SHA256(t->transcript, t->transcript_bytes, hash);
    expand(t->client_secret, "finished", NULL, 0, key, HASH);
    hmac(key, hash, HASH, message + 4);
    set_keys(t->client_secret, &t->write);
    bytes = put_record(&t->write, HANDSHAKE, message, sizeof(message), out);
    next_stage(t, zeros);
    set_traffic(t, "c ap traffic", "s ap traffic");
    set_keys(t->client_secret, &t->write);
    t->finished = 1;
    return bytes + put_record(&t->write, APPLICATION, request, strlen(request), out + bytes);
}

int tls13_record(struct tls13 *t, uint8_t *record, size_t bytes, const char *request, uint8_t *out, size_t *out_bytes,
                 char *text, size_t *text_bytes)
{
    uint8_t *body = record + 5;
    size_t length = bytes - 5;

    *out_bytes = *text_bytes = 0;
    if (record[0] == HANDSHAKE && !t->greeted)
        return greet(t, body, length);
    if (record[0] != APPLICATION)
        return record[0] == 20; /* change_cipher_spec, for middleboxes */
    if (!t->greeted || length <= TAG || !seal(0, &t->read, record, body, length - TAG))
        return 0;
    for (length -= TAG; length > 0 && body[length - 1] == 0;)
        length--;
    if (length == 0)
        return 0;
    length--;
    if (body[length] == APPLICATION) {
        memcpy(text, body, length);
        *text_bytes = length;
    } else if (body[length] == HANDSHAKE && !t->finished) {
        add(t, body, length);
        /* Finished ends its flight, and so its record. */
        if (length >= 4 + HASH && memcmp(body + length - 4 - HASH, "\x14\0\0\x20", 4) == 0)
            *out_bytes = finish(t, request, out);
    }
    return 1;
}

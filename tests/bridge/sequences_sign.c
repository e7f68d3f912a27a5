/* Signatures: of digests, and of messages. */
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/params.h>
#include <openssl/rsa.h>
#include <stdio.h>
#include <string.h>

#include "sequences_classic.h"

static const char *const digests[] = {"SHA1",     "SHA256", "SHA2-512", "SHA512-224", "SHA3-256", "MD5",
                                      "MD5-SHA1", "SM3",    "SHA256",   "SHAKE128",   "unknown",  "SHA256"};
static const char *const paddings[] = {"pkcs1", "pss", "pss", "x931", "none", "oaep"};
static const char *const salts[] = {"digest", "max", "auto", "0", "20", "32", "39", "40", "94", "222", "223", "-7"};
static const size_t lengths[] = {0, 1, 16, 20, 28, 32, 32, 36, 48, 64, 64, 117, 118, 128, 245, 246, 256};

static enum key key;

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

/* One random setting. */
static void set_something(void)
{
    struct answer answers[SIDES];
    struct setting setting;
    char name[80];

    switch (any(key <= RSA_PSS_BOUND ? 4 : 3)) {
    case 0:
        setting = (struct setting){"digest", ANY_OF(digests)};
        break;
    case 1:
        if (key == P256 || key == P521) {
            both("digest-size", set_size, &ANY_OF(lengths), answers);
            return;
        }
        setting = (struct setting){"rsa_padding_mode", ANY_OF(paddings)};
        break;
    case 2:
        if (key == P256 || key == P521) {
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

/* The parameters that a context has. */
struct scheme {
    char digest[50], mgf1[50];
    int padding, salt;
    unsigned nonce;
};

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

static struct scheme scheme_now(void)
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
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(plain->libctx, plain->keys[key], NULL);
    char number[16];
    int good;

    snprintf(number, sizeof(number), "%d", salt);
    ERR_set_mark();
    good = EVP_PKEY_verify_init(ctx) > 0 &&
           (*scheme->digest == '\0' || EVP_PKEY_CTX_ctrl_str(ctx, "digest", scheme->digest) > 0) &&
           (key > RSA_PSS_BOUND || EVP_PKEY_CTX_set_rsa_padding(ctx, scheme->padding) > 0) &&
           (scheme->padding != RSA_PKCS1_PSS_PADDING || key > RSA_PSS_BOUND ||
            (EVP_PKEY_CTX_ctrl_str(ctx, "rsa_pss_saltlen", salt == -2 ? "auto" : number) > 0 &&
             (*scheme->mgf1 == '\0' || EVP_PKEY_CTX_ctrl_str(ctx, "rsa_mgf1_md", scheme->mgf1) > 0))) &&
           EVP_PKEY_verify(ctx, answer->out, answer->length, tbs, length) > 0;
    ERR_pop_to_mark();
    EVP_PKEY_CTX_free(ctx);
    return good;
}

/* Compares two signatures of the same input. They must be equal, or, if signatures are random, both valid and with salts of the
 * same length. */
static void compare(const char *name, const struct answer answers[SIDES], const struct scheme *scheme,
                    const unsigned char *tbs, size_t length)
{
    const int is_rsa = key <= RSA_PSS_BOUND, pss = is_rsa && scheme->padding == RSA_PKCS1_PSS_PADDING;
    const struct answer *ours = &answers[OURS], *plain = &answers[PLAIN];
    int salt = 0;

    if (key == ED25519 || (is_rsa && !pss) || scheme->nonce == DETERMINISTIC) {
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

struct input {
    size_t length;
    int room; /* bytes more than the default provider asks for; NO_BUFFER: only ask for the length */
};

enum { NO_BUFFER = -1000 };

static struct input some_input(const size_t *from, size_t count)
{
    static const int rooms[] = {0, 0, 0, 0, 1, -1, -40, NO_BUFFER};

    return (struct input){.length = from[any((unsigned)count)], .room = ANY_OF(rooms)};
}

/* The size of the buffer for a signature; 0: there is no buffer. */
static size_t room_for(const struct input *input)
{
    const int full = EVP_PKEY_get_size(sides[PLAIN].keys[key]) + input->room;

    return input->room == NO_BUFFER || full < 0 ? 0 : (size_t)full;
}

static void init(struct side *side, struct answer *answer, const void *argument)
{
    (void)argument;
    answer->status = EVP_PKEY_sign_init(side->ctx);
}

static void init_verify(struct side *side, struct answer *answer, const void *argument)
{
    (void)argument;
    answer->status = EVP_PKEY_verify_init(side->ctx);
}

static void sign(struct side *side, struct answer *answer, const void *argument)
{
    const struct input *input = argument;

    answer->length = room_for(input);
    answer->status =
        EVP_PKEY_sign(side->ctx, answer->length > 0 ? answer->out : NULL, &answer->length, some_bytes(), input->length);
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

void sign_digests(void)
{
    const unsigned steps = 2 + any(8);
    struct answer answers[SIDES];

    key = (enum key)any(X25519);
    for (int i = 0; i < SIDES; i++)
        sides[i].ctx = EVP_PKEY_CTX_new_from_pkey(sides[i].libctx, sides[i].keys[key], NULL);
    if (any(20) != 0)
        both("sign_init", init, NULL, answers);
    for (unsigned step = 0; step < steps; step++) {
        const unsigned what = any(12);

        if (what < 5) {
            set_something();
        } else if (what < 10) {
            struct input input = some_input(lengths, sizeof(lengths) / sizeof(*lengths));
            struct scheme scheme = scheme_now();
            /* In half of the cases of the length that fits the digest. */
            EVP_MD *md = any(2) ? EVP_MD_fetch(sides[PLAIN].libctx, scheme.digest, NULL) : NULL;

            if (md != NULL)
                input.length = (size_t)EVP_MD_get_size(md);
            EVP_MD_free(md);
            if (both("sign", sign, &input, answers) && input.room != NO_BUFFER)
                compare("sign", answers, &scheme, some_bytes(), input.length);
        } else if (what < 11) {
            both("dup", duplicate, NULL, answers);
        } else {
            both(any(4) ? "sign_init" : "verify_init", any(4) ? init : init_verify, NULL, answers);
        }
    }
}

/* The input of the context since it was initialized. `known` as long as it is clear what a signature signs. */
static struct {
    unsigned char bytes[MESSAGE_BYTES * 4];
    size_t length;
    int known, begun;
} given;

struct beginning {
    const char *digest, *instance;
    int same_key;
};

static void begin(struct side *side, struct answer *answer, const void *argument)
{
    const struct beginning *b = argument;
    EVP_PKEY *pkey = side->changed != NULL ? side->changed : side->keys[key];
    OSSL_PARAM params[] = {OSSL_PARAM_construct_end(), OSSL_PARAM_construct_end(), OSSL_PARAM_construct_end()};

    if (b->instance != NULL) {
        params[0] = OSSL_PARAM_construct_utf8_string("instance", (char *)b->instance, 0);
        params[1] = OSSL_PARAM_construct_octet_string("context-string", "context", 7);
    }
    answer->status = EVP_DigestSignInit_ex(side->message, NULL, b->digest, side->libctx, NULL, b->same_key ? NULL : pkey,
                                           b->instance != NULL ? params : NULL);
    side->ctx = EVP_MD_CTX_get_pkey_ctx(side->message);
}

static void update(struct side *side, struct answer *answer, const void *argument)
{
    answer->status = EVP_DigestSignUpdate(side->message, some_bytes(), ((const struct input *)argument)->length);
}

static void final(struct side *side, struct answer *answer, const void *argument)
{
    answer->length = room_for(argument);
    answer->status = EVP_DigestSignFinal(side->message, answer->length > 0 ? answer->out : NULL, &answer->length);
}

static void one_shot(struct side *side, struct answer *answer, const void *argument)
{
    const struct input *input = argument;

    answer->length = room_for(input);
    answer->status = EVP_DigestSign(side->message, answer->length > 0 ? answer->out : NULL, &answer->length, some_bytes(),
                                    input->length);
}

static void finalise(struct side *side, struct answer *answer, const void *argument)
{
    (void)argument;
    EVP_MD_CTX_set_flags(side->message, EVP_MD_CTX_FLAG_FINALISE);
    answer->status = 1;
}

static void copy(struct side *side, struct answer *answer, const void *argument)
{
    EVP_MD_CTX *to = EVP_MD_CTX_new();

    (void)argument;
    answer->status = EVP_MD_CTX_copy_ex(to, side->message);
    if (answer->status <= 0) {
        EVP_MD_CTX_free(to);
        return;
    }
    EVP_MD_CTX_free(side->message);
    side->message = to;
    side->ctx = EVP_MD_CTX_get_pkey_ctx(to);
}

/* Sets another public key in a copy of the key. If the device has the copy, what it has is no longer that key. */
static void change_key(struct side *side, struct answer *answer, const void *argument)
{
    unsigned char public[200];
    size_t length = 0;

    (void)argument;
    if (side->changed == NULL)
        side->changed = EVP_PKEY_dup(side->keys[key]);
    if (!EVP_PKEY_get_octet_string_param(side->keys[key], OSSL_PKEY_PARAM_ENCODED_PUBLIC_KEY, public, sizeof(public),
                                         &length))
        length = 0;
    answer->status = EVP_PKEY_set1_encoded_public_key(side->changed, public, length);
}

static void compare_message(const char *name, const struct answer answers[SIDES], const struct scheme *scheme)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    size_t length = 0;

    if (key == ED25519)
        compare(name, answers, scheme, NULL, 0);
    else if (given.known && EVP_Q_digest(sides[PLAIN].libctx, scheme->digest, NULL, given.bytes, given.length, digest, &length))
        compare(name, answers, scheme, digest, length);
}

static void give(size_t length)
{
    if (given.length + length > sizeof(given.bytes)) {
        given.known = 0;
        return;
    }
    memcpy(given.bytes + given.length, some_bytes(), length);
    given.length += length;
}

static void begin_something(void)
{
    static const char *const names[] = {"SHA256", "SHA512", "SHA3-256", "MD5", "SHA1", NULL, "unknown", ""};
    static const char *const instances[] = {NULL, NULL, "Ed25519", "Ed25519ctx", "Ed25519ph"};
    struct beginning b = {.digest = ANY_OF(names), .same_key = any(4) == 0};
    struct answer answers[SIDES];

    if (key == ED25519) {
        b.digest = any(8) ? NULL : b.digest;
        b.instance = ANY_OF(instances);
    }
    given.known = given.begun = both("DigestSignInit", begin, &b, answers);
    given.length = 0;
}

void sign_messages(void)
{
    static const size_t sizes[] = {0, 1, 55, 64, 100, 4000, MESSAGE_BYTES};
    const unsigned steps = 2 + any(8);
    struct answer answers[SIDES];

    key = (enum key)any(X25519);
    for (int i = 0; i < SIDES; i++)
        sides[i].message = EVP_MD_CTX_new();
    begin_something();
    for (unsigned step = 0; step < steps; step++) {
        struct input input = some_input(sizes, sizeof(sizes) / sizeof(*sizes));
        struct scheme scheme;

        if ((sides[OURS].ctx != NULL) != (sides[PLAIN].ctx != NULL))
            differ("DigestSignInit", "a context on one side only");
        /* Without calls that crash libcrypto of 3.0: in a context whose initialization failed, EdDSA piece by piece, and EdDSA with
         * a key whose public part was set, which drops the private part. */
        switch (!given.begun ? 7 : key == ED25519 ? 5 + any(3) : any(8)) {
        case 0:
            set_something();
            break;
        case 1:
        case 2:
            if (both("update", update, &input, answers))
                give(input.length);
            break;
        case 3:
        case 4:
            scheme = scheme_now();
            if (both("final", final, &input, answers) && input.room != NO_BUFFER)
                compare_message("final", answers, &scheme);
            break;
        case 5:
            scheme = scheme_now();
            if (!both("one-shot", one_shot, &input, answers))
                given.known = 0;
            else if (input.room != NO_BUFFER) {
                give(input.length);
                compare_message("one-shot", answers, &scheme);
                given.known = 0;
            }
            break;
        case 6:
            if (any(2))
                both("copy", copy, NULL, answers);
            else
                both("finalise", finalise, NULL, answers);
            break;
        default:
            if (key != ED25519 && any(3) == 0)
                both("change key", change_key, NULL, answers);
            else
                begin_something();
        }
    }
}

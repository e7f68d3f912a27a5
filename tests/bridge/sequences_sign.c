/* Signatures: of digests, and of messages. */
#include <openssl/core_names.h>
#include <string.h>

#include "sequences_scheme.h"

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
    const int full = EVP_PKEY_get_size(sides[PLAIN].keys[signing_key]) + input->room;

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

    signing_key = (enum key)any(X25519);
    for (int i = 0; i < SIDES; i++)
        sides[i].ctx = EVP_PKEY_CTX_new_from_pkey(sides[i].libctx, sides[i].keys[signing_key], NULL);
    if (any(20) != 0)
        both("sign_init", init, NULL, answers);
    for (unsigned step = 0; step < steps; step++) {
        const unsigned what = any(12);

        if (what < 5) {
            set_something();
        } else if (what < 10) {
            struct input input = some_input(lengths, LENGTHS);
            struct scheme scheme = scheme_now();
            /* In half of the cases of the length that fits the digest. */
            EVP_MD *md = any(2) ? EVP_MD_fetch(sides[PLAIN].libctx, scheme.digest, NULL) : NULL;

            if (md != NULL)
                input.length = (size_t)EVP_MD_get_size(md);
            EVP_MD_free(md);
            if (both("sign", sign, &input, answers) && input.room != NO_BUFFER)
                compare_signatures("sign", answers, &scheme, some_bytes(), input.length);
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
    EVP_PKEY *pkey = side->changed != NULL ? side->changed : side->keys[signing_key];
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
        side->changed = EVP_PKEY_dup(side->keys[signing_key]);
    if (!EVP_PKEY_get_octet_string_param(side->keys[signing_key], OSSL_PKEY_PARAM_ENCODED_PUBLIC_KEY, public, sizeof(public),
                                         &length))
        length = 0;
    answer->status = EVP_PKEY_set1_encoded_public_key(side->changed, public, length);
}

static void compare_message(const char *name, const struct answer answers[SIDES], const struct scheme *scheme)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    size_t length = 0;

    if (signing_key == ED25519)
        compare_signatures(name, answers, scheme, NULL, 0);
    else if (given.known && EVP_Q_digest(sides[PLAIN].libctx, scheme->digest, NULL, given.bytes, given.length, digest, &length))
        compare_signatures(name, answers, scheme, digest, length);
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

    if (signing_key == ED25519) {
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

    signing_key = (enum key)any(X25519);
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
        switch (!given.begun ? 7 : signing_key == ED25519 ? 5 + any(3) : any(8)) {
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
            if (signing_key != ED25519 && any(3) == 0)
                both("change key", change_key, NULL, answers);
            else
                begin_something();
        }
    }
}

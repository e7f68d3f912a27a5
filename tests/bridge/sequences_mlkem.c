/* Decapsulation by ML-KEM, of good and of bad ciphertexts. */
#include <string.h>

#include "sequences_post_quantum.h"

enum { NO_BUFFER = -1000 };

static enum key key;

struct ciphertext {
    unsigned char bytes[1600];
    size_t length;
    int room; /* of the secret; NO_BUFFER: only ask for the length */
};

static void decapsulate_init(struct side *side, struct answer *answer, const void *argument)
{
    (void)argument;
    answer->status = EVP_PKEY_decapsulate_init(side->ctx, NULL);
}

static void encapsulate_init(struct side *side, struct answer *answer, const void *argument)
{
    (void)argument;
    answer->status = EVP_PKEY_encapsulate_init(side->ctx, NULL);
}

static void decapsulate_it(struct side *side, struct answer *answer, const void *argument)
{
    const struct ciphertext *c = argument;

    answer->length = c->room == NO_BUFFER ? 0 : (size_t)c->room;
    answer->status = EVP_PKEY_decapsulate(side->ctx, c->room == NO_BUFFER ? NULL : answer->out, &answer->length, c->bytes,
                                          c->length);
}

/* A ciphertext for the key: good, damaged, of random bytes, or of a wrong length. */
static struct ciphertext some_ciphertext(unsigned char secret[32], int *good)
{
    static const int rooms[] = {32, 32, 32, 40, 31, 0, NO_BUFFER};
    struct ciphertext c = {.length = sizeof(c.bytes), .room = ANY_OF(rooms)};
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(sides[PLAIN].libctx, sides[PLAIN].keys[key], NULL);
    size_t secret_len = 32;

    must(EVP_PKEY_encapsulate_init(ctx, NULL), "encapsulate");
    must(EVP_PKEY_encapsulate(ctx, c.bytes, &c.length, secret, &secret_len), "encapsulate");
    EVP_PKEY_CTX_free(ctx);
    *good = 0;
    switch (any(6)) {
    case 0:
    case 1:
        *good = 1;
        break;
    case 2:
    case 3:
        c.bytes[any((unsigned)c.length)] ^= (unsigned char)(1u << any(8));
        break;
    case 4:
        memcpy(c.bytes, some_bytes() + any(1000), c.length);
        break;
    default:
        c.length = ((const size_t[]){0, 1, c.length - 1, c.length + 1, 1088, 1568})[any(6)];
    }
    return c;
}

void decapsulate(void)
{
    const unsigned steps = 1 + any(5);
    struct answer answers[SIDES];

    key = (enum key)(MLKEM768 + any(MLKEM512 - MLKEM768 + 1));
    for (int i = 0; i < SIDES; i++)
        sides[i].ctx = EVP_PKEY_CTX_new_from_pkey(sides[i].libctx, sides[i].keys[key], NULL);
    if (any(20) != 0)
        both("decapsulate_init", decapsulate_init, NULL, answers);
    for (unsigned step = 0; step < steps; step++) {
        unsigned char secret[32];
        struct ciphertext c;
        int good;

        if (any(10) == 0)
            both(any(2) ? "init" : "encapsulate_init", any(2) ? decapsulate_init : encapsulate_init, NULL, answers);
        c = some_ciphertext(secret, &good);
        if (!both(good ? "decapsulate" : "decapsulate damaged", decapsulate_it, &c, answers) || c.room == NO_BUFFER)
            continue;
        if (answers[OURS].length != answers[PLAIN].length ||
            memcmp(answers[OURS].out, answers[PLAIN].out, answers[PLAIN].length) != 0)
            differ("decapsulate", "different secrets");
        if (good && memcmp(answers[OURS].out, secret, sizeof(secret)) != 0)
            differ("decapsulate", "not the secret of the peer");
        same_bytes++;
    }
}

/* Signatures by ML-DSA: in one call and in pieces, with all parameters. */
#include <openssl/err.h>
#include <openssl/params.h>
#include <stdio.h>
#include <string.h>

#include "sequences_post_quantum.h"

enum { MU_BYTES = 64, LONGEST_CONTEXT = 255, NO_BUFFER = -1000 };

static enum key key;

/* What a signature's context was told, as it should be if all that succeeded was kept. */
static struct told {
    size_t context_len;
    int mu, deterministic, raw;
} told;

static struct given {
    unsigned char bytes[MESSAGE_BYTES * 4];
    size_t length;
    int by_pieces;
} given;

/* Random parameters; those of `next` are in force if the call succeeds. */
struct parameters {
    OSSL_PARAM list[6];
    struct told next;
    char text[60];
};

static struct parameters some_parameters(void)
{
    static const size_t lengths[] = {0, 1, 17, 254, 255, 256, 1000};
    static unsigned char entropy[32];
    static size_t context_len;
    static int numbers[3];
    struct parameters p = {.next = told};
    int n = 0;

    if (any(2)) {
        context_len = ANY_OF(lengths);
        p.list[n++] = OSSL_PARAM_construct_octet_string("context-string", (void *)some_bytes(), context_len);
        p.next.context_len = context_len;
    }
    if (any(3) == 0) {
        p.next.mu = numbers[0] = any(3) != 0;
        p.list[n++] = OSSL_PARAM_construct_int("mu", &numbers[0]);
    }
    if (any(4) == 0) {
        p.next.deterministic = numbers[1] = (int)any(2);
        p.list[n++] = OSSL_PARAM_construct_int("deterministic", &numbers[1]);
    }
    if (any(8) == 0) {
        numbers[2] = (int)any(2);
        p.next.raw = !numbers[2];
        p.list[n++] = OSSL_PARAM_construct_int("message-encoding", &numbers[2]);
    }
    if (any(16) == 0) {
        p.list[n++] = OSSL_PARAM_construct_octet_string("test-entropy", entropy, any(4) ? sizeof(entropy) : 7);
        p.next.deterministic = 2;
    }
    p.list[n] = OSSL_PARAM_construct_end();
    snprintf(p.text, sizeof(p.text), "[context %zu mu %d deterministic %d raw %d]", p.next.context_len, p.next.mu,
             p.next.deterministic, p.next.raw);
    return p;
}

static void set(struct side *side, struct answer *answer, const void *argument)
{
    answer->status = EVP_PKEY_CTX_set_params(side->ctx, ((const struct parameters *)argument)->list);
}

static void begin_message(struct side *side, struct answer *answer, const void *argument)
{
    const struct parameters *p = argument;

    answer->status =
        EVP_DigestSignInit_ex(side->message, NULL, NULL, side->libctx, NULL, side->keys[key], p != NULL ? p->list : NULL);
    side->ctx = EVP_MD_CTX_get_pkey_ctx(side->message);
}

static void begin_again(struct side *side, struct answer *answer, const void *argument)
{
    const struct parameters *p = argument;

    answer->status = EVP_DigestSignInit_ex(side->message, NULL, NULL, side->libctx, NULL, NULL, p != NULL ? p->list : NULL);
}

static void begin_direct(struct side *side, struct answer *answer, const void *argument)
{
    const struct parameters *p = argument;
    EVP_SIGNATURE *algorithm = EVP_SIGNATURE_fetch(side->libctx, EVP_PKEY_get0_type_name(side->keys[key]), NULL);

    answer->status = algorithm != NULL && EVP_PKEY_sign_message_init(side->ctx, algorithm, p != NULL ? p->list : NULL);
    EVP_SIGNATURE_free(algorithm);
}

struct input {
    size_t length;
    int room; /* bytes more than the signature has; NO_BUFFER: only ask for the length */
};

static size_t room_for(const struct input *input)
{
    return input->room == NO_BUFFER ? 0 : (size_t)(EVP_PKEY_get_size(sides[PLAIN].keys[key]) + input->room);
}

static void sign(struct side *side, struct answer *answer, const void *argument)
{
    const struct input *input = argument;
    unsigned char *out = input->room == NO_BUFFER ? NULL : answer->out;

    answer->length = room_for(input);
    if (side->message != NULL)
        answer->status = EVP_DigestSign(side->message, out, &answer->length, some_bytes(), input->length);
    else
        answer->status = EVP_PKEY_sign(side->ctx, out, &answer->length, some_bytes(), input->length);
}

static void update(struct side *side, struct answer *answer, const void *argument)
{
    answer->status = EVP_PKEY_sign_message_update(side->ctx, some_bytes(), ((const struct input *)argument)->length);
}

static void final(struct side *side, struct answer *answer, const void *argument)
{
    const struct input *input = argument;

    answer->length = room_for(input);
    answer->status =
        EVP_PKEY_sign_message_final(side->ctx, input->room == NO_BUFFER ? NULL : answer->out, &answer->length);
}

static void duplicate(struct side *side, struct answer *answer, const void *argument)
{
    (void)argument;
    if (side->message != NULL) {
        EVP_MD_CTX *copy = EVP_MD_CTX_new();

        answer->status = EVP_MD_CTX_copy_ex(copy, side->message);
        if (answer->status <= 0) {
            EVP_MD_CTX_free(copy);
            return;
        }
        EVP_MD_CTX_free(side->message);
        side->message = copy;
        side->ctx = EVP_MD_CTX_get_pkey_ctx(copy);
    } else {
        EVP_PKEY_CTX *copy = EVP_PKEY_CTX_dup(side->ctx);

        answer->status = copy != NULL;
        if (copy == NULL)
            return;
        EVP_PKEY_CTX_free(side->ctx);
        side->ctx = copy;
    }
}

static int verifies(const struct answer *answer, const unsigned char *tbs, size_t length)
{
    struct side *plain = &sides[PLAIN];
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(plain->libctx, plain->keys[key], NULL);
    EVP_SIGNATURE *algorithm = EVP_SIGNATURE_fetch(plain->libctx, EVP_PKEY_get0_type_name(plain->keys[key]), NULL);
    int encoding = !told.raw, mu = told.mu && !given.by_pieces, good;
    OSSL_PARAM list[] = {
        OSSL_PARAM_construct_octet_string("context-string", (void *)some_bytes(), told.context_len),
        OSSL_PARAM_construct_int("message-encoding", &encoding), OSSL_PARAM_construct_int("mu", &mu),
        OSSL_PARAM_construct_end()};

    ERR_set_mark();
    good = EVP_PKEY_verify_message_init(ctx, algorithm, list) > 0 &&
           EVP_PKEY_verify(ctx, answer->out, answer->length, tbs, length) > 0;
    ERR_pop_to_mark();
    EVP_SIGNATURE_free(algorithm);
    EVP_PKEY_CTX_free(ctx);
    return good;
}

/* Compares two signatures of one message: equal bytes if they are deterministic, else both must verify. */
static void compare(const char *name, const struct answer answers[SIDES], const unsigned char *tbs, size_t length)
{
    if (answers[OURS].length != answers[PLAIN].length)
        differ(name, "signatures of different lengths");
    if (told.deterministic) {
        if (memcmp(answers[OURS].out, answers[PLAIN].out, answers[PLAIN].length) != 0)
            differ(name, "different signatures, although they are deterministic");
        same_bytes++;
    } else if (!verifies(&answers[PLAIN], tbs, length)) {
        differ(name, "not even the default provider's signature verifies: the test is wrong");
    } else if (!verifies(&answers[OURS], tbs, length)) {
        differ(name, "a signature that does not verify");
    } else {
        verified++;
    }
}

/* Whether the sequence goes on: after an error of these the default provider may have kept some of the parameters. */
static int begin(int is_message, int again)
{
    struct parameters p = some_parameters();
    const struct parameters *with = any(2) ? &p : NULL;
    struct answer answers[SIDES];
    char name[100];

    p.next.mu = with != NULL && OSSL_PARAM_locate(p.list, "mu") != NULL ? p.next.mu : 0;
    snprintf(name, sizeof(name), "%s%s", again ? "init again" : "init", with != NULL ? p.text : "");
    if (!both(name, again ? begin_again : is_message ? begin_message : begin_direct, with, answers))
        return 0;
    if (with != NULL)
        told = p.next;
    told.mu = p.next.mu;
    given.length = 0;
    given.by_pieces = 0;
    return 1;
}

static struct input some_input(void)
{
    static const size_t lengths[] = {0, 1, MU_BYTES, 130, 1000, MESSAGE_BYTES};
    static const int rooms[] = {0, 0, 0, 0, 1, 60, -1, NO_BUFFER};

    return (struct input){.length = any(3) ? ANY_OF(lengths) : MU_BYTES, .room = ANY_OF(rooms)};
}

void sign_messages(void)
{
    const unsigned steps = 2 + any(6);
    const int is_message = any(2) != 0;
    struct answer answers[SIDES];

    key = (enum key)any(MLDSA_SEEDLESS + 1);
    told = (struct told){.mu = 0};
    for (int i = 0; i < SIDES; i++) {
        if (is_message)
            sides[i].message = EVP_MD_CTX_new();
        else
            sides[i].ctx = EVP_PKEY_CTX_new_from_pkey(sides[i].libctx, sides[i].keys[key], NULL);
    }
    if (!begin(is_message, 0))
        return;
    for (unsigned step = 0; step < steps; step++) {
        struct input input = some_input();
        const unsigned what = any(8);
        struct parameters p;

        /* EVP_MD_CTX has no signatures by pieces. */
        switch (is_message && what <= 3 ? 0 : what) {
        case 0:
            p = some_parameters();
            if (given.length > 0 || given.by_pieces)
                break; /* the hash has taken the old ones already */
            if (both(p.text, set, &p, answers))
                told = p.next;
            else if (p.next.context_len > LONGEST_CONTEXT)
                told.context_len = 0; /* it comes first: it is dropped, and the others are not read */
            else
                return; /* some may have been set */
            break;
        case 1:
        case 2:
            if (given.length + input.length > sizeof(given.bytes))
                break;
            if (both("update", update, &input, answers)) {
                memcpy(given.bytes + given.length, some_bytes(), input.length);
                given.length += input.length;
                given.by_pieces = 1;
            }
            break;
        case 3:
            if (both("final", final, &input, answers) && input.room != NO_BUFFER) {
                compare("final", answers, given.bytes, given.length);
                return;
            }
            if (input.room != NO_BUFFER)
                return; /* the default provider has ended its hash */
            break;
        case 4:
            both("dup", duplicate, NULL, answers);
            break;
        case 5:
            if (is_message && any(2)) {
                if (!begin(1, 1))
                    return;
                break;
            }
            /* fallthrough */
        default:
            if (both("sign", sign, &input, answers) && input.room != NO_BUFFER) {
                const int by_pieces = given.by_pieces;

                given.by_pieces = 0; /* it signs its input, whatever was given before */
                compare("sign", answers, some_bytes(), input.length);
                given.by_pieces = by_pieces;
                if (is_message && !begin(1, 1)) /* a context that has signed is finished */
                    return;
            }
        }
    }
}

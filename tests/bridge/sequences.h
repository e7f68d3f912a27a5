/* Random sequences of calls, made on two sides at once: with the provider, and with the default provider alone. Both must give
 * the same answer to each call. */
#ifndef SEQUENCES_H
#define SEQUENCES_H

#include <openssl/evp.h>
#include <stddef.h>
#include <stdint.h>

enum { OURS, PLAIN, SIDES };
enum key { RSA1024, RSA2048, RSA_PSS, RSA_PSS_BOUND, P256, P521, ED25519, X25519, KEYS };
enum { OUT_BYTES = 300, MESSAGE_BYTES = 5000 };

struct side {
    OSSL_LIB_CTX *libctx;
    EVP_PKEY *keys[KEYS];
    EVP_PKEY_CTX *ctx; /* what the sequence acts on; in a message's context, borrowed from it */
    EVP_MD_CTX *message;
    EVP_PKEY *changed; /* a key that the sequence has made */
};

extern struct side sides[SIDES];

/* The answer to a call. */
struct answer {
    int status;
    size_t length;
    unsigned char out[OUT_BYTES];
};

/* A random number below `limit`. */
unsigned any(unsigned limit);
#define ANY_OF(list) ((list)[any(sizeof(list) / sizeof(*(list)))])

/* Random bytes that are the same in each run. */
const unsigned char *some_bytes(void);

/* Makes a call on both sides and compares status, errors and length. Returns 1 if it succeeded on both. */
typedef void call(struct side *side, struct answer *answer, const void *argument);
int both(const char *name, call *function, const void *argument, struct answer answers[SIDES]);

/* Reports what differs, with the number of the sequence, and ends the program. */
_Noreturn void differ(const char *name, const char *what);

/* Each runs one sequence. */
void sign_digests(void);
void sign_messages(void);
void decrypt(void);
void derive(void);

/* How many signatures were compared byte by byte, and how many by verification. */
extern unsigned long same_bytes, verified;

#endif

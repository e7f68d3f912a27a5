/* Random sequences of calls, made on two sides at once: with the provider, and with the default provider alone. Both must give
 * the same answer to each call. */
#ifndef SEQUENCES_H
#define SEQUENCES_H

#include <openssl/evp.h>
#include <stddef.h>
#include <stdint.h>

enum { OURS, PLAIN, SIDES };
enum { MOST_KEYS = 16, OUT_BYTES = 4700, MESSAGE_BYTES = 5000 };

struct side {
    OSSL_LIB_CTX *libctx;
    EVP_PKEY *keys[MOST_KEYS];
    EVP_PKEY_CTX *ctx; /* what the sequence acts on; in a message's context, borrowed from it */
    EVP_MD_CTX *message;
    EVP_PKEY *changed; /* a key that the sequence has made */
};

extern struct side sides[SIDES];

/* The answer to a call. Its output is not in it, because a job has only 32 KiB of stack; the next call overwrites it. */
struct answer {
    int status;
    size_t length;
    unsigned char *out; /* OUT_BYTES */
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

/* Ends the program if a call that must succeed did not. */
void must(int status, const char *what);

/* What one program has: its keys, each made with the default provider, and functions that run one sequence each. */
extern const int key_count;
EVP_PKEY *make_key(int key);
extern void (*const kinds[])(void);
extern const unsigned kind_count;

/* How many signatures were compared byte by byte, and how many by verification. */
extern unsigned long same_bytes, verified;

#endif

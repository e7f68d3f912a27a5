/* A thread that stands for a card of four slots, and those that wait for it. */
#pragma once
#include <openssl/async.h>
#include <openssl/sha.h>
#include <stdatomic.h>
#include <sys/types.h>

struct waiter {
    int fd, refs, gone, in_flight, uncollected;
    pid_t pid;
    int (*callback)(void *);
    void *argument;
};

struct op {
    unsigned char in[256], out[SHA256_DIGEST_LENGTH];
    size_t bytes;
    atomic_int done;
    struct waiter *waiter;
    struct op *next;
};

int planted(const char *rule); /* of provider.c: whether this is the fault */

int start_card(void);
void stop_card(void);
struct waiter *waiter_of(ASYNC_WAIT_CTX *ctx);
void forget_waiter(ASYNC_WAIT_CTX *ctx);
int submit(struct op *op);
void take_token(struct waiter *w, int collected);

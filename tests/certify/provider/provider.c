/* A small asynchronous provider: SHA2-256, done by a card (card.c). It does everything right, or one thing wrong: what the
 * variable PLANTED names, which is the rule that is to find it. */
#define _GNU_SOURCE
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/core.h>
#include <openssl/core_dispatch.h>
#include <openssl/core_names.h>
#include <openssl/params.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "card.h"

struct context {
    unsigned char in[256];
    size_t bytes;
};

static int ever;
static pthread_t first_thread;
static pid_t card_pid;

int planted(const char *rule)
{
    const char *fault = getenv("PLANTED");

    return fault != NULL && strcmp(fault, rule) == 0;
}

/* Pauses. Returns 0 in the child of a fork, where there is no card. */
static int pause_job(ASYNC_WAIT_CTX *ctx, int status)
{
    const struct timespec moment = {.tv_nsec = 100000};

    if (!planted("status"))
        ASYNC_WAIT_CTX_set_status(ctx, status);
    ASYNC_pause_job();
    if (getpid() != card_pid)
        return planted("fork");
    nanosleep(&moment, NULL); /* where pauses are blocked, this keeps the core free */
    return 1;
}

static int in_job(struct op *op, ASYNC_WAIT_CTX *ctx)
{
    int pauses = 0;

    op->waiter = waiter_of(ctx);
    if (planted("two-jobs") && op->waiter->in_flight > 0)
        return 0;
    while (!submit(op)) {
        if (planted("full"))
            return 0;
        if (!pause_job(ctx, ASYNC_STATUS_EAGAIN))
            return -1;
        take_token(op->waiter, 0);
    }
    do {
        if (!pause_job(ctx, ASYNC_STATUS_OK))
            return -1;
        if (planted("early-resume"))
            break;
        if (planted("block-pause") && ++pauses > 3 && !atomic_load(&op->done))
            return 0;
    } while (!atomic_load(&op->done));
    take_token(op->waiter, 1);
    if (planted("fd-stable"))
        forget_waiter(ctx);
    if (planted("leaks"))
        (void)!dup(0);
    return 1;
}

static int final(void *data, unsigned char *out, size_t *bytes, size_t most)
{
    struct context *c = data;
    ASYNC_JOB *job = ASYNC_get_current_job();
    struct op *op;
    int done;

    (void)most;
    *bytes = SHA256_DIGEST_LENGTH;
    if (job == NULL || (getpid() != card_pid && !planted("fork")))
        return SHA256(c->in, c->bytes, out) != NULL;
    if (planted("threads") && !pthread_equal(pthread_self(), first_thread))
        return 0;
    ever = 1;
    op = calloc(1, sizeof(*op));
    op->bytes = c->bytes;
    memcpy(op->in, c->in, c->bytes);
    done = in_job(op, ASYNC_get_wait_ctx(job));
    if (done > 0)
        memcpy(out, op->out, SHA256_DIGEST_LENGTH);
    else if (done < 0)
        done = SHA256(c->in, c->bytes, out) != NULL;
    return done; /* the op is left if it failed: the card may still have it */
}

static void *new_context(void *provider)
{
    (void)provider;
    return calloc(1, sizeof(struct context));
}

static void free_context(void *data)
{
    free(data);
}

static int init(void *data, const OSSL_PARAM params[])
{
    (void)params;
    ((struct context *)data)->bytes = 0;
    return 1;
}

static int update(void *data, const unsigned char *in, size_t bytes)
{
    struct context *c = data;

    if (bytes > sizeof(c->in) - c->bytes)
        return 0;
    memcpy(c->in + c->bytes, in, bytes);
    c->bytes += bytes;
    return 1;
}

static int get_params(OSSL_PARAM params[])
{
    OSSL_PARAM *size = OSSL_PARAM_locate(params, OSSL_DIGEST_PARAM_SIZE);
    OSSL_PARAM *block = OSSL_PARAM_locate(params, OSSL_DIGEST_PARAM_BLOCK_SIZE);

    return (size == NULL || OSSL_PARAM_set_size_t(size, SHA256_DIGEST_LENGTH)) &&
           (block == NULL || OSSL_PARAM_set_size_t(block, SHA256_CBLOCK));
}

#define ROW(id, function) {id, (void (*)(void))function}
#define END {0, NULL}

static const OSSL_DISPATCH sha256[] = {
    ROW(OSSL_FUNC_DIGEST_NEWCTX, new_context), ROW(OSSL_FUNC_DIGEST_FREECTX, free_context),
    ROW(OSSL_FUNC_DIGEST_INIT, init),          ROW(OSSL_FUNC_DIGEST_UPDATE, update),
    ROW(OSSL_FUNC_DIGEST_FINAL, final),        ROW(OSSL_FUNC_DIGEST_GET_PARAMS, get_params),
    END};
static const OSSL_ALGORITHM digests[] = {{"SHA2-256:SHA256", "provider=planted", sha256, NULL}, {NULL, NULL, NULL, NULL}};

static const OSSL_ALGORITHM *query(void *provider, int operation, int *no_cache)
{
    (void)provider;
    *no_cache = 0;
    return operation == OSSL_OP_DIGEST ? digests : NULL;
}

static void teardown(void *provider)
{
    (void)provider;
    if (ever && planted("unload"))
        abort();
    stop_card();
}

static const OSSL_DISPATCH provider_functions[] = {ROW(OSSL_FUNC_PROVIDER_QUERY_OPERATION, query),
                                                   ROW(OSSL_FUNC_PROVIDER_TEARDOWN, teardown), END};

int OSSL_provider_init(const OSSL_CORE_HANDLE *handle, const OSSL_DISPATCH *in, const OSSL_DISPATCH **out, void **provider)
{
    (void)handle, (void)in;
    first_thread = pthread_self();
    card_pid = getpid();
    *out = provider_functions;
    *provider = &ever;
    return start_card();
}

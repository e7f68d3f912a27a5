/* A small asynchronous provider: SHA2-256, done by a thread that stands for a card of four slots. It does everything right,
 * or one thing wrong: what the variable PLANTED names, which is the rule that is to find it. */
#define _GNU_SOURCE
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/async.h>
#include <openssl/core.h>
#include <openssl/core_dispatch.h>
#include <openssl/core_names.h>
#include <openssl/params.h>
#include <openssl/sha.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

enum { SLOTS = 4, WAITING = 256 };

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

struct context {
    unsigned char in[256];
    size_t bytes;
};

static const char key;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static struct op *queue, **queue_end = &queue;
static struct waiter *waiting[WAITING];
static int waiting_count, taken, stopping, ever;
static pthread_t card, first_thread;
static pid_t card_pid;

static int planted(const char *rule)
{
    const char *fault = getenv("PLANTED");

    return fault != NULL && strcmp(fault, rule) == 0;
}

/* Under the lock, but for the callback. */
static void unref(struct waiter *w)
{
    if (--w->refs > 0)
        return;
    if (!planted("fd-closed"))
        close(w->fd);
    free(w);
}

static void cleanup(ASYNC_WAIT_CTX *ctx, const void *of, OSSL_ASYNC_FD fd, void *data)
{
    struct waiter *w = data;

    (void)ctx, (void)of;
    if (w->pid != getpid()) {
        close(fd);
        return;
    }
    pthread_mutex_lock(&lock);
    w->gone = 1;
    unref(w);
    pthread_mutex_unlock(&lock);
}

static struct waiter *waiter_of(ASYNC_WAIT_CTX *ctx)
{
    OSSL_ASYNC_FD fd;
    void *data = NULL, *argument = NULL;
    ASYNC_callback_fn callback = NULL;
    struct waiter *w;

    if (ASYNC_WAIT_CTX_get_fd(ctx, &key, &fd, &data)) {
        w = data;
    } else {
        w = calloc(1, sizeof(*w));
        w->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
        w->refs = 1;
        w->pid = getpid();
        ASYNC_WAIT_CTX_set_wait_fd(ctx, &key, w->fd, w, cleanup);
    }
    ASYNC_WAIT_CTX_get_callback(ctx, &callback, &argument);
    w->callback = callback;
    w->argument = argument;
    return w;
}

static void wake(struct waiter *w)
{
    if (w->gone)
        return;
    if (w->callback != NULL)
        w->callback(w->argument);
    else
        eventfd_write(w->fd, 1);
}

static void complete(struct op *op)
{
    struct waiter *w = op->waiter;

    SHA256(op->in, op->bytes, op->out);
    op->out[0] ^= (unsigned char)planted("results");
    if (w->gone && planted("freed-in-flight"))
        abort();
    taken--;
    w->in_flight--;
    w->uncollected++;
    atomic_store(&op->done, 1);
    if (!planted("pauses"))
        wake(w);
    if (planted("callback-once") && w->callback != NULL)
        wake(w);
    for (int i = 0; i < waiting_count; i++) {
        if (waiting[i]->callback == NULL) /* by callback, EAGAIN tells the application to come again by itself */
            wake(waiting[i]);
        unref(waiting[i]);
    }
    waiting_count = 0;
    if (w->gone)
        free(op); /* its job never comes back */
    unref(w);
}

static void *work(void *nothing)
{
    const int slow = planted("busy-loop") || planted("early-resume");
    const struct timespec service = {.tv_nsec = slow ? 50000000 : 1000000};

    pthread_mutex_lock(&lock);
    while (!stopping) {
        struct op *op = queue;

        if (op == NULL) {
            pthread_cond_wait(&changed, &lock);
            continue;
        }
        queue = op->next;
        if (queue == NULL)
            queue_end = &queue;
        pthread_mutex_unlock(&lock);
        nanosleep(&service, NULL);
        pthread_mutex_lock(&lock);
        complete(op);
    }
    pthread_mutex_unlock(&lock);
    return nothing;
}

/* Takes a slot and submits, or asks to be woken when there is one. */
static int submit(struct op *op)
{
    int room;

    pthread_mutex_lock(&lock);
    room = taken < SLOTS;
    if (room) {
        taken++;
        op->waiter->refs++;
        op->waiter->in_flight++;
        op->next = NULL;
        *queue_end = op;
        queue_end = &op->next;
        pthread_cond_signal(&changed);
        if (planted("busy-loop"))
            wake(op->waiter);
    } else if (waiting_count < WAITING) {
        op->waiter->refs++;
        waiting[waiting_count++] = op->waiter;
    }
    pthread_mutex_unlock(&lock);
    return room;
}

/* Takes the token, unless it may be for another job of this wait context. */
static void take_token(struct waiter *w, int collected)
{
    eventfd_t token;

    pthread_mutex_lock(&lock);
    w->uncollected -= collected;
    (void)!eventfd_read(w->fd, &token);
    if (w->uncollected > 0 && w->callback == NULL)
        eventfd_write(w->fd, 1);
    pthread_mutex_unlock(&lock);
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
        ASYNC_WAIT_CTX_clear_fd(ctx, &key); /* and the next operation makes another one */
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
    pthread_mutex_lock(&lock);
    stopping = 1;
    pthread_cond_signal(&changed);
    pthread_mutex_unlock(&lock);
    pthread_join(card, NULL);
}

static const OSSL_DISPATCH provider_functions[] = {ROW(OSSL_FUNC_PROVIDER_QUERY_OPERATION, query),
                                                   ROW(OSSL_FUNC_PROVIDER_TEARDOWN, teardown), END};

int OSSL_provider_init(const OSSL_CORE_HANDLE *handle, const OSSL_DISPATCH *in, const OSSL_DISPATCH **out, void **provider)
{
    (void)handle, (void)in;
    first_thread = pthread_self();
    card_pid = getpid();
    *out = provider_functions;
    *provider = &stopping;
    return pthread_create(&card, NULL, work, NULL) == 0;
}

/* The card: a thread that does one operation after another, and wakes the jobs that wait. */
#define _GNU_SOURCE
#define OPENSSL_SUPPRESS_DEPRECATED
#include "card.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

enum { SLOTS = 4, WAITING = 256 };

static const char key;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static struct op *queue, **queue_end = &queue;
static struct waiter *waiting[WAITING];
static int waiting_count, taken, stopping;
static pthread_t card;

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

struct waiter *waiter_of(ASYNC_WAIT_CTX *ctx)
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

/* The next operation of this wait context makes another fd. */
void forget_waiter(ASYNC_WAIT_CTX *ctx)
{
    ASYNC_WAIT_CTX_clear_fd(ctx, &key);
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
int submit(struct op *op)
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
void take_token(struct waiter *w, int collected)
{
    eventfd_t token;

    pthread_mutex_lock(&lock);
    w->uncollected -= collected;
    (void)!eventfd_read(w->fd, &token);
    if (w->uncollected > 0 && w->callback == NULL)
        eventfd_write(w->fd, 1);
    pthread_mutex_unlock(&lock);
}

int start_card(void)
{
    return pthread_create(&card, NULL, work, NULL) == 0;
}

void stop_card(void)
{
    pthread_mutex_lock(&lock);
    stopping = 1;
    pthread_cond_signal(&changed);
    pthread_mutex_unlock(&lock);
    pthread_join(card, NULL);
}

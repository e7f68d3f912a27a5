#define _GNU_SOURCE
#include "waiter.h"

#include <stdlib.h>
#include <unistd.h>

#include "connection.h"
#include "counters.h"
#include "ring.h"

/* Its address is our key in wait contexts. */
static const char fd_key;

void waiter_ref(struct waiter *w)
{
    atomic_fetch_add_explicit(&w->refs, 1, memory_order_relaxed);
}

void waiter_unref(struct waiter *w)
{
    if (atomic_fetch_sub_explicit(&w->refs, 1, memory_order_acq_rel) != 1)
        return;
    wait_fd_close(&w->fd);
    pthread_mutex_destroy(&w->lock);
    free(w);
}

void waiter_set_line(struct waiter *w, struct connection *c)
{
    if (w->line_of == c)
        return;
    if (c != NULL)
        connection_ref(c);
    if (w->line_of != NULL)
        connection_unref(w->line_of);
    w->line_of = c;
}

/* The wait context is being freed: its jobs will never be resumed. What is done already is freed here, what is still
 * in flight when it completes. */
static void context_freed(ASYNC_WAIT_CTX *context, const void *key, OSSL_ASYNC_FD fd, void *data)
{
    struct waiter *w = data;
    struct record *finished = NULL, **link;

    (void)context, (void)key, (void)fd;
    if (w->pid != getpid()) {
        /* A child frees what it inherited. The locks may be in any state; the fd is its own copy. The rest leaks. */
        fd_close(&w->fd.fd);
        return;
    }
    pthread_mutex_lock(&w->lock);
    atomic_store(&w->gone, 1);
    for (link = &w->records; *link != NULL;) {
        struct record *r = *link;

        if (atomic_load(&r->state) == RECORD_DONE) {
            *link = r->waiter_next;
            r->next = finished;
            finished = r;
        } else {
            link = &r->waiter_next;
        }
    }
    pthread_mutex_unlock(&w->lock);
    /* After the unlock: freeing a slot wakes the next in line, under that one's lock. */
    while (finished != NULL) {
        struct record *r = finished;

        finished = r->next;
        COUNT(orphaned);
        ring_release(r);
        waiter_unref(w);
    }
    if (w->line_of != NULL) {
        ring_leave_line(w->line_of, w);
        waiter_set_line(w, NULL);
    }
    pthread_mutex_lock(&w->lock);
    wait_fd_unwatch(&w->fd);
    pthread_mutex_unlock(&w->lock);
    waiter_unref(w);
}

static struct waiter *waiter_new(void)
{
    struct waiter *w = calloc(1, sizeof(*w));
    pthread_mutexattr_t recursive;

    if (w == NULL)
        return NULL;
    atomic_init(&w->refs, 1);
    w->pid = getpid();
    wait_fd_init(&w->fd);
    /* Recursive: a callback may free the connection it is called for. */
    pthread_mutexattr_init(&recursive);
    pthread_mutexattr_settype(&recursive, PTHREAD_MUTEX_RECURSIVE);
    pthread_mutex_init(&w->lock, &recursive);
    pthread_mutexattr_destroy(&recursive);
    return w;
}

static struct waiter *announce(ASYNC_WAIT_CTX *context, int by_callback, int has_dispatcher)
{
    struct waiter *w = waiter_new();
    int fd;

    if (w == NULL)
        return NULL;
    /* In callback mode a wait context still gets an entry, since its cleanup is the only way to learn that the context is
     * freed; a callback after that would run on freed memory. */
    if (by_callback)
        fd = wait_fd_quiet();
    else
        fd = wait_fd_open(&w->fd, has_dispatcher) ? w->fd.fd.number : -1;
    if (fd < 0 || !ASYNC_WAIT_CTX_set_wait_fd(context, &fd_key, fd, w, context_freed)) {
        waiter_unref(w);
        return NULL;
    }
    w->unreported = 1;
    return w;
}

struct waiter *waiter_of(ASYNC_WAIT_CTX *context, struct connection *connection)
{
    const int has_dispatcher = connection_start_dispatcher(connection);
    ASYNC_callback_fn callback = NULL;
    void *argument = NULL, *data = NULL;
    OSSL_ASYNC_FD fd;
    struct waiter *w;
    int by_callback = ASYNC_WAIT_CTX_get_callback(context, &callback, &argument) && callback != NULL;

    if (by_callback && !has_dispatcher)
        return NULL;
    if (ASYNC_WAIT_CTX_get_fd(context, &fd_key, &fd, &data)) {
        w = data;
        if (w->pid != getpid())
            return NULL;
        /* Announced for callbacks, and the callback was taken away since; or for a dispatcher, and there is none now; or the
         * application closed the fd: nobody could be told. */
        if (!by_callback && !wait_fd_works(&w->fd, has_dispatcher))
            return NULL;
    } else {
        w = announce(context, by_callback, has_dispatcher);
        if (w == NULL)
            return NULL;
    }
    pthread_mutex_lock(&w->lock);
    w->callback = by_callback ? callback : NULL;
    w->argument = argument;
    pthread_mutex_unlock(&w->lock);
    return w;
}

static void signal_locked(struct waiter *w)
{
    if (atomic_load(&w->gone))
        return;
    if (w->callback != NULL)
        w->callback(w->argument);
    else
        wait_fd_ring(&w->fd);
}

int waiter_watch(struct waiter *w, struct connection *c)
{
    int watches;

    if (!w->fd.is_epoll)
        return 1;
    pthread_mutex_lock(&w->lock);
    watches = wait_fd_watch(&w->fd, c);
    pthread_mutex_unlock(&w->lock);
    return watches;
}

void waiter_wake(struct waiter *w)
{
    pthread_mutex_lock(&w->lock);
    signal_locked(w);
    pthread_mutex_unlock(&w->lock);
}

void waiter_attach(struct waiter *w, struct record *r)
{
    waiter_ref(w);
    pthread_mutex_lock(&w->lock);
    r->waiter = w;
    r->waiter_next = w->records;
    w->records = r;
    pthread_mutex_unlock(&w->lock);
}

static void unlink_locked(struct waiter *w, struct record *r)
{
    for (struct record **link = &w->records; *link != NULL; link = &(*link)->waiter_next)
        if (*link == r) {
            *link = r->waiter_next;
            return;
        }
}

static void take_token_locked(struct waiter *w)
{
    if (!wait_fd_clear(&w->fd))
        return;
    /* Two jobs can share a context, and with it the fd: one job must not take the other's wake-up with its own. */
    for (struct record *r = w->records; r != NULL; r = r->waiter_next)
        if (atomic_load(&r->state) == RECORD_DONE) {
            signal_locked(w);
            return;
        }
}

void waiter_detach(struct waiter *w, struct record *r)
{
    pthread_mutex_lock(&w->lock);
    unlink_locked(w, r);
    take_token_locked(w);
    pthread_mutex_unlock(&w->lock);
    waiter_unref(w);
}

void waiter_take_token(struct waiter *w)
{
    pthread_mutex_lock(&w->lock);
    take_token_locked(w);
    pthread_mutex_unlock(&w->lock);
}

void waiter_fire(struct waiter *w, struct record *r)
{
    int gone;

    waiter_ref(w); /* once the record is done, its own reference may go at any moment */
    pthread_mutex_lock(&w->lock);
    signal_locked(w);
    /* Looked at after the signal: a callback may itself have freed the context. */
    gone = atomic_load(&w->gone);
    if (gone)
        unlink_locked(w, r);
    else
        atomic_store(&r->state, RECORD_DONE);
    pthread_mutex_unlock(&w->lock);
    if (gone) {
        COUNT(orphaned);
        ring_release(r);
        waiter_unref(w);
    }
    waiter_unref(w);
}

void waiter_rest(struct waiter *w)
{
    if (!w->fd.is_epoll)
        return;
    pthread_mutex_lock(&w->lock);
    if (w->records == NULL && !w->in_line)
        wait_fd_unwatch(&w->fd);
    pthread_mutex_unlock(&w->lock);
}

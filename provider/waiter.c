#define _GNU_SOURCE
#include "waiter.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "connection.h"
#include "counters.h"
#include "ring.h"

/* Its address is our key in wait contexts. */
static const char fd_key;

/* Guards the list of all waiters and the two fds that all of them share. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct waiter *newest;

/* In callback mode a wait context still gets an entry, since its cleanup is the only way to learn that the context is
 * freed; a callback after that would run on freed memory. The entry's fd is this one for all of them: valid, so that
 * nobody trips over it, and never readable. */
static struct fd quiet = {.number = -1};

/* Always readable: an epoll that is to be readable watches it. */
static struct fd ready = {.number = -1};

/* One of these, made when first needed, or again after the application closed it. -1: there can be no fd. */
static int shared_fd(struct fd *fd, unsigned count)
{
    int number;

    pthread_mutex_lock(&lock);
    if (!fd_is_ours(fd))
        *fd = fd_of(eventfd(count, EFD_NONBLOCK | EFD_CLOEXEC));
    number = fd->number;
    pthread_mutex_unlock(&lock);
    return number;
}

static void enlist(struct waiter *w)
{
    pthread_mutex_lock(&lock);
    w->older = newest;
    if (newest != NULL)
        newest->newer = w;
    newest = w;
    pthread_mutex_unlock(&lock);
}

static void delist(struct waiter *w)
{
    pthread_mutex_lock(&lock);
    if (w->newer != NULL)
        w->newer->older = w->older;
    else
        newest = w->older;
    if (w->older != NULL)
        w->older->newer = w->newer;
    pthread_mutex_unlock(&lock);
}

void waiter_ref(struct waiter *w)
{
    atomic_fetch_add_explicit(&w->refs, 1, memory_order_relaxed);
}

void waiter_unref(struct waiter *w)
{
    if (atomic_fetch_sub_explicit(&w->refs, 1, memory_order_acq_rel) != 1)
        return;
    delist(w);
    fd_close(&w->fd);
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

static void unwatch(struct waiter *w)
{
    struct connection *c;

    pthread_mutex_lock(&w->lock);
    c = w->watches;
    w->watches = NULL;
    if (c != NULL && fd_is_ours(&w->fd) && fd_is_ours(&c->interrupt))
        epoll_ctl(w->fd.number, EPOLL_CTL_DEL, c->interrupt.number, NULL);
    pthread_mutex_unlock(&w->lock);
    if (c != NULL)
        connection_unref(c);
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
        fd_close(&w->fd);
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
    unwatch(w);
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
    w->fd = NO_FD;
    /* Recursive: a callback may free the connection it is called for. */
    pthread_mutexattr_init(&recursive);
    pthread_mutexattr_settype(&recursive, PTHREAD_MUTEX_RECURSIVE);
    pthread_mutex_init(&w->lock, &recursive);
    pthread_mutexattr_destroy(&recursive);
    enlist(w);
    return w;
}

static struct waiter *announce(ASYNC_WAIT_CTX *context, int by_callback, int has_dispatcher)
{
    struct waiter *w = waiter_new();
    int fd;

    if (w == NULL)
        return NULL;
    w->is_epoll = !by_callback && !has_dispatcher;
    if (!by_callback)
        w->fd = fd_of(w->is_epoll ? epoll_create1(EPOLL_CLOEXEC) : eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
    fd = by_callback ? shared_fd(&quiet, 0) : w->fd.number;
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
        if (!by_callback && (!fd_is_ours(&w->fd) || (!w->is_epoll && !has_dispatcher)))
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

/* An fd that the application has closed is left alone: it will not wait for it, and if it resumes the job, that looks. */
static void signal_locked(struct waiter *w)
{
    struct epoll_event event = {.events = EPOLLIN};

    if (atomic_load(&w->gone))
        return;
    if (w->callback != NULL)
        w->callback(w->argument);
    else if (!w->is_epoll)
        fd_ring(&w->fd);
    else if (fd_is_ours(&w->fd))
        epoll_ctl(w->fd.number, EPOLL_CTL_ADD, shared_fd(&ready, 1), &event);
}

/* 1 if there was a token. */
static int clear_locked(struct waiter *w)
{
    uint64_t token;

    if (!fd_is_ours(&w->fd))
        return 0;
    if (w->is_epoll)
        return epoll_ctl(w->fd.number, EPOLL_CTL_DEL, ready.number, NULL) == 0;
    return read(w->fd.number, &token, sizeof(token)) > 0;
}

int waiter_watch(struct waiter *w, struct connection *c)
{
    struct epoll_event event = {.events = EPOLLIN};
    int watches;

    if (!w->is_epoll || connection_has_dispatcher(c) || w->watches == c)
        return 1;
    unwatch(w);
    pthread_mutex_lock(&w->lock);
    watches = fd_is_ours(&w->fd) && epoll_ctl(w->fd.number, EPOLL_CTL_ADD, c->interrupt.number, &event) == 0;
    if (watches) {
        connection_ref(c);
        w->watches = c;
    }
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
    if (!clear_locked(w))
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
    int rests;

    if (w->watches == NULL)
        return;
    pthread_mutex_lock(&w->lock);
    rests = w->records == NULL && !w->in_line;
    pthread_mutex_unlock(&w->lock);
    if (rests)
        unwatch(w);
}

void waiters_before_fork(void)
{
    pthread_mutex_lock(&lock);
}

void waiters_after_fork_in_parent(void)
{
    pthread_mutex_unlock(&lock);
}

/* Only what is safe in a child of several threads: system calls, and no lock of a waiter. */
void waiters_after_fork_in_child(void)
{
    struct fd woken = newest != NULL ? fd_of(eventfd(1, EFD_NONBLOCK | EFD_CLOEXEC)) : NO_FD;

    for (struct waiter *w = newest; w != NULL && woken.number >= 0; w = w->older)
        if (fd_is_ours(&w->fd) && dup3(woken.number, w->fd.number, O_CLOEXEC) >= 0)
            w->fd.mark = woken.mark;
    fd_close(&woken);
    newest = NULL;
    pthread_mutex_unlock(&lock);
}

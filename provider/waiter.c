#define _GNU_SOURCE
#include "waiter.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "counters.h"
#include "device.h"
#include "waitfd.h"

struct waiter {
    struct slot_queue_entry entry; /* in the queue of `queue_of`; first, so that its address is the waiter's */
    struct connection *queue_of;   /* where it last was in the queue, with a reference; the job's thread's own */
    atomic_uint refs;
    pid_t pid;            /* of the process that made it */
    uint64_t serial;
    int unreported;       /* announced, and no pause since; the job's thread's own */
    atomic_int gone;      /* the wait context was freed */
    struct wait_fd fd;    /* one for the life of the wait context; not open if there is a callback */
    pthread_mutex_t lock; /* guards what follows. Held during the callback, so that it can't run on a freed context */
    int (*callback)(void *);
    void *argument;
    struct record *records; /* the operations in flight, and those that are done and not yet detached */
};

/* Its address is our key in wait contexts. */
static const char fd_key;
static _Atomic uint64_t last_serial;

static void waiter_ref(struct waiter *w)
{
    atomic_fetch_add_explicit(&w->refs, 1, memory_order_relaxed);
}

static void waiter_unref(struct waiter *w)
{
    if (atomic_fetch_sub_explicit(&w->refs, 1, memory_order_acq_rel) != 1)
        return;
    wait_fd_close(&w->fd);
    pthread_mutex_destroy(&w->lock);
    free(w);
}

static void set_queue_of(struct waiter *w, struct connection *c)
{
    if (w->queue_of == c)
        return;
    if (c != NULL)
        connection_ref(c);
    if (w->queue_of != NULL) {
        /* It may still be in the queue of another device. */
        ring_leave_queue(&w->queue_of->ring, &w->entry);
        connection_unref(w->queue_of);
    }
    w->queue_of = c;
}

/* The wait context is being freed: its jobs will never be resumed. Records that are done are freed here; those that are still
 * in flight are freed when they complete. */
static void context_freed(ASYNC_WAIT_CTX *context, const void *key, OSSL_ASYNC_FD fd, void *data)
{
    struct waiter *w = data;
    struct record *finished = NULL, **link;

    (void)context, (void)key, (void)fd;
    if (!waiter_is_ours(w)) {
        /* This is the child of a fork. The locks may stay locked for ever here, so only the fd, which is a copy, is closed.
         * The rest of the waiter is not freed. */
        fd_close(&w->fd.fd);
        return;
    }
    pthread_mutex_lock(&w->lock);
    atomic_store(&w->gone, 1);
    for (link = &w->records; *link != NULL;) {
        struct record *r = *link;

        if (atomic_load(&r->state) == RECORD_DONE) {
            *link = r->owner_next;
            r->next = finished;
            finished = r;
        } else {
            link = &r->owner_next;
        }
    }
    pthread_mutex_unlock(&w->lock);
    /* After the unlock, because freeing a slot wakes the next waiter of the queue, and takes that waiter's lock. */
    while (finished != NULL) {
        struct record *r = finished;

        finished = r->next;
        COUNT_AT(r->ring, orphaned);
        connection_release(r);
        waiter_unref(w);
    }
    set_queue_of(w, NULL);
    pthread_mutex_lock(&w->lock);
    wait_fd_unwatch(&w->fd);
    pthread_mutex_unlock(&w->lock);
    waiter_unref(w);
}

static void ref_entry(struct slot_queue_entry *entry)
{
    waiter_ref((struct waiter *)entry);
}

static void unref_entry(struct slot_queue_entry *entry)
{
    waiter_unref((struct waiter *)entry);
}

static void wake_entry(struct slot_queue_entry *entry)
{
    waiter_wake((struct waiter *)entry);
}

static struct waiter *waiter_new(void)
{
    static const struct slot_queue_functions functions = {.ref = ref_entry, .unref = unref_entry, .wake = wake_entry};
    struct waiter *w = calloc(1, sizeof(*w));
    pthread_mutexattr_t recursive;

    if (w == NULL)
        return NULL;
    w->entry.functions = &functions;
    atomic_init(&w->refs, 1);
    w->pid = getpid();
    w->serial = atomic_fetch_add_explicit(&last_serial, 1, memory_order_relaxed) + 1;
    wait_fd_init(&w->fd);
    /* Recursive, because a callback may free the wait context that it is called for. */
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
    /* With a callback the wait context gets an fd too: its cleanup is the only way to learn that the context is freed, and a
     * callback after that would run on freed memory. */
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

int waiter_is_ours(const struct waiter *w)
{
    return w->pid == getpid();
}

uint64_t waiter_serial(const struct waiter *w)
{
    return w->serial;
}

int waiter_is_unreported(const struct waiter *w)
{
    return w->unreported;
}

void waiter_set_reported(struct waiter *w)
{
    w->unreported = 0;
}

struct waiter *waiter_of(ASYNC_WAIT_CTX *context, struct connection *connection)
{
    const int has_dispatcher = device_start_dispatcher(connection);
    ASYNC_callback_fn callback = NULL;
    void *argument = NULL, *data = NULL;
    OSSL_ASYNC_FD fd;
    struct waiter *w;
    int by_callback = ASYNC_WAIT_CTX_get_callback(context, &callback, &argument) && callback != NULL;

    if (by_callback && !has_dispatcher)
        return NULL;
    if (ASYNC_WAIT_CTX_get_fd(context, &fd_key, &fd, &data)) {
        w = data;
        if (!waiter_is_ours(w))
            return NULL;
        /* The application removed the callback that this waiter was made for, or closed the fd, or the fd was made for a
         * dispatcher and there is none now. In all three cases the job can't be woken. */
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
    /* The fd watches one device. Two jobs may share a wait context and its fd; if the other one waits for another device,
     * this one can't be woken. */
    watches = 1;
    for (const struct record *r = w->records; r != NULL; r = r->owner_next)
        if (connection_of(r) != c)
            watches = 0;
    if (watches)
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

static void unlink_locked(struct waiter *w, struct record *r)
{
    for (struct record **link = &w->records; *link != NULL; link = &(*link)->owner_next)
        if (*link == r) {
            *link = r->owner_next;
            return;
        }
}

/* Completes an operation: wakes the job and makes the record DONE, or frees the record if the wait context is gone. */
static void complete(struct record *r)
{
    struct waiter *w = r->owner;
    int gone;

    waiter_ref(w); /* once the record is done, its own reference may go at any moment */
    pthread_mutex_lock(&w->lock);
    signal_locked(w);
    /* Read after the signal, because the callback itself may have freed the context. */
    gone = atomic_load(&w->gone);
    if (gone)
        unlink_locked(w, r);
    else
        atomic_store(&r->state, RECORD_DONE);
    pthread_mutex_unlock(&w->lock);
    if (gone) {
        COUNT_AT(r->ring, orphaned);
        connection_release(r);
        waiter_unref(w);
    }
    waiter_unref(w);
}

/* Wakes the job of an operation that goes on. The record is in FIRING, so it keeps its reference to the waiter. */
static void wake_owner(struct record *r)
{
    waiter_wake(r->owner);
}

void waiter_attach(struct waiter *w, struct record *r)
{
    waiter_ref(w);
    r->complete = complete;
    r->wake = wake_owner;
    atomic_store(&r->woken_early, 0);
    r->owner = w;
    r->needs_resume = 1;
    pthread_mutex_lock(&w->lock);
    r->owner_next = w->records;
    w->records = r;
    pthread_mutex_unlock(&w->lock);
}

static void take_token_locked(struct waiter *w)
{
    if (!wait_fd_clear(&w->fd))
        return;
    /* Two jobs can share a wait context and its fd. The token may have been for both, so it is given back for the other. */
    for (struct record *r = w->records; r != NULL; r = r->owner_next)
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

struct record *waiter_take_slot(struct waiter *w, struct connection *c)
{
    set_queue_of(w, c);
    return connection_take(c, &w->entry);
}

const struct connection *waiter_queue(const struct waiter *w)
{
    return w->queue_of;
}

void waiter_take_token(struct waiter *w)
{
    pthread_mutex_lock(&w->lock);
    take_token_locked(w);
    pthread_mutex_unlock(&w->lock);
}

void waiter_rest(struct waiter *w)
{
    if (!w->fd.is_epoll)
        return;
    pthread_mutex_lock(&w->lock);
    if (w->records == NULL && !w->entry.queued)
        wait_fd_unwatch(&w->fd);
    pthread_mutex_unlock(&w->lock);
}

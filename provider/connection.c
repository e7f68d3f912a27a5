#define _GNU_SOURCE
#include "connection.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "counters.h"
#include "dispatcher.h"
#include "events.h"
#include "handshake.h"
#include "report.h"
#include "ring.h"
#include "settings.h"
#include "wire.h"

/* Guards what follows. Held during a connect, so that all threads wait for the first one instead of doing without. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct connection *current;
static struct connection *unjoined; /* dead ones whose thread is still to be joined */
static uint64_t next_serial = 1, next_attempt_ns;
static char failure[256];

enum { RETRY_NS = 1000000000 };

void connection_ref(struct connection *c)
{
    atomic_fetch_add_explicit(&c->refs, 1, memory_order_relaxed);
}

int connection_is_ours(const struct connection *c)
{
    return c->pid == getpid();
}

int connection_has_dispatcher(const struct connection *c)
{
    return atomic_load(&c->dispatcher) == DISPATCHER_RUNS;
}

static void close_fds(struct connection *c)
{
    struct fd *const fds[] = {&c->control, &c->doorbell, &c->interrupt, &c->quit, &c->timer};

    for (size_t i = 0; i < sizeof(fds) / sizeof(*fds); i++)
        fd_close(fds[i]);
}

void connection_unref(struct connection *c)
{
    if (atomic_fetch_sub_explicit(&c->refs, 1, memory_order_acq_rel) != 1)
        return;
    if (c->memory != NULL)
        munmap(c->memory, c->memory_bytes);
    close_fds(c);
    pthread_mutex_destroy(&c->lock);
    pthread_cond_destroy(&c->room);
    free(c->records);
    free(c->free_slots);
    free(c);
}

static int prepare(struct connection *c)
{
    pthread_condattr_t monotonic;

    pthread_mutex_init(&c->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&c->room, &monotonic);
    pthread_condattr_destroy(&monotonic);
    c->quit = fd_of(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    c->timer = fd_of(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
    c->records = calloc(c->entries, sizeof(*c->records));
    c->free_slots = calloc(c->entries, sizeof(*c->free_slots));
    if (c->quit.number < 0 || c->timer.number < 0 || c->records == NULL || c->free_slots == NULL)
        return 0;
    for (uint32_t i = 0; i < c->entries; i++) {
        c->records[i].index = i;
        c->records[i].connection = c;
        /* The stack is filled so that slot 0 comes out first. */
        c->free_slots[c->free_count++] = c->entries - 1 - i;
    }
    return 1;
}

static struct connection *make(void)
{
    struct connection *c = calloc(1, sizeof(*c));

    if (c == NULL)
        return NULL;
    atomic_init(&c->refs, 1);
    c->quit = c->timer = NO_FD;
    c->pid = getpid();
    c->serial = next_serial++;
    c->next_key = 1;
    if (!handshake(c, failure, sizeof(failure))) {
        free(c);
        return NULL;
    }
    if (!prepare(c)) {
        snprintf(failure, sizeof(failure), "no memory or fd for a connection");
        counters_hide();
        connection_unref(c);
        return NULL;
    }
    if (!events_open(c)) {
        snprintf(failure, sizeof(failure), "the device at %.120s has given us no interrupt", settings.socket);
        counters_hide();
        connection_unref(c);
        return NULL;
    }
    failure[0] = '\0';
    COUNT(connects);
    report(REPORT_CONNECTED, settings.socket);
    settings_trace("connected to %s, %u slots of %u bytes", settings.socket, c->entries, c->slot_bytes);
    return c;
}

/* Whose thread has ended already. Waiting for one here could be for ever: it may be in a callback of the application
 * that waits for a lock of this thread. */
static void join_the_ended(void)
{
    for (struct connection **link = &unjoined; *link != NULL;) {
        struct connection *c = *link;

        if (pthread_tryjoin_np(c->thread, NULL) != 0) {
            link = &c->unjoined;
            continue;
        }
        *link = c->unjoined;
        connection_unref(c);
    }
}

/* In the child of a fork: the memory is not mapped here (MADV_DONTFORK), the thread is not running, and the records
 * belong to the parent's jobs. The fds must go, or the device would not see the parent's end. */
static void abandon_inherited(void)
{
    if (current != NULL && !connection_is_ours(current)) {
        close_fds(current);
        counters_hide();
        current = NULL;
        next_attempt_ns = 0;
    }
    if (unjoined != NULL && !connection_is_ours(unjoined))
        unjoined = NULL;
}

/* Out of the way of a new one. Under the lock; the reference that `current` had goes to the caller, or to the list where
 * a thread is to be joined. */
static struct connection *retire_current(void)
{
    struct connection *c = current;

    current = NULL;
    if (!connection_has_dispatcher(c))
        return c;
    c->unjoined = unjoined;
    unjoined = c;
    return NULL;
}

int connection_start_dispatcher(struct connection *c)
{
    int state = atomic_load(&c->dispatcher);

    if (state == DISPATCHER_NONE) {
        pthread_mutex_lock(&lock);
        state = atomic_load(&c->dispatcher);
        if (state == DISPATCHER_NONE && current == c) {
            state = dispatcher_start(c) ? DISPATCHER_RUNS : DISPATCHER_IMPOSSIBLE;
            if (state == DISPATCHER_IMPOSSIBLE)
                settings_trace("no thread can be made: paused jobs wait for the device themselves");
            atomic_store(&c->dispatcher, state);
        }
        pthread_mutex_unlock(&lock);
    }
    return state == DISPATCHER_RUNS;
}

struct connection *connection_get(void)
{
    struct connection *c;

    pthread_mutex_lock(&lock);
    abandon_inherited();
    /* An operation that is begun now must not go to a device that can't be woken for it. */
    while (current != NULL && !fd_is_ours(&current->control)) {
        c = current;
        connection_ref(c);
        pthread_mutex_unlock(&lock);
        settings_trace("the application has closed the provider's fds: connection given up");
        connection_lost(c);
        connection_unref(c);
        pthread_mutex_lock(&lock);
    }
    if (current == NULL && now_ns() >= next_attempt_ns) {
        join_the_ended();
        current = make();
        next_attempt_ns = now_ns() + RETRY_NS;
        if (current == NULL) {
            report(REPORT_FAILED, failure);
            settings_trace("%s", failure);
        }
    }
    c = current;
    if (c != NULL)
        connection_ref(c);
    pthread_mutex_unlock(&lock);
    return c;
}

const char *connection_failure(void)
{
    return failure;
}

void connection_lost(struct connection *c)
{
    struct connection *unheld = NULL;
    int was_current;

    pthread_mutex_lock(&lock);
    was_current = current == c;
    if (was_current) {
        unheld = retire_current();
        snprintf(failure, sizeof(failure), "the device at %.120s went away", settings.socket);
        report(REPORT_LOST, failure);
        counters_hide();
    }
    pthread_mutex_unlock(&lock);
    if (was_current && fd_is_ours(&c->control))
        shutdown(c->control.number, SHUT_RDWR); /* if it only broke the protocol, it and the dispatcher are to see the end */
    ring_kill(c);
    if (unheld != NULL)
        connection_unref(unheld);
}

void connection_forget_key(uint64_t serial, uint32_t key)
{
    const struct wire_forget message = {.header = {WIRE_MAGIC, WIRE_VERSION, WIRE_FORGET}, .key = key};

    pthread_mutex_lock(&lock);
    if (current != NULL && connection_is_ours(current) && current->serial == serial && fd_is_ours(&current->control))
        /* If the socket is full, the device keeps the key until the connection ends. */
        if (send(current->control.number, &message, sizeof(message), MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
            settings_trace("key %u not forgotten", key);
    pthread_mutex_unlock(&lock);
}

void connection_close(void)
{
    struct connection *c;

    pthread_mutex_lock(&lock);
    abandon_inherited();
    c = NULL;
    if (current != NULL) {
        c = retire_current();
        counters_hide();
    }
    if (c != NULL) {
        pthread_mutex_unlock(&lock);
        ring_kill(c);
        connection_unref(c);
        pthread_mutex_lock(&lock);
    }
    while ((c = unjoined) != NULL) {
        unjoined = c->unjoined;
        pthread_mutex_unlock(&lock);
        dispatcher_stop(c);
        connection_unref(c);
        pthread_mutex_lock(&lock);
    }
    next_attempt_ns = 0;
    pthread_mutex_unlock(&lock);
}

void connection_before_fork(void)
{
    pthread_mutex_lock(&lock);
}

void connection_after_fork_in_parent(void)
{
    pthread_mutex_unlock(&lock);
}

void connection_after_fork_in_child(void)
{
    abandon_inherited();
    pthread_mutex_unlock(&lock);
}

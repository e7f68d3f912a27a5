#define _GNU_SOURCE
#include "device.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "clock.h"
#include "completion.h"
#include "counters.h"
#include "dispatcher.h"
#include "events.h"
#include "handshake.h"
#include "report.h"
#include "settings.h"
#include "wire.h"

/* Guards what follows. It is held during a connect, so that all threads wait for the first one's connection instead of
 * going on in software. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct connection *current;
static struct connection *unjoined; /* ended connections whose thread is still to be joined */
static uint64_t next_serial = 1, next_attempt_ns;
static char failure[256];

enum { RETRY_NS = 1000000000 };

/* Takes the connection out of `current`. Called under the lock. The reference that `current` had
 * goes to the list if there is a thread to be joined; else it is returned, for the caller to drop after the unlock. */
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

/* Called by connection_end. Does nothing for a connection that is not the current one any more. */
static void connection_has_ended(struct connection *c)
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
    /* A device that only broke the protocol still runs. It and our dispatcher must see the end of the socket. */
    if (was_current && fd_is_ours(&c->control))
        shutdown(c->control.number, SHUT_RDWR);
    if (unheld != NULL)
        connection_unref(unheld);
}

/* Makes what a connection needs besides the things that the device sends. */
static int prepare(struct connection *c)
{
    c->quit = fd_of(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    c->timer = fd_of(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
    return ring_prepare(&c->ring) && c->quit.number >= 0 && c->timer.number >= 0;
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
    c->ended = connection_has_ended;
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
    settings_trace("connected to %s, %u slots of %u bytes", settings.socket, c->ring.entries, c->ring.slot_bytes);
    return c;
}

/* Joins threads that have ended already. We must not wait here for one that still runs, because that could be for ever: the
 * thread may run a callback of the application that waits for a lock of this thread. */
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

/* In the child of a fork. The memory is not mapped here (MADV_DONTFORK), the thread does not run, and the records belong
 * to the parent's jobs. The fds must be closed, or the device would not see the parent's end. */
static void abandon_inherited(void)
{
    if (current != NULL && !connection_is_ours(current)) {
        connection_close_fds(current);
        counters_hide();
        current = NULL;
        next_attempt_ns = 0;
    }
    if (unjoined != NULL && !connection_is_ours(unjoined))
        unjoined = NULL;
}

int device_start_dispatcher(struct connection *c)
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

struct connection *device_connection(void)
{
    struct connection *c;

    pthread_mutex_lock(&lock);
    abandon_inherited();
    /* An operation that begins now must not go to a device that can't be woken for it. */
    while (current != NULL && !fd_is_ours(&current->control)) {
        c = current;
        connection_ref(c);
        pthread_mutex_unlock(&lock);
        settings_trace("the application has closed the provider's fds: connection given up");
        connection_end(c);
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

const char *device_failure(void)
{
    return failure;
}

void device_forget_key(uint64_t serial, uint32_t key)
{
    const struct wire_forget message = {.header = {WIRE_MAGIC, WIRE_VERSION, WIRE_FORGET}, .key = key};

    pthread_mutex_lock(&lock);
    if (current != NULL && connection_is_ours(current) && current->serial == serial && fd_is_ours(&current->control))
        /* If the socket is full, the device keeps the key until the connection ends. */
        if (send(current->control.number, &message, sizeof(message), MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
            settings_trace("key %u not forgotten", key);
    pthread_mutex_unlock(&lock);
}

void device_disconnect(void)
{
    struct connection *c = NULL, *unheld = NULL;

    pthread_mutex_lock(&lock);
    abandon_inherited();
    if (current != NULL) {
        unheld = retire_current();
        counters_hide();
    }
    if (unheld != NULL) {
        pthread_mutex_unlock(&lock);
        completion_kill(&unheld->ring);
        connection_unref(unheld);
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

void device_before_fork(void)
{
    pthread_mutex_lock(&lock);
}

void device_after_fork_in_parent(void)
{
    pthread_mutex_unlock(&lock);
}

void device_after_fork_in_child(void)
{
    abandon_inherited();
    pthread_mutex_unlock(&lock);
}

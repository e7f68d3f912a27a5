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
static struct {
    struct connection *current; /* NULL: there is none now */
    uint64_t next_attempt_ns;
} devices[MAX_DEVICES]; /* those of the settings, in their order */
static struct connection *unjoined; /* ended connections whose thread is still to be joined */
static const struct connection *counted_by; /* whose device is shown what we count that concerns no device */
static unsigned last_chosen;
static uint64_t next_serial = 1;
static char failure[256];

enum { RETRY_NS = 1000000000 };

/* Shows what concerns no device to one of those that are connected. Under the lock. */
static void show_counters(void)
{
    struct connection *shown = NULL;

    for (unsigned i = 0; i < MAX_DEVICES && shown == NULL; i++)
        shown = devices[i].current;
    if (counted_by == shown)
        return;
    counted_by = shown;
    if (shown != NULL)
        counters_show(shown->ring.memory);
    else
        counters_hide();
}

/* Takes the connection away from its device. Called under the lock. The reference that the device had
 * goes to the list if there is a thread to be joined; else it is returned, for the caller to drop after the unlock. */
static struct connection *retire(struct connection *c)
{
    devices[c->device].current = NULL;
    show_counters();
    if (!connection_has_dispatcher(c))
        return c;
    c->unjoined = unjoined;
    unjoined = c;
    return NULL;
}

/* Tells of the end of a connection; if there are others, that they are there. Called under the lock. */
static void report_end(const struct connection *c)
{
    snprintf(failure, sizeof(failure), "the device at %.120s went away", c->address);
    for (unsigned i = 0; i < settings.device_count; i++)
        if (devices[i].current != NULL) {
            settings_trace("%s", failure);
            report(REPORT_CONNECTED, settings.sockets[i]);
            return;
        }
    report(REPORT_LOST, failure);
}

/* Called by connection_end. Does nothing for a connection that is not the current one any more. */
static void connection_has_ended(struct connection *c)
{
    struct connection *unheld = NULL;
    int was_current;

    pthread_mutex_lock(&lock);
    was_current = devices[c->device].current == c;
    if (was_current) {
        unheld = retire(c);
        report_end(c);
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

static struct connection *make(unsigned device)
{
    struct connection *c = calloc(1, sizeof(*c));

    if (c == NULL)
        return NULL;
    atomic_init(&c->refs, 1);
    c->quit = c->timer = NO_FD;
    c->pid = getpid();
    c->device = device;
    c->serial = next_serial++;
    c->next_key = 1;
    c->ended = connection_has_ended;
    if (!handshake(c, settings.sockets[device], failure, sizeof(failure))) {
        free(c);
        return NULL;
    }
    if (!prepare(c)) {
        snprintf(failure, sizeof(failure), "no memory or fd for a connection");
        connection_unref(c);
        return NULL;
    }
    if (!events_open(c)) {
        snprintf(failure, sizeof(failure), "the device at %.120s has given us no interrupt", c->address);
        connection_unref(c);
        return NULL;
    }
    failure[0] = '\0';
    COUNT_AT(&c->ring, connects);
    report(REPORT_CONNECTED, c->address);
    settings_trace("connected to %s, %u slots of %u bytes", c->address, c->ring.entries, c->ring.slot_bytes);
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
    for (unsigned i = 0; i < MAX_DEVICES; i++) {
        struct connection *c = devices[i].current;

        if (c == NULL || connection_is_ours(c))
            continue;
        connection_close_fds(c);
        devices[i].current = NULL;
        devices[i].next_attempt_ns = 0;
    }
    show_counters();
    if (unjoined != NULL && !connection_is_ours(unjoined))
        unjoined = NULL;
}

int device_start_dispatcher(struct connection *c)
{
    int state = atomic_load(&c->dispatcher);

    if (state == DISPATCHER_NONE) {
        pthread_mutex_lock(&lock);
        state = atomic_load(&c->dispatcher);
        if (state == DISPATCHER_NONE && devices[c->device].current == c) {
            state = dispatcher_start(c) ? DISPATCHER_RUNS : DISPATCHER_IMPOSSIBLE;
            if (state == DISPATCHER_IMPOSSIBLE)
                settings_trace("no thread can be made: paused jobs wait for the device themselves");
            atomic_store(&c->dispatcher, state);
        }
        pthread_mutex_unlock(&lock);
    }
    return state == DISPATCHER_RUNS;
}

/* Makes sure that a device has a connection that works, if that is possible now. Returns 0 if it tried and failed. Called
 * under the lock, which it drops while it ends a connection. */
static int keep_connected(unsigned device)
{
    struct connection *c;

    /* An operation that begins now must not go to a device that can't be woken for it. */
    while ((c = devices[device].current) != NULL && !fd_is_ours(&c->control)) {
        connection_ref(c);
        pthread_mutex_unlock(&lock);
        settings_trace("the application has closed the provider's fds: connection given up");
        connection_end(c);
        connection_unref(c);
        pthread_mutex_lock(&lock);
    }
    if (c != NULL || now_ns() < devices[device].next_attempt_ns)
        return 1;
    join_the_ended();
    devices[device].current = make(device);
    show_counters();
    devices[device].next_attempt_ns = now_ns() + RETRY_NS;
    if (devices[device].current == NULL)
        settings_trace("%s", failure);
    return devices[device].current != NULL;
}

/* Whether an operation should rather go to the first of two connections: to one that is not suspect, and else to the one
 * with more free slots. */
static int is_better(struct connection *c, struct connection *than)
{
    const int suspect = atomic_load_explicit(&c->suspect, memory_order_relaxed);
    const int other = atomic_load_explicit(&than->suspect, memory_order_relaxed);

    if (suspect != other)
        return !suspect;
    return c->ring.entries - ring_in_flight(&c->ring) > than->ring.entries - ring_in_flight(&than->ring);
}

/* The connection for the next operation. If several are equally good, they take turns. Called under the lock. */
static struct connection *best(void)
{
    struct connection *found = NULL;

    for (unsigned i = 1; i <= settings.device_count; i++) {
        struct connection *c = devices[(last_chosen + i) % settings.device_count].current;

        if (c != NULL && (found == NULL || is_better(c, found)))
            found = c;
    }
    return found;
}

struct connection *device_connection(const struct connection *preferred)
{
    struct connection *chosen = NULL;
    int failed = 0;

    pthread_mutex_lock(&lock);
    abandon_inherited();
    for (unsigned i = 0; i < settings.device_count; i++)
        failed |= !keep_connected(i);
    if (preferred != NULL && devices[preferred->device].current == preferred)
        chosen = devices[preferred->device].current;
    else
        chosen = best();
    if (chosen != NULL) {
        last_chosen = chosen->device;
        connection_ref(chosen);
    } else if (failed) {
        report(REPORT_FAILED, failure);
    }
    pthread_mutex_unlock(&lock);
    return chosen;
}

const char *device_failure(void)
{
    return failure;
}

void device_forget_key(unsigned device, uint64_t serial, uint32_t key)
{
    const struct wire_forget message = {.header = {WIRE_MAGIC, WIRE_VERSION, WIRE_FORGET}, .key = key};
    const struct connection *c;

    pthread_mutex_lock(&lock);
    c = devices[device].current;
    if (c != NULL && connection_is_ours(c) && c->serial == serial && fd_is_ours(&c->control))
        /* If the socket is full, the device keeps the key until the connection ends. */
        if (send(c->control.number, &message, sizeof(message), MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
            settings_trace("key %u not forgotten", key);
    pthread_mutex_unlock(&lock);
}

void device_disconnect(void)
{
    struct connection *c = NULL;

    pthread_mutex_lock(&lock);
    abandon_inherited();
    for (unsigned i = 0; i < MAX_DEVICES; i++) {
        c = devices[i].current != NULL ? retire(devices[i].current) : NULL;
        devices[i].next_attempt_ns = 0;
        if (c == NULL)
            continue;
        pthread_mutex_unlock(&lock);
        completion_kill(&c->ring);
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

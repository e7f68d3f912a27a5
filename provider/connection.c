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

static void close_fds(struct connection *c)
{
    const int fds[] = {c->control, c->doorbell, c->interrupt, c->quit, c->timer};

    for (size_t i = 0; i < sizeof(fds) / sizeof(*fds); i++)
        if (fds[i] >= 0)
            close(fds[i]);
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
    c->quit = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    c->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    c->records = calloc(c->entries, sizeof(*c->records));
    c->free_slots = calloc(c->entries, sizeof(*c->free_slots));
    if (c->quit < 0 || c->timer < 0 || c->records == NULL || c->free_slots == NULL)
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
    c->quit = c->timer = -1;
    c->pid = getpid();
    c->serial = next_serial++;
    c->next_key = 1;
    if (!handshake(c, failure, sizeof(failure))) {
        free(c);
        return NULL;
    }
    if (!prepare(c) || !dispatcher_start(c)) {
        snprintf(failure, sizeof(failure), "no memory, fd or thread for a connection");
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

        if (pthread_tryjoin_np(c->dispatcher, NULL) != 0) {
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

struct connection *connection_get(void)
{
    struct connection *c;

    pthread_mutex_lock(&lock);
    abandon_inherited();
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
    int was_current;

    pthread_mutex_lock(&lock);
    was_current = current == c;
    if (was_current) {
        current = NULL;
        c->unjoined = unjoined;
        unjoined = c; /* with the reference that `current` had */
        snprintf(failure, sizeof(failure), "the device at %.120s went away", settings.socket);
        report(REPORT_LOST, failure);
        counters_hide();
    }
    pthread_mutex_unlock(&lock);
    if (was_current)
        shutdown(c->control, SHUT_RDWR); /* if it only broke the protocol, it is to see the end; so is the dispatcher */
    ring_kill(c);
}

void connection_forget_key(uint64_t serial, uint32_t key)
{
    const struct wire_forget message = {.header = {WIRE_MAGIC, WIRE_VERSION, WIRE_FORGET}, .key = key};

    pthread_mutex_lock(&lock);
    if (current != NULL && connection_is_ours(current) && current->serial == serial)
        /* If the socket is full, the device keeps the key until the connection ends. */
        if (send(current->control, &message, sizeof(message), MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
            settings_trace("key %u not forgotten", key);
    pthread_mutex_unlock(&lock);
}

void connection_close(void)
{
    struct connection *c;

    pthread_mutex_lock(&lock);
    abandon_inherited();
    if (current != NULL) {
        current->unjoined = unjoined;
        unjoined = current;
        current = NULL;
        counters_hide();
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

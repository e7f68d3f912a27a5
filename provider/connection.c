#define _GNU_SOURCE
#include "connection.h"

#include <stdlib.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "completion.h"
#include "settings.h"

void connection_ref(struct connection *c)
{
    atomic_fetch_add_explicit(&c->refs, 1, memory_order_relaxed);
}

void connection_unref(struct connection *c)
{
    if (atomic_fetch_sub_explicit(&c->refs, 1, memory_order_acq_rel) != 1)
        return;
    connection_close_fds(c);
    ring_free(&c->ring);
    free(c);
}

void connection_close_fds(struct connection *c)
{
    struct fd *const fds[] = {&c->control, &c->doorbell, &c->interrupt, &c->quit, &c->timer};

    for (size_t i = 0; i < sizeof(fds) / sizeof(*fds); i++)
        fd_close(fds[i]);
}

int connection_is_ours(const struct connection *c)
{
    return c->pid == getpid();
}

int connection_has_dispatcher(const struct connection *c)
{
    return atomic_load(&c->dispatcher) == DISPATCHER_RUNS;
}

struct connection *connection_of(const struct record *r)
{
    return (struct connection *)(void *)((char *)r->ring - offsetof(struct connection, ring));
}

struct record *connection_take(struct connection *c, struct slot_queue_entry *entry)
{
    struct record *r = ring_take(&c->ring, entry);

    if (r != NULL)
        connection_ref(c);
    return r;
}

void connection_submit(struct record *r, const struct request *q)
{
    struct connection *c = connection_of(r);

    switch (ring_submit(r, q)) {
    case SUBMITTED_TO_NOBODY:
        r->complete(r);
        return;
    case SUBMITTED_TO_SLEEPING:
        if (!fd_ring(&c->doorbell)) {
            settings_trace("the application has closed the provider's fds: connection given up");
            connection_end(c);
            return;
        }
        break;
    case SUBMITTED:
        break;
    }
    if (settings.deadline_ns != 0)
        connection_start_timer(c);
}

void connection_release(struct record *r)
{
    struct connection *c = connection_of(r);

    ring_release(r);
    connection_unref(c);
}

unsigned connection_reap(struct connection *c)
{
    int broken;
    const unsigned reaped = completion_reap(&c->ring, &broken);

    if (reaped > 0 && atomic_load_explicit(&c->suspect, memory_order_relaxed))
        atomic_store(&c->suspect, 0);
    if (broken) {
        settings_trace("the device's completion index is out of range: connection given up");
        connection_end(c);
    }
    return reaped;
}

void connection_start_timer(struct connection *c)
{
    const struct itimerspec tick = {.it_value.tv_nsec = TICK_NS};

    if (!atomic_exchange(&c->timer_armed, 1) && fd_is_ours(&c->timer))
        timerfd_settime(c->timer.number, 0, &tick, NULL);
}

void connection_end(struct connection *c)
{
    /* Our own reference, because device.c drops its reference in the meantime. */
    connection_ref(c);
    c->ended(c);
    completion_kill(&c->ring);
    connection_unref(c);
}

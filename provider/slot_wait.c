#include "slot_wait.h"

#include "blocking.h"
#include "clock.h"
#include "counters.h"
#include "device.h"
#include "events.h"
#include "settings.h"

/* Takes a slot, or puts the job into the queue for one. */
static struct record *take_or_queue(struct connection *connection, struct place *place)
{
    /* A job that has paused for a slot may find another connection now. */
    struct waiter *waiter = place->waiter != NULL ? place_waiter(place, connection) : NULL;
    struct record *record = waiter != NULL ? waiter_take_slot(waiter, connection) : connection_take(connection, NULL);

    if (record != NULL || ring_is_dead(&connection->ring))
        return record;
    COUNT_AT(&connection->ring, full);
    if (waiter == NULL && (waiter = place_waiter(place, connection)) != NULL)
        record = waiter_take_slot(waiter, connection);
    return record;
}

/* Whether to wait while the ring is full. If this thread is outside of a job, it has already waited when this returns. The
 * slots may be held by jobs that are paused in this very thread. So a job that can't be woken must not wait at all, and a job
 * that is resumed again and again, for instance because pauses are blocked, must not wait for ever. */
static int may_wait(struct connection *connection, const struct place *place, int turns, uint64_t until_ns)
{
    if (ring_is_dead(&connection->ring))
        return 1;
    if (place->context == NULL)
        return blocking_wait_for_slot(connection, until_ns);
    return !place->mute && (turns <= PATIENCE || !ring_is_held(&connection->ring));
}

static uint64_t slot_deadline(void)
{
    return settings.deadline_ns == 0 ? UINT64_MAX : now_ns() + settings.deadline_ns;
}

/* Takes a slot of the current connection. While the ring is full it pauses with EAGAIN, or waits. Returns NULL and `why` if
 * there is no slot. It keeps no reference to the connection during a pause, because a job that is abandoned never goes on to
 * drop it. */
static struct record *take_slot(struct place *place, const char **why)
{
    uint64_t until_ns = slot_deadline();
    unsigned moves = 0;

    for (int turns = 0;; turns++) {
        const struct connection *queued = turns > 0 && place->waiter != NULL ? waiter_queue(place->waiter) : NULL;
        struct connection *connection = device_connection(queued);
        struct record *record;
        int waits, dead;

        if (connection == NULL) {
            *why = device_failure();
            return NULL;
        }
        /* Without a dispatcher, perhaps no thread has noticed that the device went away or has freed slots. */
        if (!connection_has_dispatcher(connection))
            events_handle(connection);
        record = take_or_queue(connection, place);
        waits = record != NULL || may_wait(connection, place, turns, until_ns);
        dead = ring_is_dead(&connection->ring);
        connection_unref(connection);
        if (record != NULL)
            return record;
        if (!waits) {
            *why = "the ring is full, and only jobs that are resumed could free a slot";
            return NULL;
        }
        if (place->waiter != NULL && !place->mute && !dead) {
            /* The waiter holds a reference to the connection in whose queue it last was. */
            if (!place_pause(place, ASYNC_STATUS_EAGAIN, &waiter_queue(place->waiter)->ring)) {
                *why = PLACE_BEFORE_FORK;
                return NULL;
            }
            waiter_take_token(place->waiter);
        }
        /* When a device that stalls is given up, so are the waits in its queue. The next device gets the same time. */
        if (dead && ++moves < settings.device_count)
            until_ns = slot_deadline();
        if (now_ns() >= until_ns) {
            *why = "the ring stayed full until the deadline";
            return NULL;
        }
    }
}

struct record *slot_wait(struct key *key, uint32_t *id, struct place *place, const char **why)
{
    for (;;) {
        struct record *record = take_slot(place, why);

        *id = 0;
        if (record == NULL || key == NULL)
            return record;
        *id = key_id(key, connection_of(record));
        if (*id != 0)
            return record;
        if (!key_load(key, record)) {
            *why = "the key can't be given to the device";
            return NULL;
        }
    }
}

#define _GNU_SOURCE
#include "offload.h"

#include <openssl/async.h>
#include <sched.h>
#include <string.h>

#include "blocking.h"
#include "checksum.h"
#include "clock.h"
#include "counters.h"
#include "device.h"
#include "error.h"
#include "events.h"
#include "key.h"
#include "report.h"
#include "settings.h"
#include "waiter.h"
#include "wire.h"

/* After this many resumes without a completion, an operation waits a little at each further resume. Some programs resume a
 * job a thousand times without looking at its fd. And if pauses are blocked (ASYNC_block_pause), each pause returns at once.
 * Neither should keep a core busy. */
enum { PATIENCE = 2000 };

static const char BEFORE_FORK[] = "this job was begun before a fork";

static enum outcome software(void)
{
    COUNT(software);
    return OUTCOME_SOFTWARE;
}

static enum outcome without_device(ASYNC_WAIT_CTX *context, const char *why)
{
    if (settings.fallback)
        return software();
    if (context != NULL)
        ASYNC_WAIT_CTX_set_status(context, ASYNC_STATUS_ERR);
    error_raise(ERROR_DEVICE, why);
    return OUTCOME_FAILED;
}

enum outcome offload_unsupported(const char *what)
{
    report_unsupported(what);
    /* The device has not failed, so there is no error even with fallback = no. This is documented. */
    COUNT(unsupported);
    return software();
}

static const char *reason(int32_t status)
{
    switch (status) {
    case STATUS_GONE:
        return "the device went away with the operation in flight";
    case STATUS_EXPIRED:
        return "no completion came before the deadline";
    case WIRE_NO_KEY:
        return "the device does not know the key";
    case WIRE_UNSUPPORTED:
        return "the device does not do this operation";
    case WIRE_INVALID:
        return "the device says that the request is malformed";
    case WIRE_TOO_LONG:
        return "the result is longer than expected";
    case WIRE_RESET:
        return "the device was reset with the operation in flight";
    default:
        return "the device failed the operation";
    }
}

/* Where an operation runs: in a job, which has a wait context, or in a thread that blocks. The waiter is made only when it is
 * certain that the operation pauses. The comment at `settle` says why. */
struct place {
    ASYNC_WAIT_CTX *context; /* NULL: there is no job */
    struct waiter *waiter;
    int mute; /* the job can't be woken, so it blocks too */
};

/* Returns NULL if there is no job, or if it can't be woken. */
static struct waiter *waiter_at(struct place *place, struct connection *connection)
{
    if (place->context == NULL || place->mute)
        return NULL;
    if (place->waiter == NULL)
        place->waiter = waiter_of(place->context, connection);
    place->mute = place->waiter == NULL || !waiter_watch(place->waiter, connection);
    return place->mute ? NULL : place->waiter;
}

/* `at`: the ring of the device that it waits for. Returns 0 if this is no longer the process in which the operation was
 * begun. */
static int pause_job(struct place *place, int status, const struct ring *at)
{
    ASYNC_WAIT_CTX_set_status(place->context, status);
    if (at != NULL)
        COUNT_AT(at, pauses);
    else
        COUNT(pauses);
    ASYNC_pause_job();
    if (!waiter_is_ours(place->waiter))
        return 0;
    waiter_set_reported(place->waiter);
    return 1;
}

/* Ends the wait of an operation. If the operation announced an fd but never paused, the job wakes itself and pauses once.
 * Applications do not expect that a job announces an fd without a pause: HAProxy aborts. */
static void settle(struct place *place)
{
    if (place->waiter == NULL || !waiter_is_ours(place->waiter))
        return;
    waiter_rest(place->waiter);
    if (!waiter_is_unreported(place->waiter))
        return;
    waiter_wake(place->waiter);
    if (pause_job(place, ASYNC_WAIT_CTX_get_status(place->context), NULL))
        waiter_take_token(place->waiter);
}

/* Takes a slot, or puts the job into the queue for one. */
static struct record *take_or_queue(struct connection *connection, struct place *place)
{
    /* A job that has paused for a slot may find another connection now. */
    struct waiter *waiter = place->waiter != NULL ? waiter_at(place, connection) : NULL;
    struct record *record = waiter != NULL ? waiter_take_slot(waiter, connection) : connection_take(connection, NULL);

    if (record != NULL || ring_is_dead(&connection->ring))
        return record;
    COUNT_AT(&connection->ring, full);
    if (waiter == NULL && (waiter = waiter_at(place, connection)) != NULL)
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
            /* The waiter refers to the connection where it is in the queue, as long as it is there. */
            if (!pause_job(place, ASYNC_STATUS_EAGAIN, &waiter_queue(place->waiter)->ring)) {
                *why = BEFORE_FORK;
                return NULL;
            }
            waiter_take_token(place->waiter);
        }
        /* A device that stalls is given up with those who stand in its queue. The next one gets the same patience. */
        if (dead && ++moves < settings.device_count)
            until_ns = slot_deadline();
        if (now_ns() >= until_ns) {
            *why = "the ring stayed full until the deadline";
            return NULL;
        }
    }
}

/* Takes a slot of a connection on which the key is loaded. `id` is set to the id that the key has there; 0 without a key. */
static struct record *take_slot_with_key(struct key *key, uint32_t *id, struct place *place, const char **why)
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

/* Writes the input to the start of the slot and aux after it; the output comes last. Returns 0 if they do not fit. */
static int fill_slot(struct record *record, const struct operation *o, uint32_t key, struct request *request)
{
    const size_t aux_off = (o->in_len + 15) & ~(size_t)15, out_off = (aux_off + o->aux_len + 15) & ~(size_t)15;
    const uint32_t slot_bytes = record->ring->slot_bytes;
    uint8_t *slot = ring_slot(record);

    if (o->in_len > slot_bytes || out_off + o->out_max + 4 > slot_bytes)
        return 0;
    memcpy(slot, o->in, o->in_len);
    if (o->aux_len > 0)
        memcpy(slot + aux_off, o->aux, o->aux_len);
    *request = (struct request){.operation = o->code,
                                .flags = WIRE_CHECKSUM,
                                .key = key,
                                .in_len = (uint32_t)o->in_len,
                                .aux_off = (uint32_t)aux_off,
                                .aux_len = (uint32_t)o->aux_len,
                                .out_off = (uint32_t)out_off,
                                .out_max = (uint32_t)o->out_max};
    return 1;
}

/* Waits in place until the job has been woken, so that the wake-up comes before the pause. */
static void wait_until_done(struct connection *connection, struct record *record)
{
    while (atomic_load(&record->state) != RECORD_DONE) {
        if (!connection_has_dispatcher(connection))
            events_handle(connection);
        events_wait(connection, 1);
    }
}

/* Pauses until the record is done, and at least once. Returns 0 if this is no longer the process that submitted it. */
static int pause_until_done(struct place *place, struct record *record)
{
    struct connection *connection = connection_of(record);
    int resumes = 0;

    if (settings.late_pause)
        wait_until_done(connection, record);
    for (;;) {
        uint32_t state;

        if (!pause_job(place, ASYNC_STATUS_OK, &connection->ring))
            return 0;
        /* Without a dispatcher it is the device's interrupt that makes the fd readable. */
        if (!connection_has_dispatcher(connection))
            events_handle(connection);
        for (;;) {
            /* In FIRING another thread is just sending the wake-up. If we paused now we would miss it, and if the operation
             * went on, the wake-up would reach the next operation. */
            while ((state = atomic_load(&record->state)) == RECORD_FIRING)
                sched_yield();
            if (state == RECORD_DONE)
                return 1;
            if (!atomic_exchange(&record->woken_early, 0))
                break;
            /* That wake-up was for an operation that goes on. With its token left in the fd the application would resume the
             * job again and again. If the operation has completed meanwhile, its token is gone as well: look once more. */
            waiter_take_token(place->waiter);
        }
        COUNT_AT(&connection->ring, spurious);
        if (++resumes > PATIENCE)
            events_wait(connection, 1);
    }
}

/* Copies the result out of the slot before it is checked, because the device could still change the slot. */
static int collect(struct record *record, const struct request *request, struct operation *o)
{
    const uint8_t *slot = ring_slot(record) + request->out_off;
    uint32_t sum;

    memcpy(o->out, slot, record->out_len);
    memcpy(&sum, slot + record->out_len, sizeof(sum));
    o->out_len = record->out_len;
    if (sum == checksum(checksum(checksum(0, o->in, o->in_len), o->aux, o->aux_len), o->out, o->out_len))
        return 1;
    COUNT_AT(record->ring, damaged);
    return 0;
}

/* Whether another device may do what this one has not done. */
static int can_go_elsewhere(int32_t status, int tries)
{
    return (status == STATUS_GONE || status == STATUS_EXPIRED || status == WIRE_RESET) && tries < (int)settings.device_count;
}

/* Runs the operation in a taken slot, and frees the slot. `elsewhere` is set to 1 if another device should be asked: then
 * there is no outcome yet. */
static enum outcome run_in_slot(struct operation *o, struct record *record, uint32_t key, struct place *place, int tries,
                                int *elsewhere)
{
    struct waiter *waiter;
    struct request request;
    int32_t status;
    int good;

    if (!fill_slot(record, o, key, &request)) {
        connection_release(record);
        return offload_unsupported("size");
    }
    waiter = waiter_at(place, connection_of(record));
    if (waiter != NULL)
        waiter_attach(waiter, record);
    else
        blocking_attach(record);
    connection_submit(record, &request);
    if (waiter == NULL) {
        COUNT_AT(record->ring, blocked);
        blocking_wait(record);
    } else if (!pause_until_done(place, record)) {
        return without_device(place->context, BEFORE_FORK);
    }
    status = record->status;
    good = status == WIRE_OK && collect(record, &request, o);
    if (status == STATUS_EXPIRED)
        atomic_store(&connection_of(record)->suspect, 1);
    if (waiter != NULL)
        waiter_detach(waiter, record);
    *elsewhere = !good && can_go_elsewhere(status, tries);
    if (good)
        COUNT_AT(record->ring, offloaded);
    else if (!*elsewhere && status != STATUS_GONE && status != STATUS_EXPIRED)
        COUNT_AT(record->ring, failed);
    connection_release(record);
    if (good)
        return OUTCOME_DONE;
    if (*elsewhere)
        return OUTCOME_FAILED;
    return without_device(place->context, status == WIRE_OK ? "the result was damaged on its way" : reason(status));
}

enum outcome offload_run(struct operation *o)
{
    ASYNC_JOB *job = ASYNC_get_current_job();
    struct place place = {.context = job != NULL ? ASYNC_get_wait_ctx(job) : NULL};
    const char *why = "";
    struct record *record;
    enum outcome outcome;
    uint32_t id;
    int tries = 0, elsewhere;

    if (o->key != NULL && key_is_unusable(o->key))
        return offload_unsupported("key");
    do {
        elsewhere = 0;
        record = take_slot_with_key(o->key, &id, &place, &why);
        if (record != NULL)
            outcome = run_in_slot(o, record, id, &place, ++tries, &elsewhere);
        else if (o->key != NULL && key_is_unusable(o->key))
            outcome = offload_unsupported("key");
        else
            outcome = without_device(place.context, why);
    } while (elsewhere);
    settle(&place);
    return outcome;
}

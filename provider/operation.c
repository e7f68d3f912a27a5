#define _GNU_SOURCE
#include "operation.h"

#include <openssl/async.h>
#include <sched.h>
#include <string.h>
#include <unistd.h>

#include "checksum.h"
#include "connection.h"
#include "counters.h"
#include "error.h"
#include "events.h"
#include "key.h"
#include "report.h"
#include "ring.h"
#include "settings.h"
#include "waiter.h"

/* Resumes without a completion that an operation takes before it begins to wait a little at each. Some programs resume
 * a job a thousand times without looking at its fd; and where pauses are blocked (ASYNC_block_pause), each pause
 * returns at once. Neither is to burn a core. */
enum { PATIENCE = 2000 };

static const char BEFORE_FORK[] = "this job was begun before a fork";

static enum outcome software(void)
{
    COUNT(software);
    return OPERATION_SOFTWARE;
}

static enum outcome without_device(ASYNC_WAIT_CTX *context, const char *why)
{
    if (settings.fallback)
        return software();
    if (context != NULL)
        ASYNC_WAIT_CTX_set_status(context, ASYNC_STATUS_ERR);
    error_raise(ERROR_DEVICE, why);
    return OPERATION_FAILED;
}

enum outcome operation_unsupported(const char *what)
{
    report_unsupported(what);
    /* Not the device's fault, so there is no error even without fallback: the documented way for such keys. */
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

/* Where an operation runs: in a job with its wait context, or, with none, in a thread that blocks. The waiter is made
 * only when the operation is sure to pause, see settle. */
struct place {
    ASYNC_WAIT_CTX *context;
    struct waiter *waiter;
    int mute; /* the job can't be told of a completion, so it blocks as well */
};

/* NULL: none, or the job can't be told. */
static struct waiter *waiter_at(struct place *place, struct connection *connection)
{
    if (place->context == NULL || place->mute)
        return NULL;
    if (place->waiter == NULL)
        place->waiter = waiter_of(place->context, connection);
    place->mute = place->waiter == NULL || !waiter_watch(place->waiter, connection);
    return place->mute ? NULL : place->waiter;
}

/* Returns 0 if this is no longer the process in which the operation was begun. */
static int pause_job(struct place *place, int status)
{
    ASYNC_WAIT_CTX_set_status(place->context, status);
    COUNT(pauses);
    ASYNC_pause_job();
    if (place->waiter->pid != getpid())
        return 0;
    place->waiter->unreported = 0;
    return 1;
}

/* An application that finds a new fd announced after a job that did not pause is lost: HAProxy aborts, as it then has
 * an fd that it never saw. So whoever announced one pauses once, woken by itself. */
static void settle(struct place *place)
{
    if (place->waiter == NULL || place->waiter->pid != getpid())
        return;
    waiter_rest(place->waiter);
    if (!place->waiter->unreported)
        return;
    waiter_wake(place->waiter);
    if (pause_job(place, ASYNC_WAIT_CTX_get_status(place->context)))
        waiter_take_token(place->waiter);
}

static struct record *take_or_join_line(struct connection *connection, struct place *place)
{
    /* Who stood in line before may find another connection now. */
    struct waiter *waiter = place->waiter != NULL ? waiter_at(place, connection) : NULL;
    struct record *record;

    if (waiter != NULL)
        waiter_set_line(waiter, connection);
    record = ring_take(connection, waiter);
    if (record != NULL || atomic_load(&connection->dead))
        return record;
    COUNT(full);
    if (waiter == NULL && (waiter = waiter_at(place, connection)) != NULL) {
        waiter_set_line(waiter, connection);
        record = ring_take(connection, waiter);
    }
    return record;
}

/* Whether to wait while the ring is full. Outside of a job, it has waited on return. Slots may be held by jobs that are
 * paused in this very thread: then a job that can't be told must not wait at all, and one that is resumed again and again,
 * as where pauses are blocked, not for ever. */
static int may_wait(struct connection *connection, const struct place *place, int turns, uint64_t until_ns)
{
    if (atomic_load(&connection->dead))
        return 1;
    if (place->context == NULL)
        return ring_wait_for_room(connection, until_ns);
    return !place->mute && (turns <= PATIENCE || !ring_is_held(connection));
}

/* A slot of the living connection: pauses with EAGAIN, or waits, while the ring is full. NULL and `why`: none to be
 * had. No reference of ours is kept over a pause, since a job that is given up never comes back to drop it. */
static struct record *take_slot(struct place *place, const char **why)
{
    const uint64_t until_ns = settings.deadline_ns == 0 ? UINT64_MAX : now_ns() + settings.deadline_ns;

    for (int turns = 0;; turns++) {
        struct connection *connection = connection_get();
        struct record *record;
        int waits, dead;

        if (connection == NULL) {
            *why = connection_failure();
            return NULL;
        }
        /* The device may have gone away, or made room, with nobody there to notice. */
        if (!connection_has_dispatcher(connection))
            events_handle(connection);
        record = take_or_join_line(connection, place);
        waits = record != NULL || may_wait(connection, place, turns, until_ns);
        dead = atomic_load(&connection->dead);
        connection_unref(connection);
        if (record != NULL)
            return record;
        if (!waits) {
            *why = "the ring is full, and only jobs that are resumed could make room";
            return NULL;
        }
        if (place->waiter != NULL && !place->mute && !dead) {
            if (!pause_job(place, ASYNC_STATUS_EAGAIN)) {
                *why = BEFORE_FORK;
                return NULL;
            }
            waiter_take_token(place->waiter);
        }
        if (now_ns() >= until_ns) {
            *why = "the ring stayed full until the deadline";
            return NULL;
        }
    }
}

static struct record *take_slot_with_key(struct key *key, uint32_t *id, struct place *place, const char **why)
{
    for (;;) {
        struct record *record = take_slot(place, why);

        *id = 0;
        if (record == NULL || key == NULL)
            return record;
        *id = key_id(key, record->connection);
        if (*id != 0)
            return record;
        if (!key_load(key, record)) {
            *why = "the key can't be given to the device";
            return NULL;
        }
    }
}

/* Input at the start of the slot, aux and output behind it. 0 if they do not fit. */
static int fill_slot(struct record *record, const struct operation *o, uint32_t key, struct request *request)
{
    const size_t aux_off = (o->in_len + 15) & ~(size_t)15, out_off = (aux_off + o->aux_len + 15) & ~(size_t)15;
    uint8_t *slot = ring_slot(record);

    if (o->in_len > record->connection->slot_bytes || out_off + o->out_max + 4 > record->connection->slot_bytes)
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

/* Pauses until the record is done, and at least once. Returns 0 if this is no longer the process that submitted it. */
static int pause_until_done(struct place *place, struct record *record)
{
    int resumes = 0;

    for (;;) {
        uint32_t state;

        if (!pause_job(place, ASYNC_STATUS_OK))
            return 0;
        /* What made the fd readable is the device's interrupt, then. */
        if (!connection_has_dispatcher(record->connection))
            events_handle(record->connection);
        /* The wake-up is being sent at this moment. Pausing again would miss it; leaving would have it hit the next. */
        while ((state = atomic_load(&record->state)) == RECORD_FIRING)
            sched_yield();
        if (state == RECORD_DONE)
            return 1;
        COUNT(spurious);
        if (++resumes > PATIENCE)
            events_wait(record->connection, 1);
    }
}

/* Copies the result out of the slot, once, before it is looked at: the device could still change the slot. */
static int collect(struct record *record, const struct request *request, struct operation *o)
{
    const uint8_t *slot = ring_slot(record) + request->out_off;
    uint32_t sum;

    memcpy(o->out, slot, record->out_len);
    memcpy(&sum, slot + record->out_len, sizeof(sum));
    o->out_len = record->out_len;
    if (sum == checksum(checksum(checksum(0, o->in, o->in_len), o->aux, o->aux_len), o->out, o->out_len))
        return 1;
    COUNT(damaged);
    return 0;
}

/* From a taken slot to its release. */
static enum outcome run_in_slot(struct operation *o, struct record *record, uint32_t key, struct place *place)
{
    struct waiter *waiter;
    struct request request;
    int32_t status;
    int good;

    if (!fill_slot(record, o, key, &request)) {
        ring_release(record);
        return operation_unsupported("size");
    }
    waiter = waiter_at(place, record->connection);
    if (waiter != NULL)
        waiter_attach(waiter, record);
    ring_submit(record, &request);
    if (waiter == NULL) {
        COUNT(blocked);
        ring_wait(record);
    } else if (!pause_until_done(place, record)) {
        return without_device(place->context, BEFORE_FORK);
    }
    status = record->status;
    good = status == WIRE_OK && collect(record, &request, o);
    if (waiter != NULL)
        waiter_detach(waiter, record);
    ring_release(record);
    if (good) {
        COUNT(offloaded);
        return OPERATION_DONE;
    }
    if (status != STATUS_GONE && status != STATUS_EXPIRED)
        COUNT(failed);
    return without_device(place->context, status == WIRE_OK ? "the result was damaged on its way" : reason(status));
}

enum outcome operation_run(struct operation *o)
{
    ASYNC_JOB *job = ASYNC_get_current_job();
    struct place place = {.context = job != NULL ? ASYNC_get_wait_ctx(job) : NULL};
    const char *why = "";
    struct record *record;
    enum outcome outcome;
    uint32_t id;

    if (o->key != NULL && key_is_unusable(o->key))
        return operation_unsupported("key");
    record = take_slot_with_key(o->key, &id, &place, &why);
    if (record != NULL)
        outcome = run_in_slot(o, record, id, &place);
    else if (o->key != NULL && key_is_unusable(o->key))
        outcome = operation_unsupported("key");
    else
        outcome = without_device(place.context, why);
    settle(&place);
    return outcome;
}

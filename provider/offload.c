#define _GNU_SOURCE
#include "offload.h"

#include <openssl/async.h>
#include <sched.h>
#include <string.h>

#include "blocking.h"
#include "checksum.h"
#include "counters.h"
#include "error.h"
#include "events.h"
#include "place.h"
#include "report.h"
#include "settings.h"
#include "slot_wait.h"
#include "wire.h"

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

        if (!place_pause(place, ASYNC_STATUS_OK, &connection->ring))
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
    waiter = place_waiter(place, connection_of(record));
    if (waiter != NULL) {
        request.caller = waiter_serial(waiter);
        waiter_attach(waiter, record);
    } else {
        blocking_attach(record);
    }
    connection_submit(record, &request);
    if (waiter == NULL) {
        COUNT_AT(record->ring, blocked);
        blocking_wait(record);
    } else if (!pause_until_done(place, record)) {
        return without_device(place->context, PLACE_BEFORE_FORK);
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
    struct place place = place_here();
    const char *why = "";
    struct record *record;
    enum outcome outcome;
    uint32_t id;
    int tries = 0, elsewhere;

    if (o->key != NULL && key_is_unusable(o->key))
        return offload_unsupported("key");
    do {
        elsewhere = 0;
        record = slot_wait(o->key, &id, &place, &why);
        if (record != NULL)
            outcome = run_in_slot(o, record, id, &place, ++tries, &elsewhere);
        else if (o->key != NULL && key_is_unusable(o->key))
            outcome = offload_unsupported("key");
        else
            outcome = without_device(place.context, why);
    } while (elsewhere);
    place_settle(&place);
    return outcome;
}

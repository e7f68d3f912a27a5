#include "place.h"

#include "counters.h"

const char PLACE_BEFORE_FORK[] = "this job was begun before a fork";

struct place place_here(void)
{
    ASYNC_JOB *job = ASYNC_get_current_job();

    return (struct place){.context = job != NULL ? ASYNC_get_wait_ctx(job) : NULL};
}

struct waiter *place_waiter(struct place *place, struct connection *connection)
{
    if (place->context == NULL || place->mute)
        return NULL;
    if (place->waiter == NULL)
        place->waiter = waiter_of(place->context, connection);
    place->mute = place->waiter == NULL || !waiter_watch(place->waiter, connection);
    return place->mute ? NULL : place->waiter;
}

int place_pause(struct place *place, int status, const struct ring *at)
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

void place_settle(struct place *place)
{
    if (place->waiter == NULL || !waiter_is_ours(place->waiter))
        return;
    waiter_rest(place->waiter);
    if (!waiter_is_unreported(place->waiter))
        return;
    waiter_wake(place->waiter);
    if (place_pause(place, ASYNC_WAIT_CTX_get_status(place->context), NULL))
        waiter_take_token(place->waiter);
}

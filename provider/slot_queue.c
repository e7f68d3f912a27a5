#include "slot_queue.h"

#include <stddef.h>

void slot_queue_join(struct slot_queue *q, struct slot_queue_entry *e)
{
    if (e->queued)
        return;
    e->queued = 1;
    e->next = NULL;
    e->functions->ref(e);
    if (q->last != NULL)
        q->last->next = e;
    else
        q->first = e;
    q->last = e;
}

void slot_queue_leave(struct slot_queue *q, struct slot_queue_entry *e)
{
    struct slot_queue_entry *before = NULL;

    if (!e->queued)
        return;
    for (struct slot_queue_entry *at = q->first; at != NULL; before = at, at = at->next) {
        if (at != e)
            continue;
        if (before != NULL)
            before->next = e->next;
        else
            q->first = e->next;
        if (q->last == e)
            q->last = before;
        e->queued = 0;
        e->functions->unref(e);
        return;
    }
}

struct slot_queue_entry *slot_queue_pop(struct slot_queue *q)
{
    struct slot_queue_entry *e = q->first;

    if (e == NULL)
        return NULL;
    q->first = e->next;
    if (q->first == NULL)
        q->last = NULL;
    e->queued = 0;
    return e;
}

void slot_queue_wake(struct slot_queue_entry *e)
{
    if (e == NULL)
        return;
    e->functions->wake(e);
    e->functions->unref(e);
}

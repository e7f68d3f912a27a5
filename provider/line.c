#include "line.h"

#include "waiter.h"

void line_join(struct connection *c, struct waiter *w)
{
    if (w->in_line)
        return;
    w->in_line = 1;
    w->line_next = NULL;
    waiter_ref(w);
    if (c->room_last != NULL)
        c->room_last->line_next = w;
    else
        c->room_first = w;
    c->room_last = w;
}

void line_leave(struct connection *c, struct waiter *w)
{
    struct waiter *before = NULL;

    if (!w->in_line)
        return;
    for (struct waiter *at = c->room_first; at != NULL; before = at, at = at->line_next) {
        if (at != w)
            continue;
        if (before != NULL)
            before->line_next = w->line_next;
        else
            c->room_first = w->line_next;
        if (c->room_last == w)
            c->room_last = before;
        w->in_line = 0;
        waiter_unref(w);
        return;
    }
}

struct waiter *line_pop(struct connection *c)
{
    struct waiter *w;

    while ((w = c->room_first) != NULL) {
        c->room_first = w->line_next;
        if (c->room_first == NULL)
            c->room_last = NULL;
        w->in_line = 0;
        if (!atomic_load(&w->gone))
            return w;
        waiter_unref(w);
    }
    return NULL;
}

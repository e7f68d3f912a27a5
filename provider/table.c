#include "table.h"

#include <stdint.h>
#include <stdlib.h>

static struct entry **bucket(struct table *t, const void *address)
{
    /* Allocations are 16 bytes apart at least; the multiplier spreads the rest over the top bits. */
    return &t->buckets[((uint64_t)(uintptr_t)address >> 4) * 0x9E3779B97F4A7C15u >> 54];
}

void *table_get(struct table *t, const void *address)
{
    for (struct entry *e = *bucket(t, address); e != NULL; e = e->next)
        if (e->address == address)
            return e->value;
    return NULL;
}

int table_put(struct table *t, const void *address, void *value)
{
    struct entry *e = malloc(sizeof(*e)), **at = bucket(t, address);

    if (e == NULL)
        return 0;
    *e = (struct entry){.address = address, .value = value, .next = *at};
    *at = e;
    return 1;
}

void *table_remove(struct table *t, const void *address)
{
    for (struct entry **at = bucket(t, address); *at != NULL; at = &(*at)->next) {
        struct entry *e = *at;
        void *value = e->value;

        if (e->address != address)
            continue;
        *at = e->next;
        free(e);
        return value;
    }
    return NULL;
}

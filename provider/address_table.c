#include "address_table.h"

#include <stdint.h>
#include <stdlib.h>

static struct address_entry **bucket(struct address_table *t, const void *address)
{
    /* Allocations are at least 16 bytes apart. The multiplication spreads the other bits over the top ten, which count. */
    return &t->buckets[((uint64_t)(uintptr_t)address >> 4) * 0x9E3779B97F4A7C15u >> 54];
}

void *address_table_get(struct address_table *t, const void *address)
{
    for (struct address_entry *e = *bucket(t, address); e != NULL; e = e->next)
        if (e->address == address)
            return e->value;
    return NULL;
}

int address_table_put(struct address_table *t, const void *address, void *value)
{
    struct address_entry *e = malloc(sizeof(*e)), **at = bucket(t, address);

    if (e == NULL)
        return 0;
    *e = (struct address_entry){.address = address, .value = value, .next = *at};
    *at = e;
    return 1;
}

void *address_table_remove(struct address_table *t, const void *address)
{
    for (struct address_entry **at = bucket(t, address); *at != NULL; at = &(*at)->next) {
        struct address_entry *e = *at;
        void *value = e->value;

        if (e->address != address)
            continue;
        *at = e->next;
        free(e);
        return value;
    }
    return NULL;
}

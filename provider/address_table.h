/* A hash table from addresses to values, with a lock. It holds what we know about objects of the default provider: keys and
 * operation contexts. These objects have no room for data of ours. */
#ifndef SIMACCEL_ADDRESS_TABLE_H
#define SIMACCEL_ADDRESS_TABLE_H

#include <pthread.h>
#include <stddef.h>

enum { ADDRESS_BUCKETS = 1024 };

struct address_entry {
    const void *address;
    void *value;
    struct address_entry *next;
};

struct address_table {
    pthread_mutex_t lock; /* taken by the callers, who may hold it around several calls */
    struct address_entry *buckets[ADDRESS_BUCKETS];
};

/* These must be called under the lock. */
void *address_table_get(struct address_table *table, const void *address); /* NULL: no such address */
int address_table_put(struct address_table *table, const void *address, void *value); /* 0: no memory */
void *address_table_remove(struct address_table *table, const void *address); /* the value; NULL: no such address */

#endif

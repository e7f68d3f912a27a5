/* A hash table from addresses to values, with a lock: our state about objects that belong to the default provider. */
#ifndef SIMACCEL_TABLE_H
#define SIMACCEL_TABLE_H

#include <pthread.h>
#include <stddef.h>

enum { TABLE_BUCKETS = 1024 };

struct entry {
    const void *address;
    void *value;
    struct entry *next;
};

struct table {
    pthread_mutex_t lock; /* callers may hold it around several calls */
    struct entry *buckets[TABLE_BUCKETS];
};

/* These want the lock held. */
void *table_get(struct table *table, const void *address);
int table_put(struct table *table, const void *address, void *value); /* 0: no memory */
void *table_remove(struct table *table, const void *address);

#endif

/* The callbacks come in a thread of the provider. Each puts its connection into the latch and rings the bell; the loop
 * answers the bell. */
#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>

#include "server.h"

enum { WAKES = 65536 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static uint64_t latch[WAKES]; /* generation and index of a connection; UINT64_MAX: forgotten */
static unsigned latched;
static int bell;

int make_bell(void)
{
    return bell = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
}

static int on_wake(SSL *ssl, void *connection)
{
    (void)ssl;
    pthread_mutex_lock(&lock);
    latch[latched++ % WAKES] = (uint64_t)(uintptr_t)connection;
    pthread_mutex_unlock(&lock);
    eventfd_write(bell, 1);
    return 1;
}

void set_callback(struct connection *c, unsigned generation)
{
    SSL_set_async_callback(c->ssl, on_wake);
    SSL_set_async_callback_arg(c->ssl, (void *)(uintptr_t)((uint64_t)generation << 32 | (uint32_t)c->index));
}

/* For the fault wake-before-pause by callback: forgets what was latched for this connection. */
void forget_wakes(struct connection *c)
{
    pthread_mutex_lock(&lock);
    for (unsigned i = 0; i < latched; i++)
        if ((latch[i] & 0xffffffff) == (uint64_t)c->index)
            latch[i] = UINT64_MAX;
    pthread_mutex_unlock(&lock);
}

void answer_bell(void)
{
    eventfd_t count;
    static uint64_t woken[WAKES];
    unsigned number;

    eventfd_read(bell, &count);
    pthread_mutex_lock(&lock);
    number = latched;
    memcpy(woken, latch, number * sizeof(*latch));
    latched = 0;
    pthread_mutex_unlock(&lock);
    for (unsigned i = 0; i < number; i++) {
        struct connection *c = &connections[(uint32_t)woken[i] % CONNECTIONS];

        if (woken[i] != UINT64_MAX && c->generation == woken[i] >> 32)
            wake(c);
    }
}

/* How many operations a second the device does for a bare C client: batch_client NAME BATCH SECONDS. Prints the rate. SIGTERM
 * ends it early. */
#define _GNU_SOURCE
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "../../provider/handshake.h"
#include "../../provider/settings.h"
#include "../../provider/wire.h"

static volatile sig_atomic_t ended;

static void end(int number)
{
    ended = number;
}

static _Atomic uint64_t *word(struct connection *c, uint32_t at)
{
    return (_Atomic uint64_t *)(void *)(c->ring.memory + at);
}

static double seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void submit(struct connection *c, uint64_t *tail, unsigned batch)
{
    for (unsigned i = 0; i < batch; i++, (*tail)++) {
        struct wire_submission s = {.cookie = *tail, .operation = WIRE_NULL, .out_off = c->ring.slots_off};

        memcpy(c->ring.memory + c->ring.sq_off + (*tail & (c->ring.entries - 1)) * sizeof(s), &s, sizeof(s));
    }
    atomic_store_explicit(word(c, WIRE_AT_SQ_TAIL), *tail, memory_order_release);
    atomic_thread_fence(memory_order_seq_cst);
    if (atomic_load(word(c, WIRE_AT_SLEEPING)) != 0) {
        const uint64_t one = 1;

        if (write(c->doorbell.number, &one, sizeof(one)) < 0)
            perror("doorbell");
    }
}

int main(int argc, char **argv)
{
    struct connection c = {0};
    char reason[256];
    uint64_t tail = 0, head = 0;
    unsigned batch;
    double begun, until;

    signal(SIGTERM, end);
    settings_reset();
    if (argc != 4 || !handshake(&c, argv[1], reason, sizeof(reason))) {
        fprintf(stderr, "%s\n", argc != 4 ? "usage: batch_client NAME BATCH SECONDS" : reason);
        return 2;
    }
    batch = (unsigned)atoi(argv[2]);
    if (batch < 1 || batch > c.ring.entries) {
        fprintf(stderr, "batch_client: a batch of %s: use 1 to %u\n", argv[2], c.ring.entries);
        return 2;
    }
    atomic_store(word(&c, WIRE_AT_NO_INTERRUPT), 1);
    begun = seconds();
    until = begun + atof(argv[3]);
    /* Half a batch is submitted when half a batch is back, so that the device always finds some. */
    submit(&c, &tail, batch);
    while (!ended && seconds() < until) {
        uint64_t done = atomic_load_explicit(word(&c, WIRE_AT_CQ_TAIL), memory_order_acquire);
        unsigned back = (unsigned)(done - head);

        if (back < (batch + 1) / 2)
            continue;
        head = done;
        atomic_store_explicit(word(&c, WIRE_AT_CQ_HEAD), head, memory_order_release);
        submit(&c, &tail, back);
    }
    printf("%.0f\n", (double)head / (seconds() - begun));
    return 0;
}

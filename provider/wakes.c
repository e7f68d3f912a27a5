#include "wakes.h"

#include <stdatomic.h>

#include "wire.h"

/* The upper bounds of the buckets, as WAKE_BOUNDS_NS in simaccel/bridge/wire.py. One more bucket holds what is longer, and one
 * more word the sum. */
#define DECADE(ns) ns, ns / 10 * 12, ns / 10 * 15, ns * 2, ns / 10 * 25, ns * 3, ns * 4, ns * 5, ns * 6, ns * 8

static const uint64_t bounds_ns[] = {
    DECADE(UINT64_C(1000)),
    DECADE(UINT64_C(10000)),
    DECADE(UINT64_C(100000)),
    DECADE(UINT64_C(1000000)),
    DECADE(UINT64_C(10000000)),
    DECADE(UINT64_C(100000000)),
    DECADE(UINT64_C(1000000000)),
    UINT64_C(10000000000),
};

enum { BOUNDS = sizeof(bounds_ns) / sizeof(*bounds_ns) };

_Static_assert(WIRE_AT_CLIENT_WAKES + (BOUNDS + 2) * sizeof(uint64_t) <= WIRE_PAGE_BYTES, "the histogram fits into page 0");

/* No other thread writes this word, so this needs no atomic addition. */
static void add(uint8_t *memory, uint32_t word, uint64_t more)
{
    _Atomic uint64_t *at = (_Atomic uint64_t *)(void *)(memory + WIRE_AT_CLIENT_WAKES + word * sizeof(uint64_t));

    atomic_store_explicit(at, atomic_load_explicit(at, memory_order_relaxed) + more, memory_order_relaxed);
}

void wakes_add(struct wakes *wakes, uint8_t *memory, uint64_t now)
{
    const uint64_t shown_ns =
        atomic_load_explicit((_Atomic uint64_t *)(void *)(memory + WIRE_AT_SHOWN_NS), memory_order_relaxed);
    /* If the device had not seen yet that we had taken all before, its word is from before our last reap. What we find now was
     * shown after that reap. */
    const uint64_t since_ns = shown_ns > wakes->reaped_ns ? shown_ns : wakes->reaped_ns;
    const uint64_t wake_ns = now > since_ns ? now - since_ns : 0;
    uint32_t i = wakes->bucket;

    wakes->reaped_ns = now;
    if (shown_ns == 0)
        return;
    /* Wake times are much alike, so the search begins in the bucket of the last one. */
    while (i < BOUNDS && wake_ns > bounds_ns[i])
        i++;
    while (i > 0 && wake_ns <= bounds_ns[i - 1])
        i--;
    wakes->bucket = i;
    add(memory, i, 1);
    add(memory, BOUNDS + 1, wake_ns);
}

/* How long completions wait until this client takes them. The device can't see when a client goes on, so the client counts it
 * itself, in a histogram in page 0, from which the device makes the wake times of `simaccel stat`.
 *
 * The device writes the word at WIRE_AT_SHOWN_NS when it shows completions to a client that has taken all before them. So at a
 * reap that finds something, the word says since when the oldest of what it finds has been there. Each such reap is one
 * sample. It takes about 20 ns (docs/decisions/0040-clients-count-their-wakes.md).
 */
#ifndef SIMACCEL_WAKES_H
#define SIMACCEL_WAKES_H

#include <stdint.h>

struct wakes {
    uint64_t reaped_ns; /* when the last reap found something */
    uint32_t bucket;    /* of the last sample */
};

/* Adds a sample at a reap that finds something. Called under the ring's lock, and before the device can see what was taken:
 * after that, it may write the time of the next completions. Adds nothing with an older device, which writes no time. */
void wakes_add(struct wakes *wakes, uint8_t *memory, uint64_t now);

#endif

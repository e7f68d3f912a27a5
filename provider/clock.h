/* The one clock of the provider: CLOCK_MONOTONIC, which the device uses too. */
#ifndef SIMACCEL_CLOCK_H
#define SIMACCEL_CLOCK_H

#include <stdint.h>

uint64_t now_ns(void);

#endif

/* CRC-32 as zlib and Ethernet have it: results carry it, so that what is damaged on its way is never taken for good. */
#ifndef SIMACCEL_CHECKSUM_H
#define SIMACCEL_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

uint32_t checksum(const uint8_t *bytes, size_t length);

#endif

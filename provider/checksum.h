/* The CRC-32 of zlib and Ethernet. A result carries the CRC-32 of input, aux and output, so that damage to a request or to a
 * result is found. */
#ifndef SIMACCEL_CHECKSUM_H
#define SIMACCEL_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

/* Continues a checksum: `before` is that of the bytes in front of these; 0: there are none. */
uint32_t checksum(uint32_t before, const uint8_t *bytes, size_t length);

#endif

/* CRC-32 as zlib and Ethernet have it. Results carry one over input, aux and output, so that neither a request nor a
 * result that was damaged on its way is ever taken for good. */
#ifndef SIMACCEL_CHECKSUM_H
#define SIMACCEL_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

/* Of some bytes behind those that `before` is of; 0 for none. */
uint32_t checksum(uint32_t before, const uint8_t *bytes, size_t length);

#endif

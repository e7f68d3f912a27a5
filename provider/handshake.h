/* From a socket's name to memory shared with the device. */
#ifndef SIMACCEL_HANDSHAKE_H
#define SIMACCEL_HANDSHAKE_H

#include "connection.h"

/* Fills in control, doorbell, interrupt, memory and its layout. 0 and a reason if there is no device, it refuses us,
 * or what it sends can't be right; nothing is left open then. */
int handshake(struct connection *connection, char *reason, size_t reason_bytes);

#endif

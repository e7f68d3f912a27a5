/* The first exchange with the device: connects to its socket, says what is wanted, and maps the memory that it sends.
 *
 * Private keys will go to whoever answers, so the device's user is checked first. Nothing in the answer is trusted: the
 * layout of the memory is checked before it is mapped.
 */
#ifndef SIMACCEL_HANDSHAKE_H
#define SIMACCEL_HANDSHAKE_H

#include "connection.h"

/* Connects to the device at this address, which must stay there as long as the connection. Sets the connection's address,
 * control, doorbell and interrupt, and its ring's memory and layout. Needs nothing in the connection. Returns 0 and a reason if
 * there is no device, if it refuses us, or if its answer makes no sense; nothing is left open then. */
int handshake(struct connection *connection, const char *address, char *reason, size_t reason_bytes);

#endif

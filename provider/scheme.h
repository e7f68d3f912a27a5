/* Digests, paddings and salts, from OpenSSL's words to the wire's. */
#ifndef SIMACCEL_SCHEME_H
#define SIMACCEL_SCHEME_H

#include <stddef.h>
#include <stdint.h>

#include "wire.h"

/* The wire's number of a digest, by any of the names OpenSSL has for it; WIRE_DIGEST_NONE for "", -1 for one that is
 * not on the wire. */
int scheme_digest(const char *name);

/* Bytes of a digest; 0 for none. */
size_t scheme_digest_bytes(int digest);

/* The digest of so many bytes, for signatures that are told a digest but not its name; -1: there is none. */
int scheme_digest_of_length(size_t bytes);

/* Bytes of salt that OpenSSL's number for a salt length means, for a key of so many bits; -1: not possible. */
int scheme_salt_bytes(int salt_length, int key_bits, int digest);

#endif

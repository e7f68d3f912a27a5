/* Turns OpenSSL's names and numbers of digests and salts into those of the wire. */
#ifndef SIMACCEL_SCHEME_H
#define SIMACCEL_SCHEME_H

#include <stddef.h>
#include <stdint.h>

/* Room for the longest name of a digest. */
enum { SCHEME_NAME_BYTES = 50 };

/* The wire's number (an enum wire_digest) for any of the names that OpenSSL has for a digest. WIRE_DIGEST_NONE for "", -1
 * for a digest that the wire does not have. */
int scheme_digest(const char *name);

/* Bytes of a digest; 0 for WIRE_DIGEST_NONE. */
size_t scheme_digest_bytes(int digest);

/* A digest of that many bytes, for signatures whose digest has no name; -1: there is none. */
int scheme_digest_of_length(size_t bytes);

/* Bytes of the salt for OpenSSL's number of a salt length, which may be one of the negative RSA_PSS_SALTLEN_*; -1: the salt
 * does not fit a key of that many bits. */
int scheme_salt_bytes(int salt_length, int key_bits, int digest);

#endif

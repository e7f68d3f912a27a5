/* Private keys on the device: each is loaded once on a connection, when it is first used, and forgotten when its last user
 * is gone.
 *
 * A key object is the default provider's. What we know about it is a struct key, found by the object's address. It is kept
 * by references: one of the object, until that is freed or changed; one of each operation context; and one of a load in
 * flight.
 *
 * The key's id on the device is chosen here. The load goes into the ring right in front of the first operation that needs
 * the key, and the device does the two in order, so nobody waits for the load. If the device refuses it, the key is marked
 * unusable and its operations are done in software from then on.
 */
#ifndef SIMACCEL_KEY_H
#define SIMACCEL_KEY_H

#include <stdint.h>

#include "connection.h"
#include "key_type.h"

struct key;

/* The key of a key object, with a reference. It is made at first use. NULL: no memory. */
struct key *key_of(void *object, const struct key_type *type);

/* Must be called before the object is freed, because a new object may get the same address right after that. */
void key_object_freed(void *object);

/* Must be called when a part of the object was set: the key that the device has is no longer this one. */
void key_object_changed(void *object);

void key_ref(struct key *key);
void key_unref(struct key *key);

/* Size of an RSA modulus in bits, as it was when the key was first seen; 0 for other keys. */
int key_bits(const struct key *key);

/* The shortest salt, in bytes, that a restricted key of type RSA-PSS allows; -1: any. */
int key_min_salt_bytes(const struct key *key);

/* SHAKE256 of the public key, KEY_HASH_BYTES, which ML-DSA calls tr; NULL if the type has none, or no memory. */
enum { KEY_HASH_BYTES = 64 };
const unsigned char *key_public_hash(const struct key *key);

/* Whether the device can't use it. */
int key_is_unusable(const struct key *key);

/* The id that the key has on this connection. 0: it must be loaded first. */
uint32_t key_id(struct key *key, const struct connection *connection);

/* Loads the key on the connection of a taken record, and does not wait for it. The caller must not use the record after that.
 * Returns 1, even if another thread has loaded the key meanwhile; or 0 if it can't be loaded, and then it is unusable. */
int key_load(struct key *key, struct record *record);

void keys_before_fork(void);
void keys_after_fork(void);

#endif

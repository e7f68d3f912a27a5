/* Private keys on the device: handed over once a connection, when first used, and forgotten when the last user goes.
 *
 * The id is chosen here, and the load goes into the ring right before the first operation that needs it, so nobody
 * waits for it. A key that the device can't use is marked when the load fails; from then on it is software's.
 */
#ifndef SIMACCEL_KEY_H
#define SIMACCEL_KEY_H

#include <stdint.h>

#include "connection.h"
#include "default.h"

struct key;
struct record;

/* The key of a provider-side key object, with a reference; made at first use. NULL: no memory. */
struct key *key_of(void *object, const struct key_type *type);

/* The object is being freed: a new one may get the same address. */
void key_object_freed(void *object);

/* A part of the object was set: what the device has of it is no longer the key. */
void key_object_changed(void *object);

void key_ref(struct key *key);
void key_unref(struct key *key);

/* Size of an RSA modulus in bits, taken when the key was first seen; 0 for other keys. */
int key_bits(const struct key *key);

/* The least salt that a restricted key of type RSA-PSS allows, in bytes; -1: any. */
int key_min_salt_bytes(const struct key *key);

/* Whether the device refused it. */
int key_is_unusable(const struct key *key);

/* The id it has on this connection; 0: it must be loaded first. */
uint32_t key_id(struct key *key, const struct connection *connection);

/* Loads it through a taken record, which this consumes, unless another thread was faster. 0: it can't be loaded. */
int key_load(struct key *key, struct record *record);

/* The device's answer to a load; drops the reference that the load held. */
void key_loaded(struct key *key, int32_t status);

void keys_before_fork(void);
void keys_after_fork(void);

#endif

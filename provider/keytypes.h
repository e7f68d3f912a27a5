/* The kinds of keys we manage; their objects are the default provider's. */
#ifndef SIMACCEL_KEYTYPES_H
#define SIMACCEL_KEYTYPES_H

#include "key.h"

extern const struct key_type key_type_rsa, key_type_rsapss, key_type_ec, key_type_ed25519, key_type_x25519;

#endif

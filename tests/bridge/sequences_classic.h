/* Sequences with RSA and elliptic curves. */
#ifndef SEQUENCES_CLASSIC_H
#define SEQUENCES_CLASSIC_H

#include "sequences.h"

enum key { RSA1024, RSA2048, RSA_PSS, RSA_PSS_BOUND, P256, P521, ED25519, X25519, KEYS };

void sign_digests(void);
void sign_messages(void);
void decrypt(void);
void derive(void);

#endif

/* Sequences with ML-DSA and ML-KEM, for OpenSSL 3.5 and later. */
#ifndef SEQUENCES_POST_QUANTUM_H
#define SEQUENCES_POST_QUANTUM_H

#include "sequences.h"

enum key { MLDSA44, MLDSA65, MLDSA87, MLDSA_SEEDLESS, MLKEM768, MLKEM1024, MLKEM_SEEDLESS, MLKEM512, KEYS };

void sign_messages(void);
void decapsulate(void);

#endif

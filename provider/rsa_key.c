#include "rsa_key.h"

KEYMGMT_DEFINE(rsa, "RSA", 1, NULL);

/* The device gets a key of type RSA-PSS as a plain RSA key. */
KEYMGMT_DEFINE(rsapss, "RSA", 1, NULL);

/* RSA keys, of both types: plain ones, and those of type RSA-PSS, which may be used for that padding only. */
#ifndef SIMACCEL_RSA_KEY_H
#define SIMACCEL_RSA_KEY_H

#include "keymgmt.h"

KEYMGMT_DECLARE(rsa);
KEYMGMT_DECLARE(rsapss);

#endif

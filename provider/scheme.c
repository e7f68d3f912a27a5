#include "scheme.h"

#include <openssl/rsa.h>
#include <string.h>
#include <strings.h>

#include "wire.h"

static const struct {
    int digest;
    size_t bytes;
    const char *names[4];
} digests[] = {
    {WIRE_SHA1, 20, {"SHA1", "SHA-1", "SSL3-SHA1", NULL}},
    {WIRE_SHA224, 28, {"SHA224", "SHA2-224", "SHA-224", NULL}},
    {WIRE_SHA256, 32, {"SHA256", "SHA2-256", "SHA-256", NULL}},
    {WIRE_SHA384, 48, {"SHA384", "SHA2-384", "SHA-384", NULL}},
    {WIRE_SHA512, 64, {"SHA512", "SHA2-512", "SHA-512", NULL}},
    {WIRE_SHA512_224, 28, {"SHA512-224", "SHA2-512/224", "SHA-512/224", NULL}},
    {WIRE_SHA512_256, 32, {"SHA512-256", "SHA2-512/256", "SHA-512/256", NULL}},
    {WIRE_SHA3_224, 28, {"SHA3-224", NULL}},
    {WIRE_SHA3_256, 32, {"SHA3-256", NULL}},
    {WIRE_SHA3_384, 48, {"SHA3-384", NULL}},
    {WIRE_SHA3_512, 64, {"SHA3-512", NULL}},
};

enum { DIGESTS = sizeof(digests) / sizeof(*digests) };

int scheme_digest(const char *name)
{
    if (*name == '\0')
        return WIRE_DIGEST_NONE;
    for (size_t i = 0; i < DIGESTS; i++)
        for (const char *const *n = digests[i].names; *n != NULL; n++)
            if (strcasecmp(name, *n) == 0)
                return digests[i].digest;
    return -1;
}

size_t scheme_digest_bytes(int digest)
{
    for (size_t i = 0; i < DIGESTS; i++)
        if (digests[i].digest == digest)
            return digests[i].bytes;
    return 0;
}

int scheme_digest_of_length(size_t bytes)
{
    for (size_t i = 0; i < DIGESTS; i++)
        if (digests[i].bytes == bytes)
            return digests[i].digest;
    return -1;
}

int scheme_salt_bytes(int salt_length, int key_bits, int digest)
{
    const int hash = (int)scheme_digest_bytes(digest);
    /* RFC 8017, 9.1.1: the encoded message is one bit shorter than the modulus, and holds the hash and two bytes. */
    const int room = (key_bits - 1 + 7) / 8 - hash - 2;

    if (salt_length == RSA_PSS_SALTLEN_DIGEST)
        salt_length = hash;
    else if (salt_length == RSA_PSS_SALTLEN_AUTO || salt_length == RSA_PSS_SALTLEN_MAX)
        salt_length = room;
    else if (salt_length == -4) /* RSA_PSS_SALTLEN_AUTO_DIGEST_MAX, since 3.1 */
        salt_length = room < hash ? room : hash;
    return salt_length >= 0 && salt_length <= room ? salt_length : -1;
}

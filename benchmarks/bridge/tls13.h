/* As much of a TLS 1.3 client (RFC 8446) as loads a server: X25519, AES-128-GCM, SHA-256, a full handshake each time. It
 * trusts whatever answers: neither certificate nor signature nor Finished is looked at. libssl takes 420 us for its side
 * of a handshake, this 105. */
#ifndef BENCHMARKS_BRIDGE_TLS13_H
#define BENCHMARKS_BRIDGE_TLS13_H

#include <stddef.h>
#include <stdint.h>

struct tls13_keys {
    uint8_t key[16], iv[12];
    uint64_t sequence;
};

struct tls13 {
    uint8_t transcript[16384]; /* the handshake messages so far */
    size_t transcript_bytes;
    uint8_t secret[32];                   /* of the key schedule: handshake, then master */
    uint8_t client_secret[32], server_secret[32];
    struct tls13_keys write, read;
    int greeted, finished;
};

void tls13_begin(void);

/* Writes the first flight; its length. */
size_t tls13_hello(struct tls13 *t, uint8_t *out);

/* Takes one whole record. Returns what it is to its caller: plain text of the application goes to `text`, and what is to
 * be sent (Finished and the request, once) to `out`. 0: the server does not speak as expected. */
int tls13_record(struct tls13 *t, uint8_t *record, size_t bytes, const char *request, uint8_t *out, size_t *out_bytes,
                 char *text, size_t *text_bytes);

#endif

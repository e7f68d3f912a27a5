/* The wire protocol between a client and the device process. simaccel/bridge/wire.py says the same in Python;
 * tests/bridge/test_bridge_wire.py compares the two.
 *
 * Control messages go over an AF_UNIX SOCK_SEQPACKET socket, one message a packet. Work goes through a memfd, one for each
 * client. It holds page 0, in which each word has a cache line of its own; the submission ring; the completion ring; and one
 * slot for each entry, in which an operation has its input, aux and output. All integers are little-endian, as on the host.
 * Indices count up without end and are taken modulo the number of entries. Times are CLOCK_MONOTONIC in ns.
 */
#ifndef SIMACCEL_WIRE_H
#define SIMACCEL_WIRE_H

#include <stdint.h>

#define WIRE_MAGIC 0x414D4953u /* "SIMA" */
#define WIRE_VERSION 2u
#define WIRE_PAGE_BYTES 4096u
#define WIRE_MAX_ENTRIES 4096u
#define WIRE_MAX_SLOT_BYTES (1u << 20)
#define WIRE_MAX_MEMORY_BYTES (256u << 20)
#define WIRE_MAX_MESSAGE_BYTES 65536u

/* Types of control messages. */
enum wire_message {
    WIRE_HELLO = 1,   /* client: struct wire_hello */
    WIRE_WELCOME = 2, /* device: struct wire_welcome, with memfd, doorbell eventfd and interrupt as SCM_RIGHTS. The
                       * interrupt is an epoll that is readable when the device has interrupted, until epoll_wait. */
    WIRE_REFUSED = 3, /* device: header and a text that says why; the device then closes */
    WIRE_FORGET = 4,  /* client: struct wire_forget; no answer */
    WIRE_STAT = 5,    /* anybody: header, and for a further page of clients a u64, their first serial; answered by
                       * WIRE_REPORT */
    WIRE_REPORT = 6,  /* device: header and JSON */
    WIRE_INJECT = 7,  /* anybody: header and a fault, or nothing to clear all; answered by WIRE_REPORT or WIRE_REFUSED */
};

struct wire_header {
    uint32_t magic;
    uint16_t version;
    uint16_t type;
};

struct wire_hello {
    struct wire_header header;
    uint32_t entries;    /* a power of two: the most that the client wants */
    uint32_t slot_bytes; /* a multiple of 64 */
    uint32_t flags;      /* 0 */
    uint32_t spare;
};

struct wire_welcome {
    struct wire_header header;
    uint32_t entries; /* as asked for, or the most that the device allows */
    uint32_t slot_bytes;
    uint32_t sq_off;
    uint32_t cq_off;
    uint32_t slots_off;
    uint32_t memory_bytes;
};

/* A session or key that the client no longer uses. It goes over the socket and not through the ring, so that it needs no slot
 * and can't fail because the ring is full. */
struct wire_forget {
    struct wire_header header;
    uint32_t key;
    uint32_t spare;
};

/* Page 0. */
#define WIRE_AT_MAGIC 0x000u         /* u32 magic, u32 version, then sizes and offsets as in wire_welcome */
#define WIRE_AT_SQ_TAIL 0x040u       /* u64, client */
#define WIRE_AT_SQ_HEAD 0x080u       /* u64, device */
#define WIRE_AT_CQ_TAIL 0x0C0u       /* u64, device */
#define WIRE_AT_CQ_HEAD 0x100u       /* u64, client */
#define WIRE_AT_SLEEPING 0x140u      /* u64, device: 1 while it waits for the doorbell */
#define WIRE_AT_NO_INTERRUPT 0x180u  /* u64, client: 1 while it polls and wants no interrupt */
#define WIRE_AT_COUNTERS 0x1C0u      /* u64 submitted, completed, failed: device; they outlive a killed device */
#define WIRE_AT_CLIENT_COUNTED 0x200u /* u64, client: a bit for each of the following counts that it keeps */
#define WIRE_AT_CLIENT_COUNTS 0x240u  /* u64 each, client: counts since the connection, as COUNTERS in counters.h */
#define WIRE_AT_SHOWN_NS 0x480u       /* u64, device: when it last showed completions to a client that had taken all before */
#define WIRE_AT_CLIENT_WAKES 0x4C0u   /* u64 each, client: how long completions waited for it, as in wakes.c */

enum wire_operation {
    WIRE_NULL = 0,
    WIRE_ECHO = 1,
    WIRE_KEY_LOAD = 2,     /* in: DER of a private key, followed by its CRC-32 if WIRE_CHECKSUM is set; key: the id that it
                              is to have. Done before the operations that were submitted after it */
    WIRE_RSA_SIGN = 3,     /* in: digest, or what to pad if the scheme names no digest; aux: struct wire_scheme */
    WIRE_RSA_DECRYPT = 4,  /* in: ciphertext; aux: struct wire_scheme, and the label of OAEP */
    WIRE_ECDSA_SIGN = 5,   /* in: digest */
    WIRE_ED25519_SIGN = 6, /* in: message */
    WIRE_X25519 = 7,       /* in: private key, peer's public key, 32 bytes each; key unused */
    WIRE_SESSION_OPEN = 8, /* in: key material; aux: JSON with the kernel's name and parameters; key: its id.
                              Done before the operations that were submitted after it */
    WIRE_CALL = 9,         /* in: payload; aux: aux; key: a session */
    WIRE_ML_DSA_44_SIGN = 10, /* in: the message representative mu of FIPS 204, 64 bytes */
    WIRE_ML_DSA_65_SIGN = 11, /* the same */
    WIRE_ML_DSA_87_SIGN = 12, /* the same */
    WIRE_ML_KEM_768_DECAPSULATE = 13,  /* in: the seed of the private key, 64 bytes, and the ciphertext; key unused */
    WIRE_ML_KEM_1024_DECAPSULATE = 14, /* the same */
};

/* Flags of a submission. */
#define WIRE_CHECKSUM 1u /* the device is to write the CRC-32 of input, aux and output after the output */

struct wire_submission {
    uint64_t cookie;
    uint16_t operation;
    uint16_t flags;
    uint32_t key;
    uint32_t in_off; /* offsets count from the start of the memory and must lie within the slots */
    uint32_t in_len;
    uint32_t out_off;
    uint32_t out_max; /* without the checksum */
    uint32_t aux_off;
    uint32_t aux_len;
    uint64_t t_submit;
    uint64_t caller; /* a number of the wait context that waits for it, in a TLS server of one connection; 0: not known. Only
                        a trace shows it */
    uint64_t spare;
};

struct wire_completion {
    uint64_t cookie;
    int32_t status;
    uint32_t out_len;
    uint64_t t_start;
    uint64_t t_end;
};

/* Status of a completion. */
enum wire_status {
    WIRE_OK = 0,
    WIRE_FAILED = -1,      /* the device or the kernel failed */
    WIRE_INVALID = -2,     /* a malformed descriptor; the device then closes the connection */
    WIRE_NO_KEY = -3,      /* no key of that id, or not one for this operation */
    WIRE_UNSUPPORTED = -4, /* an operation, scheme or type of key that the device does not do */
    WIRE_TOO_LONG = -5,    /* the output does not fit out_max */
    WIRE_RESET = -6,       /* in flight when the device was reset */
    WIRE_WAKE = 1,         /* no completion: the operation goes on, and whoever waits for it is to be woken all the same. Only
                              a device that tests a program sends this, and only to the provider */
};

enum wire_padding { WIRE_PAD_PKCS1 = 1, WIRE_PAD_OAEP = 4, WIRE_PAD_PSS = 6 };

enum wire_digest {
    WIRE_DIGEST_NONE = 0,
    WIRE_SHA1 = 1,
    WIRE_SHA224 = 2,
    WIRE_SHA256 = 3,
    WIRE_SHA384 = 4,
    WIRE_SHA512 = 5,
    WIRE_SHA512_224 = 6,
    WIRE_SHA512_256 = 7,
    WIRE_SHA3_224 = 8,
    WIRE_SHA3_256 = 9,
    WIRE_SHA3_384 = 10,
    WIRE_SHA3_512 = 11,
};

struct wire_scheme {
    uint16_t padding;
    uint16_t digest;
    uint16_t mgf1_digest;
    uint16_t spare;
    int32_t salt_len;
    uint32_t spare2;
};

#endif

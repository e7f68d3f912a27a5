/* The provider's settings: from its section in openssl.cnf, each overridden by an environment variable. */
#ifndef SIMACCEL_SETTINGS_H
#define SIMACCEL_SETTINGS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum offload { OFFLOAD_RSA = 1, OFFLOAD_ECDSA = 2, OFFLOAD_ED25519 = 4, OFFLOAD_X25519 = 8, OFFLOAD_ALL = 15 };

enum { MAX_TRUSTED_USERS = 16 };

struct settings {
    char socket[256];      /* a path, or @ and an abstract name */
    uint32_t entries;      /* slots of the ring */
    uint32_t slot_bytes;   /* bytes of a slot */
    uint64_t deadline_ns;  /* after which an operation in flight counts as lost; 0: never */
    unsigned operations;   /* which kinds go to the device */
    int fallback;          /* software when the device can't, or an error */
    int trace;             /* connections and why they ended, on stderr */
    uid_t trusted_users[MAX_TRUSTED_USERS]; /* whose device may have our keys, besides our own user's and root's */
    unsigned trusted_count;
};

extern struct settings settings;

/* Back to the defaults. */
void settings_reset(void);

/* One name and value, from configuration or environment. 0 and a reason if it can't be used. */
int settings_set(const char *name, const char *value, char *reason, size_t reason_bytes);

/* The names of all settings, ended by NULL. */
extern const char *const settings_names[];

/* The environment's say. 0 and a reason if a variable can't be used. */
int settings_from_environment(char *reason, size_t reason_bytes);

/* Whether all of them together can work, after the last was set. 0 and a reason if not. */
int settings_check(char *reason, size_t reason_bytes);

/* A line on stderr if tracing is on. */
void settings_trace(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif

/* The provider's settings. They come from its section of openssl.cnf; an environment variable, SIMACCEL_ and the name in
 * capitals, overrides each of them. They are read when the provider is loaded, and do not change after that. */
#ifndef SIMACCEL_SETTINGS_H
#define SIMACCEL_SETTINGS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "offloaded.h"

/* The longest name of a socket that an address can hold, and the most devices that a program can use. */
enum { MAX_TRUSTED_USERS = 16, SOCKET_BYTES = 107, MAX_DEVICES = 8 };

struct settings {
    char sockets[MAX_DEVICES][SOCKET_BYTES + 1]; /* each a path, or @ and an abstract name */
    unsigned device_count;
    uint32_t entries;     /* slots of the ring */
    uint32_t slot_bytes;  /* bytes of a slot */
    uint32_t connect_ms;  /* how long a new connection waits for the device to answer */
    uint64_t deadline_ns; /* how long an operation in flight may take before it counts as lost; 0: for ever */
    uint32_t operations;  /* which algorithms are offloaded: a bit for each of enum offloaded */
    int fallback;         /* whether software does what the device can't; if not, that is an error */
    int late_pause;       /* whether a job pauses only when its operation is done, so that its wake-up comes first */
    int trace;            /* whether to write a line to stderr for each connection, and for its end */
    uid_t trusted_users[MAX_TRUSTED_USERS]; /* whose device may have our keys, besides our own user and root */
    unsigned trusted_count;
};

extern struct settings settings;

/* The names of all settings, ended by NULL. */
extern const char *const settings_names[];

/* Sets all settings to their defaults. */
void settings_reset(void);

/* Sets one setting. Returns 0 and a reason if the value can't be used. Names that are not settings are ignored. */
int settings_set(const char *name, const char *value, char *reason, size_t reason_bytes);

/* Sets the settings that the environment has. Returns 0 and a reason if one can't be used. */
int settings_from_environment(char *reason, size_t reason_bytes);

/* Must be called after the last setting was set. Returns 0 and a reason if they can't be used together. */
int settings_check(char *reason, size_t reason_bytes);

/* Whether an algorithm is to be offloaded. */
static inline int settings_offload(enum offloaded algorithm)
{
    return settings.operations >> algorithm & 1;
}

/* Writes a line to stderr if `trace` is on. */
void settings_trace(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif

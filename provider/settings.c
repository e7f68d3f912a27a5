#define _GNU_SOURCE
#include "settings.h"

#include <ctype.h>
#include <errno.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "wire.h"

enum { ALL_OPERATIONS = (1 << OFFLOADED_COUNT) - 1 };

static const struct settings defaults = {
    .sockets = {"@simaccel"},
    .device_count = 1,
    .entries = 128,
    .slot_bytes = 5120, /* an ML-DSA-87 signature has 4,627 bytes */
    .connect_ms = 250, /* enough for a busy device, and bearable for a program that has other clients to serve meanwhile */
    .deadline_ns = 10000000000u,
    .operations = ALL_OPERATIONS,
    .fallback = 1,
};

struct settings settings;

/* Bytes of the DER of an RSA-2048 key and its checksum, rounded up to a multiple of 64. */
enum { RSA_SLOT_BYTES = 1216 };

void settings_reset(void)
{
    settings = defaults;
}

const char *const settings_names[] = {"socket",   "entries", "slot_bytes",    "connect_ms", "deadline_ms", "operations",
                                      "fallback", "trace",   "trusted_users", "late_pause",  NULL};

static int refuse(char *reason, size_t reason_bytes, const char *name, const char *value, const char *cure)
{
    snprintf(reason, reason_bytes, "%s = %.80s: %s", name, value, cure);
    return 0;
}

static int parse_number(const char *value, uint64_t *number)
{
    char *end;

    if (!isdigit((unsigned char)*value))
        return 0;
    errno = 0;
    *number = strtoull(value, &end, 10);
    return errno == 0 && *end == '\0';
}

static int parse_flag(const char *value, int *flag)
{
    static const char *const words[][2] = {{"no", "yes"}, {"off", "on"}, {"false", "true"}, {"0", "1"}};

    for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
        for (int is = 0; is < 2; is++)
            if (strcasecmp(value, words[i][is]) == 0) {
                *flag = is;
                return 1;
            }
    return 0;
}

/* Words of the setting `operations`, from the table of the algorithms. */
static const struct {
    const char *word;
    uint32_t bits;
} operation_words[] = {
#define X(name) {#name, UINT32_C(1) << OFFLOADED_##name},
    OFFLOADED(X)
#undef X
        {"all", ALL_OPERATIONS},
    {"none", 0}};

#define X(name) #name ", "
static const char use_operations[] = "use " OFFLOADED(X) "all or none";
#undef X

static int parse_operations(const char *value, uint32_t *operations)
{
    const size_t count = sizeof(operation_words) / sizeof(*operation_words);
    uint32_t bits = 0;

    while (*value != '\0') {
        size_t length = strcspn(value, ", "), i;

        for (i = 0; i < count; i++)
            if (strlen(operation_words[i].word) == length && strncasecmp(value, operation_words[i].word, length) == 0)
                break;
        if (i == count)
            return 0;
        bits |= operation_words[i].bits;
        value += length;
        value += strspn(value, ", ");
    }
    *operations = bits;
    return 1;
}

/* Looks up a user in /etc/passwd only. The name services may use OpenSSL, which is being set up at this moment. */
static int user_id(const char *name, size_t length, uid_t *uid)
{
    struct passwd entry, *found;
    char space[4096];
    FILE *file = fopen("/etc/passwd", "re");
    int known = 0;

    if (file == NULL)
        return 0;
    while (!known && fgetpwent_r(file, &entry, space, sizeof(space), &found) == 0)
        if (strlen(entry.pw_name) == length && memcmp(entry.pw_name, name, length) == 0) {
            *uid = entry.pw_uid;
            known = 1;
        }
    fclose(file);
    return known;
}

static int parse_users(const char *value)
{
    uid_t users[MAX_TRUSTED_USERS];
    unsigned count = 0;

    value += strspn(value, ", ");
    while (*value != '\0') {
        size_t length = strcspn(value, ", ");
        char word[64];
        uint64_t number;

        if (length >= sizeof(word) || count == MAX_TRUSTED_USERS)
            return 0;
        memcpy(word, value, length);
        word[length] = '\0';
        if (parse_number(word, &number) && number < (uid_t)-1)
            users[count] = (uid_t)number;
        else if (!user_id(value, length, &users[count]))
            return 0;
        count++;
        value += length;
        value += strspn(value, ", ");
    }
    memcpy(settings.trusted_users, users, count * sizeof(*users));
    settings.trusted_count = count;
    return 1;
}

/* Names with commas between them; blanks around a name do not count. */
static int parse_sockets(const char *value)
{
    char sockets[MAX_DEVICES][SOCKET_BYTES + 1];
    unsigned count = 0;

    for (;;) {
        const size_t length = strcspn(value, ",");
        const char *begin = value + strspn(value, " \t"), *end = value + length;

        while (end > begin && (end[-1] == ' ' || end[-1] == '\t'))
            end--;
        if (end <= begin || end - begin > SOCKET_BYTES || (end - begin == 1 && *begin == '@') || count == MAX_DEVICES)
            return 0;
        memcpy(sockets[count], begin, (size_t)(end - begin));
        sockets[count][end - begin] = '\0';
        for (unsigned i = 0; i < count; i++)
            if (strcmp(sockets[i], sockets[count]) == 0)
                return 0;
        count++;
        if (value[length] == '\0')
            break;
        value += length + 1;
    }
    memcpy(settings.sockets, sockets, count * sizeof(*sockets));
    settings.device_count = count;
    return 1;
}

int settings_set(const char *name, const char *value, char *reason, size_t reason_bytes)
{
    uint64_t number;

    if (strcmp(name, "socket") == 0) {
        if (!parse_sockets(value))
            return refuse(reason, reason_bytes, name, value,
                          "use a path, or @ and a name, of at most 107 bytes; for several devices at most 8 of them, all "
                          "different, with commas between");
    } else if (strcmp(name, "entries") == 0) {
        if (!parse_number(value, &number) || number < 2 || number > WIRE_MAX_ENTRIES || (number & (number - 1)) != 0)
            return refuse(reason, reason_bytes, name, value, "use a power of two from 2 to 4096");
        settings.entries = (uint32_t)number;
    } else if (strcmp(name, "slot_bytes") == 0) {
        /* At least 1024, so that Ed25519 has room for messages. settings_check asks for more if there is RSA. */
        if (!parse_number(value, &number) || number < 1024 || number > WIRE_MAX_SLOT_BYTES || number % 64 != 0)
            return refuse(reason, reason_bytes, name, value, "use a multiple of 64 from 1024 to 1048576");
        settings.slot_bytes = (uint32_t)number;
    } else if (strcmp(name, "connect_ms") == 0) {
        if (!parse_number(value, &number) || number < 1 || number > 60000)
            return refuse(reason, reason_bytes, name, value, "use milliseconds from 1 to 60000");
        settings.connect_ms = (uint32_t)number;
    } else if (strcmp(name, "deadline_ms") == 0) {
        if (!parse_number(value, &number) || number > 3600000)
            return refuse(reason, reason_bytes, name, value, "use milliseconds from 0 (never) to 3600000");
        settings.deadline_ns = number * 1000000;
    } else if (strcmp(name, "operations") == 0) {
        if (!parse_operations(value, &settings.operations))
            return refuse(reason, reason_bytes, name, value, use_operations);
    } else if (strcmp(name, "fallback") == 0) {
        if (!parse_flag(value, &settings.fallback))
            return refuse(reason, reason_bytes, name, value, "use yes or no");
    } else if (strcmp(name, "trace") == 0) {
        if (!parse_flag(value, &settings.trace))
            return refuse(reason, reason_bytes, name, value, "use yes or no");
    } else if (strcmp(name, "late_pause") == 0) {
        if (!parse_flag(value, &settings.late_pause))
            return refuse(reason, reason_bytes, name, value, "use yes or no");
    } else if (strcmp(name, "trusted_users") == 0) {
        if (!parse_users(value))
            return refuse(reason, reason_bytes, name, value, "use at most 16 names of /etc/passwd, or uids");
    }
    return 1;
}

/* Whether the shared memory for this many entries is no larger than what a device gives to one client. */
static int memory_fits(uint64_t entries)
{
    const uint64_t rings = entries * (sizeof(struct wire_submission) + sizeof(struct wire_completion));
    const uint64_t pages = 1 + (rings + WIRE_PAGE_BYTES - 1) / WIRE_PAGE_BYTES;

    return pages * WIRE_PAGE_BYTES + entries * settings.slot_bytes <= WIRE_MAX_MEMORY_BYTES;
}

int settings_check(char *reason, size_t reason_bytes)
{
    uint32_t entries = settings.entries;
    char value[16], cure[120];

    if (settings_offload(OFFLOADED_rsa) && settings.slot_bytes < RSA_SLOT_BYTES) {
        snprintf(value, sizeof(value), "%u", settings.slot_bytes);
        snprintf(cure, sizeof(cure), "use at least %d, which an RSA-2048 key needs, or operations without rsa",
                 RSA_SLOT_BYTES);
        return refuse(reason, reason_bytes, "slot_bytes", value, cure);
    }
    while (!memory_fits(entries))
        entries /= 2;
    if (entries == settings.entries)
        return 1;
    snprintf(value, sizeof(value), "%u", settings.entries);
    snprintf(cure, sizeof(cure), "use at most %u with slot_bytes = %u, as no client gets more than %u MiB", entries,
             settings.slot_bytes, WIRE_MAX_MEMORY_BYTES >> 20);
    return refuse(reason, reason_bytes, "entries", value, cure);
}

int settings_from_environment(char *reason, size_t reason_bytes)
{
    for (const char *const *name = settings_names; *name != NULL; name++) {
        char variable[40] = "SIMACCEL_";
        const char *value;

        for (size_t i = 0; (*name)[i] != '\0'; i++)
            variable[9 + i] = (char)toupper((unsigned char)(*name)[i]);
        /* A set-user-id program must not send its keys to a socket that its caller chooses. */
        value = secure_getenv(variable);
        if (value != NULL && *value != '\0' && !settings_set(*name, value, reason, reason_bytes))
            return 0;
    }
    return 1;
}

void settings_trace(const char *format, ...)
{
    va_list arguments;

    if (!settings.trace)
        return;
    va_start(arguments, format);
    fprintf(stderr, "simaccel[%d]: ", (int)getpid());
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
}

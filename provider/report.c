#define _GNU_SOURCE
#include "report.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "clock.h"
#include "counters.h"
#include "wire.h"

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 8u /* since Linux 6.3, where the administrator may demand it */
#endif

enum { NAME_BYTES = 249 /* the most that memfd_create takes */ };

/* What the page contains. simaccel/cli/openssl_setup/running_process.py reads it. */
struct contents {
    uint32_t magic, count;
    uint64_t counters; /* address of `count` u64 counts */
};

static const char *const words[] = {
    [REPORT_REFUSED] = "refused",     [REPORT_LOADED] = "loaded", [REPORT_UNSUPPORTED] = "unsupported",
    [REPORT_CONNECTED] = "connected", [REPORT_FAILED] = "failed", [REPORT_LOST] = "lost",
};

static _Atomic(void *) page;
static atomic_int last = REPORT_REFUSED;

static int open_named(const char *name)
{
    int fd = memfd_create(name, MFD_CLOEXEC | MFD_NOEXEC_SEAL);

    return fd < 0 && errno == EINVAL ? memfd_create(name, MFD_CLOEXEC) : fd;
}

/* Maps a page of that name. Returns NULL if there is no fd or memory. */
static void *map_named(const char *name)
{
    const struct contents contents = {.magic = WIRE_MAGIC,
                                      .count = sizeof(counters) / sizeof(uint64_t),
                                      .counters = (uintptr_t)&counters};
    const int fd = open_named(name);
    void *made = MAP_FAILED;

    if (fd < 0)
        return NULL;
    if (write(fd, &contents, sizeof(contents)) == (ssize_t)sizeof(contents))
        made = mmap(NULL, sizeof(contents), PROT_READ, MAP_PRIVATE, fd, 0);
    close(fd);
    return made != MAP_FAILED ? made : NULL;
}

/* Replaces the report. If the new one could not be made, the old one is removed all the same, because it is wrong now. */
static void replace(void *made)
{
    void *old = atomic_exchange(&page, made);

    if (old != NULL)
        munmap(old, sizeof(struct contents));
}

void report(enum report_state state, const char *text)
{
    const int before = errno;
    char name[NAME_BYTES + 1];

    snprintf(name, sizeof(name), "simaccel-status %d %llu %s: %s", (int)getpid(), (unsigned long long)now_ns(),
             words[state], text);
    for (char *c = name; *c != '\0'; c++)
        if ((unsigned char)*c < ' ' || *c == 127)
            *c = '?';
    replace(map_named(name));
    atomic_store(&last, state);
    errno = before;
}

void report_unsupported(const char *what)
{
    int loaded = REPORT_LOADED;

    if (atomic_load_explicit(&last, memory_order_relaxed) == REPORT_LOADED &&
        atomic_compare_exchange_strong(&last, &loaded, REPORT_UNSUPPORTED))
        report(REPORT_UNSUPPORTED, what);
}

void report_withdraw(void)
{
    replace(NULL);
}

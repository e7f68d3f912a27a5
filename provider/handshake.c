#define _GNU_SOURCE
#include "handshake.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "clock.h"
#include "counters.h"
#include "settings.h"
#include "wire.h"

enum { FDS = 3 };

static int fail(char *reason, size_t reason_bytes, const char *format, ...) __attribute__((format(printf, 3, 4)));

static int fail(char *reason, size_t reason_bytes, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(reason, reason_bytes, format, arguments);
    va_end(arguments);
    return 0;
}

static int address_of(const char *name, struct sockaddr_un *address, socklen_t *length)
{
    size_t bytes = strlen(name);

    memset(address, 0, sizeof(*address));
    address->sun_family = AF_UNIX;
    if (bytes > sizeof(address->sun_path) - (name[0] == '@' ? 0 : 1))
        return 0;
    memcpy(address->sun_path, name, bytes);
    if (name[0] == '@')
        address->sun_path[0] = '\0';
    *length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + bytes + (name[0] == '@' ? 0 : 1));
    return 1;
}

/* Whether the device may have our private keys. Any user can bind an abstract name that is free. So only devices of root, of
 * our own user and of the users in the setting `trusted_users` are trusted. */
static int trusted(int control, struct ucred *peer)
{
    socklen_t length = sizeof(*peer);

    *peer = (struct ucred){.uid = (uid_t)-1};
    if (getsockopt(control, SOL_SOCKET, SO_PEERCRED, peer, &length) != 0)
        return 0;
    for (unsigned i = 0; i < settings.trusted_count; i++)
        if (peer->uid == settings.trusted_users[i])
            return 1;
    return peer->uid == 0 || peer->uid == geteuid() || peer->uid == getuid();
}

static struct timeval timeval_of(uint64_t us)
{
    /* Never 0, which would mean no limit. */
    return (struct timeval){.tv_sec = (time_t)(us / 1000000), .tv_usec = us > 0 ? (suseconds_t)(us % 1000000) : 1};
}

/* Connects. If the device's queue is full, waits for a place in it, at most `connect_ms`. A signal interrupts the wait in the
 * kernel; it then goes on for the rest of the time. Returns 0 or the error. */
static int connect_patiently(int control, const struct sockaddr_un *address, socklen_t length)
{
    const uint64_t end_ns = now_ns() + settings.connect_ms * UINT64_C(1000000);
    uint64_t left_us = settings.connect_ms * UINT64_C(1000);

    for (;;) {
        const struct timeval left = timeval_of(left_us);
        uint64_t now;

        setsockopt(control, SOL_SOCKET, SO_SNDTIMEO, &left, sizeof(left));
        if (connect(control, (const struct sockaddr *)address, length) == 0)
            return 0;
        now = now_ns();
        if (errno != EINTR)
            return errno;
        if (now >= end_ns)
            return EAGAIN;
        left_us = (end_ns - now) / 1000;
    }
}

/* An abstract name belongs to a network namespace, and nothing tells us whether a device in another one has it. */
#define ABSTRACT_HINT " (a device in another container must have a path as its socket)"

static int connect_to_device(const char *name, char *reason, size_t reason_bytes)
{
    const struct timeval patience = timeval_of(settings.connect_ms * UINT64_C(1000));
    struct sockaddr_un address;
    socklen_t length;
    struct ucred peer;
    int control, error;

    if (!address_of(name, &address, &length))
        return fail(reason, reason_bytes, "socket %.20s... is too long: 107 bytes at most", name), -1;
    control = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (control < 0)
        return fail(reason, reason_bytes, "no socket: %s", strerror(errno)), -1;
    error = connect_patiently(control, &address, length);
    setsockopt(control, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    setsockopt(control, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
    if (error == EAGAIN) {
        fail(reason, reason_bytes, "the device at %.120s is busy: it has let nobody in for %u ms", name,
             settings.connect_ms);
    } else if (error != 0) {
        fail(reason, reason_bytes, "no device at %.120s: %s%s", name, strerror(error),
             name[0] == '@' && error == ECONNREFUSED ? ABSTRACT_HINT : "");
    } else if (!trusted(control, &peer)) {
        fail(reason, reason_bytes, "the device at %.100s belongs to another user, %u: if you trust it, trusted_users = %u",
             name, (unsigned)peer.uid, (unsigned)peer.uid);
    } else if (peer.pid == getpid()) {
        /* This thread waits for the answer, but it may be the thread that would have to give it. */
        fail(reason, reason_bytes, "the device at %.120s is this very process, which can't wait for itself", name);
    } else {
        return control;
    }
    close(control);
    return -1;
}

/* Reads one message and at most FDS fds that came with it. If there are more fds, the kernel closes them. Waits at most
 * `connect_ms`; after a signal it waits for the rest of that time. */
static ssize_t receive(int control, void *buffer, size_t bytes, int *fds, int *fd_count)
{
    union {
        struct cmsghdr align;
        char space[CMSG_SPACE(sizeof(int) * FDS)];
    } ancillary;
    struct iovec part = {.iov_base = buffer, .iov_len = bytes};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = &ancillary,
                             .msg_controllen = sizeof(ancillary)};
    const uint64_t end_ns = now_ns() + settings.connect_ms * UINT64_C(1000000);
    int resets = 0;
    ssize_t got;

    *fd_count = 0;
    while ((got = recvmsg(control, &message, MSG_CMSG_CLOEXEC)) < 0) {
        const uint64_t now = now_ns();
        struct timeval left;

        /* If the device refuses us without reading our message, the first read gives ECONNRESET and the second the reason. */
        if (errno == ECONNRESET && resets++ == 0)
            continue;
        if (errno != EINTR || now >= end_ns)
            return got;
        left = timeval_of((end_ns - now) / 1000);
        setsockopt(control, SOL_SOCKET, SO_RCVTIMEO, &left, sizeof(left));
    }
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&message); c != NULL; c = CMSG_NXTHDR(&message, c))
        if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS) {
            *fd_count = (int)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
            memcpy(fds, CMSG_DATA(c), sizeof(int) * (size_t)*fd_count);
        }
    return got;
}

/* Whether all parts of the memory lie inside it, and none overlaps another. */
static int layout_is_right(const struct wire_welcome *w, int memfd)
{
    const uint64_t sq_bytes = (uint64_t)w->entries * sizeof(struct wire_submission);
    const uint64_t cq_bytes = (uint64_t)w->entries * sizeof(struct wire_completion);
    const uint64_t slots = (uint64_t)w->entries * w->slot_bytes;
    struct stat about;
    int seals = fcntl(memfd, F_GET_SEALS);

    /* A device that allows fewer entries than were asked for gives what it allows. */
    return w->entries >= 2 && w->entries <= settings.entries && (w->entries & (w->entries - 1)) == 0 &&
           w->slot_bytes == settings.slot_bytes && w->memory_bytes <= WIRE_MAX_MEMORY_BYTES &&
           w->sq_off >= WIRE_PAGE_BYTES && w->sq_off % 64 == 0 && w->cq_off % 64 == 0 && w->slots_off % 64 == 0 &&
           w->sq_off + sq_bytes <= w->cq_off &&
           w->cq_off + cq_bytes <= w->slots_off && w->slots_off + slots <= w->memory_bytes &&
           /* If the device could shrink the memory, the next access would be a SIGBUS. */
           seals >= 0 && (seals & F_SEAL_SHRINK) != 0 && fstat(memfd, &about) == 0 &&
           (uint64_t)about.st_size >= w->memory_bytes;
}

/* Says hello and reads the device's answer. The caller must close the fds that came with it, even after a failure. */
static int agree(int control, const char *name, struct ring *ring, int *fds, int *fd_count, char *reason, size_t reason_bytes)
{
    const struct wire_hello hello = {.header = {WIRE_MAGIC, WIRE_VERSION, WIRE_HELLO},
                                     .entries = settings.entries,
                                     .slot_bytes = settings.slot_bytes};
    union {
        struct wire_header header;
        struct wire_welcome welcome;
        char text[sizeof(struct wire_header) + 200];
    } answer;
    ssize_t got;

    /* EPIPE means that the device refused us as soon as we connected. Its reason can still be read. */
    if (send(control, &hello, sizeof(hello), MSG_NOSIGNAL) != (ssize_t)sizeof(hello) && errno != EPIPE)
        return fail(reason, reason_bytes, "the device does not listen: %s", strerror(errno));
    got = receive(control, &answer, sizeof(answer), fds, fd_count);
    if (got < (ssize_t)sizeof(answer.header) || answer.header.magic != WIRE_MAGIC)
        return fail(reason, reason_bytes, "no answer from the device at %.120s", name);
    /* First, because a device of another version may refuse us for that, and older ones say no cure. */
    if (answer.header.version != WIRE_VERSION)
        return fail(reason, reason_bytes, "the device speaks version %u of the protocol, we %u: "
                    "install the same simaccel on both sides",
                    answer.header.version, WIRE_VERSION);
    if (answer.header.type == WIRE_REFUSED)
        return fail(reason, reason_bytes, "the device refused: %.*s", (int)(got - (ssize_t)sizeof(answer.header)),
                    answer.text + sizeof(answer.header));
    if (answer.header.type != WIRE_WELCOME || got != (ssize_t)sizeof(answer.welcome) || *fd_count != FDS ||
        !layout_is_right(&answer.welcome, fds[0]))
        return fail(reason, reason_bytes, "the device at %.120s sent a welcome that makes no sense", name);
    ring->memory = mmap(NULL, answer.welcome.memory_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fds[0], 0);
    if (ring->memory == MAP_FAILED)
        return fail(reason, reason_bytes, "no memory: %s", strerror(errno));
    /* Two processes on one ring would each overwrite what the other submitted. */
    madvise(ring->memory, answer.welcome.memory_bytes, MADV_DONTFORK);
    /* Key material passes through here. */
    madvise(ring->memory, answer.welcome.memory_bytes, MADV_DONTDUMP);
    ring->memory_bytes = answer.welcome.memory_bytes;
    ring->entries = answer.welcome.entries;
    ring->slot_bytes = answer.welcome.slot_bytes;
    ring->sq_off = answer.welcome.sq_off;
    ring->cq_off = answer.welcome.cq_off;
    ring->slots_off = answer.welcome.slots_off;
    return 1;
}

int handshake(struct connection *c, const char *address, char *reason, size_t reason_bytes)
{
    int fds[FDS] = {-1, -1, -1}, fd_count = 0;

    c->address = address;
    c->control = fd_of(connect_to_device(address, reason, reason_bytes));
    if (c->control.number < 0)
        return 0;
    if (!agree(c->control.number, address, &c->ring, fds, &fd_count, reason, reason_bytes)) {
        for (int i = 0; i < fd_count; i++)
            close(fds[i]);
        fd_close(&c->control);
        return 0;
    }
    counters_begin(c->ring.memory);
    close(fds[0]);
    c->doorbell = fd_of(fds[1]);
    c->interrupt = fd_of(fds[2]);
    return 1;
}

#define _GNU_SOURCE
#include "fds.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <unistd.h>

/* The mark is what F_SETSIG keeps with an open file: the number of the signal that it would send for input, if anybody
 * had asked for such signals, which nobody does for these files. It is the only number that Linux keeps for any kind of
 * file without doing anything: eventfds, epolls and timers all have the same inode, so fstat can't tell them apart.
 * The numbers go round, so that a file opened later under the same number does not pass for an earlier one. */
enum { MARKS = 64 };

static atomic_uint next_mark;

struct fd fd_of(int number)
{
    struct fd fd = {.number = number};

    if (number < 0)
        return fd;
    fd.mark = 1 + (int)(atomic_fetch_add_explicit(&next_mark, 1, memory_order_relaxed) % MARKS);
    if (fcntl(number, F_SETSIG, fd.mark) != 0)
        fd.mark = 0; /* a kernel that keeps none: then all that can be told is whether it is open */
    return fd;
}

int fd_is_ours(const struct fd *fd)
{
    return fd->number >= 0 && fcntl(fd->number, F_GETSIG) == fd->mark;
}

void fd_close(struct fd *fd)
{
    if (fd_is_ours(fd))
        close(fd->number);
    *fd = NO_FD;
}

int fd_ring(const struct fd *fd)
{
    const uint64_t one = 1;

    if (!fd_is_ours(fd))
        return 0;
    /* It can only fail because the counter is full, and then the fd is readable anyway. */
    if (write(fd->number, &one, sizeof(one)) < 0)
        return 1;
    return 1;
}

#define _GNU_SOURCE
#include "fds.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <unistd.h>

/* The mark is the number that F_SETSIG sets and F_GETSIG reads: the signal that the file would send when input comes. Nobody
 * asks for such signals from these files, so the number has no effect. It is the only such number that Linux keeps with every
 * kind of open file. fstat is no help, because all eventfds, epolls and timers have the same inode. Each file that we open
 * gets the next mark, so a file that is later opened under the same number has another one. */
enum { MARKS = 64 };

static atomic_uint next_mark;

struct fd fd_of(int number)
{
    struct fd fd = {.number = number};

    if (number < 0)
        return fd;
    fd.mark = 1 + (int)(atomic_fetch_add_explicit(&next_mark, 1, memory_order_relaxed) % MARKS);
    if (fcntl(number, F_SETSIG, fd.mark) != 0)
        fd.mark = 0; /* this kernel keeps none, so fd_is_ours can only tell whether the number is open */
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
    /* It can fail only because the counter is full, and then the fd is readable already. */
    if (write(fd->number, &one, sizeof(one)) < 0)
        return 1;
    return 1;
}

/* The fds that the provider opened, told apart from those of the application.
 *
 * An application may close every fd that it does not know (closefrom(3), as daemons do), and then open files of its own under
 * the same numbers. So the provider never reads, writes or closes a number without asking first whether it still is the file
 * that the provider opened: each of its files carries a mark. Another thread can still close and open between the question
 * and the use; there is no guard against that.
 */
#ifndef SIMACCEL_FDS_H
#define SIMACCEL_FDS_H

struct fd {
    int number; /* -1: none */
    int mark;   /* of the open file; see fds.c */
};

#define NO_FD ((struct fd){.number = -1})

/* Marks an fd that was just opened. For -1 it returns NO_FD. */
struct fd fd_of(int number);

/* Whether the number still is the file that was marked. One system call. */
int fd_is_ours(const struct fd *fd);

/* Closes it if it is ours, and makes it NO_FD. */
void fd_close(struct fd *fd);

/* Makes an eventfd readable. Returns 0 if the fd is not ours any more. */
int fd_ring(const struct fd *fd);

#endif

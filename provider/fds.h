/* The fds of this process that the provider opened, told apart from those of the application.
 *
 * An application may close every fd it does not know (closefrom(3), daemons do), and open files of its own under the
 * same numbers. So a number alone is never written to, read from, or closed: each open file carries a mark, which is
 * asked for first. Between the question and the use another thread can still close and open; that is not guarded.
 */
#ifndef SIMACCEL_FDS_H
#define SIMACCEL_FDS_H

struct fd {
    int number; /* -1: none */
    int mark;   /* of the open file behind it, see fds.c */
};

#define NO_FD ((struct fd){.number = -1})

/* Marks an fd that was just opened. -1 stays what it is. */
struct fd fd_of(int number);

/* Whether the number still stands for the file that was marked. One system call. */
int fd_is_ours(const struct fd *fd);

/* Closes it, if it is ours, and forgets it. */
void fd_close(struct fd *fd);

/* Makes an eventfd readable. 0 if the fd is not ours any more. */
int fd_ring(const struct fd *fd);

#endif

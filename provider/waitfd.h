/* The fd that is announced in a wait context: an eventfd that the dispatcher writes to, or, where there is no thread, an
 * epoll that watches the connection's interrupt while an operation is in flight. Calls on one fd need the waiter's lock.
 */
#ifndef SIMACCEL_WAITFD_H
#define SIMACCEL_WAITFD_H

#include "fds.h"

struct connection;

struct wait_fd {
    struct fd fd;
    int is_epoll;
    struct connection *watches;    /* whose interrupt it watches, with a reference */
    struct wait_fd *older, *newer; /* all of this process, for the child of a fork */
};

/* Not opened yet, as in callback mode. */
void wait_fd_init(struct wait_fd *fd);

/* 0: there can be no fd. */
int wait_fd_open(struct wait_fd *fd, int has_dispatcher);
void wait_fd_close(struct wait_fd *fd);

/* Whether a job can be told by it, with or without a dispatcher. */
int wait_fd_works(const struct wait_fd *fd, int has_dispatcher);

/* Makes it readable. One that the application has closed is left alone: it will not wait for it. */
void wait_fd_ring(const struct wait_fd *fd);

/* Takes that back. 1 if it had been made readable. */
int wait_fd_clear(const struct wait_fd *fd);

/* Watches the connection's interrupt, unless somebody else does. 0 if that is not possible. */
int wait_fd_watch(struct wait_fd *fd, struct connection *connection);
void wait_fd_unwatch(struct wait_fd *fd);

/* One for all wait contexts with a callback: valid, so that nobody trips over it, and never readable. -1: there can be no
 * fd. */
int wait_fd_quiet(void);

/* Around fork. In the child the fds of all jobs that are paused become readable: their operations are the parent's, so these
 * jobs are to be resumed and to go on in software. */
void wait_fds_before_fork(void);
void wait_fds_after_fork_in_parent(void);
void wait_fds_after_fork_in_child(void);

#endif

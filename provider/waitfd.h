/* The fd that is announced in a wait context, by which the application learns that a paused job can go on.
 *
 * If there is a dispatcher, it is an eventfd that the dispatcher writes to. If there can be no thread, it is an epoll that
 * watches the connection's interrupt while an operation is in flight, so that the device itself makes it readable. Calls
 * on one fd need the waiter's lock.
 */
#ifndef SIMACCEL_WAITFD_H
#define SIMACCEL_WAITFD_H

#include "fds.h"

struct connection;

struct wait_fd {
    struct fd fd;
    int is_epoll;
    struct connection *watches;    /* whose interrupt it watches, with a reference; NULL: none */
    struct wait_fd *older, *newer; /* a list of all of this process, for the child of a fork */
};

/* Makes one that is not open, as for callbacks. */
void wait_fd_init(struct wait_fd *fd);

/* Returns 0 if there can be no fd. */
int wait_fd_open(struct wait_fd *fd, int has_dispatcher);
void wait_fd_close(struct wait_fd *fd);

/* Whether it can wake a job, with or without a dispatcher. */
int wait_fd_works(const struct wait_fd *fd, int has_dispatcher);

/* Makes it readable. Does nothing if the application has closed it, because then nobody waits for it. */
void wait_fd_ring(const struct wait_fd *fd);

/* Undoes wait_fd_ring. Returns 1 if it had been called. */
int wait_fd_clear(const struct wait_fd *fd);

/* Makes an epoll watch the connection's interrupt, unless a dispatcher does. Returns 0 if that is not possible. */
int wait_fd_watch(struct wait_fd *fd, struct connection *connection);
void wait_fd_unwatch(struct wait_fd *fd);

/* An fd for wait contexts with a callback, the same one for all: it is valid and never readable. -1: there can be no fd. */
int wait_fd_quiet(void);

/* To be called around a fork. In the child the fds of all paused jobs become readable: their operations belong to the parent,
 * so these jobs must be resumed, and go on in software. */
void wait_fds_before_fork(void);
void wait_fds_after_fork_in_parent(void);
void wait_fds_after_fork_in_child(void);

#endif

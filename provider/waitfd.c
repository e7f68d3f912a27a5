#define _GNU_SOURCE
#include "waitfd.h"

#include <fcntl.h>
#include <pthread.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "connection.h"

/* Guards the list and the two fds that all wait contexts share. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct wait_fd *newest;
static struct fd quiet = {.number = -1};

/* An fd that is always readable. An epoll becomes readable by watching it. */
static struct fd ready = {.number = -1};

/* Returns the number of `quiet` or `ready`; makes it first if it is not open, or if the application has closed it. */
static int shared_fd(struct fd *fd, unsigned count)
{
    int number;

    pthread_mutex_lock(&lock);
    if (!fd_is_ours(fd))
        *fd = fd_of(eventfd(count, EFD_NONBLOCK | EFD_CLOEXEC));
    number = fd->number;
    pthread_mutex_unlock(&lock);
    return number;
}

int wait_fd_quiet(void)
{
    return shared_fd(&quiet, 0);
}

void wait_fd_init(struct wait_fd *w)
{
    *w = (struct wait_fd){.fd = NO_FD};
}

int wait_fd_open(struct wait_fd *w, int has_dispatcher)
{
    w->is_epoll = !has_dispatcher;
    w->fd = fd_of(w->is_epoll ? epoll_create1(EPOLL_CLOEXEC) : eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
    if (w->fd.number < 0)
        return 0;
    pthread_mutex_lock(&lock);
    w->older = newest;
    if (newest != NULL)
        newest->newer = w;
    newest = w;
    pthread_mutex_unlock(&lock);
    return 1;
}

void wait_fd_close(struct wait_fd *w)
{
    if (w->fd.number < 0)
        return;
    pthread_mutex_lock(&lock);
    if (w->newer != NULL)
        w->newer->older = w->older;
    else
        newest = w->older;
    if (w->older != NULL)
        w->older->newer = w->newer;
    pthread_mutex_unlock(&lock);
    fd_close(&w->fd);
}

int wait_fd_works(const struct wait_fd *w, int has_dispatcher)
{
    return (w->is_epoll || has_dispatcher) && fd_is_ours(&w->fd);
}

void wait_fd_ring(const struct wait_fd *w)
{
    struct epoll_event event = {.events = EPOLLIN};

    if (!w->is_epoll)
        fd_ring(&w->fd);
    else if (fd_is_ours(&w->fd))
        epoll_ctl(w->fd.number, EPOLL_CTL_ADD, shared_fd(&ready, 1), &event);
}

int wait_fd_clear(const struct wait_fd *w)
{
    uint64_t token;

    if (!fd_is_ours(&w->fd))
        return 0;
    if (w->is_epoll)
        return epoll_ctl(w->fd.number, EPOLL_CTL_DEL, shared_fd(&ready, 1), NULL) == 0;
    return read(w->fd.number, &token, sizeof(token)) > 0;
}

int wait_fd_watch(struct wait_fd *w, struct connection *c)
{
    struct epoll_event event = {.events = EPOLLIN};

    if (!w->is_epoll || connection_has_dispatcher(c) || w->watches == c)
        return 1;
    wait_fd_unwatch(w);
    if (!fd_is_ours(&w->fd) || epoll_ctl(w->fd.number, EPOLL_CTL_ADD, c->interrupt.number, &event) != 0)
        return 0;
    connection_ref(c);
    w->watches = c;
    return 1;
}

void wait_fd_unwatch(struct wait_fd *w)
{
    struct connection *c = w->watches;

    if (c == NULL)
        return;
    w->watches = NULL;
    if (fd_is_ours(&w->fd) && fd_is_ours(&c->interrupt))
        epoll_ctl(w->fd.number, EPOLL_CTL_DEL, c->interrupt.number, NULL);
    connection_unref(c);
}

void wait_fds_before_fork(void)
{
    pthread_mutex_lock(&lock);
}

void wait_fds_after_fork_in_parent(void)
{
    pthread_mutex_unlock(&lock);
}

/* In the child of a process with several threads only system calls are safe, as a waiter's lock may stay locked for ever. */
void wait_fds_after_fork_in_child(void)
{
    struct fd woken = newest != NULL ? fd_of(eventfd(1, EFD_NONBLOCK | EFD_CLOEXEC)) : NO_FD;

    for (struct wait_fd *w = newest; w != NULL && woken.number >= 0; w = w->older)
        if (fd_is_ours(&w->fd) && dup3(woken.number, w->fd.number, O_CLOEXEC) >= 0)
            w->fd.mark = woken.mark;
    fd_close(&woken);
    newest = NULL;
    pthread_mutex_unlock(&lock);
}

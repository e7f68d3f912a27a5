/* A connection: it is driven until it has to wait, paused, woken, and ended; its client may vanish at any time.
 *
 * While its job is paused it is watched only for the end of its client. If that comes, the connection is kept until its
 * operation has completed, because SSL_free would lose the job. */
#define _GNU_SOURCE
#include <openssl/err.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "server.h"

enum { NUMBERS = 16384, PATIENCE_MS = 200 };

struct connection connections[CONNECTIONS];
int open_count, paused_count;

static int stale[NUMBERS]; /* for the fault fd-reuse: numbers of fds that a vanished client had */

static void set_paused(struct connection *c, int paused)
{
    paused_count += paused - c->paused;
    c->paused = paused;
}

void end_connection(struct connection *c)
{
    set_paused(c, 0);
    SSL_free(c->ssl);
    if (!(is_fault("freed-in-flight") && c->hung_up))
        close(c->fd);
    c->fd = 0;
    c->generation++;
    open_count--;
}

/* With the fault fd-reuse a number keeps belonging to the first connection that had it and whose client has vanished. */
static int is_stale(int number)
{
    return is_fault("fd-reuse") && number < NUMBERS && stale[number];
}

static void watch_wait_fds(struct connection *c)
{
    OSSL_ASYNC_FD added[8], deleted[8];
    size_t added_count = 0, deleted_count = 0;

    if (by_callback)
        return;
    SSL_get_changed_async_fds(c->ssl, NULL, &added_count, NULL, &deleted_count);
    if (added_count > 8 || deleted_count > 8)
        die("more wait fds than expected");
    SSL_get_changed_async_fds(c->ssl, added, &added_count, deleted, &deleted_count);
    for (size_t i = 0; i < deleted_count; i++)
        unwatch(deleted[i]);
    for (size_t i = 0; i < added_count; i++)
        watch(EPOLL_CTL_ADD, added[i], EPOLLIN, WAIT, is_stale(added[i]) ? CONNECTIONS - 1 : c->index);
    if (is_fault("wake-before-pause")) {
        OSSL_ASYNC_FD fds[8];
        size_t count = 0;
        eventfd_t token;

        SSL_get_all_async_fds(c->ssl, NULL, &count);
        if (count <= 8 && SSL_get_all_async_fds(c->ssl, fds, &count))
            for (size_t i = 0; i < count; i++)
                (void)!eventfd_read(fds[i], &token);
    }
}

static int milliseconds_since(const struct timespec *then)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int)((now.tv_sec - then->tv_sec) * 1000 + (now.tv_nsec - then->tv_nsec) / 1000000);
}

static int key_is(struct connection *c, int type)
{
    X509 *certificate = SSL_get_certificate(c->ssl);

    return certificate != NULL && EVP_PKEY_get_base_id(X509_get0_pubkey(certificate)) == type;
}

/* What a faulty server does wrong when a job has paused. Returns whether the connection has ended. */
static int go_wrong_at_pause(struct connection *c)
{
    const int third = c->pauses > 2;

    if (is_fault("early-resume") && third)
        abort();
    if (is_fault("duplicate") && third)
        c->ignored = 1;
    if ((is_fault("spurious-wake") && third) || (is_fault("many-pauses") && c->pauses > 6) ||
        (is_fault("tls-1.2") && SSL_version(c->ssl) == TLS1_2_VERSION) ||
        (is_fault("tls-1.3") && SSL_version(c->ssl) == TLS1_3_VERSION) ||
        (is_fault("rsa") && SSL_version(c->ssl) == TLS1_2_VERSION && key_is(c, EVP_PKEY_RSA)) ||
        (is_fault("ecdsa") && SSL_version(c->ssl) == TLS1_2_VERSION && key_is(c, EVP_PKEY_EC))) {
        end_connection(c);
        return 1;
    }
    return 0;
}

static void pause_connection(struct connection *c)
{
    set_paused(c, 1);
    c->pauses++;
    clock_gettime(CLOCK_MONOTONIC, &c->since);
    watch_wait_fds(c);
    if (is_fault("wake-before-pause") && by_callback)
        forget_wakes(c);
    if (go_wrong_at_pause(c))
        return;
    if (!c->hung_up)
        watch(EPOLL_CTL_MOD, c->fd, EPOLLRDHUP, CLIENT, c->index);
}

static void fail_connection(struct connection *c, int error)
{
    int status = -1;

    SSL_get_async_status(c->ssl, &status);
    if (is_fault("error") && status == ASYNC_STATUS_ERR)
        die("the device failed");
    if (is_fault("abort-mid-pause") && c->hung_up)
        die("the client is gone");
    if (is_fault("corrupt") && error == SSL_ERROR_SSL && status == ASYNC_STATUS_ERR) {
        watch(EPOLL_CTL_MOD, c->fd, 0, CLIENT, c->index);
        return;
    }
    end_connection(c);
}

/* Carries a connection on until it has to wait. */
void drive(struct connection *c)
{
    char buffer[4096];
    int done, error;

    if (is_fault("late-completion") && c->paused && milliseconds_since(&c->since) > PATIENCE_MS) {
        end_connection(c);
        return;
    }
    set_paused(c, 0);
    do {
        ERR_clear_error();
        done = c->established ? SSL_read(c->ssl, buffer, sizeof(buffer)) : SSL_accept(c->ssl);
        if (done == 1 && !c->established) {
            c->established = 1;
            if (is_fault("device-restart") && c->pauses == 0 && settings != software)
                settings = software;
        }
    } while (done > 0);
    error = SSL_get_error(c->ssl, done);
    if (error == SSL_ERROR_WANT_ASYNC)
        pause_connection(c);
    else if (error == SSL_ERROR_WANT_READ && is_fault("no-pause") && c->pauses == 0 && SSL_get_pending_cipher(c->ssl) != NULL)
        watch(EPOLL_CTL_MOD, c->fd, 0, CLIENT, c->index);
    else if (error == SSL_ERROR_WANT_READ)
        watch(EPOLL_CTL_MOD, c->fd, EPOLLIN, CLIENT, c->index);
    else if (error == SSL_ERROR_WANT_WRITE)
        watch(EPOLL_CTL_MOD, c->fd, EPOLLOUT, CLIENT, c->index);
    else
        fail_connection(c, error);
}

void hang_up(struct connection *c)
{
    int status = -1;

    c->hung_up = 1;
    SSL_get_async_status(c->ssl, &status);
    if (is_fault("abort-waiting-for-slot") && status == ASYNC_STATUS_EAGAIN)
        c->ignored = 1;
    if (is_fault("fd-reuse")) {
        OSSL_ASYNC_FD fds[8];
        size_t count = 0;

        stale[c->fd] = 1;
        SSL_get_all_async_fds(c->ssl, NULL, &count);
        if (count <= 8 && SSL_get_all_async_fds(c->ssl, fds, &count))
            for (size_t i = 0; i < count; i++)
                stale[fds[i]] = 1;
    }
    /* Until the operation completes there is nothing to do. */
    unwatch(c->fd);
}

void wake(struct connection *c)
{
    if (c->fd != 0 && c->paused && !c->ignored)
        drive(c);
}

void open_connection(int fd)
{
    int index = 0;
    struct connection *c;

    while (index < CONNECTIONS && connections[index].fd != 0)
        index++;
    if (index == CONNECTIONS) {
        close(fd);
        return;
    }
    c = &connections[index];
    *c = (struct connection){.fd = fd, .index = index, .generation = c->generation, .ssl = SSL_new(settings)};
    open_count++;
    SSL_set_fd(c->ssl, fd);
    SSL_set_accept_state(c->ssl);
    if (by_callback)
        set_callback(c, c->generation - is_stale(fd));
    watch(EPOLL_CTL_ADD, fd, EPOLLIN, CLIENT, index);
}

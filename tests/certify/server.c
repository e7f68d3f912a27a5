/* A small asynchronous TLS server, by fd or by callback, that does everything right, or one thing wrong. It can block, too.
 *
 *     server PORT fd|callback|blocking FAULT PEM...
 *
 * One thread and one epoll. A connection whose job is paused is watched only for the end of its client. If that comes, the
 * connection is kept until its operation has completed, because SSL_free would lose the job. SIGHUP makes new settings for
 * new connections, SIGTERM ends the server after the connections that it has.
 *
 * FAULT is `none`, or the name of the scenario that is to find the fault.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { CONNECTIONS = 4096, NUMBERS = 16384, EVENTS = 256, FEW_CONNECTIONS = 300, PATIENCE_MS = 200 };
enum kind { LISTENER, CLIENT, WAIT, BELL, SIGNALS };

struct connection {
    int fd; /* 0: free */
    int index;
    unsigned generation;
    SSL *ssl;
    int established, paused, pauses, hung_up, ignored;
    struct timespec since;
};

static struct connection connections[CONNECTIONS];
static int stale[NUMBERS]; /* for the fault fd-reuse: numbers of fds that a vanished client had */
static int loop, listener, bell, by_callback, blocking, open_count, paused_count, stopping, port, pem_count;
static char **pems;
static const char *fault;
static SSL_CTX *settings, *software;

/* The latch of the callbacks, which come in a thread of the provider. */
static pthread_mutex_t latch_lock = PTHREAD_MUTEX_INITIALIZER;
static uint64_t latch[65536];
static unsigned latched;

static int is_fault(const char *name)
{
    return strcmp(fault, name) == 0;
}

static void die(const char *what)
{
    fprintf(stderr, "server: %s: %s\n", what, strerror(errno));
    ERR_print_errors_fp(stderr);
    exit(1);
}

static void watch(int operation, int fd, uint32_t events, enum kind kind, int index)
{
    struct epoll_event event = {.events = events, .data.u64 = (uint64_t)kind << 32 | (uint32_t)index};

    epoll_ctl(loop, operation, fd, &event);
}

static int on_wake(void *argument)
{
    pthread_mutex_lock(&latch_lock);
    latch[latched++ % 65536] = (uint64_t)(uintptr_t)argument;
    pthread_mutex_unlock(&latch_lock);
    eventfd_write(bell, 1);
    return 1;
}

static int accept_any(int preverified, X509_STORE_CTX *store)
{
    (void)preverified, (void)store;
    return !is_fault("client-certificate");
}

static SSL_CTX *make_settings(const char *properties)
{
    SSL_CTX *made = SSL_CTX_new_ex(NULL, properties, TLS_server_method());

    if (made == NULL)
        die("SSL_CTX_new_ex");
    SSL_CTX_set_mode(made, blocking ? 0 : SSL_MODE_ASYNC);
    SSL_CTX_set_session_cache_mode(made, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_verify(made, SSL_VERIFY_PEER, accept_any);
    for (int i = 0; i < pem_count; i++)
        if (SSL_CTX_use_certificate_chain_file(made, pems[i]) != 1 ||
            SSL_CTX_use_PrivateKey_file(made, pems[i], SSL_FILETYPE_PEM) != 1)
            die(pems[i]);
    return made;
}

static int on_ssl_wake(SSL *ssl, void *argument)
{
    (void)ssl;
    return on_wake(argument);
}

static void set_paused(struct connection *c, int paused)
{
    paused_count += paused - c->paused;
    c->paused = paused;
}

static void end_connection(struct connection *c)
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
        epoll_ctl(loop, EPOLL_CTL_DEL, deleted[i], NULL);
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

/* For the fault wake-before-pause by callback: forgets what was latched for this connection. */
static void forget_wakes(struct connection *c)
{
    pthread_mutex_lock(&latch_lock);
    for (unsigned i = 0; i < latched; i++)
        if ((latch[i] & 0xffffffff) == (uint64_t)c->index)
            latch[i] = UINT64_MAX;
    pthread_mutex_unlock(&latch_lock);
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
static void drive(struct connection *c)
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

static void hang_up(struct connection *c)
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
    epoll_ctl(loop, EPOLL_CTL_DEL, c->fd, NULL);
}

static void wake(struct connection *c)
{
    if (c->fd != 0 && c->paused && !c->ignored)
        drive(c);
}

static void accept_clients(void)
{
    while (!(is_fault("asynchronous") && open_count > 0)) {
        int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC), index = 0;
        struct connection *c;

        if (fd < 0)
            return;
        while (index < CONNECTIONS && connections[index].fd != 0)
            index++;
        if (index == CONNECTIONS || (is_fault("many-connects") && open_count >= FEW_CONNECTIONS)) {
            close(fd);
            continue;
        }
        c = &connections[index];
        *c = (struct connection){.fd = fd, .index = index, .generation = c->generation, .ssl = SSL_new(settings)};
        open_count++;
        SSL_set_fd(c->ssl, fd);
        SSL_set_accept_state(c->ssl);
        if (by_callback) {
            SSL_set_async_callback(c->ssl, on_ssl_wake);
            SSL_set_async_callback_arg(
                c->ssl, (void *)(uintptr_t)((uint64_t)(c->generation - is_stale(fd)) << 32 | (uint32_t)index));
        }
        watch(EPOLL_CTL_ADD, fd, EPOLLIN, CLIENT, index);
    }
}

static void answer_bell(void)
{
    eventfd_t count;
    static uint64_t woken[65536];
    unsigned number;

    eventfd_read(bell, &count);
    pthread_mutex_lock(&latch_lock);
    number = latched;
    memcpy(woken, latch, number * sizeof(*latch));
    latched = 0;
    pthread_mutex_unlock(&latch_lock);
    for (unsigned i = 0; i < number; i++) {
        struct connection *c = &connections[(uint32_t)woken[i] % CONNECTIONS];

        if (woken[i] != UINT64_MAX && c->generation == woken[i] >> 32)
            wake(c);
    }
}

static void answer_signal(int signals)
{
    struct signalfd_siginfo info;

    if (read(signals, &info, sizeof(info)) != sizeof(info))
        return;
    if (info.ssi_signo == SIGHUP) {
        SSL_CTX_free(settings);
        settings = make_settings(NULL);
        for (int i = 0; is_fault("reload") && i < CONNECTIONS; i++)
            if (connections[i].fd != 0 && connections[i].paused)
                end_connection(&connections[i]);
        return;
    }
    if (is_fault("graceful-stop") && paused_count > 0)
        abort();
    stopping = 1;
    epoll_ctl(loop, EPOLL_CTL_DEL, listener, NULL);
    close(listener);
}

static void answer(struct epoll_event *event, int signals)
{
    const enum kind kind = event->data.u64 >> 32;
    struct connection *c = &connections[(uint32_t)event->data.u64 % CONNECTIONS];

    if (kind == LISTENER)
        accept_clients();
    else if (kind == BELL)
        answer_bell();
    else if (kind == SIGNALS)
        answer_signal(signals);
    else if (kind == WAIT)
        wake(c);
    else if (c->fd != 0 && c->paused)
        hang_up(c);
    else if (c->fd != 0)
        drive(c);
}

/* The faults that keep the loop busy. */
static int timeout(void)
{
    int busy = is_fault("held-for-ever") && paused_count > 0, status;

    for (int i = 0; is_fault("ring-full") && i < CONNECTIONS; i++) {
        struct connection *c = &connections[i];

        status = -1;
        if (c->fd != 0 && c->paused && SSL_get_async_status(c->ssl, &status) && status == ASYNC_STATUS_EAGAIN) {
            drive(c);
            busy = 1;
        }
    }
    if (is_fault("asynchronous") && !stopping)
        watch(EPOLL_CTL_MOD, listener, open_count > 0 ? 0 : EPOLLIN, LISTENER, 0);
    return busy ? 0 : -1;
}

static void open_listener(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int yes = 1;

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
    if (bind(listener, (struct sockaddr *)&address, sizeof(address)) != 0 || listen(listener, 1024) != 0)
        die("listen");
}

int main(int count, char **arguments)
{
    struct epoll_event events[EVENTS];
    sigset_t set;
    int signals;

    if (count < 5) {
        fprintf(stderr, "server PORT fd|callback|blocking FAULT PEM...\n");
        return 2;
    }
    port = atoi(arguments[1]);
    by_callback = strcmp(arguments[2], "callback") == 0;
    blocking = strcmp(arguments[2], "blocking") == 0;
    fault = arguments[3];
    pems = arguments + 4;
    pem_count = count - 4;
    signal(SIGPIPE, SIG_IGN);
    sigemptyset(&set);
    sigaddset(&set, SIGHUP);
    sigaddset(&set, SIGTERM);
    sigprocmask(SIG_BLOCK, &set, NULL);
    settings = make_settings(is_fault("offload") ? "provider=default" : NULL);
    software = make_settings("provider=default");
    open_listener();
    loop = epoll_create1(EPOLL_CLOEXEC);
    bell = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    signals = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    watch(EPOLL_CTL_ADD, listener, EPOLLIN, LISTENER, 0);
    watch(EPOLL_CTL_ADD, bell, EPOLLIN, BELL, 0);
    watch(EPOLL_CTL_ADD, signals, EPOLLIN, SIGNALS, 0);
    while (!stopping || open_count > 0) {
        int ready = epoll_wait(loop, events, EVENTS, timeout());

        for (int i = 0; i < ready; i++)
            answer(&events[i], signals);
    }
    return 0;
}

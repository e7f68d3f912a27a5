/* A small asynchronous TLS server, by fd or by callback, that does everything right, or one thing wrong. It can block, too.
 *
 *     server PORT fd|callback|blocking FAULT PEM...
 *
 * One thread and one epoll. SIGHUP makes new settings for new connections, SIGTERM ends the server after the connections
 * that it has.
 *
 * FAULT is `none`, or the name of the scenario that is to find the fault.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <openssl/err.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server.h"

enum { EVENTS = 256, FEW_CONNECTIONS = 300 };

int by_callback;
SSL_CTX *settings, *software;

static int loop, listener, blocking, stopping, pem_count;
static char **pems;
static const char *fault;

int is_fault(const char *name)
{
    return strcmp(fault, name) == 0;
}

void die(const char *what)
{
    fprintf(stderr, "server: %s: %s\n", what, strerror(errno));
    ERR_print_errors_fp(stderr);
    exit(1);
}

void watch(int operation, int fd, uint32_t events, enum kind kind, int index)
{
    struct epoll_event event = {.events = events, .data.u64 = (uint64_t)kind << 32 | (uint32_t)index};

    epoll_ctl(loop, operation, fd, &event);
}

void unwatch(int fd)
{
    epoll_ctl(loop, EPOLL_CTL_DEL, fd, NULL);
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
    /* The hybrid groups, which are the default from 3.5 on, do their X25519 with any provider. */
    if (properties != NULL && SSL_CTX_set1_groups_list(made, "X25519:P-256") != 1)
        die("SSL_CTX_set1_groups_list");
    SSL_CTX_set_mode(made, blocking ? 0 : SSL_MODE_ASYNC);
    SSL_CTX_set_session_cache_mode(made, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_verify(made, SSL_VERIFY_PEER, accept_any);
    for (int i = 0; i < pem_count; i++)
        if (SSL_CTX_use_certificate_chain_file(made, pems[i]) != 1 ||
            SSL_CTX_use_PrivateKey_file(made, pems[i], SSL_FILETYPE_PEM) != 1)
            die(pems[i]);
    return made;
}

static void accept_clients(void)
{
    while (!(is_fault("asynchronous") && open_count > 0)) {
        int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

        if (fd < 0)
            return;
        if (is_fault("many-connects") && open_count >= FEW_CONNECTIONS)
            close(fd);
        else
            open_connection(fd);
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
    unwatch(listener);
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

static void open_listener(int port)
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
    open_listener(atoi(arguments[1]));
    loop = epoll_create1(EPOLL_CLOEXEC);
    signals = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    watch(EPOLL_CTL_ADD, listener, EPOLLIN, LISTENER, 0);
    watch(EPOLL_CTL_ADD, make_bell(), EPOLLIN, BELL, 0);
    watch(EPOLL_CTL_ADD, signals, EPOLLIN, SIGNALS, 0);
    while (!stopping || open_count > 0) {
        int ready = epoll_wait(loop, events, EVENTS, timeout());

        for (int i = 0; i < ready; i++)
            answer(&events[i], signals);
    }
    return 0;
}

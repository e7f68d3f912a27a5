/* A cheap load of TLS 1.3 handshakes: tls_client PORT CONNECTIONS SECONDS. So many connections at a time in one thread,
 * each a full handshake, one HTTP request and its response, and a new one. Prints how many were served, failed, and the
 * seconds. The server's certificate is not checked, its signature is. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { MAX_CONNECTIONS = 1024 };

struct peer {
    SSL *ssl;
    int asked;
    int answered;
};

static SSL_CTX *ctx;
static struct sockaddr_in server;
static struct peer peers[MAX_CONNECTIONS];
static unsigned long served, failed;
static int poller;

static double seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void begin(struct peer *p)
{
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = p};

    if (fd < 0 || (connect(fd, (struct sockaddr *)&server, sizeof(server)) < 0 && errno != EINPROGRESS)) {
        perror("connect");
        exit(2);
    }
    *p = (struct peer){.ssl = SSL_new(ctx)};
    SSL_set_fd(p->ssl, fd);
    SSL_set_connect_state(p->ssl);
    epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event);
}

static void end(struct peer *p)
{
    const int fd = SSL_get_fd(p->ssl);

    SSL_free(p->ssl);
    close(fd);
}

/* 1 while it goes on. */
static int step(struct peer *p)
{
    static const char request[] = "GET / HTTP/1.0\r\n\r\n";
    char text[4096];
    int got;

    if (!p->asked) {
        got = SSL_write(p->ssl, request, sizeof(request) - 1); /* with the handshake before it */
        p->asked = got > 0;
    }
    if (p->asked)
        while ((got = SSL_read(p->ssl, text, sizeof(text))) > 0)
            p->answered |= memmem(text, (size_t)got, "200 OK", 6) != NULL;
    switch (SSL_get_error(p->ssl, got)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
        return 1;
    default:
        served += (unsigned long)p->answered;
        failed += !p->answered;
        return 0;
    }
}

int main(int argc, char **argv)
{
    int connections = argc == 4 ? atoi(argv[2]) : 0;
    double begun, until;

    if (connections < 1 || connections > MAX_CONNECTIONS) {
        fprintf(stderr, "usage: tls_client PORT CONNECTIONS SECONDS\n");
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    server.sin_family = AF_INET;
    server.sin_port = htons((uint16_t)atoi(argv[1]));
    server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ctx = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    poller = epoll_create1(EPOLL_CLOEXEC);
    begun = seconds();
    until = begun + atof(argv[3]);
    for (int i = 0; i < connections; i++)
        begin(&peers[i]);
    while (seconds() < until) {
        struct epoll_event events[64];
        int ready = epoll_wait(poller, events, 64, 1000);

        for (int i = 0; i < ready; i++) {
            struct peer *p = events[i].data.ptr;

            if (!step(p)) {
                end(p);
                begin(p);
            }
        }
    }
    printf("%lu %lu %.6f\n", served, failed, seconds() - begun);
    return 0;
}

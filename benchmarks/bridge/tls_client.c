/* A cheap load of TLS 1.3 handshakes: tls_client PORT CONNECTIONS SECONDS. So many connections at a time in one thread,
 * each a full handshake, one HTTP request and its response, and a new one. Prints how many were served, failed, and the
 * seconds. SIGTERM ends it early. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "tls13.h"

enum { MAX_CONNECTIONS = 1024 };

struct peer {
    struct tls13 tls;
    int fd;
    int asked, answered;
    size_t waiting_bytes;
    uint8_t waiting[20000]; /* received and no whole record yet */
};

static struct sockaddr_in server;
static struct peer peers[MAX_CONNECTIONS];
static unsigned long served, failed;
static int poller;
static volatile sig_atomic_t ended;

static void end(int number)
{
    ended = number;
}

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
    p->fd = fd;
    p->asked = p->answered = 0;
    p->waiting_bytes = 0;
    epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event);
}

/* All that is sent is far smaller than a socket's buffer. */
static int send_all(struct peer *p, const uint8_t *data, size_t bytes)
{
    return write(p->fd, data, bytes) == (ssize_t)bytes;
}

/* 0 if the server does not speak as it should. */
static int take_records(struct peer *p)
{
    static uint8_t out[1024];
    static char text[20000];
    size_t at = 0, out_bytes, text_bytes;

    while (p->waiting_bytes - at >= 5) {
        uint8_t *record = p->waiting + at;
        const size_t bytes = 5 + (size_t)(record[3] << 8 | record[4]);

        if (p->waiting_bytes - at < bytes)
            break;
        if (!tls13_record(&p->tls, record, bytes, "GET / HTTP/1.0\r\n\r\n", out, &out_bytes, text, &text_bytes) ||
            (out_bytes > 0 && !send_all(p, out, out_bytes)))
            return 0;
        p->answered |= memmem(text, text_bytes, "200 OK", 6) != NULL;
        at += bytes;
    }
    memmove(p->waiting, p->waiting + at, p->waiting_bytes - at);
    p->waiting_bytes -= at;
    return 1;
}

/* 1 while it goes on. */
static int step(struct peer *p)
{
    uint8_t hello[512];
    ssize_t got;

    if (!p->asked)
        p->asked = send_all(p, hello, tls13_hello(&p->tls, hello));
    while ((got = read(p->fd, p->waiting + p->waiting_bytes, sizeof(p->waiting) - p->waiting_bytes)) > 0) {
        p->waiting_bytes += (size_t)got;
        if (!take_records(p))
            got = 0;
        if (got == 0 || p->answered)
            break;
    }
    if (got < 0 && errno == EAGAIN)
        return 1;
    served += (unsigned long)p->answered;
    failed += !p->answered;
    return 0;
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
    signal(SIGTERM, end);
    server.sin_family = AF_INET;
    server.sin_port = htons((uint16_t)atoi(argv[1]));
    server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    tls13_begin();
    poller = epoll_create1(EPOLL_CLOEXEC);
    begun = seconds();
    until = begun + atof(argv[3]);
    for (int i = 0; i < connections; i++)
        begin(&peers[i]);
    while (!ended && seconds() < until) {
        struct epoll_event events[64];
        int ready = epoll_wait(poller, events, 64, 1000);

        for (int i = 0; i < ready; i++) {
            struct peer *p = events[i].data.ptr;

            if ((events[i].events & ~EPOLLOUT) == 0 && p->asked)
                continue;
            if (!step(p)) {
                close(p->fd);
                begin(p);
            }
        }
    }
    printf("%lu %lu %.6f\n", served, failed, seconds() - begun);
    return 0;
}

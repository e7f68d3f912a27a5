/* handshakes CERTIFICATE GROUP WAY SECONDS
 *
 * What TLS 1.3 handshakes cost a server, with the openssl.cnf of OPENSSL_CONF: server and client are in this one thread and
 * exchange their messages in memory; only calls of the server are measured. CERTIFICATE is a PEM file with the key. WAY is
 * blocking, one handshake after the other, or async, AT_ONCE of them in jobs. Takes SECONDS, or as long as AT_LEAST of them
 * take. Prints for one handshake, in us: the processor time of the server's calls, and how long they kept the thread.
 */
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { AT_ONCE = 16, AT_LEAST = 100 };

static uint64_t now(clockid_t clock)
{
    struct timespec t;

    clock_gettime(clock, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void must(int done, const char *what)
{
    if (done)
        return;
    fprintf(stderr, "%s\n", what);
    ERR_print_errors_fp(stderr);
    exit(1);
}

struct pair {
    SSL *server, *client;
    int waits; /* the server's job is paused */
};

static SSL_CTX *server_ctx, *client_ctx;
static uint64_t cpu_ns, kept_ns, done;

static void open_pair(struct pair *p)
{
    BIO *to_server = BIO_new(BIO_s_mem()), *to_client = BIO_new(BIO_s_mem());

    must((p->server = SSL_new(server_ctx)) != NULL && (p->client = SSL_new(client_ctx)) != NULL, "SSL_new");
    BIO_up_ref(to_server);
    BIO_up_ref(to_client);
    SSL_set_bio(p->server, to_server, to_client);
    SSL_set_bio(p->client, to_client, to_server);
    SSL_set_accept_state(p->server);
    SSL_set_connect_state(p->client);
    p->waits = 0;
}

static void close_pair(struct pair *p)
{
    SSL_free(p->server);
    SSL_free(p->client);
}

/* Takes both sides as far as they come. */
static void step(struct pair *p)
{
    uint64_t cpu, kept;
    int status, error;

    if (!p->waits) {
        status = SSL_do_handshake(p->client);
        error = status == 1 ? SSL_ERROR_NONE : SSL_get_error(p->client, status);
        must(error == SSL_ERROR_NONE || error == SSL_ERROR_WANT_READ, "client");
    }
    cpu = now(CLOCK_THREAD_CPUTIME_ID);
    kept = now(CLOCK_MONOTONIC);
    status = SSL_do_handshake(p->server);
    kept_ns += now(CLOCK_MONOTONIC) - kept;
    cpu_ns += now(CLOCK_THREAD_CPUTIME_ID) - cpu;
    error = status == 1 ? SSL_ERROR_NONE : SSL_get_error(p->server, status);
    must(error == SSL_ERROR_NONE || error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_ASYNC, "server");
    p->waits = error == SSL_ERROR_WANT_ASYNC;
    if (error == SSL_ERROR_NONE) {
        done++;
        close_pair(p);
        open_pair(p);
    }
}

/* Waits until a job of one of them can go on, unless another has something to do. */
static void wait_for_any(struct pair *pairs, struct pollfd *fds, int count)
{
    int waiting = 0;

    for (int i = 0; i < count; i++) {
        OSSL_ASYNC_FD fd = -1;
        size_t fd_count = 1;

        if (pairs[i].waits)
            must(SSL_get_all_async_fds(pairs[i].server, NULL, &fd_count) && fd_count == 1 &&
                     SSL_get_all_async_fds(pairs[i].server, &fd, &fd_count),
                 "fd");
        fds[i] = (struct pollfd){.fd = fd, .events = POLLIN};
        waiting += pairs[i].waits;
    }
    poll(fds, (nfds_t)count, waiting == count ? -1 : 0);
}

int main(int count, char **arguments)
{
    static struct pair pairs[AT_ONCE];
    static struct pollfd fds[AT_ONCE];
    int at_once;
    uint64_t end;

    if (count != 5)
        return 2;
    at_once = strcmp(arguments[3], "async") == 0 ? AT_ONCE : 1;
    must((server_ctx = SSL_CTX_new(TLS_server_method())) != NULL, "server");
    must((client_ctx = SSL_CTX_new(TLS_client_method())) != NULL, "client");
    must(SSL_CTX_use_certificate_chain_file(server_ctx, arguments[1]) == 1 &&
             SSL_CTX_use_PrivateKey_file(server_ctx, arguments[1], SSL_FILETYPE_PEM) == 1,
         arguments[1]);
    must(SSL_CTX_set1_groups_list(server_ctx, arguments[2]) && SSL_CTX_set1_groups_list(client_ctx, arguments[2]), "group");
    SSL_CTX_set_min_proto_version(client_ctx, TLS1_3_VERSION);
    SSL_CTX_set_num_tickets(server_ctx, 0);
    if (at_once > 1)
        SSL_CTX_set_mode(server_ctx, SSL_MODE_ASYNC);
    for (int i = 0; i < at_once; i++)
        open_pair(&pairs[i]);
    /* The first handshakes connect to the device and load the key. */
    end = now(CLOCK_MONOTONIC) + (uint64_t)(atof(arguments[4]) * 1e9);
    for (int warm = 0; !warm || done < AT_LEAST || now(CLOCK_MONOTONIC) < end;) {
        if (at_once > 1)
            wait_for_any(pairs, fds, at_once);
        for (int i = 0; i < at_once; i++)
            if (!pairs[i].waits || fds[i].revents != 0)
                step(&pairs[i]);
        if (!warm && done >= AT_ONCE) {
            warm = 1;
            cpu_ns = kept_ns = done = 0;
        }
    }
    printf("%.1f %.1f\n", (double)cpu_ns / (double)done / 1e3, (double)kept_ns / (double)done / 1e3);
    for (int i = 0; i < at_once; i++)
        close_pair(&pairs[i]);
    SSL_CTX_free(server_ctx);
    SSL_CTX_free(client_ctx);
    return 0;
}

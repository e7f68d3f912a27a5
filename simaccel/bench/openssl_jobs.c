/*
 * What OpenSSL's own jobs cost: the same steps as in pausing.py, in C. Prints ns an operation.
 *
 *     openssl_jobs LIBCRYPTO WHAT COUNT
 *
 * Linked to no libcrypto and built without its headers: any version is named at run time.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

enum { ASYNC_PAUSE = 2, ASYNC_FINISH = 3 };

typedef int callback_fn(void *arg);

static struct {
    void *(*wait_ctx_new)(void);
    void (*wait_ctx_free)(void *);
    int (*set_wait_fd)(void *, const void *, int, void *, void (*)(void *, const void *, int, void *));
    int (*get_fd)(void *, const void *, int *, void **);
    int (*get_all_fds)(void *, int *, size_t *);
    int (*set_callback)(void *, callback_fn *, void *);
    int (*get_callback)(void *, callback_fn **, void **);
    int (*start_job)(void **, void *, int *, int (*)(void *), void *, size_t);
    int (*pause_job)(void);
} f;

static void *ctx;
static const char key;
static long count;

static void fail(const char *what)
{
    fprintf(stderr, "openssl_jobs: %s\n", what);
    exit(1);
}

static void start(void **job, int (*body)(void *), int expected)
{
    int ret;

    if (f.start_job(job, ctx, &ret, body, NULL, 0) != expected)
        fail("a job did not do what it should");
}

static int pauses(void *arg)
{
    (void)arg;
    for (long n = 0; n < count; n++)
        f.pause_job();
    return 1;
}

static int pauses_once(void *arg)
{
    (void)arg;
    f.pause_job();
    return 1;
}

static int waits_for_fd(void *arg)
{
    int fd;
    void *data;
    uint64_t token = 1;

    (void)arg;
    if (!f.get_fd(ctx, &key, &fd, &data) || write(fd, &token, sizeof token) != sizeof token)
        fail("no fd");
    f.pause_job();
    if (read(fd, &token, sizeof token) != sizeof token)
        fail("no token");
    return 1;
}

static int completed(void *arg)
{
    *(int *)arg = 1;
    return 1;
}

static void pairs(void)
{
    void *job = NULL;

    start(&job, pauses, ASYNC_PAUSE);
    for (long n = 1; n < count; n++)
        start(&job, pauses, ASYNC_PAUSE);
    start(&job, pauses, ASYNC_FINISH);
}

static void by_callback(void)
{
    int woken = 0;
    callback_fn *call;
    void *job = NULL, *arg;

    f.set_callback(ctx, completed, &woken);
    for (long n = 0; n < count; n++) {
        start(&job, pauses_once, ASYNC_PAUSE);
        if (!f.get_callback(ctx, &call, &arg))
            fail("no callback");
        call(arg);
        if (!woken)
            fail("not woken");
        woken = 0;
        start(&job, pauses_once, ASYNC_FINISH);
    }
}

static void by_eventfd(void)
{
    int own = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC), fd;
    void *job = NULL;
    size_t fds = 1;
    struct pollfd watched = { 0, POLLIN, 0 };

    f.set_wait_fd(ctx, &key, own, NULL, NULL);
    for (long n = 0; n < count; n++) {
        start(&job, waits_for_fd, ASYNC_PAUSE);
        f.get_all_fds(ctx, &fd, &fds);
        watched.fd = fd;
        if (poll(&watched, 1, -1) != 1)
            fail("nothing to read");
        start(&job, waits_for_fd, ASYNC_FINISH);
    }
    close(own);
}

static void *symbol(void *library, const char *name)
{
    void *found = dlsym(library, name);

    if (found == NULL)
        fail(name);
    return found;
}

int main(int argc, char **argv)
{
    struct timespec before, after;
    void (*work)(void) = NULL;
    void *library;

    if (argc != 4)
        fail("usage: openssl_jobs LIBCRYPTO pair|callback|eventfd COUNT");
    library = dlopen(argv[1], RTLD_NOW);
    if (library == NULL)
        fail(dlerror());
    if (!strcmp(argv[2], "pair"))
        work = pairs;
    else if (!strcmp(argv[2], "callback"))
        work = by_callback;
    else if (!strcmp(argv[2], "eventfd"))
        work = by_eventfd;
    else
        fail("pair, callback or eventfd");
    count = strtol(argv[3], NULL, 10);

    *(void **)&f.wait_ctx_new = symbol(library, "ASYNC_WAIT_CTX_new");
    *(void **)&f.wait_ctx_free = symbol(library, "ASYNC_WAIT_CTX_free");
    *(void **)&f.set_wait_fd = symbol(library, "ASYNC_WAIT_CTX_set_wait_fd");
    *(void **)&f.get_fd = symbol(library, "ASYNC_WAIT_CTX_get_fd");
    *(void **)&f.get_all_fds = symbol(library, "ASYNC_WAIT_CTX_get_all_fds");
    *(void **)&f.set_callback = symbol(library, "ASYNC_WAIT_CTX_set_callback");
    *(void **)&f.get_callback = symbol(library, "ASYNC_WAIT_CTX_get_callback");
    *(void **)&f.start_job = symbol(library, "ASYNC_start_job");
    *(void **)&f.pause_job = symbol(library, "ASYNC_pause_job");

    ctx = f.wait_ctx_new();
    clock_gettime(CLOCK_MONOTONIC, &before);
    work();
    clock_gettime(CLOCK_MONOTONIC, &after);
    f.wait_ctx_free(ctx);
    printf("%.3f\n", ((after.tv_sec - before.tv_sec) * 1e9 + (after.tv_nsec - before.tv_nsec)) / count);
    return 0;
}

/* lifecycle MODULE WHAT [FOLDER]
 *
 * Does what an application may do to a provider that it knows nothing of. WHAT is
 *   closefrom  Closes all fds and opens files, eventfds and epolls of its own under their numbers. These must stay untouched,
 *              each operation must end, and the device must be used again.
 *   paused     The same while a job is paused.
 *   unload     Frees a wait context after the provider was unloaded.
 *   reload     Loads the provider, runs a job and unloads it, several times. There must be as many fds as before.
 *   fork       Forks while jobs are paused. The child must finish its copies in software, and the parent on the device.
 *   full       Lets jobs that are paused in this thread hold all slots. Then a blocking operation, a job without an fd, and a
 *              job whose pauses are blocked must each go on in software at once.
 * Exits with 0 if all was right; otherwise a line says what was wrong.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <openssl/async.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "load.h"

enum { WATCHDOG_SECONDS = 250, OWN = 30, JOBS = 4, LOADS = 5 };

#define REQUIRE(condition)                                                    \
    do {                                                                      \
        if (!(condition)) {                                                   \
            fprintf(stderr, "line %d: not so: %s\n", __LINE__, #condition);   \
            _exit(1);                                                         \
        }                                                                     \
    } while (0)

struct run {
    ASYNC_JOB *job;
    ASYNC_WAIT_CTX *context;
    enum outcome outcome;
    uint64_t serial;
};

static int body(void *argument)
{
    struct run *r = *(struct run **)argument;

    r->outcome = load_run(ECDSA, r->serial);
    return 1;
}

/* Starts or resumes the job. Returns 1 if it has finished. */
static int step(struct run *r)
{
    int ret, how = ASYNC_start_job(&r->job, r->context, &ret, body, &r, sizeof(r));

    REQUIRE(how == ASYNC_PAUSE || how == ASYNC_FINISH);
    return how == ASYNC_FINISH;
}

static void begin(struct run *r, uint64_t serial)
{
    *r = (struct run){.context = ASYNC_WAIT_CTX_new(), .serial = serial, .outcome = FAILED};
    REQUIRE(!step(r));
}

static int wait_fd(const struct run *r)
{
    OSSL_ASYNC_FD fd = -1;
    size_t count = 1;

    REQUIRE(ASYNC_WAIT_CTX_get_all_fds(r->context, &fd, &count) && count == 1);
    return fd;
}

static void finish(struct run *r)
{
    do {
        struct pollfd readable = {.fd = wait_fd(r), .events = POLLIN};

        REQUIRE(poll(&readable, 1, -1) == 1 && readable.revents == POLLIN);
    } while (!step(r));
    REQUIRE(r->outcome == GOOD);
}

static int count_fds(void)
{
    int count = 0;

    for (int fd = 0; fd < 1024; fd++)
        count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

/* A third each of files, eventfds and epolls. Eventfds and epolls have the same inode as those of the provider. */
static struct stat own[OWN];
static int numbers[OWN];

static void open_own(const char *folder)
{
    char name[4096];

    for (int fd = 3; fd < 1024; fd++)
        close(fd);
    for (int i = 0; i < OWN; i++) {
        snprintf(name, sizeof(name), "%s/own-%d", folder, i);
        numbers[i] = i % 3 == 0   ? open(name, O_RDWR | O_CREAT | O_TRUNC, 0600)
                     : i % 3 == 1 ? eventfd(0, EFD_NONBLOCK)
                                  : epoll_create1(0);
        REQUIRE(numbers[i] >= 0);
        REQUIRE(i % 3 != 0 || write(numbers[i], "mine", 4) == 4);
        REQUIRE(fstat(numbers[i], &own[i]) == 0);
    }
}

static void check_own(void)
{
    for (int i = 0; i < OWN; i++) {
        struct epoll_event event = {.events = EPOLLIN};
        struct stat now;
        uint64_t count;
        int always = eventfd(1, 0);

        REQUIRE(fstat(numbers[i], &now) == 0 && now.st_ino == own[i].st_ino);
        REQUIRE(i % 3 != 0 || now.st_size == 4);
        REQUIRE(i % 3 != 1 || read(numbers[i], &count, sizeof(count)) < 0);
        REQUIRE(i % 3 != 2 || epoll_wait(numbers[i], &event, 1, 0) == 0);
        REQUIRE(i % 3 != 2 || epoll_ctl(numbers[i], EPOLL_CTL_ADD, always, &event) == 0);
        REQUIRE(i % 3 != 2 || epoll_ctl(numbers[i], EPOLL_CTL_DEL, always, &event) == 0);
        close(always);
    }
}

/* Waits until there is another connection. The provider tries to make one once a second. */
static void until_connected_again(void)
{
    while (load_counter("connects") < 2)
        REQUIRE(load_run(ECDSA, 2) == GOOD);
    REQUIRE(load_run(RSA_PKCS1, 3) == GOOD);
}

static void closefrom_blocking(const char *folder)
{
    REQUIRE(load_run(ECDSA, 0) == GOOD && load_counter("offloaded") == 1);
    open_own(folder);
    until_connected_again();
    check_own();
    REQUIRE(load_counter("expired") == 0);
}

static void closefrom_paused(const char *folder)
{
    struct run r, other;

    begin(&other, 0);
    finish(&other);
    begin(&r, 1);
    open_own(folder);
    while (!step(&r))
        ;
    REQUIRE(r.outcome == GOOD);
    until_connected_again();
    ASYNC_WAIT_CTX_free(r.context);
    ASYNC_WAIT_CTX_free(other.context);
    begin(&r, 4);
    finish(&r);
    ASYNC_WAIT_CTX_free(r.context);
    check_own();
    REQUIRE(load_counter("expired") == 0);
}

static void unload(void)
{
    struct run finished, paused;

    begin(&finished, 0);
    finish(&finished);
    begin(&paused, 1); /* its job is never resumed, like that of a connection that was closed */
    load_end();
    ASYNC_WAIT_CTX_free(finished.context);
    ASYNC_WAIT_CTX_free(paused.context);
}

static void reload(const char *module)
{
    int before = 0;

    for (int i = 0; i < LOADS; i++) {
        struct run r;

        begin(&r, (uint64_t)i);
        finish(&r);
        ASYNC_WAIT_CTX_free(r.context);
        load_end();
        REQUIRE(i == 0 || count_fds() == before);
        before = count_fds();
        load_begin(module);
    }
}

static void across_fork(void)
{
    struct run runs[JOBS];
    int status;
    pid_t child;

    for (int i = 0; i < JOBS; i++)
        begin(&runs[i], (uint64_t)i);
    child = fork();
    REQUIRE(child >= 0);
    for (int i = 0; i < JOBS; i++)
        finish(&runs[i]);
    if (child == 0) {
        REQUIRE(load_run(ECDSA, 9) == GOOD && load_counter("software") == JOBS);
        for (int i = 0; i < JOBS; i++)
            ASYNC_WAIT_CTX_free(runs[i].context);
        _exit(0);
    }
    REQUIRE(waitpid(child, &status, 0) == child && status == 0);
    REQUIRE(load_counter("offloaded") == JOBS && load_counter("software") == 0);
    for (int i = 0; i < JOBS; i++)
        ASYNC_WAIT_CTX_free(runs[i].context);
}

static int run_blocked(void *argument)
{
    int ret;

    ASYNC_block_pause();
    ret = body(argument);
    ASYNC_unblock_pause();
    return ret;
}

static void full(void)
{
    struct run runs[2], more = {.serial = 2}, *at = &more;
    struct rlimit fds;
    int ret;

    /* Begins twice, because the first operation also loads the key, which takes a slot. */
    begin(&runs[0], 0);
    finish(&runs[0]);
    begin(&runs[0], 0);
    begin(&runs[1], 1);
    REQUIRE(load_run(ECDSA, 3) == GOOD);
    REQUIRE(load_counter("software") == 1);

    more.context = ASYNC_WAIT_CTX_new();
    REQUIRE(ASYNC_start_job(&more.job, more.context, &ret, run_blocked, &at, sizeof(at)) == ASYNC_FINISH);
    REQUIRE(more.outcome == GOOD && load_counter("software") == 2);
    ASYNC_WAIT_CTX_free(more.context);

    REQUIRE(getrlimit(RLIMIT_NOFILE, &fds) == 0);
    fds.rlim_cur = 3;
    REQUIRE(setrlimit(RLIMIT_NOFILE, &fds) == 0);
    more = (struct run){.context = ASYNC_WAIT_CTX_new(), .serial = 4};
    REQUIRE(step(&more));
    REQUIRE(more.outcome == GOOD && load_counter("software") == 3);
    ASYNC_WAIT_CTX_free(more.context);

    finish(&runs[0]);
    finish(&runs[1]);
    REQUIRE(load_counter("offloaded") == 3 && load_counter("expired") == 0);
    ASYNC_WAIT_CTX_free(runs[0].context);
    ASYNC_WAIT_CTX_free(runs[1].context);
}

int main(int argc, char **argv)
{
    const char *what = argc > 2 ? argv[2] : "", *folder = argc > 3 ? argv[3] : ".";

    if (argc < 3)
        return 2;
    alarm(WATCHDOG_SECONDS);
    load_begin(argv[1]);
    if (strcmp(what, "closefrom") == 0)
        closefrom_blocking(folder);
    else if (strcmp(what, "paused") == 0)
        closefrom_paused(folder);
    else if (strcmp(what, "unload") == 0)
        unload();
    else if (strcmp(what, "reload") == 0)
        reload(argv[1]);
    else if (strcmp(what, "fork") == 0)
        across_fork();
    else if (strcmp(what, "full") == 0)
        full();
    else
        return 2;
    return 0;
}

/* jobs MODULE MODE JOBS COUNT KIND[,KIND...] [ABANDON]
 *
 * Runs COUNT operations, JOBS of them at a time, and verifies every result. If COUNT is 0, it runs until it gets a SIGUSR1,
 * and then does AFTER_SIGNAL operations more.
 *
 * MODE is fd, callback, blocking, or fork. In the mode fork it does COUNT operations blocking, then forks, and then does
 * COUNT operations by fd in each of the two processes. With a + after MODE (not for fork) no thread can be made once the
 * provider is loaded, as under HAProxy and Dovecot. With ABANDON, the wait context of every ABANDON-th job is freed while the
 * job is paused, as SSL_free does, and the job is never resumed.
 *
 * Prints one line of JSON. Exits with 0 if no result was wrong and none is missing. If nothing completes for
 * WATCHDOG_SECONDS, SIGALRM ends it. So a slow machine does not end it as long as the work goes on.
 */
#define _GNU_SOURCE
#include <openssl/async.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <unistd.h>

#include "forbid_threads.h"
#include "load.h"

enum { MAX_JOBS = 1024, WATCHDOG_SECONDS = 250, AFTER_SIGNAL = 200 };
enum mode { FD, CALLBACK, BLOCKING, FORK };

struct slot {
    ASYNC_JOB *job;
    ASYNC_WAIT_CTX *context;
    int fd; /* registered with epoll; -1: none */
    enum outcome outcome;
    uint64_t serial;
    enum kind kind;
    _Atomic int called; /* whether the callback came, which it may do before the pause */
};

static struct slot slots[MAX_JOBS];
static enum kind kinds[KINDS];
static unsigned kind_count;
static uint64_t outcomes[3], abandoned, pauses, eagains, errs;
static int poller;

static uint64_t wanted; /* how many operations in all; UINT64_MAX: until the signal */
static volatile sig_atomic_t told;

static void on_signal(int number)
{
    (void)number;
    told = 1;
}

/* Whether operation number `next` must not begin any more. */
static int is_over(uint64_t next)
{
    if (told && wanted == UINT64_MAX)
        wanted = next + AFTER_SIGNAL;
    return next >= wanted;
}

static void completed(enum outcome outcome)
{
    outcomes[outcome]++;
    alarm(WATCHDOG_SECONDS);
}

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t called = PTHREAD_COND_INITIALIZER;

static int body(void *argument)
{
    struct slot *s = *(struct slot **)argument;

    s->outcome = load_run(s->kind, s->serial);
    return 1;
}

static int on_call(void *argument)
{
    struct slot *s = argument;

    pthread_mutex_lock(&lock);
    atomic_store(&s->called, 1);
    pthread_cond_signal(&called);
    pthread_mutex_unlock(&lock);
    return 1;
}

static void begin_context(struct slot *s, enum mode mode)
{
    s->context = ASYNC_WAIT_CTX_new();
    s->fd = -1;
    if (mode == CALLBACK)
        ASYNC_WAIT_CTX_set_callback(s->context, on_call, s);
}

static void watch(struct slot *s)
{
    OSSL_ASYNC_FD fds[4];
    size_t count = 0;
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = s};

    if (s->fd >= 0)
        return;
    if (!ASYNC_WAIT_CTX_get_all_fds(s->context, NULL, &count) || count != 1 ||
        !ASYNC_WAIT_CTX_get_all_fds(s->context, fds, &count)) {
        fprintf(stderr, "%zu wait fds, not 1\n", count);
        exit(4);
    }
    s->fd = fds[0];
    if (epoll_ctl(poller, EPOLL_CTL_ADD, s->fd, &event) != 0) {
        perror("epoll_ctl");
        exit(4);
    }
}

/* Starts or resumes the job. Returns 1 if it has finished. */
static int drive(struct slot *s)
{
    int ret = 0;

    switch (ASYNC_start_job(&s->job, s->context, &ret, body, &s, sizeof(s))) {
    case ASYNC_FINISH:
        s->job = NULL;
        return 1;
    case ASYNC_PAUSE:
        pauses++;
        if (ASYNC_WAIT_CTX_get_status(s->context) == ASYNC_STATUS_EAGAIN)
            eagains++;
        return 0;
    default:
        fprintf(stderr, "ASYNC_start_job failed\n");
        exit(4);
    }
}

static void abandon(struct slot *s, enum mode mode)
{
    if (s->fd >= 0)
        epoll_ctl(poller, EPOLL_CTL_DEL, s->fd, NULL);
    ASYNC_WAIT_CTX_free(s->context);
    s->job = NULL; /* leaks, as it does in every program that closes a paused connection */
    abandoned++;
    begin_context(s, mode);
}

/* Runs the next operations of a slot, until one pauses. Returns 0 if there is nothing more to do. */
static int advance(struct slot *s, enum mode mode, uint64_t *next, uint64_t abandon_every)
{
    for (;;) {
        if (s->job == NULL) {
            if (is_over(*next))
                return 0;
            s->serial = (*next)++;
            s->kind = kinds[s->serial % kind_count];
        }
        if (drive(s)) {
            completed(s->outcome);
            if (s->outcome == FAILED && ASYNC_WAIT_CTX_get_status(s->context) == ASYNC_STATUS_ERR)
                errs++;
            continue;
        }
        if (abandon_every != 0 && s->serial % abandon_every == abandon_every - 1) {
            abandon(s, mode);
            continue;
        }
        if (mode == FD)
            watch(s);
        return 1;
    }
}

static void run_jobs(enum mode mode, unsigned jobs, uint64_t abandon_every)
{
    uint64_t next = 0;
    unsigned active = 0;

    poller = epoll_create1(EPOLL_CLOEXEC);
    for (unsigned i = 0; i < jobs; i++) {
        begin_context(&slots[i], mode);
        active += (unsigned)advance(&slots[i], mode, &next, abandon_every);
    }
    while (active > 0 && mode == FD) {
        struct epoll_event events[64];
        int n = epoll_wait(poller, events, 64, -1);

        for (int i = 0; i < n; i++) {
            struct slot *s = events[i].data.ptr;

            if (s->job == NULL) {
                /* Nothing in flight here, yet its fd is readable: a token was left behind. */
                fprintf(stderr, "stale token\n");
                exit(4);
            }
            if (!advance(s, mode, &next, abandon_every))
                active--;
        }
    }
    while (active > 0 && mode == CALLBACK) {
        unsigned found = 0;

        for (unsigned i = 0; i < jobs; i++)
            if (slots[i].job != NULL && atomic_exchange(&slots[i].called, 0)) {
                found++;
                if (!advance(&slots[i], mode, &next, abandon_every))
                    active--;
            }
        pthread_mutex_lock(&lock);
        while (found == 0 && active > 0) {
            for (unsigned i = 0; i < jobs; i++)
                found += slots[i].job != NULL && atomic_load(&slots[i].called);
            if (found == 0)
                pthread_cond_wait(&called, &lock);
        }
        pthread_mutex_unlock(&lock);
    }
    for (unsigned i = 0; i < jobs; i++)
        ASYNC_WAIT_CTX_free(slots[i].context);
}

static pthread_mutex_t serials = PTHREAD_MUTEX_INITIALIZER;
static uint64_t next_serial;

static void *block(void *unused)
{
    (void)unused;
    for (;;) {
        uint64_t serial;
        enum outcome outcome;

        pthread_mutex_lock(&serials);
        serial = is_over(next_serial) ? UINT64_MAX : next_serial++;
        pthread_mutex_unlock(&serials);
        if (serial == UINT64_MAX)
            return NULL;
        outcome = load_run(kinds[serial % kind_count], serial);
        pthread_mutex_lock(&serials);
        completed(outcome);
        pthread_mutex_unlock(&serials);
    }
}

static void run_threads(unsigned jobs)
{
    pthread_t threads[MAX_JOBS];

    if (jobs == 1) {
        block(NULL);
        return;
    }
    for (unsigned i = 0; i < jobs; i++)
        pthread_create(&threads[i], NULL, block, NULL);
    for (unsigned i = 0; i < jobs; i++)
        pthread_join(threads[i], NULL);
}

/* The child inherits a connection that is not its own. When the child ends, the parent must not notice it. */
static void run_forked(unsigned jobs, uint64_t count)
{
    const pid_t child = fork();
    int status = 1;

    run_jobs(FD, jobs, 0);
    if (child == 0)
        _exit(outcomes[GOOD] == 2 * count && load_counter("offloaded") == count &&
                      load_counter("software") == 0 && load_counter("connects") == 1
                  ? 0
                  : 1);
    if (waitpid(child, &status, 0) != child || status != 0) {
        fprintf(stderr, "the child failed: %d\n", status);
        exit(4);
    }
    outcomes[GOOD] -= count; /* counted as one run, as the others are */
}

static void parse_kinds(char *text)
{
    for (char *name = strtok(text, ","); name != NULL; name = strtok(NULL, ",")) {
        int kind = 0;

        while (kind < KINDS && strcmp(kind_names[kind], name) != 0)
            kind++;
        if (kind == KINDS || kind_count == KINDS) {
            fprintf(stderr, "no kind %s\n", name);
            exit(2);
        }
        kinds[kind_count++] = (enum kind)kind;
    }
}

int main(int argc, char **argv)
{
    static const char *const counters[] = {"offloaded", "software", "unsupported", "pauses",   "spurious", "full",
                                           "expired",   "failed",   "damaged",     "gone",     "stray",    "orphaned",
                                           "connects",  "blocked"};
    enum mode mode;
    unsigned jobs;
    uint64_t count;
    char *plus;

    if (argc < 6)
        return 2;
    plus = strchr(argv[2], '+');
    if (plus != NULL)
        *plus = '\0';
    mode = strcmp(argv[2], "fd") == 0         ? FD
           : strcmp(argv[2], "callback") == 0 ? CALLBACK
           : strcmp(argv[2], "fork") == 0     ? FORK
                                              : BLOCKING;
    jobs = (unsigned)atoi(argv[3]);
    count = strtoull(argv[4], NULL, 10);
    wanted = count == 0 ? UINT64_MAX : count;
    signal(SIGUSR1, on_signal);
    if (jobs < 1 || jobs > MAX_JOBS)
        return 2;
    parse_kinds(argv[5]);
    alarm(WATCHDOG_SECONDS);
    load_begin(argv[1]);
    if (plus != NULL)
        forbid_threads();
    if (mode == BLOCKING || mode == FORK)
        run_threads(jobs);
    if (mode == FORK)
        run_forked(jobs, count);
    else if (mode != BLOCKING)
        run_jobs(mode, jobs, argc > 6 ? strtoull(argv[6], NULL, 10) : 0);
    printf("{\"wanted\": %llu, \"good\": %llu, \"bad\": %llu, \"errors\": %llu, \"err_status\": %llu, \"abandoned\": %llu, "
           "\"job_pauses\": %llu, \"eagains\": %llu",
           (unsigned long long)wanted, (unsigned long long)outcomes[GOOD], (unsigned long long)outcomes[BAD], (unsigned long long)outcomes[FAILED],
           (unsigned long long)errs, (unsigned long long)abandoned, (unsigned long long)pauses,
           (unsigned long long)eagains);
    for (size_t i = 0; i < sizeof(counters) / sizeof(*counters); i++)
        printf(", \"%s\": %llu", counters[i], (unsigned long long)load_counter(counters[i]));
    printf("}\n");
    load_end();
    return outcomes[BAD] == 0 && outcomes[GOOD] + outcomes[FAILED] + abandoned == wanted ? 0 : 1;
}

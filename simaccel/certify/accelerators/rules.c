#include "rules.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tasks.h"

enum { MOST_RESUMES = 8, THREADS = 4, EACH = 50, CHILD_S = 10 };

int many;

static void results(void)
{
    char text[64] = "";

    for (int o = 0; o < OPERATIONS; o++)
        if (offered[o]) {
            struct task tasks[JOBS];

            operation = (enum operation)o;
            for (int i = 0; i < JOBS; i++) {
                prepare(&tasks[i], i, NULL);
                if (!operate(operation, &tasks[i].work) || !is_right(&tasks[i].work))
                    end(BROKEN, "outside of a job, %s fails or has a wrong result", operation_names[o]);
                ASYNC_WAIT_CTX_free(tasks[i].context);
            }
            start_all(tasks, JOBS, NULL);
            finish_all(tasks, JOBS);
            free_all(tasks, JOBS);
            strcat(strcat(text, " "), operation_names[o]);
        }
    end(PASSED, "as the default provider:%s", text);
}

static void pauses(void)
{
    struct task t;

    pause_one(&t);
    finish_all(&t, 1);
    end(PASSED, "woken, resumed %d times", t.resumes);
}

static void status(void)
{
    struct task t;

    if (!by_callback)
        end(DOES_NOT_APPLY, "by fd the status says nothing");
    pause_one(&t);
    if (t.status != ASYNC_STATUS_OK && t.status != ASYNC_STATUS_EAGAIN)
        end(BROKEN, "paused with status %d: an application can't tell whether a callback will come", t.status);
    finish_all(&t, 1);
    end(PASSED, "OK before the pause");
}

static void callback_once(void)
{
    struct task tasks[JOBS];
    struct timespec soon = {.tv_nsec = 100000000};

    if (!by_callback)
        end(DOES_NOT_APPLY, "by fd there is no callback");
    for (int i = 0; i < JOBS; i++) {
        pause_one(&tasks[i]);
        finish_all(&tasks[i], 1);
    }
    nanosleep(&soon, NULL); /* a second one would have come by now, or shows at the next operation */
    for (int i = 0; i < JOBS; i++)
        if (tasks[i].callbacks != tasks[i].resumes)
            end(BROKEN, "%d callbacks for an operation that paused %d times", tasks[i].callbacks, tasks[i].resumes);
    end(PASSED, "one for each pause");
}

static void full(void)
{
    struct task tasks[4 * JOBS];
    int refused = 0;

    start_all(tasks, 4 * JOBS, NULL);
    for (int i = 0; i < 4 * JOBS; i++)
        refused += tasks[i].status == ASYNC_STATUS_EAGAIN;
    finish_all(tasks, 4 * JOBS);
    end(PASSED, "%d at a time, %d of them told EAGAIN, none lost", 4 * JOBS, refused);
}

static void early_resume(void)
{
    int early = 0;

    for (int i = 0; i < 4 * JOBS && early < MOST_RESUMES; i++) {
        struct task t;

        pause_one(&t);
        while (t.job != NULL && early < MOST_RESUMES && (by_callback ? !atomic_load(&t.callbacks) : !is_woken(&t, 0))) {
            step(&t);
            early++;
        }
        if (t.job != NULL)
            finish_all(&t, 1);
        if (!t.ret || !is_right(&t.work))
            end(BROKEN, "resumed before its completion, it %s", t.ret ? "gave a wrong result" : "failed");
        ASYNC_WAIT_CTX_free(t.context);
    }
    if (early == 0)
        end(PASSED, "woken before every resume");
    end(PASSED, "resumed too early, it paused again");
}

static void fd_stable(void)
{
    struct task t;
    OSSL_ASYNC_FD fds[MOST_FDS], later[MOST_FDS];
    ASYNC_WAIT_CTX *context;
    size_t added = 0, deleted = 0, count;

    pause_one(&t);
    context = t.context;
    ASYNC_WAIT_CTX_get_changed_fds(context, NULL, &added, NULL, &deleted);
    if (added == 0 && !by_callback)
        end(BROKEN, "a job has paused and no fd was announced");
    count = fds_of(&t, fds);
    finish_all(&t, 1);
    for (int number = 0; number < JOBS; number++) {
        struct task next;

        prepare(&next, number, context);
        if (by_callback)
            ASYNC_WAIT_CTX_set_callback(context, on_wake, &next);
        if (step(&next)) {
            if (fds_of(&next, later) != count || memcmp(fds, later, count * sizeof(*fds)) != 0)
                end(BROKEN, "another operation of the same wait context has another fd");
            finish_all(&next, 1);
        }
    }
    if (fds_of(&t, later) != count || memcmp(fds, later, count * sizeof(*fds)) != 0)
        end(BROKEN, "the fds of a wait context change from operation to operation");
    end(PASSED, "%zu fd, the same for %d operations", count, JOBS + 1);
}

static void fd_closed(void)
{
    struct task t;
    OSSL_ASYNC_FD fds[MOST_FDS];
    size_t count;

    if (by_callback)
        end(DOES_NOT_APPLY, "by callback no fd is waited for");
    pause_one(&t);
    count = fds_of(&t, fds);
    finish_all(&t, 1);
    for (size_t i = 0; i < count; i++)
        if (fcntl(fds[i], F_GETFD) < 0)
            end(BROKEN, "the fd is closed before its wait context is freed");
    ASYNC_WAIT_CTX_free(t.context);
    for (size_t i = 0; i < count; i++)
        if (fcntl(fds[i], F_GETFD) >= 0)
            end(BROKEN, "the fd is open after its wait context was freed");
    end(PASSED, "closed with the wait context");
}

static int run_blocked(void *argument)
{
    struct task *t = *(struct task **)argument;
    int done;

    ASYNC_block_pause();
    done = operate(operation, &t->work);
    ASYNC_unblock_pause();
    return done;
}

static void block_pause(void)
{
    for (int number = 0; number < JOBS; number++) {
        struct task t, *pointer = &t;

        prepare(&t, number, NULL);
        /* It may still pause once after the unblock; most do not. */
        if (ASYNC_start_job(&t.job, t.context, &t.ret, run_blocked, &pointer, sizeof(pointer)) == ASYNC_PAUSE)
            end(BROKEN, "a job paused although pauses are blocked");
        if (!t.ret || !is_right(&t.work))
            end(BROKEN, "with pauses blocked an operation %s", t.ret ? "gave a wrong result" : "failed");
        ASYNC_WAIT_CTX_free(t.context);
    }
    end(PASSED, "waited in place");
}

static void two_jobs(void)
{
    for (int round = 0; round < JOBS; round++) {
        struct task tasks[2];
        ASYNC_WAIT_CTX *context = ASYNC_WAIT_CTX_new();

        start_all(tasks, 2, context);
        if (by_callback) {
            ASYNC_WAIT_CTX_free(context);
            end(DOES_NOT_APPLY, "by callback a wait context tells of one job");
        }
        finish_all(tasks, 2);
        ASYNC_WAIT_CTX_free(context);
    }
    end(PASSED, "both ended");
}

static void freed_in_flight(void)
{
    const int before = open_fds();
    struct task *tasks = calloc(JOBS, sizeof(*tasks));
    struct timespec soon = {.tv_nsec = 200000000};
    struct task t;

    start_all(tasks, JOBS, NULL);
    free_all(tasks, JOBS); /* their jobs are never resumed */
    nanosleep(&soon, NULL); /* the completions come */
    memset(tasks, 0xa5, JOBS * sizeof(*tasks));
    free(tasks);
    pause_one(&t);
    finish_all(&t, 1);
    ASYNC_WAIT_CTX_free(t.context);
    if (open_fds() > before + 4)
        end(BROKEN, "%d fds more than before", open_fds() - before);
    end(PASSED, "%d wait contexts freed under their jobs", JOBS);
}

static void fork_paused(void)
{
    struct task t;
    pid_t child;
    int how;

    pause_one(&t);
    child = fork();
    if (child == 0) {
        struct task other;

        signal(SIGALRM, SIG_DFL);
        alarm(CHILD_S);
        while (t.job != NULL) /* as an application that does not know what was in flight */
            step(&t);
        prepare(&other, 1, NULL);
        while (step(&other))
            ;
        _exit(t.ret && is_right(&t.work) && other.ret && is_right(&other.work) ? 0 : 1);
    }
    finish_all(&t, 1);
    waitpid(child, &how, 0);
    if (how != 0)
        end(BROKEN, "the child of a fork %s", WIFSIGNALED(how) && WTERMSIG(how) == SIGALRM ? "hangs"
                                              : WIFSIGNALED(how)                           ? "crashes"
                                                                                           : "gets a wrong result");
    end(PASSED, "parent and child both ended");
}

static void *in_thread(void *argument)
{
    struct task tasks[JOBS];

    (void)argument;
    for (int round = 0; round < EACH; round++) {
        start_all(tasks, JOBS, NULL);
        finish_all(tasks, JOBS);
        free_all(tasks, JOBS);
    }
    ASYNC_cleanup_thread();
    return NULL;
}

static void threads(void)
{
    pthread_t started[THREADS];

    for (int i = 0; i < THREADS; i++)
        pthread_create(&started[i], NULL, in_thread, NULL);
    for (int i = 0; i < THREADS; i++)
        pthread_join(started[i], NULL);
    end(PASSED, "%d threads, %d operations each", THREADS, JOBS * EACH);
}

static void unload(void)
{
    struct task t;

    pause_one(&t);
    finish_all(&t, 1);
    unload_accelerator();
    ASYNC_WAIT_CTX_free(t.context);
    end(PASSED, "and a wait context freed after that");
}

static void leaks(void)
{
    struct task tasks[JOBS];
    int before = 0;

    for (int done = 0; done < many; done += JOBS) {
        start_all(tasks, JOBS, NULL);
        finish_all(tasks, JOBS);
        free_all(tasks, JOBS);
        if (done == 0)
            before = open_fds();
    }
    if (open_fds() > before)
        end(BROKEN, "%d fds more after %d operations", open_fds() - before, many);
    end(PASSED, "no fd more after %d operations", many);
}

static void busy_loop(void)
{
    long resumes = 0;

    for (int i = 0; i < JOBS; i++) {
        struct task t;

        pause_one(&t);
        finish_all(&t, 1);
        ASYNC_WAIT_CTX_free(t.context);
        resumes += t.resumes;
    }
    if (resumes > MOST_RESUMES * JOBS)
        end(BROKEN, "%d operations were resumed %ld times: their fds stay readable", JOBS, resumes);
    end(PASSED, "%ld resumes for %d operations", resumes, JOBS);
}

const struct rule rules[] = {
    {"results", results},
    {"pauses", pauses},
    {"status", status},
    {"callback-once", callback_once},
    {"full", full},
    {"early-resume", early_resume},
    {"fd-stable", fd_stable},
    {"fd-closed", fd_closed},
    {"block-pause", block_pause},
    {"two-jobs", two_jobs},
    {"freed-in-flight", freed_in_flight},
    {"fork", fork_paused},
    {"threads", threads},
    {"unload", unload},
    {"leaks", leaks},
    {"busy-loop", busy_loop},
    {0},
};

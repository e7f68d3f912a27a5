/* Rules about what a provider holds and for how long: fds, wait contexts, processes, its own code. */
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "rules.h"
#include "tasks.h"

enum { CHILD_S = 10 };

RULE("fd-stable", fd_stable)
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

RULE("fd-closed", fd_closed)
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

RULE("freed-in-flight", freed_in_flight)
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

RULE("fork", fork_paused)
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

RULE("unload", unload)
{
    struct task t;

    pause_one(&t);
    finish_all(&t, 1);
    unload_accelerator();
    ASYNC_WAIT_CTX_free(t.context);
    end(PASSED, "and a wait context freed after that");
}

RULE("leaks", leaks)
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

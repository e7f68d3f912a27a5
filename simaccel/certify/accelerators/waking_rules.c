/* Rules about results and waking: how a job pauses, is told to go on, and ends. */
#include <pthread.h>
#include <string.h>
#include <time.h>

#include "rules.h"
#include "tasks.h"

enum { MOST_RESUMES = 8, THREADS = 4, EACH = 50 };

RULE("results", results)
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

RULE("pauses", pauses)
{
    struct task t;

    pause_one(&t);
    finish_all(&t, 1);
    end(PASSED, "woken, resumed %d times", t.resumes);
}

RULE("status", status)
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

RULE("callback-once", callback_once)
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

RULE("full", full)
{
    struct task tasks[4 * JOBS];
    int refused = 0;

    start_all(tasks, 4 * JOBS, NULL);
    for (int i = 0; i < 4 * JOBS; i++)
        refused += tasks[i].status == ASYNC_STATUS_EAGAIN;
    finish_all(tasks, 4 * JOBS);
    end(PASSED, "%d at a time, %d of them told EAGAIN, none lost", 4 * JOBS, refused);
}

RULE("early-resume", early_resume)
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

static int run_blocked(void *argument)
{
    struct task *t = *(struct task **)argument;
    int done;

    ASYNC_block_pause();
    done = operate(operation, &t->work);
    ASYNC_unblock_pause();
    return done;
}

RULE("block-pause", block_pause)
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

RULE("two-jobs", two_jobs)
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

RULE("threads", threads)
{
    pthread_t started[THREADS];

    for (int i = 0; i < THREADS; i++)
        pthread_create(&started[i], NULL, in_thread, NULL);
    for (int i = 0; i < THREADS; i++)
        pthread_join(started[i], NULL);
    end(PASSED, "%d threads, %d operations each", THREADS, JOBS * EACH);
}

RULE("busy-loop", busy_loop)
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

#include "tasks.h"

#include <dirent.h>
#include <poll.h>
#include <string.h>

int by_callback;

int on_wake(void *argument)
{
    struct task *t = argument;

    atomic_fetch_add(&t->callbacks, 1);
    return 1;
}

void prepare(struct task *t, int number, ASYNC_WAIT_CTX *context)
{
    memset(t, 0, sizeof(*t));
    for (int i = 0; i < MESSAGE_BYTES; i++)
        t->work.message[i] = (unsigned char)(number * 7 + i);
    know_the_right_result(operation, &t->work);
    t->context = context != NULL ? context : ASYNC_WAIT_CTX_new();
    if (by_callback && context == NULL)
        ASYNC_WAIT_CTX_set_callback(t->context, on_wake, t);
}

static int run(void *argument)
{
    struct task *t = *(struct task **)argument;

    return operate(operation, &t->work);
}

/* Starts or resumes. Returns whether the job has paused. */
int step(struct task *t)
{
    const int answer = ASYNC_start_job(&t->job, t->context, &t->ret, run, &t, sizeof(t));

    if (answer != ASYNC_PAUSE && answer != ASYNC_FINISH)
        end(BROKEN, "ASYNC_start_job answered %d", answer);
    t->status = ASYNC_WAIT_CTX_get_status(t->context);
    return answer == ASYNC_PAUSE;
}

size_t fds_of(const struct task *t, OSSL_ASYNC_FD *fds)
{
    size_t count = 0;

    ASYNC_WAIT_CTX_get_all_fds(t->context, NULL, &count);
    if (count > MOST_FDS)
        end(BROKEN, "a wait context has %zu fds", count);
    ASYNC_WAIT_CTX_get_all_fds(t->context, fds, &count);
    return count;
}

/* Whether it was told to go on. Waits for that long at most. By callback, EAGAIN is told by the status alone. */
int is_woken(struct task *t, int wait_ms)
{
    struct pollfd polled[MOST_FDS];
    OSSL_ASYNC_FD fds[MOST_FDS];
    size_t count;

    if (by_callback) {
        if (atomic_load(&t->callbacks) > t->taken_callbacks) {
            t->taken_callbacks = atomic_load(&t->callbacks);
            return 1;
        }
        poll(NULL, 0, wait_ms);
        return t->status == ASYNC_STATUS_EAGAIN;
    }
    count = fds_of(t, fds);
    for (size_t i = 0; i < count; i++)
        polled[i] = (struct pollfd){.fd = fds[i], .events = POLLIN};
    return poll(polled, count, wait_ms) > 0;
}

/* Waits for wake-ups and resumes, to the end. Each job has paused before. */
void finish_all(struct task *tasks, int count)
{
    int left;

    do {
        left = 0;
        for (int i = 0; i < count; i++)
            if (tasks[i].job != NULL && (left = 1) && is_woken(&tasks[i], 1)) {
                tasks[i].resumes++;
                step(&tasks[i]);
            }
    } while (left);
    for (int i = 0; i < count; i++)
        if (!tasks[i].ret || !is_right(&tasks[i].work))
            end(BROKEN, "an operation %s", tasks[i].ret ? "gave a wrong result" : "failed");
}

void start_all(struct task *tasks, int count, ASYNC_WAIT_CTX *context)
{
    for (int i = 0; i < count; i++)
        prepare(&tasks[i], i, context);
    for (int i = 0; i < count; i++)
        step(&tasks[i]);
}

void free_all(struct task *tasks, int count)
{
    for (int i = 0; i < count; i++)
        ASYNC_WAIT_CTX_free(tasks[i].context);
}

/* One operation that has paused. */
void pause_one(struct task *t)
{
    for (int number = 0; number < JOBS; number++) {
        prepare(t, number, NULL);
        if (step(t))
            return;
        ASYNC_WAIT_CTX_free(t->context);
    }
    end(BROKEN, "it never pauses a job");
}

int open_fds(void)
{
    DIR *folder = opendir("/proc/self/fd");
    int count = 0;

    while (readdir(folder) != NULL)
        count++;
    closedir(folder);
    return count;
}

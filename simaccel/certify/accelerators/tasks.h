/* Starts operations in jobs, waits for them by fd or by callback, and resumes them. */
#ifndef CERTIFY_TASKS_H
#define CERTIFY_TASKS_H

#include <openssl/async.h>
#include <stdatomic.h>

#include "operations.h"

enum { JOBS = 16, MOST_FDS = 16 };

/* One operation in a job. */
struct task {
    ASYNC_JOB *job; /* NULL: not started, or ended */
    ASYNC_WAIT_CTX *context;
    atomic_int callbacks;
    int ret, resumes, taken_callbacks;
    int status; /* of the wait context, when the job last paused or ended */
    struct work work;
};

extern int by_callback;

/* Makes a task whose message has that number. `context`: a shared wait context, or NULL for one of its own. */
void prepare(struct task *t, int number, ASYNC_WAIT_CTX *context);

/* The callback of a wait context; its argument is the task. */
int on_wake(void *argument);

/* Starts or resumes. Returns whether the job has paused. */
int step(struct task *t);

/* Prepares and starts `count` tasks. */
void start_all(struct task *tasks, int count, ASYNC_WAIT_CTX *context);

/* Prepares and starts one that pauses. */
void pause_one(struct task *t);

/* Whether it was told to go on. Waits for that long at most. By callback, EAGAIN is told by the status alone. */
int is_woken(struct task *t, int wait_ms);

/* Waits for wake-ups and resumes, to the end. Ends the process if an operation fails or has a wrong result. */
void finish_all(struct task *tasks, int count);
void free_all(struct task *tasks, int count);

/* The fds of its wait context; at most MOST_FDS. */
size_t fds_of(const struct task *t, OSSL_ASYNC_FD *fds);

/* How many fds this process has open. */
int open_fds(void);

#endif

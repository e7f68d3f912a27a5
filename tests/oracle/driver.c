/*
 * Runs a job script (see script.py) on libcrypto. The job body interprets operations here, in C, because Python can't
 * run on an OpenSSL fibre: interleaved, such jobs crash every CPython.
 *
 * Linked to nothing and built without OpenSSL's headers: the loader hands over the functions' addresses, so one build
 * serves every libcrypto.
 */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { SLOTS = 6, CONTEXTS = 3, KEYS = 4, CALLBACKS = 3, LIBCTXS = 3, NOTHING = -9 };
enum { ASYNC_PAUSE = 2, ASYNC_FINISH = 3, MAX_FDS = 4096 };
enum code {
    PAUSE = 1, BLOCK, UNBLOCK, CURRENT, COUNT, INIT_THREAD, LIBCTX, SET_FD, CLEAR_FD, GET_FD, ALL_FDS, CHANGED_FDS,
    SET_CALLBACK, GET_CALLBACK, CALL_CALLBACK, SET_STATUS, GET_STATUS, OWN_CTX, ARGS, RETURN, START, RESUME, RUN, JOB_CTX,
    CLEANUP_THREAD, FREE_CTX, SKIPPED, CLEANUP
};

typedef void cleanup_fn(void *ctx, const void *key, int fd, void *data);
typedef int callback_fn(void *arg);

/* In the order of driver.py's FUNCTIONS. */
static struct {
    void *(*wait_ctx_new)(void);
    void (*wait_ctx_free)(void *);
    int (*set_wait_fd)(void *, const void *, int, void *, cleanup_fn *);
    int (*get_fd)(void *, const void *, int *, void **);
    int (*get_all_fds)(void *, int *, size_t *);
    int (*get_changed_fds)(void *, int *, size_t *, int *, size_t *);
    int (*clear_fd)(void *, const void *);
    int (*set_callback)(void *, callback_fn *, void *);
    int (*get_callback)(void *, callback_fn **, void **);
    int (*set_status)(void *, int);
    int (*get_status)(void *);
    int (*start_job)(void **, void *, int *, int (*)(void *), void *, size_t);
    int (*pause_job)(void);
    void *(*get_current_job)(void);
    void *(*get_wait_ctx)(void *);
    void (*block_pause)(void);
    void (*unblock_pause)(void);
    int (*init_thread)(size_t, size_t);
    void (*cleanup_thread)(void);
    void *(*lib_ctx_new)(void);
    void *(*lib_ctx_set0_default)(void *);
} f;

struct op { int32_t code, a, b, c, d, e; };
struct program {
    const struct op *ops;           /* host, then the bodies, end to end */
    const int32_t *starts;          /* of the host, of each body, and the end */
    const unsigned char *args;      /* end to end */
    const int32_t *args_starts;     /* of each, and the end */
};
struct slot { void *handle; int32_t body, args; };

static const struct program *program;
static struct slot slots[SLOTS];
static int active;                  /* the slot being started or resumed */
static void *contexts[CONTEXTS], *libctxs[LIBCTXS];
static char keys[KEYS], datas[256];
static int32_t counter, *trace, trace_room, trace_used;

static void emit(int32_t value)
{
    if (trace_used < trace_room)
        trace[trace_used] = value;
    trace_used++;                   /* beyond the room: the caller sees it and comes back with more */
}

static void entry(int32_t code, int32_t count)
{
    emit(code);
    emit(count);
}

#define SAY(code, ...) do { \
        const int32_t values[] = { __VA_ARGS__ }; \
        entry(code, (int32_t)(sizeof values / sizeof values[0])); \
        for (size_t n = 0; n < sizeof values / sizeof values[0]; n++) emit(values[n]); \
    } while (0)

static int32_t number(void *pointer, void *const *table, int32_t size)
{
    for (int32_t i = 0; pointer != NULL && i < size; i++)
        if (table[i] == pointer)
            return i;
    return NOTHING;
}

static int callback0(void *arg) { return 100 + (int)((char *)arg - datas); }
static int callback1(void *arg) { return 200 + (int)((char *)arg - datas); }
static int callback2(void *arg) { return 300 + (int)((char *)arg - datas); }
static callback_fn *const callbacks[CALLBACKS] = { callback0, callback1, callback2 };

static void cleanup(void *ctx, const void *key, int fd, void *data)
{
    SAY(CLEANUP, number(ctx, contexts, CONTEXTS), (int32_t)((const char *)key - keys), fd,
        (int32_t)((char *)data - datas));
}

static void say_fds(int32_t code, void *ctx)
{
    static int added[MAX_FDS], deleted[MAX_FDS];   /* a fibre's stack is too small for them */
    size_t counts[2] = { 0, 0 };

    if (code == ALL_FDS)
        f.get_all_fds(ctx, NULL, &counts[0]);
    else
        f.get_changed_fds(ctx, NULL, &counts[0], NULL, &counts[1]);
    if (counts[0] > MAX_FDS || counts[1] > MAX_FDS) {
        SAY(code, NOTHING);
        return;
    }
    if (code == ALL_FDS)
        f.get_all_fds(ctx, added, &counts[0]);
    else
        f.get_changed_fds(ctx, added, &counts[0], deleted, &counts[1]);
    entry(code, (int32_t)(1 + (code == CHANGED_FDS) + counts[0] + counts[1]));
    emit((int32_t)counts[0]);
    if (code == CHANGED_FDS)
        emit((int32_t)counts[1]);
    for (size_t i = 0; i < counts[0]; i++)
        emit(added[i]);
    for (size_t i = 0; i < counts[1]; i++)
        emit(deleted[i]);
}

/* What host and bodies have in common. 0 if the operation is none of these. */
static int step(const struct op *op)
{
    void *ctx = op->a >= 0 && op->a < CONTEXTS ? contexts[op->a] : NULL, *found, *data = NULL;
    callback_fn *fn;
    int fd = NOTHING;

    switch (op->code) {
    case PAUSE: SAY(PAUSE, f.pause_job()); return 1;
    case BLOCK: f.block_pause(); return 1;
    case UNBLOCK: f.unblock_pause(); return 1;
    case CURRENT:
        found = f.get_current_job();
        for (int32_t i = 0; found != NULL && i < SLOTS; i++)
            if (slots[i].handle == found) {
                SAY(CURRENT, i);
                return 1;
            }
        SAY(CURRENT, found == NULL ? NOTHING : -1);
        return 1;
    case COUNT: SAY(COUNT, ++counter); return 1;
    case INIT_THREAD: SAY(INIT_THREAD, f.init_thread((size_t)op->a, (size_t)op->b)); return 1;
    case LIBCTX: SAY(LIBCTX, number(f.lib_ctx_set0_default(libctxs[op->a]), libctxs, LIBCTXS)); return 1;
    case SET_FD:
        SAY(SET_FD, f.set_wait_fd(ctx, &keys[op->b], op->c, &datas[op->d], op->e ? cleanup : NULL));
        return 1;
    case CLEAR_FD: SAY(CLEAR_FD, f.clear_fd(ctx, &keys[op->b])); return 1;
    case GET_FD:
        if (f.get_fd(ctx, &keys[op->b], &fd, &data))
            SAY(GET_FD, 1, fd, (int32_t)((char *)data - datas));
        else
            SAY(GET_FD, 0);
        return 1;
    case ALL_FDS: case CHANGED_FDS: say_fds(op->code, ctx); return 1;
    case SET_CALLBACK:
        SAY(SET_CALLBACK, f.set_callback(ctx, op->b < 0 ? NULL : callbacks[op->b], &datas[op->c]));
        return 1;
    case GET_CALLBACK:
        if (!f.get_callback(ctx, &fn, &data)) {
            SAY(GET_CALLBACK, 0);
            return 1;
        }
        for (int32_t i = 0; i < CALLBACKS; i++)
            if (callbacks[i] == fn)
                SAY(GET_CALLBACK, 1, i, (int32_t)((char *)data - datas));
        return 1;
    case CALL_CALLBACK:
        if (f.get_callback(ctx, &fn, &data))
            SAY(CALL_CALLBACK, fn(data));
        else
            SAY(CALL_CALLBACK, NOTHING);
        return 1;
    case SET_STATUS: SAY(SET_STATUS, f.set_status(ctx, op->b)); return 1;
    case GET_STATUS: SAY(GET_STATUS, f.get_status(ctx)); return 1;
    }
    return 0;
}

static void run_job(const struct op *op);

static int body(void *given)
{
    struct slot *self = &slots[active];
    const struct op *op = program->ops + program->starts[self->body + 1];
    const struct op *end = program->ops + program->starts[self->body + 2];
    int32_t size, index;

    self->handle = f.get_current_job();
    for (; op < end; op++) {
        if (step(op))
            continue;
        if (op->code == RETURN)
            return op->a;
        if (op->code == START)
            run_job(op);
        if (op->code == OWN_CTX) {
            index = number(f.get_wait_ctx(f.get_current_job()), contexts, CONTEXTS);
            SAY(OWN_CTX, index);
        } else if (op->code == ARGS && given == NULL) {
            SAY(ARGS, NOTHING);
        } else if (op->code == ARGS) {
            size = program->args_starts[self->args + 1] - program->args_starts[self->args];
            entry(ARGS, size + 1);
            emit(size);
            for (int32_t i = 0; i < size; i++)
                emit(((unsigned char *)given)[i]);
        }
    }
    return 0;
}

static void run_job(const struct op *op)
{
    struct slot *slot = &slots[op->a];
    void *job = op->code == START ? NULL : slot->handle, *before = job, *args = NULL;
    unsigned char copy[256];
    int32_t size = 0;
    int ret = NOTHING, status;

    if ((slot->handle == NULL) != (op->code == START)) {
        SAY(SKIPPED, op->code);
        return;
    }
    if (op->d >= 0) {
        size = program->args_starts[op->d + 1] - program->args_starts[op->d];
        args = memcpy(copy, program->args + program->args_starts[op->d], (size_t)size);
    }
    if (op->code == START) {
        slot->body = op->c;
        slot->args = op->d;
    }
    active = op->a;
    status = f.start_job(&job, op->b < 0 ? NULL : contexts[op->b], &ret, op->code == START ? body : NULL, args,
                         (size_t)size);
    memset(copy, 0xEE, sizeof copy);    /* the job has its own, or the next ARGS shows it */
    if (status == ASYNC_PAUSE) {
        SAY(op->code, status, ret, job == slot->handle && job != NULL && (before == NULL || before == job));
    } else {
        SAY(op->code, status, ret, job == NULL);
        slot->handle = NULL;
    }
}

static int32_t paused(void)
{
    for (int32_t i = 0; i < SLOTS; i++)
        if (slots[i].handle != NULL)
            return i;
    return NOTHING;
}

static void free_ctx(int32_t index)
{
    for (int32_t i = 0; i < SLOTS; i++)
        if (slots[i].handle != NULL && f.get_wait_ctx(slots[i].handle) == contexts[index]) {
            SAY(SKIPPED, FREE_CTX);
            return;
        }
    SAY(FREE_CTX, index);
    f.wait_ctx_free(contexts[index]);
    contexts[index] = f.wait_ctx_new();
}

static void host(const struct op *op)
{
    if (op->code == RUN) {
        struct op chosen = *op;

        chosen.code = slots[op->a].handle == NULL ? START : RESUME;
        run_job(&chosen);
    } else if (op->code == START || op->code == RESUME) {
        run_job(op);
    } else if (op->code == JOB_CTX) {
        if (slots[op->a].handle == NULL)
            SAY(SKIPPED, JOB_CTX);
        else
            SAY(JOB_CTX, number(f.get_wait_ctx(slots[op->a].handle), contexts, CONTEXTS));
    } else if (op->code == CLEANUP_THREAD) {
        if (paused() == NOTHING) {
            f.cleanup_thread();
            SAY(CLEANUP_THREAD, 1);
        } else {
            SAY(SKIPPED, CLEANUP_THREAD);
        }
    } else if (op->code == FREE_CTX) {
        free_ctx(op->a);
    } else {
        step(op);
    }
}

void driver_bind(void *const *functions)
{
    memcpy(&f, functions, sizeof f);
    libctxs[0] = f.lib_ctx_set0_default(NULL);
    for (int i = 1; i < LIBCTXS; i++)
        libctxs[i] = f.lib_ctx_new();
}

/* Returns the number of values of the trace; more than `room` means that it was cut off there. */
int32_t driver_run(const struct program *given, int32_t *out, int32_t room)
{
    const struct op *op, *end;

    program = given;
    trace = out;
    trace_room = room;
    trace_used = counter = 0;
    for (int i = 0; i < CONTEXTS; i++)
        contexts[i] = f.wait_ctx_new();
    end = program->ops + program->starts[1];
    for (op = program->ops + program->starts[0]; op < end; op++)
        host(op);
    while (paused() != NOTHING)
        host(&(struct op){ RESUME, paused(), -1, 0, -1, 0 });
    host(&(struct op){ CLEANUP_THREAD, 0, 0, 0, 0, 0 });
    host(&(struct op){ LIBCTX, 0, 0, 0, 0, 0 });
    for (int32_t i = 0; i < CONTEXTS; i++) {
        free_ctx(i);
        f.wait_ctx_free(contexts[i]);
        contexts[i] = NULL;
    }
    return trace_used;
}

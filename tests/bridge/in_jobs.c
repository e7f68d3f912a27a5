/* For LD_PRELOAD: runs each private-key operation of a program in a job of its own, and resumes the job when its fd is
 * readable. With it, programs that know nothing of jobs, such as OpenSSL's own tests, test how the provider pauses. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <openssl/async.h>
#include <openssl/evp.h>
#include <poll.h>
#include <stdlib.h>

struct work {
    int (*run)(const struct work *);
    void *ctx;
    unsigned char *out;
    size_t *out_len;
    const unsigned char *in;
    size_t in_len;
    void *real;
};

static int body(void *argument)
{
    const struct work *work = *(struct work **)argument;

    return work->run(work);
}

/* Waits until an fd of the wait context is readable. Returns at once if it has none. */
static void wait_for(ASYNC_WAIT_CTX *context)
{
    OSSL_ASYNC_FD fd;
    size_t count = 0;

    if (ASYNC_WAIT_CTX_get_all_fds(context, NULL, &count) && count == 1 &&
        ASYNC_WAIT_CTX_get_all_fds(context, &fd, &count)) {
        struct pollfd ready = {.fd = fd, .events = POLLIN};

        poll(&ready, 1, -1);
    }
}

static int in_a_job(struct work *work, const char *name)
{
    ASYNC_WAIT_CTX *context;
    ASYNC_JOB *job = NULL;
    int result = 0, status;

    work->real = dlsym(RTLD_NEXT, name);
    if (work->real == NULL)
        abort();
    if (ASYNC_get_current_job() != NULL)
        return work->run(work);
    context = ASYNC_WAIT_CTX_new();
    while ((status = ASYNC_start_job(&job, context, &result, body, &work, sizeof(work))) == ASYNC_PAUSE)
        wait_for(context);
    ASYNC_WAIT_CTX_free(context);
    return status == ASYNC_FINISH ? result : work->run(work);
}

static int with_input(const struct work *work)
{
    int (*real)(void *, unsigned char *, size_t *, const unsigned char *, size_t);

    *(void **)&real = work->real;
    return real(work->ctx, work->out, work->out_len, work->in, work->in_len);
}

static int without_input(const struct work *work)
{
    int (*real)(void *, unsigned char *, size_t *);

    *(void **)&real = work->real;
    return real(work->ctx, work->out, work->out_len);
}

int EVP_PKEY_sign(EVP_PKEY_CTX *ctx, unsigned char *sig, size_t *siglen, const unsigned char *tbs, size_t tbslen)
{
    return in_a_job(&(struct work){with_input, ctx, sig, siglen, tbs, tbslen, NULL}, __func__);
}

int EVP_PKEY_decrypt(EVP_PKEY_CTX *ctx, unsigned char *out, size_t *outlen, const unsigned char *in, size_t inlen)
{
    return in_a_job(&(struct work){with_input, ctx, out, outlen, in, inlen, NULL}, __func__);
}

int EVP_DigestSign(EVP_MD_CTX *ctx, unsigned char *sig, size_t *siglen, const unsigned char *tbs, size_t tbslen)
{
    return in_a_job(&(struct work){with_input, ctx, sig, siglen, tbs, tbslen, NULL}, __func__);
}

int EVP_PKEY_derive(EVP_PKEY_CTX *ctx, unsigned char *key, size_t *keylen)
{
    return in_a_job(&(struct work){without_input, ctx, key, keylen, NULL, 0, NULL}, __func__);
}

int EVP_DigestSignFinal(EVP_MD_CTX *ctx, unsigned char *sig, size_t *siglen)
{
    return in_a_job(&(struct work){without_input, ctx, sig, siglen, NULL, 0, NULL}, __func__);
}

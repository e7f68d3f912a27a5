/* sequences MODULE SEED COUNT MODE
 *
 * Runs COUNT random sequences of calls. MODE is blocking or job; with job, each sequence runs in a job, which pauses at the
 * device. The first answer that differs from the default provider's ends the program, with the calls of its sequence on
 * stderr. Otherwise it prints one line of JSON.
 */
#include "sequences.h"

#include <openssl/async.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/params.h>
#include <openssl/provider.h>
#include <openssl/x509.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LOG_BYTES = 4096 };

struct side sides[SIDES];
unsigned long same_bytes, verified;

static uint64_t state, serial;
static unsigned long pauses, calls, succeeded;
static char log_text[LOG_BYTES];
static unsigned char bytes[MESSAGE_BYTES];
static OSSL_PROVIDER *providers[SIDES + 1];

/* splitmix64 */
static uint64_t next(void)
{
    uint64_t z = state += 0x9E3779B97F4A7C15u;

    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

unsigned any(unsigned limit)
{
    return (unsigned)(next() % limit);
}

const unsigned char *some_bytes(void)
{
    return bytes;
}

_Noreturn void differ(const char *name, const char *what)
{
    fprintf(stderr, "sequence %llu:%s\n%s: %s\n", (unsigned long long)serial, log_text, name, what);
    exit(1);
}

int both(const char *name, call *function, const void *argument, struct answer answers[SIDES])
{
    static unsigned char out[SIDES][OUT_BYTES];
    unsigned long errors[SIDES];
    char what[200];

    snprintf(log_text + strlen(log_text), LOG_BYTES - strlen(log_text), " %s", name);
    calls++;
    for (int i = 0; i < SIDES; i++) {
        answers[i] = (struct answer){.out = out[i]};
        ERR_clear_error();
        function(&sides[i], &answers[i], argument);
        errors[i] = ERR_peek_last_error();
    }
    ERR_clear_error();
    snprintf(what, sizeof(what), "status %d and %d, length %zu and %zu, last error %08lx and %08lx", answers[OURS].status,
             answers[PLAIN].status, answers[OURS].length, answers[PLAIN].length, errors[OURS], errors[PLAIN]);
    if (answers[OURS].status != answers[PLAIN].status || errors[OURS] != errors[PLAIN])
        differ(name, what);
    if (answers[PLAIN].status <= 0)
        return 0;
    succeeded++;
    return 1;
}

void must(int status, const char *what)
{
    if (status > 0)
        return;
    fprintf(stderr, "%s\n", what);
    ERR_print_errors_fp(stderr);
    exit(3);
}

/* Gives both sides the same keys, each as if read from a file. */
static void begin(const char *module)
{
    for (int i = 0; i < SIDES; i++) {
        must((sides[i].libctx = OSSL_LIB_CTX_new()) != NULL, "library context");
        if (i == OURS)
            must((providers[SIDES] = OSSL_PROVIDER_load(sides[i].libctx, module)) != NULL, "provider");
        must((providers[i] = OSSL_PROVIDER_load(sides[i].libctx, "default")) != NULL, "default");
    }
    must(EVP_set_default_properties(sides[OURS].libctx, "?simaccel.offload=yes"), "properties");
    for (int key = 0; key < key_count; key++) {
        EVP_PKEY *pkey = make_key(key);
        unsigned char *der = NULL;
        int length = i2d_PrivateKey(pkey, &der);

        must(length, "i2d");
        for (int i = 0; i < SIDES; i++) {
            const unsigned char *at = der;

            sides[i].keys[key] = d2i_AutoPrivateKey_ex(NULL, &at, length, sides[i].libctx, NULL);
            must(sides[i].keys[key] != NULL, "d2i");
        }
        OPENSSL_free(der);
        EVP_PKEY_free(pkey);
    }
}

static void end(void)
{
    for (int i = 0; i < SIDES; i++) {
        for (int key = 0; key < key_count; key++)
            EVP_PKEY_free(sides[i].keys[key]);
        OSSL_PROVIDER_unload(providers[i]);
        if (i == OURS)
            OSSL_PROVIDER_unload(providers[SIDES]);
        OSSL_LIB_CTX_free(sides[i].libctx);
    }
}

static int sequence(void *unused)
{
    (void)unused;
    kinds[any(kind_count)]();
    for (int i = 0; i < SIDES; i++) {
        if (sides[i].message == NULL)
            EVP_PKEY_CTX_free(sides[i].ctx);
        EVP_MD_CTX_free(sides[i].message);
        EVP_PKEY_free(sides[i].changed);
        sides[i].ctx = NULL;
        sides[i].message = NULL;
        sides[i].changed = NULL;
    }
    return 1;
}

static void in_a_job(void)
{
    ASYNC_WAIT_CTX *context = ASYNC_WAIT_CTX_new();
    ASYNC_JOB *job = NULL;
    int done = 0, status;

    while ((status = ASYNC_start_job(&job, context, &done, sequence, NULL, 0)) == ASYNC_PAUSE) {
        OSSL_ASYNC_FD fd;
        size_t count = 1;

        pauses++;
        if (ASYNC_WAIT_CTX_get_all_fds(context, NULL, &count) && count == 1 &&
            ASYNC_WAIT_CTX_get_all_fds(context, &fd, &count)) {
            struct pollfd ready = {.fd = fd, .events = POLLIN};

            poll(&ready, 1, -1);
        }
    }
    must(status == ASYNC_FINISH, "job");
    ASYNC_WAIT_CTX_free(context);
}

static unsigned long offloaded(void)
{
    uint64_t value = 0;
    OSSL_PARAM asked[] = {OSSL_PARAM_construct_uint64("simaccel-offloaded", &value), OSSL_PARAM_construct_end()};

    must(OSSL_PROVIDER_get_params(providers[SIDES], asked), "counter");
    return (unsigned long)value;
}

int main(int count, char **arguments)
{
    uint64_t seed, last;

    if (count != 5)
        return 2;
    seed = strtoull(arguments[2], NULL, 10);
    last = strtoull(arguments[3], NULL, 10);
    state = seed;
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (unsigned char)next();
    begin(arguments[1]);
    for (serial = 0; serial < last; serial++) {
        state = seed * 1000003 + serial;
        *log_text = '\0';
        if (strcmp(arguments[4], "job") == 0)
            in_a_job();
        else
            sequence(NULL);
    }
    printf("{\"calls\": %lu, \"succeeded\": %lu, \"same_bytes\": %lu, \"verified\": %lu, \"offloaded\": %lu, "
           "\"pauses\": %lu}\n", calls, succeeded, same_bytes, verified, offloaded(), pauses);
    end();
    return 0;
}

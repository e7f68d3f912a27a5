/* The provider's entry.
 *
 * Several library contexts of a process can load the provider. The first of them sets everything up: settings, the private
 * default provider, our rows, counters and the report. All of them share these, and the connection to the device, which the
 * first operation makes. The last one that unloads the provider tears everything down.
 */
#define _GNU_SOURCE
#include <openssl/core.h>
#include <openssl/core_dispatch.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/params.h>
#include <openssl/provider.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "algorithms.h"
#include "app_libctx.h"
#include "counters.h"
#include "default_provider.h"
#include "device.h"
#include "dispatch.h"
#include "error.h"
#include "key.h"
#include "op_context.h"
#include "report.h"
#include "settings.h"
#include "waitfd.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int loads; /* library contexts that have us loaded */
static int fork_hooks;

static void before_fork(void)
{
    op_contexts_before_fork();
    app_libctx_before_fork();
    keys_before_fork();
    device_before_fork();
    wait_fds_before_fork();
}

static void after_fork_in_parent(void)
{
    wait_fds_after_fork_in_parent();
    device_after_fork_in_parent();
    keys_after_fork();
    app_libctx_after_fork();
    op_contexts_after_fork();
}

static void after_fork_in_child(void)
{
    wait_fds_after_fork_in_child();
    device_after_fork_in_child();
    counters_after_fork_in_child();
    keys_after_fork();
    app_libctx_after_fork();
    op_contexts_after_fork();
}

static const OSSL_ALGORITHM *query(void *provctx, int operation, int *no_cache)
{
    (void)provctx;
    *no_cache = 0;
    return algorithms_rows(operation);
}

struct forward {
    OSSL_CALLBACK *callback;
    void *argument;
};

/* libssl uses a TLS group, or a signature algorithm that is not built into it, only if the provider that reports it also
 * manages its keys. So we report only those whose keys we manage. `named` is the parameter with the type of the
 * keys. */
static int forward(const OSSL_PARAM *params, const char *named, const struct forward *to)
{
    const OSSL_PARAM *algorithm = OSSL_PARAM_locate_const(params, named);
    const char *name = NULL;

    if (algorithm == NULL || !OSSL_PARAM_get_utf8_string_ptr(algorithm, &name) || !algorithms_manage_keys(name))
        return 1;
    return to->callback(params, to->argument);
}

static int forward_group(const OSSL_PARAM *params, void *argument)
{
    return forward(params, OSSL_CAPABILITY_TLS_GROUP_ALG, argument);
}

/* Since OpenSSL 3.2. The default provider's entries leave out the type of the keys, which is then the algorithm's name. */
static int forward_signature(const OSSL_PARAM *params, void *argument)
{
    return forward(params, "tls-sigalg-name", argument);
}

static int capabilities(void *provctx, const char *capability, OSSL_CALLBACK *callback, void *argument)
{
    struct forward to = {callback, argument};

    (void)provctx;
    if (strcmp(capability, "TLS-GROUP") == 0)
        return default_capabilities(capability, forward_group, &to);
    if (strcmp(capability, "TLS-SIGALG") == 0)
        return default_capabilities(capability, forward_signature, &to);
    return 1;
}

static const OSSL_PARAM *gettable(void *provctx)
{
    static const OSSL_PARAM params[] = {
        OSSL_PARAM_utf8_ptr(OSSL_PROV_PARAM_NAME, NULL, 0),
        OSSL_PARAM_utf8_ptr(OSSL_PROV_PARAM_VERSION, NULL, 0),
        OSSL_PARAM_int(OSSL_PROV_PARAM_STATUS, NULL),
#define X(name) OSSL_PARAM_uint64("simaccel-" #name, NULL),
        COUNTERS(X)
#undef X
            OSSL_PARAM_END};

    (void)provctx;
    return params;
}

static int get_params(void *provctx, OSSL_PARAM params[])
{
    OSSL_PARAM *p;

    (void)provctx;
    if ((p = OSSL_PARAM_locate(params, OSSL_PROV_PARAM_NAME)) != NULL &&
        !OSSL_PARAM_set_utf8_ptr(p, "simaccel, a simulated accelerator"))
        return 0;
    if ((p = OSSL_PARAM_locate(params, OSSL_PROV_PARAM_VERSION)) != NULL && !OSSL_PARAM_set_utf8_ptr(p, SIMACCEL_VERSION))
        return 0;
    if ((p = OSSL_PARAM_locate(params, OSSL_PROV_PARAM_STATUS)) != NULL && !OSSL_PARAM_set_int(p, 1))
        return 0;
#define X(name)                                                       \
    if ((p = OSSL_PARAM_locate(params, "simaccel-" #name)) != NULL && \
        !OSSL_PARAM_set_uint64(p, atomic_load(&counters.name)))       \
        return 0;
    COUNTERS(X)
#undef X
    return 1;
}

static void tear_down_all(void)
{
    device_disconnect();
    counters_tear_down();
    report_withdraw();
    algorithms_free();
    default_unload();
}

static void teardown(void *provctx)
{
    app_libctx_close(provctx);
    pthread_mutex_lock(&lock);
    if (--loads == 0)
        tear_down_all();
    pthread_mutex_unlock(&lock);
}

/* Reads the settings from our section of openssl.cnf, and then those of the environment. */
static int configure(const OSSL_CORE_HANDLE *handle, const OSSL_DISPATCH *in, char *reason, size_t reason_bytes)
{
    OSSL_FUNC_core_get_params_fn *get = (OSSL_FUNC_core_get_params_fn *)dispatch_find(in, OSSL_FUNC_CORE_GET_PARAMS);

    settings_reset();
    for (const char *const *name = settings_names; get != NULL && *name != NULL; name++) {
        char *value = NULL;
        OSSL_PARAM asked[] = {OSSL_PARAM_construct_utf8_ptr(*name, &value, 0), OSSL_PARAM_construct_end()};

        if (get(handle, asked) && value != NULL && !settings_set(*name, value, reason, reason_bytes))
            return 0;
    }
    return settings_from_environment(reason, reason_bytes) && settings_check(reason, reason_bytes);
}

static int set_up_all(const OSSL_CORE_HANDLE *handle, const OSSL_DISPATCH *in)
{
    /* The module stays in memory when it is unloaded (see the Makefile), and with it the settings of an earlier load. */
    static struct settings initial;
    static int have_initial;
    char reason[256];

    /* If the application has a libcrypto of its own, ours must not be cleaned up at exit, because the application's is
     * cleaned up later and calls us (docs/decisions/0029). If both use the same libcrypto, it was in use before, and this
     * call has no effect. */
    OPENSSL_init_crypto(OPENSSL_INIT_NO_ATEXIT, NULL);
    if (!have_initial)
        initial = settings;
    have_initial = 1;
    settings = initial;
    error_load_strings();
    if (!configure(handle, in, reason, sizeof(reason))) {
        /* Most programs do not report that a provider failed to load. This line is often the only one that says why. */
        fprintf(stderr, "simaccel: %s\n", reason);
        report(REPORT_REFUSED, reason);
        error_raise(ERROR_SETTING, reason);
        return 0;
    }
    if (!default_load()) {
        error_raise(ERROR_NO_DEFAULT, "this libcrypto has none");
        return 0;
    }
    if (!algorithms_make()) {
        algorithms_free();
        default_unload();
        error_raise(ERROR_MEMORY, "dispatch tables");
        return 0;
    }
    counters_set_up();
    report(REPORT_LOADED, settings.sockets[0]);
    if (!fork_hooks)
        fork_hooks = pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child) == 0;
    return 1;
}

static const OSSL_DISPATCH functions[] = {{OSSL_FUNC_PROVIDER_TEARDOWN, (void (*)(void))teardown},
                                          {OSSL_FUNC_PROVIDER_GETTABLE_PARAMS, (void (*)(void))gettable},
                                          {OSSL_FUNC_PROVIDER_GET_PARAMS, (void (*)(void))get_params},
                                          {OSSL_FUNC_PROVIDER_QUERY_OPERATION, (void (*)(void))query},
                                          {OSSL_FUNC_PROVIDER_GET_CAPABILITIES, (void (*)(void))capabilities},
                                          {0, NULL}};

/* The only symbol that the module exports. */
__attribute__((visibility("default"))) int OSSL_provider_init(const OSSL_CORE_HANDLE *handle, const OSSL_DISPATCH *in,
                                                              const OSSL_DISPATCH **out, void **provctx)
{
    int ready;

    pthread_mutex_lock(&lock);
    ready = loads > 0 || set_up_all(handle, in);
    loads += ready;
    pthread_mutex_unlock(&lock);
    if (ready) {
        *provctx = app_libctx_open(handle, in);
        *out = functions;
    }
    return ready;
}

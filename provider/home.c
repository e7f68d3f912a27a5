#define _GNU_SOURCE
#include "home.h"

#include <dlfcn.h>
#include <openssl/core_dispatch.h>
#include <openssl/provider.h>
#include <pthread.h>
#include <stdlib.h>

#include "default_provider.h"

struct home {
    void *provctx;
    OSSL_LIB_CTX *libctx;
    OSSL_PROVIDER *provider; /* activated by us */
    OSSL_FUNC_provider_free_fn *unref;
    struct home *next;
};

/* Homes in an application's library context. One that is not in the list is the private default provider. */
static struct home *homes;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static const void *object_of(const void *address)
{
    Dl_info info;

    return dladdr(address, &info) != 0 ? info.dli_fbase : NULL;
}

/* The application's library context, or NULL if it belongs to another libcrypto than the one that we are linked to.
 * provider-base(7) forbids the cast in that case only. A dispatch table of the default provider is sure to lie in our
 * libcrypto, while the address of a function may be that of a stub in the program. */
static OSSL_LIB_CTX *application_libctx(const OSSL_CORE_HANDLE *handle, const OSSL_DISPATCH *in)
{
    OSSL_FUNC_core_get_libctx_fn *get = (OSSL_FUNC_core_get_libctx_fn *)dispatch_find(in, OSSL_FUNC_CORE_GET_LIBCTX);
    const OSSL_ALGORITHM *row = default_row(OSSL_OP_SIGNATURE, "RSA", NULL);
    const void *theirs = get != NULL ? object_of((const void *)get) : NULL;

    if (theirs == NULL || row == NULL || object_of(row->implementation) != theirs)
        return NULL;
    return (OSSL_LIB_CTX *)get(handle);
}

void *home_open(const OSSL_CORE_HANDLE *handle, const OSSL_DISPATCH *in)
{
    OSSL_LIB_CTX *libctx = application_libctx(handle, in);
    struct home *home = libctx != NULL ? calloc(1, sizeof(*home)) : NULL;

    if (home == NULL)
        return default_provctx();
    /* It stays active. To deactivate it at once would leave a libcrypto that reads its configuration without it:
     * provider_conf_activate takes back the activation of a provider that it finds loaded. */
    home->provider = OSSL_PROVIDER_try_load(libctx, "default", 1);
    if (home->provider == NULL) {
        free(home);
        return default_provctx();
    }
    home->unref = (OSSL_FUNC_provider_free_fn *)dispatch_find(in, OSSL_FUNC_PROVIDER_FREE);
    home->libctx = libctx;
    home->provctx = OSSL_PROVIDER_get0_provider_ctx(home->provider);
    pthread_mutex_lock(&lock);
    home->next = homes;
    homes = home;
    pthread_mutex_unlock(&lock);
    return home->provctx;
}

/* The link to the home of that provider context, or to NULL at the end. Under the lock. */
static struct home **find(void *provctx)
{
    struct home **at = &homes;

    while (*at != NULL && (*at)->provctx != provctx)
        at = &(*at)->next;
    return at;
}

void home_close(void *provctx)
{
    struct home **at, *home;

    pthread_mutex_lock(&lock);
    at = find(provctx);
    home = *at;
    if (home != NULL)
        *at = home->next;
    pthread_mutex_unlock(&lock);
    if (home == NULL)
        return;
    /* A library context that is being freed has deactivated it already, if it came to it before us. Then unload fails, and
     * leaves the reference. */
    if (!OSSL_PROVIDER_unload(home->provider) && home->unref != NULL)
        home->unref((const OSSL_CORE_HANDLE *)home->provider, 0);
    free(home);
}

OSSL_LIB_CTX *home_libctx(void *provctx)
{
    OSSL_LIB_CTX *libctx;
    struct home *home;

    pthread_mutex_lock(&lock);
    home = *find(provctx);
    libctx = home != NULL ? home->libctx : default_libctx();
    pthread_mutex_unlock(&lock);
    return libctx;
}

void home_before_fork(void)
{
    pthread_mutex_lock(&lock);
}

void home_after_fork(void)
{
    pthread_mutex_unlock(&lock);
}

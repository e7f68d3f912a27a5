#define _GNU_SOURCE
#include "app_libctx.h"

#include <dlfcn.h>
#include <openssl/core_dispatch.h>
#include <openssl/provider.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "default_provider.h"
#include "dispatch.h"

struct use {
    void *provctx;
    OSSL_LIB_CTX *libctx;
    OSSL_PROVIDER *provider; /* activated by us */
    OSSL_FUNC_provider_free_fn *unref;
    struct use *next;
};

/* The library contexts of applications that have loaded us. A provider context that is in none of them is that of the private
 * default provider. */
static struct use *uses;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static const void *object_of(const void *address)
{
    Dl_info info;

    return dladdr(address, &info) != 0 ? info.dli_fbase : NULL;
}

/* The application's library context, or NULL if it belongs to another libcrypto than the one that we are linked to. Only in
 * that case does provider-base(7) forbid the cast. To tell the two cases apart, we look at a dispatch table of the default
 * provider, which certainly lies inside its libcrypto. The address of a function may be that of a stub in the program. */
static OSSL_LIB_CTX *application_libctx(const OSSL_CORE_HANDLE *handle, const OSSL_DISPATCH *in)
{
    OSSL_FUNC_core_get_libctx_fn *get = (OSSL_FUNC_core_get_libctx_fn *)dispatch_find(in, OSSL_FUNC_CORE_GET_LIBCTX);
    const OSSL_ALGORITHM *row = default_row(OSSL_OP_SIGNATURE, "RSA", NULL);
    const void *code, *theirs;

    /* ISO C has no cast from a function's address to that of an object. */
    memcpy(&code, &get, sizeof(code));
    theirs = get != NULL ? object_of(code) : NULL;
    if (theirs == NULL || row == NULL || object_of(row->implementation) != theirs)
        return NULL;
    return (OSSL_LIB_CTX *)get(handle);
}

void *app_libctx_open(const OSSL_CORE_HANDLE *handle, const OSSL_DISPATCH *in)
{
    OSSL_LIB_CTX *libctx = application_libctx(handle, in);
    struct use *use = libctx != NULL ? calloc(1, sizeof(*use)) : NULL;

    if (use == NULL)
        return default_provctx();
    /* It stays active. If we deactivated it at once, a libcrypto that is just reading its configuration would lose it:
     * provider_conf_activate takes back the activation of a provider that it finds loaded. */
    use->provider = OSSL_PROVIDER_try_load(libctx, "default", 1);
    if (use->provider == NULL) {
        free(use);
        return default_provctx();
    }
    use->unref = (OSSL_FUNC_provider_free_fn *)dispatch_find(in, OSSL_FUNC_PROVIDER_FREE);
    use->libctx = libctx;
    use->provctx = OSSL_PROVIDER_get0_provider_ctx(use->provider);
    pthread_mutex_lock(&lock);
    use->next = uses;
    uses = use;
    pthread_mutex_unlock(&lock);
    return use->provctx;
}

/* The link to the use with that provider context, or to the NULL at the end. Called under the lock. */
static struct use **find(void *provctx)
{
    struct use **at = &uses;

    while (*at != NULL && (*at)->provctx != provctx)
        at = &(*at)->next;
    return at;
}

void app_libctx_close(void *provctx)
{
    struct use **at, *use;

    pthread_mutex_lock(&lock);
    at = find(provctx);
    use = *at;
    if (use != NULL)
        *at = use->next;
    pthread_mutex_unlock(&lock);
    if (use == NULL)
        return;
    /* A library context that is being freed may have deactivated the default provider before us. Unload then fails, and the
     * reference must be dropped in another way. */
    if (!OSSL_PROVIDER_unload(use->provider) && use->unref != NULL)
        use->unref((const OSSL_CORE_HANDLE *)use->provider, 0);
    free(use);
}

OSSL_LIB_CTX *app_libctx_of(void *provctx)
{
    OSSL_LIB_CTX *libctx;
    struct use *use;

    pthread_mutex_lock(&lock);
    use = *find(provctx);
    libctx = use != NULL ? use->libctx : default_libctx();
    pthread_mutex_unlock(&lock);
    return libctx;
}

void app_libctx_before_fork(void)
{
    pthread_mutex_lock(&lock);
}

void app_libctx_after_fork(void)
{
    pthread_mutex_unlock(&lock);
}

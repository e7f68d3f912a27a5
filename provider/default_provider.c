#include "default_provider.h"

#include <openssl/crypto.h>
#include <openssl/provider.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static OSSL_LIB_CTX *libctx;
static OSSL_PROVIDER *provider;

int default_load(void)
{
    libctx = OSSL_LIB_CTX_new();
    provider = libctx != NULL ? OSSL_PROVIDER_load(libctx, "default") : NULL;
    if (provider != NULL)
        return 1;
    OSSL_LIB_CTX_free(libctx);
    libctx = NULL;
    return 0;
}

void default_unload(void)
{
    OSSL_PROVIDER_unload(provider);
    OSSL_LIB_CTX_free(libctx);
    provider = NULL;
    libctx = NULL;
}

OSSL_LIB_CTX *default_libctx(void)
{
    return libctx;
}

void *default_provctx(void)
{
    return OSSL_PROVIDER_get0_provider_ctx(provider);
}

static int has_name(const char *names, const char *name)
{
    const size_t length = strlen(name);

    for (const char *at = names; at != NULL; at = strchr(at, ':')) {
        at += *at == ':';
        if (strncasecmp(at, name, length) == 0 && (at[length] == ':' || at[length] == '\0'))
            return 1;
    }
    return 0;
}

const OSSL_ALGORITHM *default_row(int operation, const char *name, const OSSL_ALGORITHM *after)
{
    int no_cache = 0;
    const OSSL_ALGORITHM *row =
        after != NULL ? after + 1 : OSSL_PROVIDER_query_operation(provider, operation, &no_cache);

    /* The default provider's rows are static, so nothing has to be given back with unquery. */
    for (; row != NULL && row->algorithm_names != NULL; row++)
        if (has_name(row->algorithm_names, name))
            return row;
    return NULL;
}

int default_capabilities(const char *capability, OSSL_CALLBACK *callback, void *argument)
{
    return OSSL_PROVIDER_get_capabilities(provider, capability, callback, argument);
}

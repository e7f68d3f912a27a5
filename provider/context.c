#include "context.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdlib.h>

#include "key.h"
#include "table.h"

static struct table contexts = {.lock = PTHREAD_MUTEX_INITIALIZER};

struct context *context_get(void *address)
{
    struct context *context;

    pthread_mutex_lock(&contexts.lock);
    context = table_get(&contexts, address);
    pthread_mutex_unlock(&contexts.lock);
    return context;
}

struct context *context_make(void *address)
{
    struct context *context;

    pthread_mutex_lock(&contexts.lock);
    context = table_get(&contexts, address);
    if (context == NULL) {
        context = calloc(1, sizeof(*context));
        if (context != NULL && !table_put(&contexts, address, context)) {
            free(context);
            context = NULL;
        }
    }
    pthread_mutex_unlock(&contexts.lock);
    return context;
}

static void destroy(struct context *context)
{
    if (context->key != NULL)
        key_unref(context->key);
    EVP_MD_CTX_free(context->digest);
    free(context);
}

void context_free(void *address)
{
    struct context *context;

    pthread_mutex_lock(&contexts.lock);
    context = table_remove(&contexts, address);
    pthread_mutex_unlock(&contexts.lock);
    if (context != NULL)
        destroy(context);
}

int context_dup(void *from, void *to)
{
    struct context *old = context_get(from), *new;

    if (old == NULL)
        return 1;
    new = context_make(to);
    if (new == NULL)
        return 0;
    *new = *old;
    if (new->key != NULL)
        key_ref(new->key);
    if (old->digest != NULL) {
        new->digest = EVP_MD_CTX_new();
        if (new->digest == NULL || !EVP_MD_CTX_copy_ex(new->digest, old->digest))
            return 0;
    }
    return 1;
}

void contexts_before_fork(void)
{
    pthread_mutex_lock(&contexts.lock);
}

void contexts_after_fork(void)
{
    pthread_mutex_unlock(&contexts.lock);
}

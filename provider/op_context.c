#include "op_context.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "address_table.h"
#include "key.h"

static struct address_table contexts = {.lock = PTHREAD_MUTEX_INITIALIZER};

struct context *context_get(void *address)
{
    struct context *context;

    pthread_mutex_lock(&contexts.lock);
    context = address_table_get(&contexts, address);
    pthread_mutex_unlock(&contexts.lock);
    return context;
}

struct context *context_make(void *address)
{
    struct context *context;

    pthread_mutex_lock(&contexts.lock);
    context = address_table_get(&contexts, address);
    if (context == NULL) {
        context = calloc(1, sizeof(*context));
        if (context != NULL && !address_table_put(&contexts, address, context)) {
            free(context);
            context = NULL;
        }
    }
    pthread_mutex_unlock(&contexts.lock);
    return context;
}

void context_begin(struct context *context, enum context_mode mode, void *object, const struct key_type *type)
{
    context->mode = mode;
    EVP_MD_CTX_free(context->digest);
    context->digest = NULL;
    if (object == NULL || (object == context->object && context->key != NULL))
        return;
    if (context->key != NULL)
        key_unref(context->key);
    context->object = object;
    context->key = key_of(object, type);
}

static void drop(struct context *context)
{
    if (context->key != NULL)
        key_unref(context->key);
    context->key = NULL;
    EVP_MD_CTX_free(context->digest);
    context->digest = NULL;
}

void context_spoil(void *address)
{
    struct context *context = context_get(address);

    if (context == NULL)
        return;
    drop(context);
    context->mode = CONTEXT_OTHER;
    context->object = context->peer = NULL;
}

static void destroy(struct context *context)
{
    drop(context);
    free(context->properties);
    free(context);
}

void context_free(void *address)
{
    struct context *context;

    pthread_mutex_lock(&contexts.lock);
    context = address_table_remove(&contexts, address);
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
    new->digest = NULL;
    new->properties = NULL;
    if (new->key != NULL)
        key_ref(new->key);
    if (old->properties != NULL && (new->properties = strdup(old->properties)) == NULL)
        return 0;
    return old->digest == NULL ||
           ((new->digest = EVP_MD_CTX_new()) != NULL && EVP_MD_CTX_copy_ex(new->digest, old->digest));
}

void contexts_before_fork(void)
{
    pthread_mutex_lock(&contexts.lock);
}

void contexts_after_fork(void)
{
    pthread_mutex_unlock(&contexts.lock);
}

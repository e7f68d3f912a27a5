#include "op_context.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "address_table.h"
#include "key.h"

static struct address_table contexts = {.lock = PTHREAD_MUTEX_INITIALIZER};

struct op_context *op_context_get(void *address)
{
    struct op_context *context;

    pthread_mutex_lock(&contexts.lock);
    context = address_table_get(&contexts, address);
    pthread_mutex_unlock(&contexts.lock);
    return context;
}

struct op_context *op_context_make(void *address)
{
    struct op_context *context;

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

static void drop_digest(struct op_context *context)
{
    EVP_MD_CTX_free(context->digest);
    context->digest = NULL;
}

static void drop_key(struct op_context *context)
{
    if (context->key != NULL)
        key_unref(context->key);
    context->key = NULL;
    context->object = context->peer = NULL;
}

struct op_context *op_context_begin(void *address, int done, enum op_mode mode, void *object, const struct key_type *type)
{
    struct op_context *context = done ? op_context_make(address) : op_context_get(address);

    if (context == NULL)
        return NULL;
    drop_digest(context);
    context->mode = done ? mode : OP_OTHER;
    if (!done) {
        drop_key(context);
        return NULL;
    }
    if (object != NULL && (object != context->object || context->key == NULL)) {
        drop_key(context);
        context->object = object;
        context->key = type != NULL ? key_of(object, type) : NULL;
    }
    return context;
}

static void destroy(struct op_context *context)
{
    drop_digest(context);
    drop_key(context);
    free(context->properties);
    free(context);
}

void op_context_free(void *address, void (*default_free)(void *))
{
    struct op_context *context;

    pthread_mutex_lock(&contexts.lock);
    context = address_table_remove(&contexts, address);
    pthread_mutex_unlock(&contexts.lock);
    if (context != NULL)
        destroy(context);
    default_free(address);
}

static int copy_context(const struct op_context *from, struct op_context *to)
{
    *to = *from;
    to->digest = NULL;
    to->properties = NULL;
    if (to->key != NULL)
        key_ref(to->key);
    if (from->properties != NULL && (to->properties = strdup(from->properties)) == NULL)
        return 0;
    return from->digest == NULL ||
           ((to->digest = EVP_MD_CTX_new()) != NULL && EVP_MD_CTX_copy_ex(to->digest, from->digest));
}

void *op_context_dup(void *address, void *copy, void (*default_free)(void *))
{
    struct op_context *from = op_context_get(address), *to;

    if (copy == NULL || from == NULL)
        return copy;
    to = op_context_make(copy);
    if (to != NULL && copy_context(from, to))
        return copy;
    op_context_free(copy, default_free);
    return NULL;
}

void op_contexts_before_fork(void)
{
    pthread_mutex_lock(&contexts.lock);
}

void op_contexts_after_fork(void)
{
    pthread_mutex_unlock(&contexts.lock);
}

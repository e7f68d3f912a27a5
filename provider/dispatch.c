#include "dispatch.h"

#include <openssl/core_dispatch.h>
#include <stdlib.h>

void (*dispatch_find(const OSSL_DISPATCH *table, int id))(void)
{
    for (; table != NULL && table->function_id != 0; table++)
        if (table->function_id == id)
            return table->function;
    return NULL;
}

static const OSSL_DISPATCH *change_of(const OSSL_DISPATCH *changes, int id)
{
    for (; changes != NULL && changes->function_id != 0; changes++)
        if (changes->function_id == id)
            return changes;
    return NULL;
}

OSSL_DISPATCH *dispatch_change(const OSSL_DISPATCH *table, int last, const OSSL_DISPATCH *changes)
{
    const OSSL_DISPATCH *end = table;
    OSSL_DISPATCH *copy, *to;

    while (end->function_id != 0)
        end++;
    copy = to = calloc((size_t)(end - table) + 1, sizeof(*copy));
    if (copy == NULL)
        return NULL;
    for (; table != end; table++) {
        const OSSL_DISPATCH *change = change_of(changes, table->function_id);

        if (last != 0 && table->function_id > last)
            continue;
        if (change == NULL)
            *to++ = *table;
        else if (change->function != NULL)
            *to++ = *change;
    }
    return copy;
}

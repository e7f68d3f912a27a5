#define _GNU_SOURCE
#include "algorithms.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "default_provider.h"
#include "dispatch.h"

static const struct algorithm *const all[] = {
#define X(name) name##_algorithms,
    OFFLOADED(X)
#undef X
};

_Static_assert(sizeof(all) / sizeof(*all) == OFFLOADED_COUNT, "one array for each algorithm");

static struct {
    int count;
    OSSL_ALGORITHM *rows; /* `count`, and one without a name; NULL: none */
} operations[OSSL_OP__HIGHEST + 1];

const OSSL_ALGORITHM *algorithms_rows(int operation)
{
    return operation >= 0 && operation <= OSSL_OP__HIGHEST ? operations[operation].rows : NULL;
}

int algorithms_manage_keys(const char *name)
{
    for (size_t i = 0; i < OFFLOADED_COUNT; i++)
        for (const struct algorithm *a = all[i]; a->name != NULL; a++)
            if (a->operation == OSSL_OP_KEYMGMT && strcasecmp(a->name, name) == 0)
                return 1;
    return 0;
}

/* Turns 'provider=default,fips=no' into 'provider=simaccel,simaccel.offload=yes,fips=no'. NULL: no memory.
 *
 * Some programs, such as stunnel, ask for a property 'provider' of their own, and with it replace what the configuration
 * says about that one name. So there is a second property whose name is ours alone. libcrypto accepts an unknown name only
 * with a dot in it. */
static char *our_properties(const char *theirs)
{
    const char *rest = strchr(theirs, ',');
    char *ours;

    return asprintf(&ours, "provider=simaccel,simaccel.offload=yes%s", rest != NULL ? rest : "") < 0 ? NULL : ours;
}

/* Makes room for another row, and for the one without a name after it. */
static OSSL_ALGORITHM *add_row(int operation)
{
    const size_t count = (size_t)operations[operation].count;
    OSSL_ALGORITHM *rows = reallocarray(operations[operation].rows, count + 2, sizeof(*rows));

    if (rows == NULL)
        return NULL;
    operations[operation].rows = rows;
    operations[operation].count++;
    memset(rows + count, 0, 2 * sizeof(*rows));
    return rows + count;
}

static int make_row(const struct algorithm *a, const OSSL_ALGORITHM *theirs)
{
    OSSL_ALGORITHM *row = add_row(a->operation);

    if (row == NULL)
        return 0;
    if (a->adopt != NULL)
        a->adopt(theirs->implementation);
    *row = (OSSL_ALGORITHM){.algorithm_names = theirs->algorithm_names,
                            .property_definition = our_properties(theirs->property_definition),
                            .implementation = dispatch_change(theirs->implementation, a->last, a->changes),
                            .algorithm_description = "simaccel, on top of the default provider"};
    return row->property_definition != NULL && row->implementation != NULL;
}

/* Makes all rows of that name. There may be several, as encoders have one for each format, and there may be none: OpenSSL 3.0
 * has no KEM for EC. */
static int make_rows(const struct algorithm *a)
{
    for (const OSSL_ALGORITHM *row = default_row(a->operation, a->name, NULL); row != NULL;
         row = default_row(a->operation, a->name, row))
        if (!make_row(a, row))
            return 0;
    return 1;
}

int algorithms_make(void)
{
    for (size_t i = 0; i < OFFLOADED_COUNT; i++)
        for (const struct algorithm *a = all[i]; a->name != NULL; a++)
            if (!make_rows(a))
                return 0;
    return 1;
}

void algorithms_free(void)
{
    for (int i = 0; i <= OSSL_OP__HIGHEST; i++) {
        for (int row = 0; row < operations[i].count; row++) {
            free((void *)operations[i].rows[row].property_definition);
            free((void *)operations[i].rows[row].implementation);
        }
        free(operations[i].rows);
        operations[i].rows = NULL;
        operations[i].count = 0;
    }
}

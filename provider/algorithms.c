#define _GNU_SOURCE
#include "algorithms.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "default_provider.h"

enum { ROWS = 24 };

/* Passed on unchanged: whoever has a key of ours would else have it exported to another provider for each use. */
static const OSSL_DISPATCH no_changes[] = {{0, NULL}};
static const struct algorithm unchanged[] = {
    {OSSL_OP_KEYEXCH, "ECDH", 0, no_changes, NULL},
    {OSSL_OP_KEM, "RSA", 0, no_changes, NULL},
    {OSSL_OP_KEM, "EC", 0, no_changes, NULL},
    {OSSL_OP_KEM, "X25519", 0, no_changes, NULL},
    /* The default provider makes EC keys on the curve SM2, but does not let them in from another provider, so that with
     * its own encoders alone such a key of ours could not be written. */
    {OSSL_OP_ENCODER, "EC", 0, no_changes, NULL},
    {0},
};

static const struct algorithm *const all[] = {keymgmt_algorithms, signature_algorithms, eddsa_algorithms,
                                              cipher_algorithms,  exchange_algorithms,  unchanged};

static struct {
    int operation, count;
    OSSL_ALGORITHM rows[ROWS + 1];
} operations[] = {{.operation = OSSL_OP_KEYMGMT},
                  {.operation = OSSL_OP_SIGNATURE},
                  {.operation = OSSL_OP_ASYM_CIPHER},
                  {.operation = OSSL_OP_KEYEXCH},
                  {.operation = OSSL_OP_KEM},
                  {.operation = OSSL_OP_ENCODER}};

enum { OPERATIONS = sizeof(operations) / sizeof(*operations) };

static int slot_of(int operation)
{
    int i = 0;

    while (i < OPERATIONS && operations[i].operation != operation)
        i++;
    return i;
}

const OSSL_ALGORITHM *algorithms_rows(int operation)
{
    const int i = slot_of(operation);

    return i < OPERATIONS && operations[i].count > 0 ? operations[i].rows : NULL;
}

int algorithms_manage_keys(const char *name)
{
    for (const struct algorithm *a = keymgmt_algorithms; a->name != NULL; a++)
        if (strcasecmp(a->name, name) == 0)
            return 1;
    return 0;
}

/* 'provider=default,fips=no' becomes 'provider=simaccel,simaccel.offload=yes,fips=no'. NULL: no memory.
 *
 * Programs that ask for a property 'provider' of their own, as stunnel does, replace what the configuration says about
 * that name, and no more than that name. Hence one that is ours alone; without the dot libcrypto would not know it. */
static char *our_properties(const char *theirs)
{
    const char *rest = strchr(theirs, ',');
    char *ours;

    return asprintf(&ours, "provider=simaccel,simaccel.offload=yes%s", rest != NULL ? rest : "") < 0 ? NULL : ours;
}

static int make_row(const struct algorithm *a, const OSSL_ALGORITHM *theirs)
{
    const int i = slot_of(a->operation);
    OSSL_ALGORITHM row;

    if (operations[i].count == ROWS)
        return 0;
    if (a->adopt != NULL)
        a->adopt(theirs->implementation);
    row = (OSSL_ALGORITHM){.algorithm_names = theirs->algorithm_names,
                           .property_definition = our_properties(theirs->property_definition),
                           .implementation = dispatch_change(theirs->implementation, a->last, a->changes),
                           .algorithm_description = "simaccel, on top of the default provider"};
    operations[i].rows[operations[i].count++] = row;
    return row.property_definition != NULL && row.implementation != NULL;
}

/* All rows of that name: encoders have one for each format, and a version may have none, as 3.0 has no KEM for EC. */
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
    for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
        for (const struct algorithm *a = all[i]; a->name != NULL; a++)
            if (!make_rows(a))
                return 0;
    return 1;
}

void algorithms_free(void)
{
    for (int i = 0; i < OPERATIONS; i++) {
        for (int row = 0; row < operations[i].count; row++) {
            free((void *)operations[i].rows[row].property_definition);
            free((void *)operations[i].rows[row].implementation);
        }
        memset(operations[i].rows, 0, sizeof(operations[i].rows));
        operations[i].count = 0;
    }
}

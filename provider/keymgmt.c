/* Key management stays the default provider's; we only need to know how a key is exported and when it is freed. */
#include "algorithms.h"
#include "key.h"
#include "keytypes.h"

/* Each kind of key has its own functions in the default provider, so each gets its own replacement. */
#define KEY_TYPE(ident, title, rsa)                                                                     \
    static OSSL_FUNC_keymgmt_export_fn *ident##_export;                                                 \
    static OSSL_FUNC_keymgmt_free_fn *ident##_default_free;                                             \
    static OSSL_FUNC_keymgmt_set_params_fn *ident##_default_set_params;                                 \
    static void ident##_free(void *object)                                                              \
    {                                                                                                   \
        if (object != NULL)                                                                             \
            key_object_freed(object);                                                                   \
        ident##_default_free(object);                                                                   \
    }                                                                                                   \
    static int ident##_set_params(void *object, const OSSL_PARAM *params)                               \
    {                                                                                                   \
        const int done = ident##_default_set_params(object, params);                                    \
                                                                                                        \
        key_object_changed(object);                                                                     \
        return done;                                                                                    \
    }                                                                                                   \
    static void ident##_adopt(const OSSL_DISPATCH *table)                                               \
    {                                                                                                   \
        ident##_export = (OSSL_FUNC_keymgmt_export_fn *)dispatch_find(table, OSSL_FUNC_KEYMGMT_EXPORT); \
        ident##_default_free = (OSSL_FUNC_keymgmt_free_fn *)dispatch_find(table, OSSL_FUNC_KEYMGMT_FREE); \
        ident##_default_set_params =                                                                    \
            (OSSL_FUNC_keymgmt_set_params_fn *)dispatch_find(table, OSSL_FUNC_KEYMGMT_SET_PARAMS);      \
    }                                                                                                   \
    static const OSSL_DISPATCH ident##_changes[] = {                                                    \
        {OSSL_FUNC_KEYMGMT_FREE, (void (*)(void))ident##_free},                                         \
        {OSSL_FUNC_KEYMGMT_SET_PARAMS, (void (*)(void))ident##_set_params},                             \
        {0, NULL}};                                                                                     \
    const struct key_type key_type_##ident = {title, &ident##_export, rsa};

KEY_TYPE(rsa, "RSA", 1)
/* To the device it is an RSA key as any other. */
KEY_TYPE(rsapss, "RSA", 1)
KEY_TYPE(ec, "EC", 0)
KEY_TYPE(ed25519, "ED25519", 0)
KEY_TYPE(x25519, "X25519", 0)

const struct algorithm keymgmt_algorithms[] = {
    {OSSL_OP_KEYMGMT, "RSA", 0, rsa_changes, rsa_adopt},
    {OSSL_OP_KEYMGMT, "RSA-PSS", 0, rsapss_changes, rsapss_adopt},
    {OSSL_OP_KEYMGMT, "EC", 0, ec_changes, ec_adopt},
    {OSSL_OP_KEYMGMT, "ED25519", 0, ed25519_changes, ed25519_adopt},
    {OSSL_OP_KEYMGMT, "X25519", 0, x25519_changes, x25519_adopt},
    {0},
};

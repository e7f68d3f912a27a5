/* Key management. The default provider does it. We only need to know how a key is exported, and when a key object is freed or
 * changed.
 *
 * Each type of keys has functions of its own in the default provider, and a function of a dispatch table is not told which
 * type it is called for. So each type gets replacements of its own, made by a macro in the file of its algorithm.
 */
#ifndef SIMACCEL_KEYMGMT_H
#define SIMACCEL_KEYMGMT_H

#include "algorithms.h"
#include "dispatch.h"
#include "key.h"

/* Defines key_type_IDENT, and what KEYMGMT_ROW needs. TITLE is the type that such keys have on the device. RSA and SEED are
 * fields of struct key_type. */
#define KEYMGMT_DEFINE(ident, title, rsa, seed)                                                            \
    static OSSL_FUNC_keymgmt_export_fn *ident##_export;                                                    \
    static OSSL_FUNC_keymgmt_free_fn *ident##_default_free;                                                \
    static OSSL_FUNC_keymgmt_set_params_fn *ident##_default_set_params;                                    \
    static void ident##_key_free(void *object)                                                             \
    {                                                                                                      \
        if (object != NULL)                                                                                \
            key_object_freed(object);                                                                      \
        ident##_default_free(object);                                                                      \
    }                                                                                                      \
    static int ident##_key_set_params(void *object, const OSSL_PARAM *params)                              \
    {                                                                                                      \
        const int done = ident##_default_set_params(object, params);                                       \
                                                                                                           \
        key_object_changed(object);                                                                        \
        return done;                                                                                       \
    }                                                                                                      \
    void ident##_key_adopt(const OSSL_DISPATCH *t)                                                         \
    {                                                                                                      \
        ident##_export = (OSSL_FUNC_keymgmt_export_fn *)dispatch_find(t, OSSL_FUNC_KEYMGMT_EXPORT);        \
        ident##_default_free = (OSSL_FUNC_keymgmt_free_fn *)dispatch_find(t, OSSL_FUNC_KEYMGMT_FREE);      \
        ident##_default_set_params =                                                                       \
            (OSSL_FUNC_keymgmt_set_params_fn *)dispatch_find(t, OSSL_FUNC_KEYMGMT_SET_PARAMS);             \
    }                                                                                                      \
    const OSSL_DISPATCH ident##_key_changes[] = {                                                          \
        {OSSL_FUNC_KEYMGMT_FREE, (void (*)(void))ident##_key_free},                                        \
        {OSSL_FUNC_KEYMGMT_SET_PARAMS, (void (*)(void))ident##_key_set_params},                            \
        {0, NULL}};                                                                                        \
    const struct key_type key_type_##ident = {title, &ident##_export, rsa, seed}

/* Declares the same, for other files. */
#define KEYMGMT_DECLARE(ident)                         \
    void ident##_key_adopt(const OSSL_DISPATCH *t);    \
    extern const OSSL_DISPATCH ident##_key_changes[];  \
    extern const struct key_type key_type_##ident

/* The element of an array of struct algorithm for keys that the default provider calls NAME. */
#define KEYMGMT_ROW(ident, name) {OSSL_OP_KEYMGMT, name, 0, ident##_key_changes, ident##_key_adopt}

#endif

#include "key.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/x509.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "checksum.h"
#include "ring.h"
#include "settings.h"
#include "table.h"
#include "wire.h"

struct key {
    atomic_uint refs;
    void *object;
    const struct key_type *type;
    int bits, min_salt_bytes;
    atomic_int unusable;
    atomic_int load_failed; /* it must be loaded again */
    uint64_t serial; /* of the connection it is loaded on; this and the id under the table's lock */
    uint32_t id;
};

static struct table keys = {.lock = PTHREAD_MUTEX_INITIALIZER};

static int note_limits(const OSSL_PARAM *params, void *argument)
{
    const OSSL_PARAM *n = OSSL_PARAM_locate_const(params, OSSL_PKEY_PARAM_RSA_N);
    const OSSL_PARAM *salt = OSSL_PARAM_locate_const(params, OSSL_PKEY_PARAM_RSA_PSS_SALTLEN);
    struct key *key = argument;
    BIGNUM *modulus = NULL;

    if (n != NULL && OSSL_PARAM_get_BN(n, &modulus))
        key->bits = BN_num_bits(modulus);
    BN_free(modulus);
    /* Always there for a restricted key, and never for another. */
    if (salt != NULL)
        OSSL_PARAM_get_int(salt, &key->min_salt_bytes);
    return 1;
}

static struct key *key_new(void *object, const struct key_type *type)
{
    struct key *key = calloc(1, sizeof(*key));

    if (key == NULL)
        return NULL;
    atomic_init(&key->refs, 1);
    key->object = object;
    key->type = type;
    key->min_salt_bytes = -1;
    if (type->is_rsa)
        (*type->export)(object, OSSL_KEYMGMT_SELECT_PUBLIC_KEY | OSSL_KEYMGMT_SELECT_OTHER_PARAMETERS, note_limits, key);
    return key;
}

struct key *key_of(void *object, const struct key_type *type)
{
    struct key *key;

    pthread_mutex_lock(&keys.lock);
    key = table_get(&keys, object);
    if (key == NULL) {
        key = key_new(object, type);
        if (key != NULL && !table_put(&keys, object, key)) {
            key_unref(key);
            key = NULL;
        }
    }
    if (key != NULL)
        key_ref(key);
    pthread_mutex_unlock(&keys.lock);
    return key;
}

static struct key *removed(void *object)
{
    struct key *key;

    pthread_mutex_lock(&keys.lock);
    key = table_remove(&keys, object);
    pthread_mutex_unlock(&keys.lock);
    return key;
}

void key_object_freed(void *object)
{
    struct key *key = removed(object);

    if (key != NULL)
        key_unref(key);
}

void key_object_changed(void *object)
{
    struct key *key = removed(object);

    if (key == NULL)
        return;
    /* Contexts that were begun with it go on in software; one that is begun now gets a new key. */
    atomic_store(&key->unusable, 1);
    key_unref(key);
}

void key_ref(struct key *key)
{
    atomic_fetch_add_explicit(&key->refs, 1, memory_order_relaxed);
}

void key_unref(struct key *key)
{
    if (atomic_fetch_sub_explicit(&key->refs, 1, memory_order_acq_rel) != 1)
        return;
    if (key->id != 0)
        connection_forget_key(key->serial, key->id);
    free(key);
}

int key_bits(const struct key *key)
{
    return key->bits;
}

int key_min_salt_bytes(const struct key *key)
{
    return key->min_salt_bytes;
}

int key_is_unusable(const struct key *key)
{
    return atomic_load_explicit(&key->unusable, memory_order_relaxed);
}

uint32_t key_id(struct key *key, const struct connection *connection)
{
    uint32_t id;

    pthread_mutex_lock(&keys.lock);
    id = key->serial == connection->serial && !atomic_load(&key->load_failed) ? key->id : 0;
    pthread_mutex_unlock(&keys.lock);
    return id;
}

struct der {
    const struct key_type *type;
    unsigned char *bytes;
    int length;
};

/* What the export gives goes into a key of the private context, as that can be written as DER; no key type then needs
 * an encoder of ours. */
static int write_der(const OSSL_PARAM *params, void *argument)
{
    struct der *der = argument;
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(default_libctx(), der->type->name, NULL);
    EVP_PKEY *pkey = NULL;

    if (ctx != NULL && EVP_PKEY_fromdata_init(ctx) > 0 &&
        EVP_PKEY_fromdata(ctx, &pkey, EVP_PKEY_KEYPAIR, (OSSL_PARAM *)params) > 0)
        der->length = i2d_PrivateKey(pkey, &der->bytes);
    EVP_PKEY_free(pkey);
    EVP_PKEY_CTX_free(ctx);
    return der->length > 0;
}

int key_load(struct key *key, struct record *record)
{
    struct connection *connection = record->connection;
    struct der der = {.type = key->type};
    struct request load = {.operation = WIRE_KEY_LOAD, .flags = WIRE_CHECKSUM};
    /* Without what an RSA-PSS key is restricted to: a plain RSA key can't carry it, and the default provider's signature
     * context keeps to it. */
    const int parts = key->type->is_rsa ? OSSL_KEYMGMT_SELECT_KEYPAIR : OSSL_KEYMGMT_SELECT_ALL;
    uint32_t sum;
    int done = 0;

    pthread_mutex_lock(&keys.lock);
    if (key->serial == connection->serial && key->id != 0 && !atomic_load(&key->load_failed)) {
        pthread_mutex_unlock(&keys.lock);
        ring_release(record);
        return 1;
    }
    /* The errors of a key that can't be exported, such as one without a private part, are software's to report. */
    ERR_set_mark();
    (*key->type->export)(key->object, parts, write_der, &der);
    ERR_pop_to_mark();
    if (der.length > 0 && (uint32_t)der.length + 8 <= connection->slot_bytes) {
        pthread_mutex_lock(&connection->lock);
        key->id = connection->next_key++;
        pthread_mutex_unlock(&connection->lock);
        key->serial = connection->serial;
        atomic_store(&key->load_failed, 0);
        memcpy(ring_slot(record), der.bytes, (size_t)der.length);
        /* A key that is damaged on its way would sign wrongly ever after. */
        sum = checksum(0, der.bytes, (size_t)der.length);
        memcpy(ring_slot(record) + der.length, &sum, sizeof(sum));
        load.key = key->id;
        load.in_len = load.out_off = (uint32_t)der.length + sizeof(sum);
        key_ref(key);
        record->loads = key;
        /* Still under the lock, so that no operation that finds the id can get into the ring before the load. */
        ring_submit(record, &load);
        done = 1;
    } else {
        if (der.length > 0)
            settings_trace("a key of %d bits does not fit: it needs slot_bytes = %d", key->bits,
                           (der.length + 8 + 63) / 64 * 64);
        atomic_store(&key->unusable, 1);
    }
    pthread_mutex_unlock(&keys.lock);
    if (!done)
        ring_release(record);
    if (der.length > 0)
        OPENSSL_clear_free(der.bytes, (size_t)der.length);
    return done;
}

void key_loaded(struct key *key, int32_t status)
{
    /* A key of a kind the device does not do will not get better; a device that went away or failed may. */
    if (status == WIRE_UNSUPPORTED)
        atomic_store(&key->unusable, 1);
    else if (status != WIRE_OK)
        atomic_store(&key->load_failed, 1);
    key_unref(key);
}

void keys_before_fork(void)
{
    pthread_mutex_lock(&keys.lock);
}

void keys_after_fork(void)
{
    pthread_mutex_unlock(&keys.lock);
}

#include "key.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "address_table.h"
#include "checksum.h"
#include "default_provider.h"
#include "device.h"
#include "key_der.h"
#include "settings.h"
#include "wire.h"

struct key {
    atomic_uint refs;
    void *object;
    const struct key_type *type;
    int bits, min_salt_bytes;
    int has_hash;
    unsigned char hash[KEY_HASH_BYTES];
    atomic_int unusable;
    struct {
        atomic_int load_failed; /* it must be loaded again */
        uint64_t serial;        /* of the connection it is loaded on. This and the id under the table's lock */
        uint32_t id;            /* 0: it is not loaded */
    } on[MAX_DEVICES];
};

static struct address_table keys = {.lock = PTHREAD_MUTEX_INITIALIZER};

static int note_limits(const OSSL_PARAM *params, void *argument)
{
    const OSSL_PARAM *n = OSSL_PARAM_locate_const(params, OSSL_PKEY_PARAM_RSA_N);
    const OSSL_PARAM *salt = OSSL_PARAM_locate_const(params, OSSL_PKEY_PARAM_RSA_PSS_SALTLEN);
    struct key *key = argument;
    BIGNUM *modulus = NULL;

    if (n != NULL && OSSL_PARAM_get_BN(n, &modulus))
        key->bits = BN_num_bits(modulus);
    BN_free(modulus);
    /* Keys of type RSA-PSS that are restricted have it, and no others. */
    if (salt != NULL)
        OSSL_PARAM_get_int(salt, &key->min_salt_bytes);
    return 1;
}

static int note_hash(const OSSL_PARAM *params, void *argument)
{
    const OSSL_PARAM *public = OSSL_PARAM_locate_const(params, OSSL_PKEY_PARAM_PUB_KEY);
    struct key *key = argument;
    EVP_MD *shake = EVP_MD_fetch(default_libctx(), "SHAKE256", NULL);
    EVP_MD_CTX *hash = EVP_MD_CTX_new();

    key->has_hash = public != NULL && public->data_type == OSSL_PARAM_OCTET_STRING && hash != NULL && shake != NULL &&
                    EVP_DigestInit_ex2(hash, shake, NULL) && EVP_DigestUpdate(hash, public->data, public->data_size) &&
                    EVP_DigestFinalXOF(hash, key->hash, sizeof(key->hash));
    EVP_MD_CTX_free(hash);
    EVP_MD_free(shake);
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
    if (type->seed != NULL)
        (*type->export)(object, OSSL_KEYMGMT_SELECT_PUBLIC_KEY, note_hash, key);
    return key;
}

struct key *key_of(void *object, const struct key_type *type)
{
    struct key *key;

    pthread_mutex_lock(&keys.lock);
    key = address_table_get(&keys, object);
    if (key == NULL) {
        key = key_new(object, type);
        if (key != NULL && !address_table_put(&keys, object, key)) {
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
    key = address_table_remove(&keys, object);
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
    /* Operation contexts that use this key go on in software. One that is initialized later gets a new key. */
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
    for (unsigned i = 0; i < MAX_DEVICES; i++)
        if (key->on[i].id != 0)
            device_forget_key(i, key->on[i].serial, key->on[i].id);
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

const unsigned char *key_public_hash(const struct key *key)
{
    return key->has_hash ? key->hash : NULL;
}

int key_is_unusable(const struct key *key)
{
    return atomic_load_explicit(&key->unusable, memory_order_relaxed);
}

/* Called under the table's lock. */
static int is_loaded_on(const struct key *key, const struct connection *c)
{
    return key->on[c->device].id != 0 && key->on[c->device].serial == c->serial &&
           !atomic_load(&key->on[c->device].load_failed);
}

uint32_t key_id(struct key *key, const struct connection *connection)
{
    uint32_t id;

    pthread_mutex_lock(&keys.lock);
    id = is_loaded_on(key, connection) ? key->on[connection->device].id : 0;
    pthread_mutex_unlock(&keys.lock);
    return id;
}

/* The device's answer to a load. Nobody waits for it. */
static void load_completed(struct record *r)
{
    struct key *key = r->owner;

    /* If the device does not do this kind of key, the key stays unusable. After any other failure it is loaded again. */
    if (r->status == WIRE_UNSUPPORTED)
        atomic_store(&key->unusable, 1);
    else if (r->status != WIRE_OK)
        atomic_store(&key->on[connection_of(r)->device].load_failed, 1);
    key_unref(key);
    connection_release(r);
}

/* Writes the key and its checksum into the slot, and submits the load. Called under the table's lock. */
static void submit_load(struct key *key, struct record *r, const unsigned char *der, size_t der_bytes)
{
    struct connection *c = connection_of(r);
    struct request load = {.operation = WIRE_KEY_LOAD, .flags = WIRE_CHECKSUM};
    /* If a key were damaged on its way, all signatures with it would be wrong. */
    const uint32_t sum = checksum(0, der, der_bytes);

    key->on[c->device].id = c->next_key++;
    key->on[c->device].serial = c->serial;
    atomic_store(&key->on[c->device].load_failed, 0);
    memcpy(ring_slot(r), der, der_bytes);
    memcpy(ring_slot(r) + der_bytes, &sum, sizeof(sum));
    load.key = key->on[c->device].id;
    load.in_len = load.out_off = (uint32_t)(der_bytes + sizeof(sum));
    key_ref(key);
    r->owner = key;
    r->complete = load_completed;
    /* Another thread may complete the load, and with it drop the record's reference, before connection_submit returns. */
    connection_ref(c);
    connection_submit(r, &load);
    connection_unref(c);
}

int key_load(struct key *key, struct record *r)
{
    const struct connection *c = connection_of(r);
    unsigned char *der = NULL;
    size_t der_bytes;
    int done = 0;

    /* Held until the load is in the ring, so that no operation that finds the id can get into the ring before the load. */
    pthread_mutex_lock(&keys.lock);
    if (is_loaded_on(key, c)) {
        pthread_mutex_unlock(&keys.lock);
        connection_release(r);
        return 1;
    }
    der_bytes = key_der(key->object, key->type, &der);
    if (der_bytes > 0 && der_bytes + 8 <= c->ring.slot_bytes) {
        submit_load(key, r, der, der_bytes);
        done = 1;
    } else {
        if (der_bytes > 0)
            settings_trace("a key of %d bits does not fit: it needs slot_bytes = %d", key->bits,
                           (int)(der_bytes + 8 + 63) / 64 * 64);
        atomic_store(&key->unusable, 1);
    }
    pthread_mutex_unlock(&keys.lock);
    if (!done)
        connection_release(r);
    OPENSSL_clear_free(der, der_bytes);
    return done;
}

void keys_before_fork(void)
{
    pthread_mutex_lock(&keys.lock);
}

void keys_after_fork(void)
{
    pthread_mutex_unlock(&keys.lock);
}

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

#include "address_table.h"
#include "checksum.h"
#include "default_provider.h"
#include "device.h"
#include "settings.h"
#include "wire.h"

struct key {
    atomic_uint refs;
    void *object;
    const struct key_type *type;
    int bits, min_salt_bytes;
    atomic_int unusable;
    atomic_int load_failed; /* it must be loaded again */
    uint64_t serial;        /* of the connection it is loaded on. This and the id under the table's lock */
    uint32_t id;            /* 0: it is not loaded */
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
    if (key->id != 0)
        device_forget_key(key->serial, key->id);
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

/* Called under the table's lock. */
static int is_loaded_on(const struct key *key, const struct connection *c)
{
    return key->id != 0 && key->serial == c->serial && !atomic_load(&key->load_failed);
}

uint32_t key_id(struct key *key, const struct connection *connection)
{
    uint32_t id;

    pthread_mutex_lock(&keys.lock);
    id = is_loaded_on(key, connection) ? key->id : 0;
    pthread_mutex_unlock(&keys.lock);
    return id;
}

struct der {
    const struct key_type *type;
    unsigned char *bytes;
    int length;
};

/* Makes a key of the private library context from the exported parts, because the default provider can write that one as
 * DER. So no type of key needs an encoder of ours. */
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

/* The device's answer to a load. Nobody waits for it. */
static void load_completed(struct record *r)
{
    struct key *key = r->owner;

    /* If the device does not do this kind of key, the key stays unusable. After any other failure it is loaded again. */
    if (r->status == WIRE_UNSUPPORTED)
        atomic_store(&key->unusable, 1);
    else if (r->status != WIRE_OK)
        atomic_store(&key->load_failed, 1);
    key_unref(key);
    connection_release(r);
}

/* Writes the key and its checksum into the slot, and submits the load. Called under the table's lock. */
static void submit_load(struct key *key, struct record *r, const struct der *der)
{
    struct connection *c = connection_of(r);
    struct request load = {.operation = WIRE_KEY_LOAD, .flags = WIRE_CHECKSUM};
    /* If a key were damaged on its way, all signatures with it would be wrong. */
    const uint32_t sum = checksum(0, der->bytes, (size_t)der->length);

    key->id = c->next_key++;
    key->serial = c->serial;
    atomic_store(&key->load_failed, 0);
    memcpy(ring_slot(r), der->bytes, (size_t)der->length);
    memcpy(ring_slot(r) + der->length, &sum, sizeof(sum));
    load.key = key->id;
    load.in_len = load.out_off = (uint32_t)der->length + sizeof(sum);
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
    struct der der = {.type = key->type};
    /* The restrictions of an RSA-PSS key are left out: the device gets a plain RSA key, which has none, and the default
     * provider's signature context enforces them. */
    const int parts = key->type->is_rsa ? OSSL_KEYMGMT_SELECT_KEYPAIR : OSSL_KEYMGMT_SELECT_ALL;
    int done = 0;

    /* Held until the load is in the ring, so that no operation that finds the id can get into the ring before the load. */
    pthread_mutex_lock(&keys.lock);
    if (is_loaded_on(key, c)) {
        pthread_mutex_unlock(&keys.lock);
        connection_release(r);
        return 1;
    }
    /* A key that can't be exported, such as one without a private part, gives errors. Software will report its own. */
    ERR_set_mark();
    (*key->type->export)(key->object, parts, write_der, &der);
    ERR_pop_to_mark();
    if (der.length > 0 && (uint32_t)der.length + 8 <= c->ring.slot_bytes) {
        submit_load(key, r, &der);
        done = 1;
    } else {
        if (der.length > 0)
            settings_trace("a key of %d bits does not fit: it needs slot_bytes = %d", key->bits,
                           (der.length + 8 + 63) / 64 * 64);
        atomic_store(&key->unusable, 1);
    }
    pthread_mutex_unlock(&keys.lock);
    if (!done)
        connection_release(r);
    if (der.length > 0)
        OPENSSL_clear_free(der.bytes, (size_t)der.length);
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

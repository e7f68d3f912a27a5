#define _GNU_SOURCE
#include "counters.h"

#include <stdio.h>
#include <sys/mman.h>

#include "settings.h"

struct counters counters;

static struct counters nowhere;
struct counters *_Atomic counters_shown = &nowhere;

/* What is mapped at this address changes, but the address stays while the provider is loaded: it is page 0 of the
 * connection's memory, or a page of our own. The kernel replaces one by the other in a single step, so a thread that counts
 * at that moment writes to one of them. */
static uint8_t *page;

static void hide_page(void)
{
    const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED;

    if (mmap(page, WIRE_PAGE_BYTES, PROT_READ | PROT_WRITE, flags, -1, 0) != MAP_FAILED)
        return;
    /* The kernel may have unmapped what was there. */
    counters_shown = &nowhere;
    page = NULL;
}

/* Maps page 0 of that memory a second time. With a size of 0, mremap leaves the old mapping where it is. */
static uint8_t *page_0_again(uint8_t *memory)
{
    void *again = mremap(memory, 0, WIRE_PAGE_BYTES, MREMAP_MAYMOVE);

    if (again == MAP_FAILED)
        return NULL;
    /* Unlike the rest of that memory, it is mapped in the child of a fork, which may count before it finds out. */
    madvise(again, WIRE_PAGE_BYTES, MADV_DOFORK);
    return again;
}

void counters_set_up(void)
{
    void *made = mmap(NULL, WIRE_PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    _Static_assert(sizeof(struct counters) <= WIRE_PAGE_BYTES - WIRE_AT_CLIENT_COUNTS, "the counts fit into page 0");
    _Static_assert(sizeof(struct counters) / sizeof(uint64_t) <= 64, "the wire has 64 bits for them");
    _Static_assert(sizeof(atomic_uint_fast64_t) == sizeof(uint64_t), "a count is as wide as on the wire");
    if (made == MAP_FAILED)
        return;
    page = made;
    counters_shown = (void *)(page + WIRE_AT_CLIENT_COUNTS);
}

void counters_tear_down(void)
{
    counters_shown = &nowhere;
    if (page != NULL)
        munmap(page, WIRE_PAGE_BYTES);
    page = NULL;
}

void counters_begin(uint8_t *memory)
{
    const uint64_t all = UINT64_MAX >> (64 - sizeof(struct counters) / sizeof(uint64_t));

    atomic_store((_Atomic uint64_t *)(void *)(memory + WIRE_AT_CLIENT_COUNTED), all);
}

void counters_show(uint8_t *memory)
{
    uint8_t *again = page != NULL ? page_0_again(memory) : NULL;

    if (again == NULL) {
        counters_hide();
        return;
    }
    if (mremap(again, WIRE_PAGE_BYTES, WIRE_PAGE_BYTES, MREMAP_MAYMOVE | MREMAP_FIXED, page) != MAP_FAILED)
        return;
    munmap(again, WIRE_PAGE_BYTES);
    hide_page();
}

void counters_hide(void)
{
    if (page != NULL)
        hide_page();
}

void counters_after_fork_in_child(void)
{
    counters_hide();
#define X(name) atomic_store_explicit(&counters.name, 0, memory_order_relaxed);
    COUNTERS(X)
#undef X
}

/* Writes the counts to stderr at exit, if `trace` is on. It is a destructor, because OpenSSL 4.0 often does not call our
 * teardown. */
__attribute__((destructor)) static void tell_at_exit(void)
{
    static const char *const names[] = {
#define X(name) #name,
        COUNTERS(X)
#undef X
    };
    const atomic_uint_fast64_t *values = (const atomic_uint_fast64_t *)&counters;
    char line[512] = "";
    size_t used = 0;

    if (!settings.trace)
        return;
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
        used += (size_t)snprintf(line + used, used < sizeof(line) ? sizeof(line) - used : 0, "%s%llu %s",
                                 i > 0 ? ", " : "", (unsigned long long)atomic_load(&values[i]), names[i]);
    settings_trace("at exit: %s", line);
}

/* The algorithms that are offloaded, one line each. From this table come the words of the setting `operations` and the message
 * that lists them (settings.c), and the rows that the provider has (algorithms.c).
 *
 * To add an algorithm NAME, add a line here, and a file NAME.c that defines `const struct algorithm NAME_algorithms[]`; see
 * algorithms.h. ed25519.c is a short example. The operation itself is one of wire.h, which the device must know too.
 */
#ifndef SIMACCEL_OFFLOADED_H
#define SIMACCEL_OFFLOADED_H

#define OFFLOADED(X) \
    X(rsa)           \
    X(ecdsa)         \
    X(ed25519)       \
    X(x25519)        \
    X(mldsa)         \
    X(mlkem)

/* OFFLOADED_rsa and so on. */
enum offloaded {
#define X(name) OFFLOADED_##name,
    OFFLOADED(X)
#undef X
        OFFLOADED_COUNT
};

_Static_assert(OFFLOADED_COUNT < 32, "settings.operations has a bit for each");

#endif

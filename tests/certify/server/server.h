/* What the parts of the server share. */
#pragma once
#include <openssl/ssl.h>
#include <stdint.h>
#include <time.h>

/* server.c: the loop, and the settings of its connections. */
enum kind { LISTENER, CLIENT, WAIT, BELL, SIGNALS };

extern int by_callback;
extern SSL_CTX *settings, *software;

int is_fault(const char *name);
void die(const char *what);
void watch(int operation, int fd, uint32_t events, enum kind kind, int index);
void unwatch(int fd);

/* connection.c: what happens to a connection. */
enum { CONNECTIONS = 4096 };

struct connection {
    int fd; /* 0: free */
    int index;
    unsigned generation;
    SSL *ssl;
    int established, paused, pauses, hung_up, ignored;
    struct timespec since;
};

extern struct connection connections[CONNECTIONS];
extern int open_count, paused_count;

void open_connection(int fd);
void drive(struct connection *c);
void wake(struct connection *c);
void hang_up(struct connection *c);
void end_connection(struct connection *c);

/* latch.c: callbacks, which come in a thread of the provider and ring a bell. */
int make_bell(void); /* returns its fd */
void answer_bell(void);
void set_callback(struct connection *c, unsigned generation);
void forget_wakes(struct connection *c);

/* What the process says of itself to whoever may read /proc/PID/maps: `simaccel check --pid`.
 *
 * A program that does not use the device must be able to find out why, also one that was refused or finds no device, so
 * that no device could tell. Each report is one page whose name is the text: a memfd of that name, mapped, and its fd
 * closed at once. So it takes no fd, an application that closes all fds does not lose it, and whoever may not look into
 * the process's memory can still read it. In the page itself is where the counters lie, for whoever may.
 *
 * A child of a fork inherits the report, which names the process that made it.
 */
#ifndef SIMACCEL_REPORT_H
#define SIMACCEL_REPORT_H

enum report_state {
    REPORT_REFUSED,     /* the provider did not load: a setting can't be used */
    REPORT_LOADED,      /* no operation has come yet */
    REPORT_UNSUPPORTED, /* only operations have come that are never sent to the device */
    REPORT_CONNECTED,
    REPORT_FAILED, /* no connection could be made */
    REPORT_LOST,   /* the connection has ended */
};

/* Replaces the last report. Any thread may call it, at the loading, at a connect and at its end: six system calls. */
void report(enum report_state state, const char *text);

/* An operation has come that is never sent: reported if it is the first of all. */
void report_unsupported(const char *what);

/* The provider is unloaded. */
void report_withdraw(void);

#endif

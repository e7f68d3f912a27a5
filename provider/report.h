/* The report of this process about itself, for `simaccel check --pid`.
 *
 * A program that does not use the device must be able to find out why, even if it was refused or found no device, so that
 * no device knows of it. Each report is a mapped page whose name is the text, so anybody who may read /proc/PID/maps can
 * read it. The page belongs to a memfd of that name, whose fd is closed at once: a report takes no fd, and an application
 * that closes all fds does not lose it. The page itself says where the counters lie, for those who may read the process's
 * memory.
 *
 * The child of a fork inherits the report. The text names the process that made it.
 */
#ifndef SIMACCEL_REPORT_H
#define SIMACCEL_REPORT_H

enum report_state {
    REPORT_REFUSED,     /* the provider did not load, because a setting can't be used */
    REPORT_LOADED,      /* there was no operation yet */
    REPORT_UNSUPPORTED, /* all operations so far were of kinds that are never sent to the device */
    REPORT_CONNECTED,
    REPORT_FAILED, /* no connection could be made */
    REPORT_LOST,   /* the connection has ended */
};

/* Replaces the last report. Any thread may call it. It takes six system calls, so it is called only when the provider is
 * loaded, at a connect, and at the end of a connection. */
void report(enum report_state state, const char *text);

/* Reports an operation of a kind that is never sent, if it is the first operation of all. */
void report_unsupported(const char *what);

/* Removes the report, when the provider is unloaded. */
void report_withdraw(void);

#endif

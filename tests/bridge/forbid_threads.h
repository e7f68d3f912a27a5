#ifndef TESTS_FORBID_THREADS_H
#define TESTS_FORBID_THREADS_H

/* From now on this process can make no thread, as under HAProxy and Dovecot.
 *
 * Sets RLIMIT_NPROC to 0. That limit does not apply to root, so root gives up its real user and the capabilities that
 * override limits. The effective user, which the device sees, stays root. Exits with a message if it does not work. */
void forbid_threads(void);

#endif

/* Errors of our own in OpenSSL's error queue. They have a library number of our own. */
#ifndef SIMACCEL_ERROR_H
#define SIMACCEL_ERROR_H

enum error_reason { ERROR_DEVICE = 100, ERROR_SETTING = 101, ERROR_NO_DEFAULT = 102, ERROR_MEMORY = 103 };

/* Must be called once before the first error. */
void error_load_strings(void);

/* Puts an error into the queue of the calling thread. */
void error_raise(enum error_reason reason, const char *detail);

#endif

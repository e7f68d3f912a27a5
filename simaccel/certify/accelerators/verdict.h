/* How a check ends: a line with what was seen, and an exit code. */
#ifndef CERTIFY_VERDICT_H
#define CERTIFY_VERDICT_H

enum { PASSED = 0, BROKEN = 1, USAGE = 2, DOES_NOT_APPLY = 77 };

/* Prints the line, and ends the process without any cleanup. */
void end(int code, const char *format, ...) __attribute__((noreturn, format(printf, 2, 3)));

#endif

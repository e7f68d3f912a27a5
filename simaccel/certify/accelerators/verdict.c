#include "verdict.h"

#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

void end(int code, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    printf("\n");
    fflush(stdout);
    _exit(code);
}

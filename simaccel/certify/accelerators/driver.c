/* Drives the operations of any provider or engine in real ASYNC_JOBs, and checks one rule.
 *
 *     driver provider|engine PATH NAME RULE fd|callback LIMIT_S OPERATIONS
 *
 * It prints one line with what was seen, and exits with 0 (the rule holds), 1 (it does not) or 77 (the rule says nothing
 * about it). Each rule runs in a process of its own, because what breaks a rule may crash. NAME is what the algorithms of a
 * provider have as their property `provider`.
 */
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "rules.h"
#include "tasks.h"
#include "verdict.h"

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

static void on_alarm(int number)
{
    static const char text[] = "it did not end within the limit: a job was never woken, or never finished\n";

    (void)number;
    (void)!write(1, text, sizeof(text) - 1);
    _exit(BROKEN);
}

int main(int count, char **arguments)
{
    if (count != 8)
        end(USAGE, "driver provider|engine PATH NAME RULE fd|callback LIMIT_S OPERATIONS");
    by_callback = strcmp(arguments[5], "callback") == 0;
    many = atoi(arguments[7]);
    signal(SIGALRM, on_alarm);
    alarm((unsigned)atoi(arguments[6]));
    load_accelerator(arguments[1], arguments[2], arguments[3]);
    for (const struct rule *rule = rules; rule->name != NULL; rule++)
        if (strcmp(rule->name, arguments[4]) == 0)
            rule->check();
    end(USAGE, "there is no rule %s", arguments[4]);
}

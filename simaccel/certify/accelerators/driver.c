/* Drives the operations of any provider or engine in real ASYNC_JOBs, and checks one rule.
 *
 *     driver provider|engine PATH NAME RULE fd|callback LIMIT_S OPERATIONS
 *
 * It prints one line with what was seen, and exits with 0 (the rule holds), 1 (it does not) or 77 (the rule says nothing
 * about it). Each rule runs in a process of its own, because what breaks a rule may crash. NAME is what the algorithms of a
 * provider have as their property `provider`.
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "rules.h"
#include "tasks.h"
#include "verdict.h"

static void on_alarm(int number)
{
    static const char text[] = "it did not end within the limit: a job was never woken, or never finished\n";

    (void)number;
    (void)!write(1, text, sizeof(text) - 1);
    _exit(BROKEN);
}

int main(int count, char **arguments)
{
    const struct rule *rule;

    if (count != 8)
        end(USAGE, "driver provider|engine PATH NAME RULE fd|callback LIMIT_S OPERATIONS");
    rule = rule_named(arguments[4]);
    if (rule == NULL)
        end(USAGE, "there is no rule %s", arguments[4]);
    by_callback = strcmp(arguments[5], "callback") == 0;
    many = atoi(arguments[7]);
    signal(SIGALRM, on_alarm);
    alarm((unsigned)atoi(arguments[6]));
    load_accelerator(arguments[1], arguments[2], arguments[3]);
    rule->check();
    end(BROKEN, "the rule %s came to no verdict", arguments[4]);
}

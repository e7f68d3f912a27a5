#include "rules.h"

#include <stddef.h>
#include <string.h>

int many;

static struct rule *rules;

void add_rule(struct rule *rule)
{
    rule->next = rules;
    rules = rule;
}

const struct rule *rule_named(const char *name)
{
    const struct rule *rule = rules;

    while (rule != NULL && strcmp(rule->name, name) != 0)
        rule = rule->next;
    return rule;
}

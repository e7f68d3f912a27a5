/* The rules. Each is a function that ends the process with its verdict:
 *
 *     RULE("pauses", pauses)
 *     {
 *         ...
 *     }
 *
 * The macro adds the rule to the list before main begins. rules.py has the same names, and what each rule says.
 */
#ifndef CERTIFY_RULES_H
#define CERTIFY_RULES_H

struct rule {
    const char *name;
    void (*check)(void);
    struct rule *next;
};

#define RULE(its_name, function)                                          \
    static void function(void);                                           \
    __attribute__((constructor)) static void function##_is_a_rule(void)   \
    {                                                                     \
        static struct rule rule = {.name = its_name, .check = function};  \
                                                                          \
        add_rule(&rule);                                                  \
    }                                                                     \
    static void function(void)

void add_rule(struct rule *rule);

/* NULL: there is none of that name. */
const struct rule *rule_named(const char *name);

/* How many operations must leave no fd behind. */
extern int many;

#endif

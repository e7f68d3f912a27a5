/* The rules, each of which ends the process with its verdict. */
#ifndef CERTIFY_RULES_H
#define CERTIFY_RULES_H

struct rule {
    const char *name;
    void (*check)(void);
};

/* Ended by a row without a name. */
extern const struct rule rules[];

/* How many operations must leave no fd behind. */
extern int many;

#endif

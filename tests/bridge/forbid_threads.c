#define _GNU_SOURCE
#include "forbid_threads.h"

#include <linux/capability.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

static void *do_nothing(void *unused)
{
    return unused;
}

void forbid_threads(void)
{
    const struct rlimit none = {0, 0};
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct powers[2];
    pthread_t thread;

    if (setrlimit(RLIMIT_NPROC, &none) != 0 ||
        (geteuid() == 0 && (setresuid(65534, 0, 0) != 0 || syscall(SYS_capget, &header, powers) != 0))) {
        perror("setrlimit, setresuid, capget");
        exit(4);
    }
    if (geteuid() == 0) {
        powers[0].effective &= ~((1u << CAP_SYS_RESOURCE) | (1u << CAP_SYS_ADMIN));
        if (syscall(SYS_capset, &header, powers) != 0) {
            perror("capset");
            exit(4);
        }
    }
    if (pthread_create(&thread, NULL, do_nothing, NULL) == 0) {
        fprintf(stderr, "a thread can still be made\n");
        exit(4);
    }
}

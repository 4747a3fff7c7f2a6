#define _GNU_SOURCE
#include "benchmark.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <sys/prctl.h>

extern char **environ;

void millrace_bench_timer_slack(unsigned long nanoseconds) { prctl(PR_SET_TIMERSLACK, nanoseconds); }

int millrace_bench_spawn(
    pid_t *pid, char *const *arguments, const char *output, const char *errors, int new_session) {
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&actions, 1, output, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    posix_spawn_file_actions_addopen(&actions, 2, errors, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    // Nothing of ours may stay open in it.
    posix_spawn_file_actions_addclosefrom_np(&actions, 3);
    posix_spawnattr_t attributes;
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setflags(&attributes, (short)(new_session ? POSIX_SPAWN_SETSID : 0));
    int code = posix_spawnp(pid, arguments[0], &actions, &attributes, arguments, environ);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    return code;
}

__attribute__((noinline)) void millrace_bench_begin(void) { __asm__ volatile("" ::: "memory"); }
__attribute__((noinline)) void millrace_bench_end(void) { __asm__ volatile("" ::: "memory"); }

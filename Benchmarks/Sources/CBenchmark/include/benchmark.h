/// System calls that Swift's Glibc module hides, and the marks that callgrind counts between.
#pragma once
#include <sys/types.h>

/// How late the kernel may wake the calling thread from a timed sleep, nanoseconds; 50,000 unless said.
void millrace_bench_timer_slack(unsigned long nanoseconds);

/// Starts a program found by PATH, standard input closed, standard output and error written to the files (emptied first).
///
/// - new_session: non-zero gives it a session of its own, so that a Ctrl-C is not for it and all of its processes are known.
/// Returns 0, or errno.
int millrace_bench_spawn(
    pid_t *_Nonnull pid, char *_Nullable const *_Nonnull arguments, const char *_Nonnull output,
    const char *_Nonnull errors, int new_session);

/// Callgrind begins to count when the first is called and writes its counts when the second is.
void millrace_bench_begin(void);
void millrace_bench_end(void);

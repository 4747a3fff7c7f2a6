// The Linux calls that Swift's Glibc module hides.
#pragma once
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>

/// Names the calling thread for `top -H` and profilers (15 bytes at most).
int millrace_name_thread(const char *name);
/// Pins the calling thread to one CPU; 0 on success, else errno.
int millrace_pin_thread(int cpu);
/// 1 when the calling thread may run on the CPU.
int millrace_cpu_is_available(int cpu);
/// The CPU the calling thread is bound to; -1 when there are several.
int millrace_pinned_cpu(void);
/// Registers `fd` with `epoll`; `events` is an EPOLL* mask. Replaces an earlier registration of the same `fd`.
int millrace_epoll_watch(int epoll, int fd, uint32_t events);
int millrace_epoll_forget(int epoll, int fd);
/// Waits at most `timeout_ms` (-1 for ever, 0 not at all); writes the ready descriptors; returns how many.
int millrace_epoll_wait(int epoll, int *fds, int capacity, int timeout_ms);

/// Counts heap allocations: the executable's own malloc family stands before glibc's and passes on to it.
#pragma once
#include <stdint.h>

/// Allocations of the whole process so far.
int64_t millrace_allocation_count(void);

#pragma once
#include <libpq-fe.h>
#include <spawn.h>

// GNU extensions that Swift's Glibc module hides.
extern int posix_spawn_file_actions_addchdir_np(posix_spawn_file_actions_t *actions, const char *path);
extern int posix_spawn_file_actions_addclosefrom_np(posix_spawn_file_actions_t *actions, int from);

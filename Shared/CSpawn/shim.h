#ifndef STAGEBOX_CSPAWN_SHIM_H
#define STAGEBOX_CSPAWN_SHIM_H

#include <spawn.h>

/* glibc declares these two (since 2.34 and 2.29) under _GNU_SOURCE only, which Swift's Glibc module does not set. */
extern int posix_spawn_file_actions_addclosefrom_np(posix_spawn_file_actions_t *actions, int from);
extern int posix_spawn_file_actions_addchdir_np(posix_spawn_file_actions_t *restrict actions, const char *restrict path);

/* In the child: closes every descriptor from this one on. */
static inline int stagebox_spawn_close_from(posix_spawn_file_actions_t *actions, int from) {
    return posix_spawn_file_actions_addclosefrom_np(actions, from);
}

/* In the child: changes the working directory. */
static inline int stagebox_spawn_change_directory(posix_spawn_file_actions_t *actions, const char *path) {
    return posix_spawn_file_actions_addchdir_np(actions, path);
}

#endif

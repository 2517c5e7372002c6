#ifndef STAGEBOX_CSPAWN_SHIM_H
#define STAGEBOX_CSPAWN_SHIM_H

/* glibc declares these two (since 2.34 and 2.29) under _GNU_SOURCE only, which Swift's Glibc module does not set. Declared
   here without <spawn.h>, whose types would come to belong to this module: `actions` is a posix_spawn_file_actions_t. */
extern int posix_spawn_file_actions_addclosefrom_np(void *actions, int from);
extern int posix_spawn_file_actions_addchdir_np(void *actions, const char *path);

/* In the child: closes every descriptor from this one on. */
static inline int stagebox_spawn_close_from(void *actions, int from) {
    return posix_spawn_file_actions_addclosefrom_np(actions, from);
}

/* In the child: changes the working directory. */
static inline int stagebox_spawn_change_directory(void *actions, const char *path) {
    return posix_spawn_file_actions_addchdir_np(actions, path);
}

#endif

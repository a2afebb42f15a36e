// The way to the runtime directory of the daemon, for the small programs: devmux-hotplug and
// devmux guard.
#pragma once

#ifdef __cplusplus
extern "C" {
#endif

// Why there is no directory. One of the two says it.
struct DirectoryFault {
    int error;              // errno; or 0, and
    const char* why;        // "belongs to another user, …"
    const char* next_step;  // may be null
};

// The directory, open (O_PATH); or -1, and in `fault` why not.
//
// It may be written by nobody but root and us, and a symbolic link on the way to it is followed only
// where that holds for the directory that the link is in: otherwise somebody else could decide who
// hears of us, or have root talk to a socket that it never meant.
int open_own_directory(const char* path, struct DirectoryFault* fault);

#ifdef __cplusplus
}
#endif

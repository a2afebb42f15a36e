// See claim.h. The file comes into being whole: it is written under a name that no unit can have, and renamed.
#include "tools/guard/claim.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>  // renameat(2)
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char kClaims[] = "claims";

// All of a small file, without the newline at its end; 0 where it cannot be read.
static size_t read_file(const char* path, char* out, size_t most) {
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0) return 0;
    ssize_t size = read(fd, out, most - 1);
    close(fd);
    if (size <= 0) return 0;
    out[size] = '\0';
    if (out[size - 1] == '\n') out[--size] = '\0';
    return (size_t)size;
}

static char* append(char* to, char* end, const char* text, size_t size) {
    if ((size_t)(end - to) <= size) return end;
    memcpy(to, text, size);
    to[size] = '\0';
    return to + size;
}

static char* append_number(char* to, char* end, uint64_t number) {
    char digits[20];
    size_t at = sizeof digits;
    do digits[--at] = (char)('0' + number % 10);
    while (number /= 10);
    return append(to, end, digits + at, sizeof digits - at);
}

// Field 22, counted from the last ')': the second, a name, may contain anything. See proc_pid_stat(5).
static const char* start_of(const char* stat, size_t* size) {
    const char* at = strrchr(stat, ')');
    for (int field = 2; at && field < 22; ++field) {
        at = strchr(at, ' ');
        if (at) ++at;
    }
    *size = at ? strspn(at, "0123456789") : 0;
    return at;
}

size_t claim_text(const char* proc, pid_t pid, char out[kClaimMost]) {
    char path[256] = "", boot[64], stat[1024];
    char* end = path + sizeof path;
    char* to = append(path, end, proc, strlen(proc));
    append(to, end, "/sys/kernel/random/boot_id", 26);
    size_t boot_size = read_file(path, boot, sizeof boot), start_size = 0;
    to = append_number(append(to, end, "/", 1), end, (uint64_t)pid);
    append(to, end, "/stat", 5);
    if (boot_size == 0 || strcspn(boot, " \n") != boot_size || read_file(path, stat, sizeof stat) == 0) return 0;
    const char* start = start_of(stat, &start_size);
    if (start_size == 0) return 0;
    end = out + kClaimMost;
    to = append(out, end, "1 ", 2);
    to = append(to, end, boot, boot_size);
    to = append_number(append(to, end, " ", 1), end, (uint64_t)pid);
    to = append(append(to, end, " ", 1), end, start, start_size);
    to = append(to, end, "\n", 1);
    return to == end ? 0 : (size_t)(to - out);
}

// Ours, or root's, and nobody else's to write.
static int open_claims(int directory, bool make) {
    int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    struct stat status;
    int fd = openat(directory, kClaims, flags);
    // Others may make it at the same time.
    if (fd < 0 && make && (mkdirat(directory, kClaims, 0700) == 0 || errno == EEXIST)) fd = openat(directory, kClaims, flags);
    if (fd < 0) return -1;
    bool safe = fstat(fd, &status) == 0 && status.st_uid == geteuid() && (status.st_mode & (S_IWGRP | S_IWOTH)) == 0;
    if (safe) return fd;
    close(fd);
    return -1;
}

// Scripts that nobody has a unit for leave theirs as well: they are not to fill the memory of the machine.
static bool is_full(int claims) {
    int again = openat(claims, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR* dir = again < 0 ? NULL : fdopendir(again);
    if (!dir) {
        if (again >= 0) close(again);
        return true;
    }
    int count = 0;
    while (count < kClaimsAtMost + 2 && readdir(dir)) ++count;  // "." and ".." are entries, too
    closedir(dir);
    return count >= kClaimsAtMost + 2;
}

bool leave_claim(int directory, const char* name, const char* text, size_t size) {
    int claims = open_claims(directory, true);
    if (claims < 0) return false;
    char fresh[24];
    char* end = fresh + sizeof fresh;
    append_number(append(fresh, end, ".", 1), end, (uint64_t)getpid());
    bool replaces = faccessat(claims, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0, left = false;
    if (replaces || !is_full(claims)) {
        unlinkat(claims, fresh, 0);  // of a process with our number, which was killed
        int fd = openat(claims, fresh, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        left = fd >= 0 && write(fd, text, size) == (ssize_t)size && renameat(claims, fresh, claims, name) == 0;
        if (fd >= 0) close(fd);
        if (fd >= 0 && !left) unlinkat(claims, fresh, 0);
    }
    close(claims);
    return left;
}

void take_claim_back(int directory, const char* name) {
    int claims = open_claims(directory, false);
    if (claims < 0) return;
    unlinkat(claims, name, 0);
    close(claims);
}

// A claim: "this script was told to go on, and no daemon knows". engine/run/claims.h is who reads it.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
    kClaimMost = 128,   // kClaimMax
    kClaimsAtMost = 256,  // kClaimsMost
};

// Its text, "1 BOOT-ID PID START\n", of what procfs at `proc` says of the process; its length, or 0.
size_t claim_text(const char* proc, pid_t pid, char out[kClaimMost]);

// Leaves the claim of a unit in the directory `claims` in this open one, which is our own or root's; makes that
// where it is missing. False: nothing was left. Nothing of it can hang, and nothing follows a link.
bool leave_claim(int directory, const char* name, const char* text, size_t size);

void take_claim_back(int directory, const char* name);

#ifdef __cplusplus
}
#endif

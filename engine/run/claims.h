// Claims: an init script that asked whether it may start (devmux guard) and heard nobody says here that it
// has, so that a daemon that comes later does not start its unit once more. One file for each unit,
// CLAIMS/UNIT in the runtime directory, one line: the format, the boot, and the process that is the script.
// tools/guard/claim.h is who writes it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "conditions/duration.h"

namespace devmux {

inline constexpr const char* kClaimsName = "claims";
// "1 BOOT-ID PID START\n"
inline constexpr size_t kClaimMax = 128;
inline constexpr size_t kClaimsMost = 256;

struct Claim {
    std::string unit;
    int pid = 0;
    Time started{};  // CLOCK_BOOTTIME, rounded down to a clock tick
    bool operator==(const Claim&) const = default;
};

// What a file says, without the unit; nothing where it makes no sense, or is of another boot.
std::optional<Claim> claim_of(std::string_view text, std::string_view boot_id);

// All that are there, by unit. What is no claim of this boot is removed. Nothing of a directory, or a
// file, that is not our own.
std::vector<Claim> read_claims(int runtime_fd, std::string_view boot_id);

// It was taken in.
void remove_claim(int runtime_fd, const std::string& unit);

}  // namespace devmux

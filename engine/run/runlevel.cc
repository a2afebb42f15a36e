// See runlevel.h. Read by hand: getutxid(3) has one position for the whole process, and the name of its
// file is the process's as well.
#include "engine/run/runlevel.h"

#include <fcntl.h>
#include <unistd.h>
#include <utmpx.h>

#include "engine/run/fd.h"

namespace devmux {
namespace {

// Who is logged in stands in the same file; it grows no further than there are terminals.
constexpr size_t kMostRecords = 65536;

}  // namespace

std::string runlevel_in(const std::string& utmp) {
    Fd fd(open(utmp.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    utmpx record{};
    for (size_t i = 0; fd && i < kMostRecords; ++i) {
        if (read(fd.get(), &record, sizeof record) != static_cast<ssize_t>(sizeof record)) break;
        if (record.ut_type != RUN_LVL) continue;
        // init(8) keeps the former one in the second byte of the number.
        char level = static_cast<char>(record.ut_pid & 0xFF);
        bool known = (level >= '0' && level <= '9') || level == 'S' || level == 's';
        return known ? std::string(1, level == 's' ? 'S' : level) : "";
    }
    return "";
}

}  // namespace devmux

// devmux whatif EVENT...: what the daemon would decide if this happened now. Asks it for all that it
// knows and plays the rest here: the daemon is not changed, and nothing is run.
#include <unistd.h>

#include <array>
#include <cerrno>

#include "conditions/text.h"
#include "tools/command.h"
#include "tools/output.h"
#include "tools/trace_text.h"
#include "tools/whatif.h"

namespace devmux {
namespace {

std::string read_all(int fd) {
    std::string out;
    std::array<char, 65536> piece{};
    while (out.size() <= kTraceBytes) {
        ssize_t n = read(fd, piece.data(), piece.size());
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) break;
        out.append(piece.data(), static_cast<size_t>(n));
    }
    return out;
}

Exit run(const Session& session, const std::vector<std::string>& events) {
    Descriptor socket;
    if (Reply reply = Client(session.runtime_dir).record(true, socket); !reply) return report(reply);
    auto head = read_head(read_all(socket.get()), "");
    if (!head) {
        complain("what the daemon says of itself cannot be read: " + head.error().to_string());
        return Exit::NoDaemon;
    }
    auto lines = what_if(*head, events);
    if (!lines) {
        complain(lines.error().to_string());
        return Exit::NoSuchThing;
    }
    if (session.json) {
        Json all = Json::array();
        for (const std::string& line : *lines) all.push_back(printable(line));
        print_json(all);
        return Exit::Ok;
    }
    for (const std::string& line : *lines) print_line(printable(line));
    if (lines->empty()) print_line("nothing would happen");
    return Exit::Ok;
}

}  // namespace

void add_whatif(CLI::App& app, Commands& commands) {
    auto events = std::make_shared<std::vector<std::string>>();
    CLI::App* sub = app.add_subcommand("whatif", "what the daemon would decide if this happened; changes nothing");
    sub->add_option("event", *events, "\"remove mouse\", \"add DEVPATH SUBSYSTEM=input\", +10s, \"stop gdm\"")
        ->type_name("EVENT")
        ->required();
    commands.push_back({sub, [events](const Session& session) { return run(session, *events); }});
}

}  // namespace devmux

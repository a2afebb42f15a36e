// See guard_desk.h. What is not said is "go on": whoever cannot be heard, or answered, runs its script.
#include "engine/guard_desk.h"

#include <unistd.h>

#include <utility>

namespace devmux {
namespace {

constexpr size_t kMostWaiting = 256;

}  // namespace

GuardDesk::GuardDesk(GuardSocket socket, std::string proc, Loop& loop, Control& control, Hooks hooks)
    : socket_(std::move(socket)), proc_(std::move(proc)), loop_(loop), control_(control), hooks_(std::move(hooks)) {
    loop_.on_readable(socket_.fd(), "guard", Loop::Priority::Clients, [this] { let_in(); });
}

GuardDesk::~GuardDesk() {
    while (!waiting_.empty()) {
        auto& [fd, waiting] = *waiting_.begin();
        if (waiting.unit.empty()) let_go(fd);
        else (void)answer(fd, GuardWord::No, waiting.unit + ": devmuxd ends; what it has begun of the start goes on, and the next devmuxd does the rest");
    }
    loop_.forget(socket_.fd());
}

void GuardDesk::let_in() {
    while (auto client = socket_.accept()) {
        if (!client->fd || waiting_.size() >= kMostWaiting) continue;
        int fd = client->fd.get();
        waiting_[fd].client = std::move(*client);
        loop_.on_readable(fd, "guard client", Loop::Priority::Clients, [this, fd] { hear(fd); });
    }
}

void GuardDesk::hear(int fd) {
    GuardHeard heard = hear_guard(waiting_.at(fd).client.fd);
    if (heard.kind == GuardHeard::Kind::NotYet) return;
    // There is one question; what comes behind it is an end, or nonsense.
    bool asks = heard.kind == GuardHeard::Kind::Question && waiting_.at(fd).unit.empty();
    if (asks) decide(fd, heard.question);
    else let_go(fd);
}

void GuardDesk::decide(int fd, const GuardQuestion& question) {
    const std::string& unit = question.unit;
    Waiting& asks = waiting_.at(fd);
    auto found = find_starter(proc_, asks.client.pid, getpid(), hooks_.job_of);
    // It waited all the time: what was read was read of itself.
    if (!found || !guard_waits(asks.client.fd)) {
        let_go(fd);
        return hooks_.look_for_claims();  // it has left one, or is gone
    }
    asks.starter = *found;
    if (question.stop) {
        if (found->who.kind == Starter::Kind::Person) hooks_.stopped(unit);
        (void)answer(fd, GuardWord::GoOn, "");
        return;
    }
    const Planner& planner = hooks_.planner();
    auto index = planner.find(unit);
    bool missing = index && hooks_.is_missing(*planner.units()[*index].unit);
    GuardVerdict verdict = guard_verdict(planner, unit, found->who, question.again, missing);
    switch (verdict.kind) {
        case GuardVerdict::Kind::Elsewhere: start_elsewhere(fd, unit); [[fallthrough]];
        case GuardVerdict::Kind::GoOn: (void)answer(fd, GuardWord::GoOn, verdict.text); return;
        case GuardVerdict::Kind::HandOver: return hand_over(fd, unit);
        case GuardVerdict::Kind::LeaveIt:
            if (answer(fd, GuardWord::No, verdict.text)) hooks_.tell(unit, "its init script was told to leave it to devmux");
            return;
    }
}

// First it is known, then it is told. Of a service of systemd's, systemd tells itself.
void GuardDesk::start_elsewhere(int fd, const std::string& unit) {
    const FoundStarter& found = waiting_.at(fd).starter;
    if (found.who.kind == Starter::Kind::Systemd) return;
    hooks_.started({.unit = unit, .pid = found.script, .started = found.script_started, .by = found.who.unit});
}

// First the word, then the start: who has given up meanwhile runs its script, and must not have it run here.
void GuardDesk::hand_over(int fd, const std::string& unit) {
    if (!answer_guard(waiting_.at(fd).client.fd, GuardWord::Wait, unit + ": devmux starts it")) {
        let_go(fd);
        return hooks_.look_for_claims();
    }
    if (auto error = control_.start(unit)) return (void)answer(fd, GuardWord::GoOn, error->what + "; the script goes on by itself");
    waiting_.at(fd).unit = unit;
    Control::Ticket ticket = control_.when_at_rest(unit, [this, fd](const UnitSnapshot& u) { at_rest(fd, u); });
    if (auto it = waiting_.find(fd); it != waiting_.end() && it->second.unit == unit) it->second.ticket = ticket;
}

void GuardDesk::at_rest(int fd, const UnitSnapshot& u) {
    waiting_.at(fd).ticket = 0;
    if (u.state == "active") return (void)answer(fd, GuardWord::No, u.name + ": started");
    if (u.state == "done") return (void)answer(fd, GuardWord::No, u.name + ": done");
    if (u.state == "waiting" && u.wanted == "up")
        return (void)answer(fd, GuardWord::No, u.name + ": not started yet: it " + u.remark +
                                             "; it starts as soon as that is over (devmux stop takes it back)");
    if (u.state == "waiting") return (void)answer(fd, GuardWord::No, u.name + ": it was stopped meanwhile");
    // Whoever asked wants it to run, and nothing of it does: the script may still know how, and says
    // itself what is wrong, with its own exit status.
    (void)answer(fd, GuardWord::GoOn, u.name + ": " + u.state + (u.last_end.empty() ? "" : ": " + u.last_end) +
                                    "; the script goes on by itself");
}

// Whether it was heard. Who is not told "no" runs its script, and has left a claim where it gave up.
bool GuardDesk::answer(int fd, GuardWord word, const std::string& text) {
    bool heard = answer_guard(waiting_.at(fd).client.fd, word, text);
    let_go(fd);
    if (!heard && word == GuardWord::No) hooks_.look_for_claims();
    return heard;
}

void GuardDesk::let_go(int fd) {
    auto it = waiting_.find(fd);
    if (it->second.ticket) control_.cancel(it->second.ticket);
    loop_.forget(fd);
    waiting_.erase(it);
}

}  // namespace devmux

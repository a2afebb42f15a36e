// devmux record: what the daemon is fed from now on, as a trace that `devmux simulate` plays to the same
// decisions. Ctrl-C ends it; the daemon then writes the last line.
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "conditions/text.h"
#include "engine/loop.h"
#include "engine/model/trusted_file.h"
#include "engine/recording_file.h"
#include "engine/system/errno_error.h"
#include "tools/command.h"
#include "tools/output.h"
#include "tools/recording_copy.h"
#include "tools/redact.h"
#include "tools/trace_text.h"

namespace devmux {
namespace {

constexpr size_t kWholeGroups = size_t{4} << 20;  // more than an event has, or a unit
constexpr Duration kPatience = std::chrono::seconds(5);

int signalled = -1;  // the writing end of a pipe

// Signals end the recording, and a second one us. One that is ignored stays so: nohup means it.
Descriptor ending_signals() {
    std::array<int, 2> ends{};
    if (pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK) != 0) return {};
    signalled = ends[1];
    struct sigaction ours {}, now {};
    ours.sa_handler = [](int) {
        int error = errno;
        (void)!write(signalled, "", 1);
        errno = error;
    };
    ours.sa_flags = static_cast<int>(SA_RESTART | SA_RESETHAND);
    for (int signo : {SIGINT, SIGTERM, SIGHUP})
        if (sigaction(signo, nullptr, &now) == 0 && now.sa_handler != SIG_IGN) sigaction(signo, &ours, nullptr);
    return Descriptor(ends[0]);
}

struct Recording {
    std::string output, time = "none", from;
    bool redact = false;

    Exit run(const Session& session) const {
        if (!from.empty()) return of_file();
        Duration limit = timeout_of(time, "--for");
        Descriptor socket, file;
        Client client(session.runtime_dir);
        if (Reply reply = client.record(false, socket); !reply) return report(reply);
        Descriptor signals = ending_signals();
        if (!open_output(file)) return Exit::No;
        return copy(socket.get(), file ? file.get() : STDOUT_FILENO, signals.get(), limit);
    }

    bool open_output(Descriptor& file) const {
        if (output.empty() || output == "-") return true;
        auto fresh = new_recording_file(output);
        if (!fresh) complain(fresh.error().to_string());
        else file = std::move(*fresh);
        return bool(fresh);
    }

    // For poll(2): not too early, and not for ever where it is long.
    static int milliseconds(Duration left) {
        if (left == kNever) return -1;
        auto ms = std::chrono::ceil<std::chrono::milliseconds>(std::max(left, Duration{})).count();
        return static_cast<int>(std::min<int64_t>(ms, 1 << 30));
    }

    Exit copy(int socket, int out, int signals, Duration limit) const {
        std::string kept;  // with --redact: a name may be said before it is known to be a secret
        RecordingCopy copy(kLargestRecording, kWholeGroups, [&](std::string_view text) {
            if (!redact) return write_all(out, text);
            kept += text;
            return true;
        });
        RecordingCopy::State state{};
        Time end = limit == kNever ? kNever : Loop::now() + limit;
        for (bool asked = false;;) {
            if (!asked && end <= Loop::now()) asked = shutdown(socket, SHUT_WR) == 0;
            // Once it was asked for the end, a daemon that says nothing is not waited for any longer.
            Duration left = asked ? kPatience : end == kNever ? kNever : end - Loop::now();
            std::array<pollfd, 2> fds{{{socket, POLLIN, 0}, {signals, short(asked ? 0 : POLLIN), 0}}};
            int ready = poll(fds.data(), fds.size(), milliseconds(left));
            if ((ready < 0 && errno != EINTR) || (ready == 0 && asked)) break;
            if (ready > 0 && fds[1].revents & POLLIN) asked = shutdown(socket, SHUT_WR) == 0;
            if (ready <= 0 || !(fds[0].revents & (POLLIN | POLLHUP | POLLERR))) continue;
            std::array<char, 65536> piece{};
            ssize_t n = read(socket, piece.data(), piece.size());
            if (n < 0 && (errno == EINTR || errno == EAGAIN)) continue;
            if (n <= 0) break;
            std::string_view text(piece.data(), static_cast<size_t>(n));
            state = copy.take(text);
            if (state == RecordingCopy::State::Unwritten) return not_written();
            if (state == RecordingCopy::State::Full) break;
        }
        if (state == RecordingCopy::State::Open && copy.finish() == RecordingCopy::State::Unwritten) return not_written();
        if (redact && !write_all(out, redacted(kept))) return not_written();
        if (state == RecordingCopy::State::Full) {
            complain("the recording has reached its limit, " + std::to_string(kLargestRecording >> 20) + " MiB: it ends here");
            return Exit::Ok;
        }
        if (copy.end().empty()) {
            complain("the daemon has ended, or does not answer: the recording is cut off");
            return Exit::NoDaemon;
        }
        if (copy.end() == "slow") {
            complain("the daemon ended the recording: it was not read fast enough");
            return Exit::Refused;
        }
        return Exit::Ok;
    }

    Exit of_file() const {
        FolderTrust folders;
        auto text = read_trusted(from, kTraceBytes, Trust::Waive, folders);
        if (!text) {
            complain(text.error().to_string());
            return Exit::Usage;
        }
        if (!is_recorded(*text)) {
            complain(from + ": is no recording");
            return Exit::Usage;
        }
        Descriptor file;
        if (!open_output(file)) return Exit::No;
        return write_all(file ? file.get() : STDOUT_FILENO, redacted(*text)) ? Exit::Ok : not_written();
    }

    static Exit not_written() {
        complain("the recording could not be written: " + errno_text(errno));
        return Exit::No;
    }
};

}  // namespace

void add_record(CLI::App& app, Commands& commands) {
    auto record = std::make_shared<Recording>();
    CLI::App* sub = app.add_subcommand("record", "write down all that the engine is fed, for simulate; Ctrl-C ends it");
    sub->add_option("-o,--output", record->output, "into this file instead of the standard output")->type_name("FILE");
    sub->add_option("--for", record->time, "end after this time")->type_name("TIME");
    auto* redact = sub->add_flag("--redact", record->redact, "without what it can tell to be a secret: serial numbers, addresses, UUIDs (see devmux(1))");
    sub->add_option("--from", record->from, "redact a recording that exists already, without a daemon")
        ->type_name("TRACE")
        ->needs(redact);
    commands.push_back({sub, [record](const Session& session) { return record->run(session); }});
}

}  // namespace devmux

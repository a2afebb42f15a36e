// See trace_recorded.h.
#include "tools/trace_recorded.h"

#include <utility>

#include "conditions/text.h"
#include "engine/recording/checkpoint_text.h"
#include "engine/recording/event_text.h"
#include "engine/recording/times_text.h"
#include "engine/run/record_text.h"
#include "engine/run/saved_state.h"

namespace devmux {
namespace {

constexpr const char* kNoBoot = "-";

// The lines that come before "begin".
class HeadReader {
  public:
    explicit HeadReader(TraceCursor& cursor) : cursor_(cursor), configuration_(cursor), checkpoint_(cursor) {}

    static bool knows(std::string_view word) {
        return word == "times" || word == "cmdline" || word == "saved" || ConfigurationReader::knows(word) ||
               CheckpointReader::knows(word);
    }

    std::optional<Error> read(const TraceLine& line) {
        std::string_view word = line.word();
        if (ConfigurationReader::knows(word)) {
            reads_units_ = true;
            return configuration_.read(line);
        }
        end_configuration();
        if (CheckpointReader::knows(word)) {
            head_.checkpoint.emplace();
            return checkpoint_.read(line, *head_.configuration);
        }
        auto text = unescaped(line.rest());
        if (!text) return cursor_.wrong(line, "a backslash stands before \\, & or xNN");
        if (word == "cmdline") {
            head_.command_line = *text;
        } else if (word == "times") {
            auto times = times_of(*text);
            if (!times) return cursor_.wrong(line, "expected ten durations in seconds");
            head_.times = *times;
        } else if (text->find('\n') != text->npos || !(record_of(*text) || last_job_of(*text))) {
            return cursor_.wrong(line, "expected a record of the saved state");
        } else {
            saved_ += "\n" + *text;
        }
        return std::nullopt;
    }

    // The configuration that was read last, for a "reload".
    const std::shared_ptr<const Configuration>& configuration() {
        end_configuration();
        return head_.configuration;
    }
    // At "begin". A later one begins with the same command line, times and units, unless they are said again.
    TraceHead head(Time now) {
        end_configuration();
        TraceHead out = head_;
        if (out.checkpoint) out.checkpoint = checkpoint_.finish();
        head_.checkpoint.reset();
        StateReader reader(kNoBoot);
        reader.feed(text_of({}, kNoBoot) + std::exchange(saved_, ""));
        out.saved = reader.finish().state;
        out.now = now;
        return out;
    }

  private:
    void end_configuration() {
        if (std::exchange(reads_units_, false)) head_.configuration = configuration_.finish();
    }

    TraceCursor& cursor_;
    ConfigurationReader configuration_;
    CheckpointReader checkpoint_;
    TraceHead head_;
    std::string saved_;
    bool reads_units_ = false;
};

class Player {
  public:
    Player(std::string_view text, const std::string& file, Replay replay, std::shared_ptr<const Configuration> units)
        : file_(file), cursor_(text, file), head_(cursor_), events_(cursor_), replay_(std::move(replay)),
          units_(std::move(units)) {}

    // Until the first "begin", or to the end.
    std::optional<Error> play(bool head_alone) {
        for (int i = 0; i < 2; ++i) {
            std::string_view word = i == 0 ? "devmux-trace" : "recorded";
            if (cursor_.at_end() || cursor_.line().word() != word || (i == 0 && cursor_.line().rest() != "1"))
                return cursor_.wrong(cursor_.at_end() ? TraceLine{1} : cursor_.line(),
                                     "expected \"" + std::string(i == 0 ? "devmux-trace 1" : "recorded VERSION") + "\"");
            cursor_.take();
        }
        while (!cursor_.at_end()) {
            TraceLine line = cursor_.take();
            if (line.indented) return cursor_.wrong(line, "an indented line belongs below a device or an event");
            if (line.text == "begin" && head_alone) {
                started_ = head_.head(now_);
                return std::nullopt;
            }
            if (auto error = step(line)) return error;
        }
        if (head_alone) return cursor_.wrong({1}, "the recording has no \"begin\"");
        check_left(0);
        return std::nullopt;
    }

    TraceHead& started() { return started_; }
    Played played() {
        played_.recorded = true;
        played_.lines = replay_.lines();
        return std::move(played_);
    }

  private:
    std::optional<Error> step(const TraceLine& line) {
        std::string_view word = line.word();
        if (word.starts_with('@')) {
            auto now = seconds_of(word.substr(1));
            if (!now || *now == kNever || *now < now_)
                return cursor_.wrong(line, "expected a moment that is not before the last one, found " + quoted(word));
            now_ = *now;
        } else if (word == "=") {
            auto text = unescaped(line.rest());
            if (!text) return cursor_.wrong(line, "a backslash stands before \\, & or xNN");
            expect(line, *text);
        } else if (word == "end") {
            played_.ended = line.rest();
        } else if (HeadReader::knows(word)) {
            return head_.read(line);
        } else if (word == "begin") {
            check_left(line.number);
            TraceHead head = head_.head(now_);
            if (units_) use(head);
            replay_.begin(head);
        } else if (!replay_.begun()) {
            return cursor_.wrong(line, "expected \"begin\" before the first event, found " + quoted(printable(line.text)));
        } else if (line.text == "reload") {
            check_left(line.number);
            auto fresh = head_.configuration();
            if (!units_) replay_.feed(NewConfiguration{fresh}, now_);
        } else {
            std::optional<ReadEvent> event;
            if (auto error = events_.read(line, event)) return error;
            if (!event) return std::nullopt;
            check_left(line.number);
            replay_.feed(event->event, now_);
        }
        return std::nullopt;
    }

    // Other units than the recorded ones: what the core remembers of those that both know holds on.
    void use(TraceHead& head) const {
        head.configuration = units_;
        if (!head.checkpoint) return;
        PlannerCheckpoint& p = head.checkpoint->planner;
        std::deque<Managed> known = std::exchange(p.units, {});
        p.queue.clear();
        for (const auto& [name, unit] : units_->units) {
            Managed m;
            auto it = std::find_if(known.begin(), known.end(), [&, &n = name](auto& k) { return k.unit->name == n; });
            if (it != known.end() && it->unit->condition_text == unit->condition_text &&
                it->unit->stop_when_text == unit->stop_when_text && it->unit->boot_if_text == unit->boot_if_text) m = *it;
            else if (it != known.end()) m.state = it->state, m.job = it->job, m.verdict = it->verdict;
            m.unit = unit;
            m.orphaned = false;
            p.queue.push_back(static_cast<UnitIndex>(p.units.size()));
            p.units.push_back(std::move(m));
        }
    }

    void expect(const TraceLine& line, const std::string& text) {
        if (replay_.expect(text)) ++played_.same;
        else differs(line.number, "recorded: " + text +
                     (replay_.left().empty() ? "\n    now: nothing" : "\n    now: " + replay_.left().front()));
    }
    void check_left(int number) {
        if (!replay_.left().empty()) differs(number, "recorded: nothing\n    now: " + replay_.left().front());
    }
    void differs(int number, const std::string& how) {
        if (!played_.difference.empty()) return;
        std::string where = file_ + (number ? ":" + std::to_string(number) : "");
        played_.difference = where + ": at " + seconds_text(now_) + "\n    " + how;
    }

    std::string file_;
    TraceCursor cursor_;
    HeadReader head_;
    EventReader events_;
    Replay replay_;
    std::shared_ptr<const Configuration> units_;
    TraceHead started_;
    Time now_{};
    Played played_;
};

Result<Replay::Outcomes> outcomes_of(std::string_view text, const std::string& file) {
    Replay::Outcomes out;
    TraceCursor cursor(text, file);
    EventReader reader(cursor);
    while (!cursor.at_end()) {
        TraceLine line = cursor.take();
        if (line.indented || line.word() != "ended") continue;
        std::optional<ReadEvent> event;
        if (auto error = reader.read(line, event)) return *error;
        out[{event->unit, event->verb}].push_back({event->took, std::get<JobEnded>(event->event)});
    }
    return out;
}

}  // namespace

bool is_recorded(std::string_view text) {
    for (int i = 0; i < 2 && !text.empty();) {
        std::string_view line = text.substr(0, text.find('\n'));
        text.remove_prefix(std::min(line.size() + 1, text.size()));
        size_t begin = line.find_first_not_of(" \t\r");
        if (begin == line.npos || line[begin] == '#') continue;
        if (i++ == 1) return line.starts_with("recorded");
    }
    return false;
}

Result<Played> play_recorded(std::string_view text, const std::string& file) {
    Player player(text, file, Replay(), nullptr);
    if (auto error = player.play(false)) return *error;
    return player.played();
}

Result<Played> play_freely(std::string_view text, const std::string& file,
                           const std::shared_ptr<const Configuration>& units) {
    auto outcomes = outcomes_of(text, file);
    if (!outcomes) return outcomes.error();
    Player player(text, file, Replay(std::move(*outcomes)), units);
    if (auto error = player.play(false)) return *error;
    return player.played();
}

Result<TraceHead> read_head(std::string_view text, const std::string& file) {
    Player player(text, file, Replay(), nullptr);
    if (auto error = player.play(true)) return *error;
    return std::move(player.started());
}

}  // namespace devmux

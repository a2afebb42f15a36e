// Starts that repeat. Two questions, by timing alone, for nobody says who caused an event:
//
// Echo: does the unit's own program cause what starts it again (it opens the disk whose `change` runs
// it, it reloads the driver of the device that it waits for)? Left alone, that is a storm without end.
//
//   suspicion   so many starts in a row, each asked for by what came while the program ran or within
//               1 s after its end
//   held        the next start waits, and nothing of ours runs. If what asks for starts goes on coming
//               as before, others cause it: at once on, and no such test for 1, 2, 4 … 64 s
//   trial       it stayed quiet: one more start. Is it asked for again at once, then that start was
//               the cause
//   braked      starts wait twice as long each time, up to 5 min; until one is asked for out of a
//               silence that is longer than the wait was, or one is followed by nothing
//
// A burst is never slowed: more than a few events during one run are of others, and so are those that
// come while we wait.
//
// Restless: does the condition come and go, whoever causes it (a loose cable)? That is obeyed; a person
// is told of `linger` and `for`.
#pragma once

#include <algorithm>
#include <memory>
#include <string>
#include <utility>

#include "conditions/duration.h"

namespace devmux {

class Echo {
  public:
    // So many starts in a row raise the suspicion; the first wait is so many times as long as that took.
    // What comes by itself, even at random, comes several times meanwhile.
    Echo(unsigned patience, int times) : patience_(patience), times_(times) {}

    // The unit is started; the program has ended; it runs once more, to stop.
    void started(Time now);
    void ended(Time now);
    void stopping() { running_ = true; }
    // What asks for a start has happened (an event), or what will lead to it (the condition was left).
    // True: a wait was ended by it, ask may_start() again.
    bool heard(Time now);
    // Asked when a start is due: `now`, and then it is started; or when to ask again.
    Time may_start(Time now);

    enum class News : unsigned char {
        None,
        Suspected,  // the first wait begins
        Confirmed,  // a wait begins that is longer than the last one
        Over,       // it was braked, and is not any more
    };
    News take_news() { return std::exchange(news_, News::None); }

    // For those who tell.
    bool waits(Time now) const { return until_ != kNever && now < until_; }
    bool braked() const { return stage_ == Stage::Braked; }
    bool calm() const { return stage_ == Stage::Calm; }
    Time until() const { return until_; }
    Duration wait() const { return wait_; }
    unsigned starts() const { return count_; }
    Duration lasts(Time now) const { return now - since_; }
    // While it waited, something came all the same, too little to be what comes else.
    bool stray() const { return strayed_; }
    // From when on it makes no difference whether this is remembered.
    Time forgettable() const { return ended_ + (stage_ == Stage::Calm ? kMoment : std::max(wait_, kMoment)); }

    static constexpr Duration kMoment = std::chrono::seconds(1);

    // For recordings: every field with its name, and what it is by default.
    template <class F>
    void fields(F&& f) {
        auto stage = static_cast<uint64_t>(stage_), news = static_cast<uint64_t>(news_);
        f("echo_stage", stage);
        f("echo_news", news);
        stage_ = static_cast<Stage>(std::min<uint64_t>(stage, 2));
        news_ = static_cast<News>(std::min<uint64_t>(news, 3));
        f("echo_ran", ran_);
        f("echo_running", running_);
        f("echo_strayed", strayed_);
        f("echo_started", started_);
        f("echo_ended", ended_);
        f("echo_soon", soon_);
        f("echo_silence", silence_);
        f("echo_count", count_);
        f("echo_heard", heard_);
        f("echo_most", most_);
        f("echo_since", since_);
        f("echo_span", span_);
        f("echo_until", until_, kNever);
        f("echo_waits_since", waits_since_);
        f("echo_wait", wait_);
        f("echo_strays", strays_);
        f("echo_free_until", free_until_);
        f("echo_grace", grace_, kMoment);
    }

  private:
    enum class Stage : unsigned char { Calm, Trial, Braked };
    void calm_down();
    void begin_wait(Duration wait, News news, Time now);

    unsigned patience_;
    int times_;
    Stage stage_ = Stage::Calm;
    News news_ = News::None;
    bool ran_ = false, running_ = false, strayed_ = false;
    Time started_{}, ended_{};
    // Since the last start: what came soon, and the longest silence before what did not.
    unsigned soon_ = 0;
    Duration silence_{};
    // Starts in a row, since when, and what was heard during the first `patience_` of them.
    unsigned count_ = 0, heard_ = 0, most_ = 0;
    Time since_{};
    Duration span_{};
    // The present wait, or the last one.
    Time until_ = kNever, waits_since_{};
    Duration wait_{};
    unsigned strays_ = 0;
    Time free_until_{};
    Duration grace_ = kMoment;
};

class Restless {
  public:
    // The condition has started the unit. True: worth telling, once in an hour.
    bool started(Time now);
    static constexpr unsigned kOften = 10;  // in a minute

    template <class F>
    void fields(F&& f) {
        f("restless_since", since_);
        f("restless_told", told_);
        f("restless_count", count_);
        f("restless_ever_told", ever_told_);
    }

  private:
    Time since_{}, told_{};
    unsigned count_ = 0;
    bool ever_told_ = false;
};

// What a unit's starts were like.
struct Flapping {
    Echo echo{5, 1};
    Restless restless;
    std::string left_by;  // the device whose event made the condition false last; empty: no device

    template <class F>
    void fields(F&& f) {
        echo.fields(f);
        restless.fields(f);
        f("left_by", left_by);
    }
};

// Kept apart from who has it, since few do, and copied with them.
class FlappingPointer : public std::unique_ptr<Flapping> {
  public:
    FlappingPointer() = default;
    FlappingPointer(FlappingPointer&&) = default;
    FlappingPointer(const FlappingPointer& other)
        : std::unique_ptr<Flapping>(other ? std::make_unique<Flapping>(*other) : nullptr) {}
    FlappingPointer& operator=(FlappingPointer other) {
        swap(other);
        return *this;
    }
    FlappingPointer& operator=(std::unique_ptr<Flapping> other) {
        swap(other);
        return *this;
    }
    ~FlappingPointer() = default;
};

// A duration in two digits or so, for a sentence.
std::string roughly(Duration duration);

}  // namespace devmux

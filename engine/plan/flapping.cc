// See flapping.h.
#include "engine/plan/flapping.h"

namespace devmux {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

// What a program causes in one run are few events; more are a burst, and of others.
constexpr unsigned kFew = 8;
// Starts that are further apart are no storm, whoever causes them.
constexpr Duration kSlow = seconds(20);
constexpr Duration kLongestWait = minutes(5);
constexpr Duration kLongestGrace = seconds(64);
// Of the pace that there was, this part is enough to say that it goes on without us.
constexpr int kPart = 8;
// What starts have caused may come late, and of several: the first part of a wait proves nothing. It is
// short at first, so that a burst is not slowed by it, and longer with each acquittal.
constexpr int kLateShare = 64;

}  // namespace

void Echo::started(Time now) {
    ran_ = running_ = true;
    started_ = now;
    until_ = kNever;
    soon_ = 0;
    silence_ = {};
}

void Echo::ended(Time now) {
    running_ = false;
    ended_ = now;
}

bool Echo::heard(Time now) {
    if (!ran_) return false;
    if (until_ == kNever) {
        if (running_ || now <= ended_ + kMoment) ++soon_;
        else silence_ = std::max(silence_, now - ended_);
        return false;
    }
    if (now - waits_since_ < std::min(grace_ / kLateShare, kMoment)) return false;
    // As much as one start caused may still come of the last one.
    strayed_ = ++strays_ > most_;
    if (!strayed_ || strays_ * kPart * span_ < heard_ * (now - waits_since_)) return false;
    calm_down();
    free_until_ = now + grace_;
    grace_ = std::min(2 * grace_, kLongestGrace);
    return true;
}

Time Echo::may_start(Time now) {
    if (until_ != kNever) return std::max(until_, now);
    if (!ran_) return now;
    // Nothing yet, and another start is due already: of earlier events. What the last one causes may
    // still be on its way.
    bool quiet = soon_ == 0 && silence_ == Duration{};
    if (quiet && stage_ != Stage::Calm && now < ended_ + kMoment) return ended_ + kMoment;
    bool others = soon_ > kFew || now - started_ > kSlow;
    if (quiet || others || silence_ > Duration{}) {
        if (stage_ != Stage::Braked || quiet || others || silence_ > wait_) calm_down();
        return now;
    }
    if (stage_ == Stage::Calm) {
        if (now < free_until_) return now;
        if (count_++ == 0) {
            since_ = started_;
            heard_ = most_ = 0;
        }
        heard_ += soon_;
        most_ = std::max(most_, soon_);
        if (count_ < patience_) return now;
        span_ = now - since_;
        stage_ = Stage::Trial;
        begin_wait(std::clamp(times_ * span_, kMoment, kLongestWait), News::Suspected, now);
    } else {
        ++count_;
        bool first = std::exchange(stage_, Stage::Braked) != Stage::Braked;
        Duration longer = std::max(wait_, std::min(2 * wait_, kLongestWait));
        begin_wait(longer, first || longer > wait_ ? News::Confirmed : News::None, now);
        grace_ = kMoment;
    }
    return until_;
}

void Echo::begin_wait(Duration wait, News news, Time now) {
    wait_ = wait;
    waits_since_ = now;
    until_ = now + wait;
    strays_ = 0;
    news_ = news;
    if (news == News::Suspected) strayed_ = false;
}

void Echo::calm_down() {
    if (stage_ == Stage::Braked) news_ = News::Over;
    stage_ = Stage::Calm;
    count_ = 0;
    until_ = kNever;
}

bool Restless::started(Time now) {
    if (count_ == 0 || now - since_ > minutes(1)) {
        since_ = now;
        count_ = 0;
    }
    if (++count_ < kOften) return false;
    count_ = 0;
    if (ever_told_ && now - told_ < std::chrono::hours(1)) return false;
    ever_told_ = true;
    told_ = now;
    return true;
}

std::string roughly(Duration duration) {
    Duration step = duration < seconds(1) ? Duration(milliseconds(1))
                    : duration < seconds(10) ? Duration(milliseconds(100)) : Duration(seconds(1));
    return to_string((duration + step / 2) / step * step);
}

}  // namespace devmux

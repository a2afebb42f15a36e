// What the shell does about links: whether somebody asks about them, and what is seen of them. Nobody asks: no
// socket is open.
#include <algorithm>

#include "engine/shell.h"

namespace devmux {
namespace {

constexpr size_t kAskedRoutes = 64;  // addresses of eval that are looked for on; the oldest are forgotten
// Of one turn of the loop, and how often such a turn is had before an event of an interface is taken in.
constexpr int kMessagesPerTurn = 64, kTurnsFirst = 64;
// Bytes: thousands of messages. What does not fit is listed again.
constexpr int kReceiveBuffer = 16 << 20;

// Whether it asks about links at all.
template <class Visit>
bool each_route(const Condition& condition, Visit visit) {
    bool asks = false;
    each_leaf(condition, [&](const Condition& leaf) {
        bool fact = leaf.kind == Condition::Kind::Fact;
        asks |= fact ? leaf.fact.kind == FactKind::NetworkOnline || leaf.fact.kind == FactKind::RouteTo
                     : is_of_links(leaf.device.state);
        if (fact && leaf.fact.kind == FactKind::RouteTo) visit(leaf.fact.name);
    });
    return asks;
}

}  // namespace

// Which links carry / and /usr: it matters to a unit, or somebody has asked.
bool Shell::asks_for_carriers() const {
    bool asks = asked_carriers_ || engine_->planner().conditions_index().asks_carriers();
    for (const auto& [ticket, wait] : truth_waits_) asks |= asks_what_it_carries(wait.condition);
    return asks;
}

void Shell::watch_links() {
    const WatchIndex& index = engine_->planner().conditions_index();
    std::set<std::string> addresses(asked_routes_.begin(), asked_routes_.end());
    if (asks_for_carriers()) addresses.merge(servers_of(engine_->world().mounts));
    for (const FactKey& key : index.facts(FactKind::RouteTo)) addresses.insert(key.name);
    bool asked = asked_links_ || !addresses.empty() || !index.facts(FactKind::NetworkOnline).empty();
    for (const auto& [ticket, wait] : truth_waits_)
        asked |= each_route(wait.condition, [&](const std::string& address) { addresses.insert(address); });
    if (!asked) return close_links();
    if (!links_) {
        auto links = LinkWatch::open(std::min(config_.receive_buffer, kReceiveBuffer));
        if (!links) {
            if (!std::exchange(links_failed_, true)) report(links.error(), Report::Level::Warning);
            return;
        }
        links_failed_ = false;
        links_.emplace(std::move(*links));
        links_lost_ = 0;
        loop_.on_readable(links_->fd(), "links", Loop::Priority::Events, [this] {
            read_links();
            turn_ended();
        });
    }
    links_->ask(std::move(addresses));
    read_on();
}

// What nobody follows is not known any more.
void Shell::close_links() {
    if (!links_) return;
    loop_.forget(links_->fd());
    links_.reset();
    if (engine_->world().links.known) feed(LinksSeen{});
}

// False: there is no more to read now.
bool Shell::read_links() {
    LinkWatch::Step step = links_->read(kMessagesPerTurn);
    if (uint64_t lost = links_->counters().lost; std::exchange(links_lost_, lost) != lost) {
        ++all_links_lost_;
        report(Report::Level::Warning, "", "messages about links were lost: all of them are listed again");
    }
    if (auto news = links_->take_news()) feed(*news);
    if (step == LinkWatch::Step::Failed) {
        report(links_->trouble(), Report::Level::Error);
        close_links();
    }
    if (step == LinkWatch::Step::More) read_on();
    return step == LinkWatch::Step::More;
}

// The kernel says that a link is gone before it announces the end of its device, and of a new one after its
// device was announced (unregister_netdevice_many(), register_netdevice() in net/core/dev.c). In this order a
// device never gets the link of the one that had its index before.
void Shell::read_links_first() {
    for (int i = 0; i < kTurnsFirst && links_ && read_links(); ++i) {}
}

// True: it asks for the first time.
bool Shell::ask_links(const Condition& condition) {
    bool fresh = false;
    bool asks = each_route(condition, [&](const std::string& address) {
        if (std::find(asked_routes_.begin(), asked_routes_.end(), address) != asked_routes_.end()) return;
        asked_routes_.push_back(address);
        if (asked_routes_.size() > kAskedRoutes) asked_routes_.pop_front();
        fresh = true;
    });
    if (asks && !std::exchange(asked_links_, true)) fresh = true;
    if (asks_what_it_carries(condition) && !std::exchange(asked_carriers_, true)) fresh = true;
    return fresh;
}

bool Shell::waits_for_links(const Condition& condition) const {
    const KnownLinks& known = engine_->world().links;
    bool unknown = !known.known;
    bool asks = each_route(condition, [&](const std::string& address) { unknown |= !known.routes.contains(address); });
    if (asks_what_it_carries(condition)) {
        asks = true;
        unknown |= !engine_->world().carriers.known;
        if (engine_->world().carriers.carried.empty()) unknown = !engine_->world().carriers.mounts;
        if (!engine_->world().carriers.mounts) return true;  // first come the mounts, and then the links
    }
    return asks && unknown && links_.has_value();
}

}  // namespace devmux

// See read_queue.h. A list keeps the order, and its nodes stay where they are, so that the map can
// point at them by the devpath that they own.
#include "engine/intake/read_queue.h"

#include <utility>

namespace devmux {
namespace {

// `more` was asked of the device of `request`, which has not begun. Its devpath stays as it is: the
// map's key is a view of it.
void join(ReadRequest& request, ReadRequest more) {
    if (request.kind == ReadRequest::Kind::Look) return;
    request.kind = more.kind;
    request.subsystem = std::move(more.subsystem);
}

}  // namespace

void ReadQueue::attributes(std::string devpath, std::string_view subsystem) {
    add({ReadRequest::Kind::Attributes, std::move(devpath), std::string(subsystem)});
}

void ReadQueue::look(std::string devpath) {
    add({ReadRequest::Kind::Look, std::move(devpath), ""});
}

void ReadQueue::walk() { walk_ = true; }

void ReadQueue::add(ReadRequest request) {
    if (auto busy = under_way_.find(request.devpath); busy != under_way_.end()) {
        std::optional<ReadRequest>& next = busy->second;
        if (next) join(*next, std::move(request));
        else next = std::move(request);
        return;
    }
    if (auto known = by_devpath_.find(request.devpath); known != by_devpath_.end()) {
        join(*known->second, std::move(request));
        return;
    }
    if (waiting_.size() == most_) return drop();
    ReadRequest& added = waiting_.emplace_back(std::move(request));
    by_devpath_.emplace(added.devpath, &added);
}

void ReadQueue::drop() {
    by_devpath_.clear();
    waiting_.clear();
    for (auto& [_, next] : under_way_) next.reset();
    walk();
}

size_t ReadQueue::ready() const { return waiting_.size() + (walk_ && !walking_ ? 1 : 0); }

std::optional<ReadRequest> ReadQueue::begin() {
    if (walk_ && !walking_ && (waiting_.empty() || before_walk_ >= kBeforeWalk)) {
        walk_ = false;
        walking_ = true;
        before_walk_ = 0;
        return ReadRequest{};
    }
    if (waiting_.empty()) return std::nullopt;
    if (walk_) ++before_walk_;
    by_devpath_.erase(waiting_.front().devpath);
    ReadRequest request = std::move(waiting_.front());
    waiting_.pop_front();
    under_way_.emplace(request.devpath, std::nullopt);
    return request;
}

void ReadQueue::end(const ReadRequest& request) {
    if (request.kind == ReadRequest::Kind::Walk) {
        walking_ = false;
        return;
    }
    auto ended = under_way_.extract(request.devpath);
    if (ended.mapped()) add(std::move(*ended.mapped()));
}

}  // namespace devmux

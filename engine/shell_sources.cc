// The sockets that events come from: opened, read in turns, switched on and off.
#include "conditions/text.h"
#include "engine/shell.h"

namespace devmux {
namespace {

// Messages of one turn of the loop: then jobs that ended are looked at before more are begun.
constexpr int kMessagesPerTurn = 64;
// … and of the kernel's before one of udev's, so that a storm does not end udev's turn for good.
constexpr int kKernelFirst = 4096;

InDoubt::Why loss_of(Transport via, Received::Kind kind) {
    if (via == Transport::Udev) return InDoubt::Why::Udev;
    return kind == Received::Kind::Overrun ? InDoubt::Why::Overrun : InDoubt::Why::Truncated;
}

}  // namespace

std::optional<Error> Shell::open_source(Transport via) {
    int fd = -1;
    if (via == Transport::Kernel) {
        auto socket = NetlinkSource::open_uevent_socket(config_.receive_buffer);
        if (!socket) return socket.error();
        netlink_.emplace(*socket);
        fd = netlink_->fd();
    } else if (via == Transport::Udev) {
        auto monitor = UdevMonitor::open(config_.receive_buffer);
        if (!monitor) return monitor.error();
        monitor_.emplace(std::move(*monitor));
        fd = monitor_->fd();
    } else {
        if (!runtime_)
            return Error{.where = {}, .what = "a dry run has no place of its own to listen for helpers", .source = "",
                         .caret = -1, .hint = "start devmuxd without --dry-run, with a --runtime-dir of its own"};
        auto socket = HotplugSocket::open(runtime_->path() + "/hotplug");
        if (!socket) return socket.error();
        hotplug_.emplace(std::move(*socket));
        fd = hotplug_->fd();
    }
    loop_.on_readable(fd, std::string(to_string(via)), Loop::Priority::Events, [this, via] {
        read_source(via);
        turn_ended();
    });
    return std::nullopt;
}

void Shell::close_source(Transport via) {
    if (!is_open(via)) return;
    lost_[static_cast<size_t>(via)].reset();
    behind_.erase(via);
    switch (via) {
        case Transport::Kernel: loop_.forget(netlink_->fd()), netlink_.reset(); return;
        case Transport::Udev: loop_.forget(monitor_->fd()), monitor_.reset(); return;
        case Transport::Hotplug: loop_.forget(hotplug_->fd()), hotplug_.reset(); return;
    }
}

// libudev hears nothing where it was opened before udevd was there (udev.h).
void Shell::open_monitor() {
    close_source(Transport::Udev);
    if (auto error = open_source(Transport::Udev)) report(*error, Report::Level::Warning);
}

bool Shell::is_open(Transport via) const {
    return via == Transport::Kernel ? netlink_.has_value()
           : via == Transport::Udev ? monitor_.has_value() : hotplug_.has_value();
}

bool& Shell::switch_of(Transport via) {
    return via == Transport::Kernel ? config_.sources.kernel
           : via == Transport::Udev ? config_.sources.udev : config_.sources.hotplug;
}

bool Shell::next(Transport via, Received& received) {
    switch (via) {
        case Transport::Kernel: return netlink_->next(received);
        case Transport::Udev: return monitor_->next(received);
        case Transport::Hotplug: return hotplug_->next(received);
    }
    return false;
}

void Shell::read_source(Transport via) {
    for (int i = 0; i < kMessagesPerTurn; ++i) {
        Received received;
        if (!is_open(via)) return;
        if (next(via, received)) {
            // What udev has processed, the kernel announced before: in this order it is taken in.
            if (via == Transport::Udev && received.kind == Received::Kind::Message) read_kernel_empty();
            if (!take(via, received)) return;
        } else if (received.kind == Received::Kind::Failed) {
            std::string name(to_string(via));
            report(Report::Level::Error, "", "the socket of the source " + name + " failed: " + received.why +
                                                 "; the source is off until \"devmux source " + name + " on\"");
            close_source(via);
            switch_of(via) = false;
            if (behind_.empty()) caught_up();
            return;
        } else {
            return source_empty(via);
        }
    }
    read_on();
}

// Also those that have nothing to say now, and are therefore read empty.
void Shell::read_all() {
    for (Transport via : {Transport::Kernel, Transport::Udev, Transport::Hotplug})
        if (is_open(via)) read_source(via);
    if (links_) read_links();
}

void Shell::read_kernel_empty() {
    Received received;
    for (int i = 0; i < kKernelFirst && netlink_ && netlink_->next(received); ++i)
        if (!take(Transport::Kernel, received)) return;
    // Its loss has been told, and nothing wakes us for a socket that is empty.
    if (lost_[static_cast<size_t>(Transport::Kernel)]) read_on();
}

void Shell::read_on() {
    loop_.once_more([this] {
        read_all();
        turn_ended();
    });
}

// False when the socket is not to be read on.
bool Shell::take(Transport via, const Received& received) {
    switch (received.kind) {
        case Received::Kind::Message: take_message(received.message, via); break;
        case Received::Kind::Truncated:
            report(Report::Level::Warning, "", received.why);
            // A helper's datagram that is too long is nobody's event: the kernel has none like it.
            if (via == Transport::Hotplug) break;
            [[fallthrough]];
        case Received::Kind::Overrun: lost_[static_cast<size_t>(via)] = loss_of(via, received.kind); break;
        case Received::Kind::Refused:
            if (worth_telling(++refused_))
                report(Report::Level::Warning, "", "an event for the source " + std::string(to_string(via)) +
                           " was refused: " + received.why + " (" + std::to_string(refused_) + " so far)");
            break;
        case Received::Kind::Failed:
        case Received::Kind::Empty: return false;
    }
    return true;
}

// After a loss: what the socket still had is in, and sysfs says the rest.
void Shell::source_empty(Transport via) {
    if (auto why = std::exchange(lost_[static_cast<size_t>(via)], std::nullopt)) {
        doubt(*why);
        return;
    }
    if (behind_.erase(via) > 0 && behind_.empty()) caught_up();
}

std::optional<Error> Shell::set_source(const std::string& name, bool on) {
    auto switch_to = [&](Transport via) -> std::optional<Error> {
        bool& flag = switch_of(via);
        if (std::exchange(flag, on) == on) return std::nullopt;
        if (!on) {
            close_source(via);
        } else if (auto error = open_source(via)) {
            flag = false;
            return error;
        }
        if (via == Transport::Udev) {
            feed(look_at_udev());
            watch_files();  // its control socket
        }
        if (on) doubt(InDoubt::Why::Switched);
        else if (behind_.empty()) caught_up();
        return std::nullopt;
    };
    std::optional<Error> error;
    if (name == "kernel") error = switch_to(Transport::Kernel);
    else if (name == "udev") error = switch_to(Transport::Udev);
    else if (name == "hotplug") error = switch_to(Transport::Hotplug);
    else if (name == "coldplug") {
        if (!std::exchange(config_.sources.coldplug, on) && on) walk();
    } else {
        error = Error{.where = {}, .what = quoted(printable(name)) + " is no source of events", .source = "",
                      .caret = -1, .hint = "there are kernel, udev, hotplug and coldplug"};
    }
    if (!error) report(Report::Level::Info, "", "the source " + name + " is " + (on ? "on" : "off"));
    turn_ended();
    return error;
}

}  // namespace devmux

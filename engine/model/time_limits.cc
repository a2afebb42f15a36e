// See time_limits.h.
#include "engine/model/time_limits.h"

#include <algorithm>
#include <array>
#include <utility>

#include "conditions/text.h"

namespace devmux {
namespace {

using Then = TimeLimits::Then;
using MaybeError = std::optional<Error>;

constexpr std::array<std::pair<Then, std::string_view>, 3> kThen{
    {{Then::Warn, "warn"}, {Then::Terminate, "terminate"}, {Then::Kill, "kill"}}};
constexpr size_t kDriversMax = 64;

MaybeError read_limit(const Node& n, std::optional<Duration>& out) {
    if (auto error = read_duration(n, out.emplace())) return error;
    if (*out > Duration{}) return std::nullopt;
    return error_at(n, "expected more than no time at all, found " + described(n), "leave the key out for 5 minutes");
}

MaybeError read_then(const Node& n, Then& out) {
    for (const auto& [then, word] : kThen)
        if (n.kind == Node::Kind::Scalar && n.text == word) return out = then, std::nullopt;
    return error_at(n, "expected warn, terminate or kill, found " + described(n),
                    "warn only tells; terminate sends SIGTERM; kill sends SIGKILL 10s after that");
}

// The kernel's longest name of a module has 55 characters (MODULE_NAME_LEN); drivers of buses have no limit.
bool can_be_driver(const std::string& name) {
    return !name.empty() && name.size() <= 64 && std::all_of(name.begin(), name.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               std::string_view("._:+-").find(c) != std::string_view::npos;
    });
}

MaybeError read_drivers(const Node& n, std::map<std::string, Duration>& out) {
    if (n.kind != Node::Kind::Map)
        return error_at(n, "expected a map of drivers, found " + described(n), "drivers: {NAME: never}, or a duration");
    if (n.entries.size() > kDriversMax) return error_at(n, "more than " + std::to_string(kDriversMax) + " drivers");
    for (const auto& [key, value] : n.entries) {
        if (!can_be_driver(key.text))
            return error_at(key, "expected the name of a driver or module, found " + described(key),
                            "lsmod and /sys/bus/*/drivers show them");
        std::string name = driver_name(key.text);
        if (out.contains(name)) return error_at(key, described(key) + " stands here twice: - and _ are the same");
        if (value.kind == Node::Kind::Scalar && value.text == "never") {
            out[name] = kNever;
            continue;
        }
        std::optional<Duration> limit;
        if (auto error = read_limit(value, limit)) {
            error->hint = "never, or a number and its unit: 20m";
            return error;
        }
        out[name] = *limit;
    }
    return std::nullopt;
}

}  // namespace

std::string_view to_string(Then then) {
    return kThen.at(static_cast<size_t>(then)).second;
}

std::string driver_name(std::string_view name) {
    std::string out(name);
    std::replace(out.begin(), out.end(), '-', '_');
    return out;
}

MaybeError read_time_limits(const Node& node, TimeLimits& out) {
    if (node.kind != Node::Kind::Map)
        return error_at(node, "expected {start: 2m, then: warn, …}, found " + described(node),
                        "its keys are start, stop, shutdown, warn, then, drivers");
    Errors errors = read_fields(node, {{"start", [&](const Node& n) { return read_limit(n, out.start); }},
                                       {"stop", [&](const Node& n) { return read_limit(n, out.stop); }},
                                       {"shutdown", [&](const Node& n) { return read_limit(n, out.shutdown); }},
                                       {"warn", [&](const Node& n) { return read_limit(n, out.warn); }},
                                       {"then", [&](const Node& n) { return read_then(n, out.then); }},
                                       {"drivers", [&](const Node& n) { return read_drivers(n, out.drivers); }}},
                                "timeout");
    if (!errors.empty()) return errors[0];
    return std::nullopt;
}

std::string time_limits_text(const TimeLimits& limits) {
    std::string out;
    auto put = [&](std::string_view key, const std::string& value) {
        out += (out.empty() ? "" : ", ") + std::string(key) + ": " + value;
    };
    if (limits.start) put("start", to_string(*limits.start));
    if (limits.stop) put("stop", to_string(*limits.stop));
    if (limits.shutdown) put("shutdown", to_string(*limits.shutdown));
    if (limits.warn) put("warn", to_string(*limits.warn));
    if (limits.then != Then::Warn) put("then", std::string(to_string(limits.then)));
    std::string drivers;
    for (const auto& [name, limit] : limits.drivers)
        drivers += (drivers.empty() ? "'" : ", '") + name + "': " + (limit == kNever ? "never" : to_string(limit));
    if (!drivers.empty()) put("drivers", "{" + drivers + "}");
    return "{" + out + "}";
}

}  // namespace devmux

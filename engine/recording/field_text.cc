// See field_text.h.
#include "engine/recording/field_text.h"

#include <array>
#include <limits>

namespace devmux {
namespace {

constexpr std::array<std::string_view, 3> kPresences{"absent", "down", "running"};

bool read_generation(const std::vector<std::string_view>& words, size_t at, Generation& value) {
    if (words.size() != at + 3) return false;
    return read_field(words[at], value.inode) && read_field(words[at + 1], value.ifindex) &&
           read_field(words[at + 2], value.diskseq);
}

template <class T>
bool take(std::optional<T> read, T& value) {
    if (read) value = *read;
    return read.has_value();
}

}  // namespace

std::string field_text(uint64_t value) { return std::to_string(value); }
std::string field_text(const std::set<uint64_t>& value) {
    std::string out;
    for (uint64_t number : value) out += (out.empty() ? "" : " ") + std::to_string(number);
    return out;
}
std::string field_text(Time value) { return seconds_text(value); }
std::string field_text(const std::string& value) { return escaped(value); }
std::string field_text(Truth value) { return to_string(value); }
std::string field_text(Wanted value) { return std::string(to_string(value)); }
std::string field_text(Actual value) { return std::string(to_string(value)); }
std::string field_text(Hold value) { return std::string(to_string(value)); }
std::string field_text(Asker value) { return std::string(to_string(value)); }
std::string field_text(Owed value) { return std::string(to_string(value)); }
std::string field_text(UdevPresence value) { return std::string(kPresences[static_cast<size_t>(value)]); }
std::string field_text(const Generation& g) {
    return std::to_string(g.inode) + " " + std::to_string(g.ifindex) + " " + std::to_string(g.diskseq);
}
std::string field_text(const Witness& value) {
    return escaped_word(value.devpath) + " " + field_text(value.generation);
}
std::string field_text(Verb value) { return std::string(to_string(value)); }
std::string field_text(JobLimits::Stage value) { return std::string(to_string(value)); }

bool read_field(std::string_view text, uint64_t& value) { return take(number_of(text), value); }
bool read_field(std::string_view text, unsigned& value) {
    auto n = number_of(text);
    if (!n || *n > std::numeric_limits<unsigned>::max()) return false;
    value = static_cast<unsigned>(*n);
    return true;
}
bool read_field(std::string_view text, std::set<uint64_t>& value) {
    for (std::string_view word : words_of(text)) {
        auto number = number_of(word);
        if (!number) return false;
        value.insert(*number);
    }
    return true;
}
bool read_field(std::string_view text, Time& value) { return take(seconds_of(text), value); }
bool read_field(std::string_view text, std::string& value) { return take(unescaped(text), value); }
bool read_field(std::string_view text, Truth& value) {
    for (Truth truth : {Truth::False, Truth::Unknown, Truth::True})
        if (text == to_string(truth)) return value = truth, true;
    return false;
}
bool read_field(std::string_view text, Wanted& value) { return take(wanted_of(text), value); }
bool read_field(std::string_view text, Actual& value) { return take(actual_of(text), value); }
bool read_field(std::string_view text, Hold& value) { return take(hold_of(text), value); }
bool read_field(std::string_view text, Asker& value) { return take(asker_of(text), value); }
bool read_field(std::string_view text, Owed& value) { return take(owed_of(text), value); }
bool read_field(std::string_view text, JobLimits::Stage& value) { return take(stage_of(text), value); }
bool read_field(std::string_view text, Verb& value) {
    for (Verb verb : {Verb::Start, Verb::Stop, Verb::Run, Verb::Reload})
        if (text == to_string(verb)) return value = verb, true;
    return false;
}
bool read_field(std::string_view text, UdevPresence& value) {
    for (size_t i = 0; i < kPresences.size(); ++i)
        if (text == kPresences[i]) return value = static_cast<UdevPresence>(i), true;
    return false;
}
bool read_field(std::string_view text, Generation& value) { return read_generation(words_of(text), 0, value); }
bool read_field(std::string_view text, Witness& value) {
    std::vector<std::string_view> words = words_of(text);
    return !words.empty() && read_field(words[0], value.devpath) && read_generation(words, 1, value.generation);
}

}  // namespace devmux

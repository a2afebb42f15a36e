// The fields of a line of the saved state (record_text.h), read one after the other: each ends with a tab, and a dot
// ends the line.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "conditions/facts.h"
#include "conditions/text.h"

namespace devmux {

// The first field that is wrong spoils the line.
class Fields {
  public:
    explicit Fields(std::string_view line) : rest_(line) {}

    std::string_view raw() {
        size_t tab = rest_.find('\t');
        if (tab == rest_.npos) {
            good_ = false;
            return {};
        }
        std::string_view field = rest_.substr(0, tab);
        rest_.remove_prefix(tab + 1);
        return field;
    }
    std::string text() {
        std::string_view field = raw();
        std::string out;
        out.reserve(field.size());
        for (size_t i = 0; i < field.size(); ++i) {
            if (field[i] != '\\') {
                out += field[i];
                continue;
            }
            char next = ++i < field.size() ? field[i] : '\0';
            if (next != 't' && next != 'n' && next != '0' && next != '\\') good_ = false;
            out += next == 't' ? '\t' : next == 'n' ? '\n' : next == '0' ? '\0' : '\\';
        }
        return out;
    }
    std::string name() {
        std::string out = text();
        if (out.empty()) good_ = false;
        return out;
    }
    uint64_t number(uint64_t max = std::numeric_limits<uint64_t>::max()) {
        auto value = number_of(raw());
        if (value && *value <= max) return *value;
        good_ = false;
        return 0;
    }
    std::vector<uint64_t> numbers() {
        std::vector<uint64_t> out;
        for (std::string_view rest = raw(); !rest.empty() && good_;) {
            std::string_view word = rest.substr(0, rest.find(' '));
            rest.remove_prefix(std::min(word.size() + 1, rest.size()));
            auto value = number_of(word);
            if (value) out.push_back(*value);
            else good_ = false;
        }
        return out;
    }
    Generation generation() {
        Generation out;
        out.inode = number();
        out.ifindex = number();
        out.diskseq = number();
        return out;
    }
    template <class T>
    T word(std::optional<T> (*of)(std::string_view)) {
        std::optional<T> value = of(raw());
        if (!value) good_ = false;
        return value.value_or(T{});
    }
    // Nothing was wrong, and the line's end stands where it should.
    bool whole() const { return good_ && rest_ == "."; }

  private:
    std::string_view rest_;
    bool good_ = true;
};

}  // namespace devmux

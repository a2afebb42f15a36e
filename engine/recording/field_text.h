// Single values of a checkpoint as text, and back; and a visitor for each direction, so that the fields
// of a struct are listed once: fields(struct, visitor).
#pragma once

#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "conditions/evaluate.h"
#include "engine/plan/job_limits.h"
#include "engine/plan/unit_state.h"
#include "engine/recording/device_text.h"

namespace devmux {

std::string field_text(uint64_t value);
std::string field_text(const std::set<uint64_t>& value);
std::string field_text(Time value);
std::string field_text(const std::string& value);
std::string field_text(Truth value);
std::string field_text(Wanted value);
std::string field_text(Actual value);
std::string field_text(Hold value);
std::string field_text(Asker value);
std::string field_text(Owed value);
std::string field_text(UdevPresence value);
std::string field_text(const Generation& value);
std::string field_text(const Witness& value);
std::string field_text(Verb value);
std::string field_text(JobLimits::Stage value);

// False where the text says no such value.
bool read_field(std::string_view text, uint64_t& value);
bool read_field(std::string_view text, unsigned& value);
bool read_field(std::string_view text, std::set<uint64_t>& value);
bool read_field(std::string_view text, Time& value);
bool read_field(std::string_view text, std::string& value);
bool read_field(std::string_view text, Truth& value);
bool read_field(std::string_view text, Wanted& value);
bool read_field(std::string_view text, Actual& value);
bool read_field(std::string_view text, Hold& value);
bool read_field(std::string_view text, Asker& value);
bool read_field(std::string_view text, Owed& value);
bool read_field(std::string_view text, UdevPresence& value);
bool read_field(std::string_view text, Generation& value);
bool read_field(std::string_view text, Witness& value);
bool read_field(std::string_view text, Verb& value);
bool read_field(std::string_view text, JobLimits::Stage& value);

// Writes what is not as it is by default.
class FieldWriter {
  public:
    explicit FieldWriter(std::string& out) : out_(out) {}
    template <class T>
    void operator()(const char* key, const T& value, const T& usual = T{}) const {
        if (!(value == usual)) out_ += std::string("  ") + key + "=" + field_text(value) + "\n";
    }
    void operator()(const char* key, const bool& value, const bool& usual = false) const {
        if (value != usual) out_ += std::string("  ") + key + (value ? "\n" : "=no\n");
    }
    template <class T>
    void operator()(const char* key, const std::optional<T>& value) const {
        if (value) out_ += std::string("  ") + key + "=" + field_text(*value) + "\n";
    }

  private:
    std::string& out_;
};

// Reads the one field that a line is about.
class FieldReader {
  public:
    FieldReader(std::string_view key, std::string_view text) : key_(key), text_(text) {}
    template <class T>
    void operator()(const char* key, T& value, const T& = T{}) {
        if (key_ == key) known_ = true, good_ = read_field(text_, value);
    }
    void operator()(const char* key, bool& value, const bool& = false) {
        if (key_ == key) known_ = true, value = text_ != "no";
    }
    template <class T>
    void operator()(const char* key, std::optional<T>& value) {
        if (key_ == key) known_ = true, good_ = read_field(text_, value.emplace());
    }
    bool known() const { return known_; }
    bool good() const { return good_; }

  private:
    std::string_view key_, text_;
    bool known_ = false, good_ = true;
};

}  // namespace devmux

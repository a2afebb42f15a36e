// Secrets and what is said in their place: of the same length, letters for letters and digits for digits,
// the same for all spellings of one secret, also within a longer one, and never the same for two.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace devmux {

inline bool is_hex(char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }
inline bool is_word(char c) { return is_hex(c) || (c >= 'g' && c <= 'z') || (c >= 'G' && c <= 'Z'); }
// Whether "enx" or its like stands in front: udev names an interface so by its address.
bool behind_prefix(std::string_view text, size_t at);

class Pseudonyms {
  public:
    // One of fewer than four characters is none: it would be found everywhere. Nor are zeros.
    void add(std::string_view secret);
    // What stands in this text as a whole word stays as it is, in all of its spellings. Behind the last add().
    void keep(std::string_view text);
    // Gives each its pseudonym. Behind the last keep().
    void finish();

    // Prose, in which numbers and lower-case words are not secrets unless they stand in a path.
    enum class In { Value, Prose };
    std::string replaced(std::string_view text, In where = In::Value) const;
    // A secret of its own, wherever else it stands.
    std::string alone(std::string_view secret);

  private:
    static constexpr size_t kHead = 4;
    static constexpr size_t kAnywhere = 12;  // a shorter one counts where it stands for itself
    static uint32_t head(std::string_view text);
    static std::string bare(std::string_view secret);
    static bool stands(std::string_view text, size_t at, size_t size);
    uint64_t number_of(std::string_view secret);
    std::string pseudonym(const std::string& secret);
    template <class Visit>
    void each_at(std::string_view text, size_t at, const Visit& visit) const;

    std::unordered_map<std::string_view, std::string> secrets_;  // views into found_
    std::set<std::string, std::less<>> found_;
    std::unordered_map<uint32_t, std::set<size_t, std::greater<>>> lengths_;  // by the first four characters
    std::set<std::string> kept_, used_;
    std::map<std::string, uint64_t> numbers_;
    uint64_t last_ = 0;
};

}  // namespace devmux

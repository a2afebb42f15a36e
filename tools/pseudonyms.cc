// See pseudonyms.h. What is looked for at a place of a text is found by its first four characters and the
// few lengths that secrets with these have: the time grows with the text, not with the secrets.
#include "tools/pseudonyms.h"

#include <algorithm>
#include <cstring>

namespace devmux {
namespace {

constexpr size_t kShortNumber = 8;

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_high(char c) { return static_cast<unsigned char>(c) >= 0x80; }
// Of a condition's WORD, and of names.
bool is_name(char c) { return is_word(c) || c == '_' || c == '-' || c == '.' || c == ':' || c == '@'; }

// How many characters an escape of a trace has here; 0: there is none.
size_t escape_at(std::string_view text, size_t at) {
    if (text[at] != '\\') return 0;
    size_t size = at + 1 < text.size() && text[at + 1] == 'x' ? 4 : 2;
    return std::min(size, text.size() - at);
}

// May also be what the engine says of itself.
bool is_plain(std::string_view secret) {
    return std::all_of(secret.begin(), secret.end(), [](char c) { return c >= 'a' && c <= 'z'; }) ||
           (secret.size() < kShortNumber && std::all_of(secret.begin(), secret.end(), is_digit));
}

bool in_path(std::string_view text, size_t at) {
    size_t begin = text.rfind(' ', at) + 1, end = std::min(text.find(' ', at), text.size());
    return text.substr(begin, end - begin).find('/') != text.npos;
}

}  // namespace

bool behind_prefix(std::string_view text, size_t at) {
    if (at < 3 || (at > 3 && is_word(text[at - 4]))) return false;
    std::string_view prefix = text.substr(at - 3, 3);
    return prefix == "enx" || prefix == "wlx" || prefix == "wwx" || prefix == "slx";
}

uint32_t Pseudonyms::head(std::string_view text) {
    uint32_t out = 0;
    std::memcpy(&out, text.data(), sizeof out);
    return out;
}

// What all spellings have in common.
std::string Pseudonyms::bare(std::string_view secret) {
    std::string out;
    for (char c : secret)
        if (is_word(c) || is_high(c)) out += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    return out;
}

bool Pseudonyms::stands(std::string_view text, size_t at, size_t size) {
    size_t end = at + size;
    return size >= kAnywhere || ((at == 0 || !is_word(text[at - 1])) && (end == text.size() || !is_word(text[end])));
}

void Pseudonyms::add(std::string_view secret) {
    auto blank = [](char c) { return c == ' ' || c == '"'; };
    while (!secret.empty() && blank(secret.front())) secret.remove_prefix(1);
    while (!secret.empty() && blank(secret.back())) secret.remove_suffix(1);
    if (secret.size() < kHead || secret.find_first_not_of("0:- ._/") == secret.npos) return;
    auto added = found_.emplace(secret);
    if (added.second) lengths_[head(secret)].insert(secret.size());
}

// The longest first.
template <class Visit>
void Pseudonyms::each_at(std::string_view text, size_t at, const Visit& visit) const {
    if (at + kHead > text.size()) return;
    auto lengths = lengths_.find(head(text.substr(at)));
    if (lengths == lengths_.end()) return;
    for (size_t size : lengths->second)
        if (at + size <= text.size() && visit(text.substr(at, size))) return;
}

void Pseudonyms::keep(std::string_view text) {
    for (size_t at = 0; at < text.size(); ++at) {
        bool begins = at == 0 || !is_name(text[at - 1]) || behind_prefix(text, at);
        if (!begins) continue;
        each_at(text, at, [&](std::string_view found) {
            size_t end = at + found.size();
            if ((end == text.size() || !is_name(text[end])) && found_.contains(found)) kept_.insert(bare(found));
            return false;
        });
    }
}

// A number that gives a pseudonym which is neither the secret itself nor that of another.
uint64_t Pseudonyms::number_of(std::string_view secret) {
    std::string word = bare(secret);
    auto known = numbers_.find(word);
    if (known != numbers_.end()) return known->second;
    std::string other;
    for (int tries = 0; tries < 100; ++tries) {
        numbers_[word] = ++last_;
        other = pseudonym(word);
        if (other != word && used_.insert(other).second) break;
    }
    return last_;
}

std::string Pseudonyms::pseudonym(const std::string& secret) {
    uint64_t state = 0x9e3779b97f4a7c15U * (number_of(secret) + 1);
    auto next = [&] {
        state ^= state << 13, state ^= state >> 7, state ^= state << 17;
        return state >> 11;
    };
    std::string out = secret;
    unsigned letters = std::all_of(secret.begin(), secret.end(), [](char c) { return is_hex(c) || (!is_word(c) && !is_high(c)); }) ? 6 : 26;
    for (size_t i = 0; i < out.size(); ++i) {
        if (size_t escape = escape_at(out, i)) {  // it stays what it is
            i += escape - 1;
            continue;
        }
        char c = out[i];
        if (!is_word(c) && !is_high(c)) continue;
        uint64_t n = next();
        if (is_digit(c)) out[i] = static_cast<char>('0' + n % 10);
        else if (c >= 'A' && c <= 'Z') out[i] = static_cast<char>('A' + n % letters);
        else out[i] = static_cast<char>('a' + n % letters);
    }
    // The shorter ones in it have theirs already, and keep them.
    for (size_t at = 0; at < secret.size();) {
        size_t size = 0;
        each_at(secret, at, [&](std::string_view found) {
            auto shorter = found.size() < secret.size() ? secrets_.find(found) : secrets_.end();
            if (shorter == secrets_.end() || !stands(secret, at, found.size())) return false;
            out.replace(at, found.size(), shorter->second);
            size = found.size();
            return true;
        });
        at += std::max<size_t>(size, 1);
    }
    return out;
}

void Pseudonyms::finish() {
    std::vector<std::string_view> secrets;
    for (const std::string& secret : found_)
        if (!kept_.contains(bare(secret))) secrets.push_back(secret);
    std::stable_sort(secrets.begin(), secrets.end(), [](auto a, auto b) { return a.size() < b.size(); });
    for (std::string_view secret : secrets) {
        std::string other = pseudonym(std::string(secret));
        secrets_.emplace(secret, std::move(other));
    }
}

std::string Pseudonyms::alone(std::string_view secret) { return pseudonym(std::string(secret)); }

std::string Pseudonyms::replaced(std::string_view text, In where) const {
    std::string out;
    out.reserve(text.size());
    for (size_t at = 0; at < text.size();) {
        size_t size = 0;
        each_at(text, at, [&](std::string_view found) {
            auto secret = secrets_.find(found);
            if (secret == secrets_.end() || !stands(text, at, found.size())) return false;
            if (where == In::Prose && is_plain(found) && !in_path(text, at)) return false;
            out += secret->second;
            size = found.size();
            return true;
        });
        if (size == 0) {
            size = std::max<size_t>(escape_at(text, at), 1);
            out += text.substr(at, size);
        }
        at += size;
    }
    return out;
}

}  // namespace devmux

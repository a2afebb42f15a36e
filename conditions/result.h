// The one error type of the project, and the value that carries it.
//
// A bug is an assertion. Everything else that can go wrong while a text is read is an Error: what
// was wrong, where, and what to do next. Libraries never print: whoever called decides.
#pragma once

#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace devmux {

// A place in a file. Lines and columns count from 1; 0 means "the file as a whole".
struct Mark {
    std::string file;
    int line = 0;
    int column = 0;
};

struct Error {
    Mark where;
    std::string what;    // what was found, and what was expected instead
    std::string source;  // the line of text that the caret points into; may be empty
    int caret = -1;      // byte offset into `source`; -1: no caret
    std::string hint;    // the next step: "did you mean …"; may be empty

    // "FILE:LINE:COLUMN: what", then the source with its caret and the hint, each on its line.
    std::string to_string() const;
};

using Errors = std::vector<Error>;

// Either a T or an Error. `[[nodiscard]]`: an error that nobody looks at is a bug.
template <class T>
class [[nodiscard]] Result {
  public:
    Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}  // NOLINT: implicit by design
    Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}  // NOLINT

    explicit operator bool() const { return state_.index() == 0; }
    T& operator*() { return std::get<0>(state_); }
    const T& operator*() const { return std::get<0>(state_); }
    T* operator->() { return &std::get<0>(state_); }
    const T* operator->() const { return &std::get<0>(state_); }
    const Error& error() const { return std::get<1>(state_); }
    Error& error() { return std::get<1>(state_); }

  private:
    std::variant<T, Error> state_;
};

}  // namespace devmux

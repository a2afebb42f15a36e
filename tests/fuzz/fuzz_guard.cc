// What anybody who may connect can say to the guard's socket, and what may stand in a claim: a question has a
// name that a unit can have, and both ends agree on which those are.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "engine/model/unit_file.h"
#include "engine/run/claims.h"
#include "engine/run/guard_socket.h"
#include "tools/guard/question.h"

using namespace devmux;

namespace {

void must(bool holds) {
    if (!holds) abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    std::string_view text(reinterpret_cast<const char*>(data), size);
    if (auto question = guard_question(text)) {
        must(is_unit_name(question->unit) && guard_name_is_good(question->unit.c_str()));
        must(!(question->again && question->stop));
        std::string word = question->stop ? "1 stop " : question->again ? "1 again " : "1 start ";
        must(text == word + question->unit);
    }
    std::string name(text.substr(0, text.find('\0')));
    must(guard_name_is_good(name.c_str()) == is_unit_name(name));
    if (auto claim = claim_of(text, "b")) {
        must(claim->pid > 1 && claim->started >= Time{} && claim->started != kNever);
        must(text.starts_with("1 b "));
        must(!claim_of(text, "c"));
    }
    return 0;
}

// The other spelling of a condition: a YAML tree whose leaves are sentences.
//
//   when:
//     all:
//       - mouse
//       - any: [framebuffer, display]
//       - not: 'usb device[attr.idVendor = "dead"]'
//     for: 2s
#pragma once

#include "conditions/class_names.h"
#include "conditions/condition.h"
#include "conditions/document.h"
#include "conditions/grammar.h"
#include "conditions/result.h"

namespace devmux {

// A sentence or a tree. Errors carry the place in the file, the sentence and the caret.
Result<Condition> read_condition(const Node& node, const ClassNames& classes, const Usage& usage = {});

// Moves an error of a sentence to the place of the scalar that it was written in.
Error placed(Error error, const Node& scalar);

// Gives First and For nodes their memory slots again, in reading order: after trees were joined.
void renumber(Condition& condition);

}  // namespace devmux

// Cuts text into the pieces inside which merges happen. Each kind is one hand-written function that runs in linear time and
// loses no byte; invalid UTF-8 counts as symbols.
#pragma once

#include <functional>
#include <string_view>

#include "core/result.h"

namespace owlet {

using PieceVisitor = std::function<void(std::string_view)>;
using PreTokenizer = void (*)(std::string_view text, const PieceVisitor& visit);

// By name: "gpt2". Unknown names are refused with the known ones.
Result<PreTokenizer> find_pre_tokenizer(std::string_view name);

}  // namespace owlet

// From tokens to the tree.
#pragma once

#include "tokenizer/jinja/ast.h"
#include "tokenizer/jinja/lexer.h"

namespace owlet::jinja {

// Throws Failure that names the line.
Block parse(const std::string& source);

}  // namespace owlet::jinja

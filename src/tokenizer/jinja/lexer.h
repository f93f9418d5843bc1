// Cuts a template into text and tags, and tags into tokens, with Jinja's rules for white space as transformers sets
// them: trim_blocks and lstrip_blocks on, one newline at the very end dropped.
#pragma once

#include <string>
#include <vector>

namespace owlet::jinja {

struct Token {
  enum class Kind {
    kText,                   // template text between tags
    kPrintBegin, kPrintEnd,  // {{ }}
    kBlockBegin, kBlockEnd,  // {% %}
    kName, kString, kInteger, kFloat,
    kSymbol,                 // an operator or bracket
    kEnd,
  };
  Kind kind;
  std::string text;
  int line;
};

// Throws Failure that names the line.
std::vector<Token> tokenize(const std::string& source);

}  // namespace owlet::jinja

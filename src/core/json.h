// JSON from outside: nlohmann's value behind a guard that bounds depth and refuses duplicate keys, since the parser
// itself accepts 100,000 nested brackets and then overflows the stack when the value is copied or destroyed.
#pragma once

#include <nlohmann/json.hpp>
#include <string_view>

#include "core/result.h"

namespace owlet {

using Json = nlohmann::json;

// Holds a text against the grammar, the depth and the rule of no duplicate keys, and builds nothing. For readers of their own.
Status check_json(std::string_view text, int max_depth = 64);

// Parses one JSON document (RFC 8259, UTF-8). Errors name the byte offset.
Result<Json> parse_json(std::string_view text, int max_depth = 64);

// The JSON text of a value; invalid UTF-8 inside strings becomes U+FFFD instead of an exception.
std::string dump_json(const Json& value, int indent = -1);

// Typed look-ups that never throw: the error says which key and what was expected there.
Result<int64_t> get_int(const Json& object, std::string_view key);
Result<double> get_number(const Json& object, std::string_view key);
Result<std::string> get_string(const Json& object, std::string_view key);

}  // namespace owlet

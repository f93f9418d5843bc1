// What every reader of a part of tokenizer.json needs: members that may be absent, and errors that say what is wrong.
#pragma once

#include <string>
#include <string_view>

#include "core/json.h"

namespace owlet {

inline constexpr int kMaxStageDepth = 16;  // of sequences in sequences

// The member, or null where there is none.
inline const Json& member(const Json& object, std::string_view key) {
  static const Json null;
  if (!object.is_object()) return null;
  const auto it = object.find(key);
  return it == object.end() ? null : *it;
}

inline bool flag(const Json& object, std::string_view key, bool otherwise) {
  const Json& value = member(object, key);
  return value.is_boolean() ? value.get<bool>() : otherwise;
}

inline std::string text_or(const Json& object, std::string_view key, std::string_view otherwise) {
  const Json& value = member(object, key);
  return value.is_string() ? value.get<std::string>() : std::string(otherwise);
}

inline std::string type_of(const Json& object) { return object.is_null() ? "none" : text_or(object, "type", "?"); }

inline Error unsupported_stage(std::string_view part, std::string_view what) {
  return make_error(ErrorCode::kUnsupported, "the {} '{}' is not one that Owlet reads", part, what.substr(0, 300));
}

}  // namespace owlet

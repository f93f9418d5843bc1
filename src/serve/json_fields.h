// Reads the fields of one JSON object from outside. The first thing that is wrong is kept, with the field's
// name, and the rest is skipped; fields that nobody asked for are refused at the end. `null` counts as
// absent. The same reading, over a describing reader, writes down the object's JSON Schema: what is documented is what
// is read.
#pragma once

#include <initializer_list>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "core/json.h"
#include "serve/api_error.h"

namespace owlet {

class JsonFields {
 public:
  // `object` must be a JSON object and outlive this; `prefix` is put before names in messages.
  explicit JsonFields(const Json& object, std::string prefix = {})
      : object_(object), prefix_(std::move(prefix)) {}

  // A reader that reads nothing and adds to `properties` a schema of every field it is asked for.
  static JsonFields describing(Json& properties);
  bool describes() const { return properties_ != nullptr; }
  // The schema of a field that find() reads; does nothing where this reader reads.
  void describe(const std::string& name, Json schema);

  // Each leaves `value` alone where the field is absent.
  void number(const std::string& name, double least, double most, double& value);
  void integer(const std::string& name, int64_t least, int64_t most, int64_t& value);
  void boolean(const std::string& name, bool& value);
  void text(const std::string& name, std::string& value);

  const Json* find(const std::string& name);
  // Absent, false or empty is fine; anything else is refused.
  void refuse(const std::string& name);
  void allow_only(const std::string& name, std::initializer_list<std::string_view> values);
  void ignore(std::initializer_list<const char*> names);
  void refuse_unknown();

  void fail(std::string_view name, std::string_view why);
  void fail(ApiError error);
  const std::optional<ApiError>& error() const { return error_; }

 private:
  const Json& object_;
  Json* properties_ = nullptr;
  std::string prefix_;
  std::set<std::string> known_;
  std::optional<ApiError> error_;
};

}  // namespace owlet

#include "serve/json_fields.h"

#include <algorithm>

namespace owlet {

JsonFields JsonFields::describing(Json& properties) {
  static const Json kNothing = Json::object();
  JsonFields fields(kNothing);
  fields.properties_ = &properties;
  return fields;
}

void JsonFields::describe(const std::string& name, Json schema) {
  if (properties_) (*properties_)[name] = std::move(schema);
}

const Json* JsonFields::find(const std::string& name) {
  known_.insert(name);
  const auto it = object_.find(name);
  return it == object_.end() || it->is_null() ? nullptr : &*it;
}

void JsonFields::number(const std::string& name, double least, double most, double& value) {
  if (describes()) describe(name, {{"type", "number"}, {"minimum", least}, {"maximum", most}});
  const Json* json = find(name);
  if (!json) return;
  const double x = json->is_number() ? json->get<double>() : least - 1;
  if (!json->is_number() || !(x >= least && x <= most))
    return fail(name, fmt::format("must be a number from {} to {}", least, most));
  value = x;
}

void JsonFields::integer(const std::string& name, int64_t least, int64_t most, int64_t& value) {
  if (describes()) describe(name, {{"type", "integer"}, {"minimum", least}, {"maximum", most}});
  const Json* json = find(name);
  if (!json) return;
  const bool fits =
      json->is_number_integer() &&
      !(json->is_number_unsigned() && json->get<uint64_t>() > static_cast<uint64_t>(INT64_MAX)) &&
      json->get<int64_t>() >= least && json->get<int64_t>() <= most;
  if (!fits) return fail(name, fmt::format("must be an integer from {} to {}", least, most));
  value = json->get<int64_t>();
}

void JsonFields::boolean(const std::string& name, bool& value) {
  if (describes()) describe(name, {{"type", "boolean"}});
  const Json* json = find(name);
  if (!json) return;
  if (!json->is_boolean()) return fail(name, "must be true or false");
  value = json->get<bool>();
}

void JsonFields::text(const std::string& name, std::string& value) {
  if (describes()) describe(name, {{"type", "string"}});
  const Json* json = find(name);
  if (!json) return;
  if (!json->is_string()) return fail(name, "must be a string");
  value = json->get<std::string>();
}

void JsonFields::refuse(const std::string& name) {
  const Json* json = find(name);
  if (!json || *json == false || *json == "" || (json->is_structured() && json->empty())) return;
  fail(name, "is not supported");
}

void JsonFields::allow_only(const std::string& name, std::initializer_list<std::string_view> values) {
  if (describes()) describe(name, {{"enum", Json(std::vector<std::string_view>(values))}});
  const Json* json = find(name);
  if (!json) return;
  const std::string* text = json->get_ptr<const std::string*>();
  if (!text || std::find(values.begin(), values.end(), *text) == values.end())
    fail(name, "this value is not supported");
}

void JsonFields::ignore(std::initializer_list<const char*> names) {
  known_.insert(names.begin(), names.end());
}

void JsonFields::refuse_unknown() {
  for (const auto& [name, value] : object_.items()) {
    if (!known_.contains(name) && !value.is_null())
      return fail(name, "is not a parameter that this server knows");
  }
}

void JsonFields::fail(std::string_view name, std::string_view why) {
  // A name can be as long as a request: messages show its beginning.
  constexpr size_t kShown = 100;
  const std::string shown = prefix_ + std::string(name.substr(0, kShown));
  fail(ApiError{.message = fmt::format("'{}' {}", shown, why), .param = shown});
}

void JsonFields::fail(ApiError error) {
  if (!error_) error_ = std::move(error);
}

}  // namespace owlet

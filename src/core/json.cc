#include "core/json.h"

#include <unordered_set>
#include <vector>

namespace owlet {
namespace {

constexpr size_t kMaxKeys = 1 << 19;  // of one object, which are remembered; the largest vocabularies have half as many

// Walks the document once without building anything.
class Guard : public nlohmann::json_sax<Json> {
 public:
  explicit Guard(int max_depth) : max_depth_(max_depth) {}
  bool null() override { return true; }
  bool boolean(bool) override { return true; }
  bool number_integer(number_integer_t) override { return true; }
  bool number_unsigned(number_unsigned_t) override { return true; }
  bool number_float(number_float_t, const string_t&) override { return true; }
  bool string(string_t&) override { return true; }
  bool binary(binary_t&) override { return true; }
  bool start_object(std::size_t) override { return open(); }
  bool end_object() override { return close(); }
  bool start_array(std::size_t) override { return open(); }
  bool end_array() override { return close(); }
  bool key(string_t& name) override {
    if (keys_.back().size() >= kMaxKeys) {
      message = fmt::format("an object of more than {} keys", kMaxKeys);
      return false;
    }
    if (keys_.back().insert(name).second) return true;
    message = fmt::format("the key '{}' stands twice in one object", name);
    return false;
  }
  bool parse_error(std::size_t position, const std::string&, const nlohmann::detail::exception& e) override {
    message = fmt::format("not valid JSON at byte {}: {}", position, describe(e.what()));
    return false;
  }

  std::string message;

 private:
  bool open() {
    keys_.emplace_back();
    if (static_cast<int>(keys_.size()) <= max_depth_) return true;
    message = fmt::format("nested deeper than {} levels", max_depth_);
    return false;
  }
  bool close() {
    keys_.pop_back();
    return true;
  }
  // The library's text without its "[json.exception…]" prefix.
  static std::string describe(std::string_view what) {
    const size_t end = what.find("] ");
    return std::string(end == std::string_view::npos ? what : what.substr(end + 2));
  }
  int max_depth_;
  std::vector<std::unordered_set<std::string>> keys_;
};

Error wrong(std::string_view key, const char* expected) {
  return make_error(ErrorCode::kInvalidArgument, "'{}' must be {}", key, expected);
}

const Json* find(const Json& object, std::string_view key) {
  if (!object.is_object()) return nullptr;
  const auto it = object.find(std::string(key));
  return it == object.end() ? nullptr : &*it;
}

}  // namespace

Status check_json(std::string_view text, int max_depth) {
  Guard guard(max_depth);
  if (!Json::sax_parse(text.begin(), text.end(), &guard)) return Error{ErrorCode::kCorrupt, guard.message, {}};
  return {};
}

Result<Json> parse_json(std::string_view text, int max_depth) {
  OWLET_TRY(check_json(text, max_depth));
  return Json::parse(text.begin(), text.end());
}

std::string dump_json(const Json& value, int indent) {
  return value.dump(indent, ' ', false, Json::error_handler_t::replace);
}

Result<int64_t> get_int(const Json& object, std::string_view key) {
  const Json* value = find(object, key);
  if (!value || !value->is_number_integer()) return wrong(key, "an integer");
  if (value->is_number_unsigned() && value->get<uint64_t>() > static_cast<uint64_t>(INT64_MAX)) {
    return wrong(key, "an integer below 2^63");
  }
  return value->get<int64_t>();
}

Result<double> get_number(const Json& object, std::string_view key) {
  const Json* value = find(object, key);
  if (!value || !value->is_number()) return wrong(key, "a number");
  return value->get<double>();
}

Result<std::string> get_string(const Json& object, std::string_view key) {
  const Json* value = find(object, key);
  if (!value || !value->is_string()) return wrong(key, "a string");
  return value->get<std::string>();
}

}  // namespace owlet

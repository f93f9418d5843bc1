#include "io/safetensors_header.h"

#include <nlohmann/json.hpp>

namespace owlet {
namespace {

constexpr size_t kMaxFileTensors = 1 << 17;  // the largest models have some 100,000, in hundreds of files
constexpr size_t kMaxMetadata = 1 << 16;     // entries of __metadata__
constexpr size_t kMaxToken = 16u << 20;      // bytes of one text or number
constexpr size_t kMaxDims = 8;

// The JSON library collects a token whole before it hands it over: a text of 100 MB would cost several times that.
bool has_huge_token(std::string_view text) {
  bool inside = false, escaped = false;
  size_t length = 0;
  for (const char c : text) {
    length = inside || (c != ',' && c != ' ') ? length + 1 : 0;
    if (length > kMaxToken) return true;
    if (escaped) {
      escaped = false;
    } else if (inside && c == '\\') {
      escaped = true;
    } else if (c == '"') {
      inside = !inside;
      length = 0;
    }
  }
  return false;
}

// Follows the header's fixed form: an object of objects, whose members are texts or lists of whole numbers.
class Reader : public nlohmann::json_sax<nlohmann::json> {
 public:
  SafetensorsHeader header;
  std::string message;

  bool key(string_t& name) override {
    if (depth_ == 1) return begin_entry(name);
    if (in_metadata_) {
      if (header.metadata.size() >= kMaxMetadata) return fail("'__metadata__' has over {} entries", kMaxMetadata);
      const auto [it, is_new] = header.metadata.emplace(name, "");
      text_ = &it->second;
      return is_new || fail("the key '{}' stands twice in '__metadata__'", name);
    }
    return begin_member(name);
  }

  bool string(string_t& text) override {
    if (depth_ != 2 || !text_) return unexpected("a text");
    *text_ = std::move(text);
    text_ = nullptr;
    return true;
  }

  bool number_unsigned(number_unsigned_t number) override {
    if (depth_ != 3) return unexpected("a number");
    if (numbers_->size() >= kMaxDims) return fail("tensor '{}': a list of over {} numbers", *name_, kMaxDims);
    numbers_->push_back(number);
    return true;
  }

  bool start_object(std::size_t) override {
    if (depth_ == 1 && !entered_) {
      entered_ = true;
    } else if (depth_ != 0) {
      return unexpected("an object");
    }
    ++depth_;
    return true;
  }

  bool end_object() override {
    if (depth_-- == 1 || in_metadata_) return true;
    if (members_ != (kType | kShape | kOffsets)) {
      return fail("tensor '{}' must have 'dtype', 'shape' and 'data_offsets'", *name_);
    }
    if (offsets_.size() != 2) return fail("tensor '{}': 'data_offsets' must be two numbers", *name_);
    info_->begin = offsets_[0];
    info_->end = offsets_[1];
    return true;
  }

  bool start_array(std::size_t) override {
    if (depth_ != 2 || !numbers_) return unexpected("a list");
    ++depth_;
    return true;
  }

  bool end_array() override {
    --depth_;
    numbers_ = nullptr;
    return true;
  }

  bool null() override { return unexpected("null"); }
  bool boolean(bool) override { return unexpected("a truth value"); }
  bool number_integer(number_integer_t) override { return unexpected("a negative number"); }
  bool number_float(number_float_t, const string_t&) override { return unexpected("a fraction"); }
  bool binary(binary_t&) override { return unexpected("binary data"); }
  bool parse_error(std::size_t at, const std::string&, const nlohmann::detail::exception&) override {
    return fail("the header is not valid JSON at byte {}", at);
  }

 private:
  enum Member : unsigned { kType = 1, kShape = 2, kOffsets = 4 };

  template <class... Args>
  bool fail(fmt::format_string<Args...> format, Args&&... args) {
    message = fmt::format(format, std::forward<Args>(args)...);
    return false;
  }
  bool unexpected(const char* what) {
    if (!name_) return fail("the header has {} where a tensor's name should be", what);
    return fail("'{}': {} where it does not belong", *name_, what);
  }

  bool begin_entry(const std::string& name) {
    entered_ = false;
    text_ = nullptr;
    numbers_ = nullptr;
    in_metadata_ = name == "__metadata__";
    if (in_metadata_) {
      if (seen_metadata_) return fail("the key '__metadata__' stands twice");
      seen_metadata_ = true;
      name_ = &kMetadata;
      return true;
    }
    if (header.tensors.size() >= kMaxFileTensors) return fail("over {} tensors in one file", kMaxFileTensors);
    const auto [it, is_new] = header.tensors.emplace(name, SafetensorsInfo{});
    name_ = &it->first;
    info_ = &it->second;
    if (!is_new) return fail("tensor '{}' stands twice", name);
    members_ = 0;
    offsets_.clear();
    return true;
  }

  bool begin_member(const std::string& member) {
    text_ = nullptr;
    numbers_ = nullptr;
    const unsigned bit = member == "dtype" ? kType : member == "shape" ? kShape : member == "data_offsets" ? kOffsets : 0u;
    if (bit == 0) return fail("tensor '{}' has the unknown member '{}'", *name_, member);
    if (members_ & bit) return fail("tensor '{}' has '{}' twice", *name_, member);
    members_ |= bit;
    if (bit == kType) text_ = &info_->type;
    if (bit == kShape) numbers_ = &info_->dims;
    if (bit == kOffsets) numbers_ = &offsets_;
    return true;
  }

  inline static const std::string kMetadata = "__metadata__";

  int depth_ = 0;                        // of open brackets: 1 header, 2 entry, 3 list
  bool entered_ = false;                 // the current entry's object has been opened
  bool in_metadata_ = false, seen_metadata_ = false;
  const std::string* name_ = nullptr;    // of the current entry
  SafetensorsInfo* info_ = nullptr;      // of the current entry
  unsigned members_ = 0;                 // that the current entry has had
  std::string* text_ = nullptr;          // where the next text goes
  std::vector<uint64_t>* numbers_ = nullptr;  // where the next list goes
  std::vector<uint64_t> offsets_;
};

}  // namespace

Result<SafetensorsHeader> parse_safetensors_header(std::string_view text) {
  if (text.empty() || text.front() != '{') return corrupt("the header does not begin with '{{'");
  if (has_huge_token(text)) return make_error(ErrorCode::kTooLarge, "the header holds a text of over {} bytes", kMaxToken);
  Reader reader;
  if (!nlohmann::json::sax_parse(text.begin(), text.end(), &reader)) {
    return Error{ErrorCode::kCorrupt, std::move(reader.message), {}};
  }
  return std::move(reader.header);
}

}  // namespace owlet

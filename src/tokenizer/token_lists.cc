#include "tokenizer/token_lists.h"

#include <algorithm>
#include <cstdlib>
#include <optional>

namespace owlet {
namespace {

constexpr size_t kMaxRest = 1 << 18;        // values outside of the lists; tokenizers have some thousands
constexpr size_t kMaxEntries = size_t{1} << 20;  // of a list; the largest have some 500,000

// The number that tokenizers' own reader of JSON makes of a score: its digits as a whole, times or by a power of ten. That can be one
// unit away from the nearest double, and where ways through a Unigram's lattice tie, such units decide.
// `text` is a number of JSON. Where the digits or the power would not be exact, the nearest double stands.
double as_tokenizers_read(const std::string& text, double nearest) {
  constexpr uint64_t kFull = (UINT64_MAX - 9) / 10;
  constexpr int kExactPowers = 22;
  const size_t end = std::min(text.find_first_of("eE"), text.size());
  if (text.size() - end > 4) return nearest;
  int exponent = end < text.size() ? std::stoi(text.substr(end + 1)) : 0;
  uint64_t digits = 0;
  for (const char c : text.substr(0, end)) {
    if (c < '0' || c > '9') continue;
    if (digits > kFull) return nearest;
    digits = digits * 10 + static_cast<uint64_t>(c - '0');
  }
  if (const size_t point = text.find('.'); point != std::string::npos) exponent -= static_cast<int>(end - point - 1);
  if (std::abs(exponent) > kExactPowers) return nearest;
  double power = 1;
  for (int i = 0; i < std::abs(exponent); ++i) power *= 10;
  const double whole = static_cast<double>(digits), magnitude = exponent < 0 ? whole / power : whole * power;
  return text.front() == '-' ? -magnitude : magnitude;
}

class Reader : public nlohmann::json_sax<Json> {
 public:
  TokenizerDocument document;
  std::optional<Error> error;

  bool null() override { return value(nullptr); }
  bool boolean(bool flag) override { return value(flag); }
  bool number_integer(number_integer_t number) override { return whole(number); }
  bool number_unsigned(number_unsigned_t number) override {
    return number > static_cast<uint64_t>(INT64_MAX) ? value(number) : whole(static_cast<int64_t>(number));
  }
  bool number_float(number_float_t number, const string_t& text) override {
    return list_ == List::kScores && n_ == 1 ? score(as_tokenizers_read(text, number)) : value(number);
  }
  bool binary(binary_t&) override { return false; }

  bool string(string_t& text) override {
    if (list_ == List::kMerges && depth_ == kInList) {
      auto merge = read_merge(text, document.lists.merges.size());
      if (merge.ok()) return add_to(document.lists.merges, std::move(merge).value());
      error = std::move(merge).error();
      return false;
    }
    if (list_ == List::kNone || list_ == List::kIds || depth_ != kInList + 1 || n_ > (list_ == List::kMerges ? 1 : 0)) return value(text);
    (n_++ == 0 ? first_ : second_) = std::move(text);
    return true;
  }

  bool key(string_t& name) override {
    if (list_ == List::kIds && depth_ == kInList) return first_ = std::move(name), true;
    if (list_ != List::kNone) return broken();
    if (depth_ == 1) top_ = name;
    if (depth_ == 2) inner_ = name;
    key_ = std::move(name);
    return true;
  }

  bool start_object(std::size_t) override { return open(Json::object()); }
  bool start_array(std::size_t) override { return open(Json::array()); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }
  bool parse_error(std::size_t at, const std::string&, const nlohmann::detail::exception&) override {
    error = corrupt("not valid JSON at byte {}", at);
    return false;
  }

 private:
  enum class List { kNone, kIds, kScores, kMerges };
  static constexpr int kInList = 3;  // open brackets: the file's, the model's, the list's

  // The entry that is being read is not what its list holds.
  bool broken() {
    const TokenLists& lists = document.lists;
    if (list_ == List::kIds) error = corrupt("the id of the token '{}' is not an integer", first_);
    if (list_ == List::kScores) error = corrupt("entry {} of the vocabulary must be a token and its score", lists.scores.size());
    if (list_ == List::kMerges) error = corrupt("merge {} must be \"a b\" or [\"a\", \"b\"]", lists.merges.size());
    return false;
  }

  template <class T>
  bool add_to(std::vector<T>& list, T entry) {
    list.push_back(std::move(entry));
    if (list.size() <= kMaxEntries) return true;
    error = make_error(ErrorCode::kTooLarge, "more than {} tokens or merges", kMaxEntries);
    return false;
  }

  bool whole(int64_t number) {
    if (list_ == List::kIds && depth_ == kInList) return add_to(document.lists.ids, {std::move(first_), number});
    return list_ == List::kScores && n_ == 1 ? score(static_cast<double>(number)) : value(number);
  }
  bool score(double number) {
    score_ = number;
    n_ = 2;
    return true;
  }

  // A value for the document; null where it would grow too large.
  Json* put(Json json) {
    if (++n_rest_ > kMaxRest) {
      error = make_error(ErrorCode::kTooLarge, "more than {} values besides the tokens", kMaxRest);
      return nullptr;
    }
    if (open_.empty()) return &(document.rest = std::move(json));
    Json& parent = *open_.back();
    if (parent.is_object()) return &(parent[key_] = std::move(json));
    parent.push_back(std::move(json));
    return &parent.back();
  }
  bool value(Json json) { return list_ == List::kNone ? put(std::move(json)) != nullptr : broken(); }

  bool open(Json container) {
    if (list_ != List::kNone) {
      n_ = 0;
      return ++depth_ == kInList + 1 && container.is_array() && list_ != List::kIds ? true : broken();
    }
    if (depth_ + 1 == kInList && top_ == "model") {
      if (inner_ == "vocab") list_ = container.is_object() ? List::kIds : List::kScores;
      if (inner_ == "merges" && container.is_array()) list_ = List::kMerges;
    }
    ++depth_;
    Json* const place = put(std::move(container));
    open_.push_back(place);
    return place != nullptr;
  }

  bool close() {
    if (--depth_ < kInList) list_ = List::kNone;
    if (list_ == List::kNone) {
      open_.pop_back();
      return true;
    }
    if (n_ != 2) return broken();
    if (list_ == List::kScores) return add_to(document.lists.scores, {std::move(first_), score_});
    return add_to(document.lists.merges, {std::move(first_), std::move(second_)});
  }

  int depth_ = 0;            // of open brackets
  std::vector<Json*> open_;  // containers of the document
  size_t n_rest_ = 0;
  std::string top_, inner_, key_;  // names at depth 1, at depth 2, and the last
  List list_ = List::kNone;
  int n_ = 0;                // parts of an entry that have been read
  std::string first_, second_;
  double score_ = 0;
};

}  // namespace

Result<TokenizerDocument> parse_tokenizer_json(std::string_view text) {
  OWLET_TRY(check_json(text));
  Reader reader;
  if (!Json::sax_parse(text.begin(), text.end(), &reader)) {
    return reader.error ? *reader.error : corrupt("not a tokenizer");
  }
  return std::move(reader.document);
}

Result<std::pair<std::string, std::string>> read_merge(std::string_view line, size_t rank) {
  const size_t space = line.find(' ');
  if (space == 0 || space == std::string_view::npos || space + 1 == line.size() || line.find(' ', space + 1) != std::string_view::npos) {
    return corrupt("merge {} must be two tokens with one space between: '{}'", rank, line);
  }
  return std::pair(std::string(line.substr(0, space)), std::string(line.substr(space + 1)));
}

}  // namespace owlet

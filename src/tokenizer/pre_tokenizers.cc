#include "tokenizer/pre_tokenizers.h"

#include <algorithm>

#include "tokenizer/byte_alphabet.h"
#include "tokenizer/normal_forms.h"
#include "tokenizer/normalizers.h"
#include "tokenizer/regex.h"
#include "tokenizer/stage_json.h"
#include "tokenizer/unicode.h"

namespace owlet {
namespace {
using Piece = Pieces::Piece;

struct Segment {
  size_t begin, end;
  bool is_match;
};
// Appends the segments of a text, matches and what lies between, in order.
using Matcher = std::function<void(std::string_view text, std::vector<Segment>& segments)>;

// What ByteLevel cuts by, where a file writes it out.
constexpr std::string_view kGpt2Pattern = "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";

enum class Behavior { kRemoved, kIsolated, kMergedWithPrevious, kMergedWithNext, kContiguous };

Result<Behavior> read_behavior(const Json& node, std::string_view otherwise) {
  const std::string name = text_or(node, "behavior", otherwise);
  if (name == "Removed") return Behavior::kRemoved;
  if (name == "Isolated") return Behavior::kIsolated;
  if (name == "MergedWithPrevious") return Behavior::kMergedWithPrevious;
  if (name == "MergedWithNext") return Behavior::kMergedWithNext;
  if (name == "Contiguous") return Behavior::kContiguous;
  return unsupported_stage("behavior of a split", name);
}

void add_segment(std::vector<Segment>& segments, size_t& done, size_t begin, size_t end) {
  if (done < begin) segments.push_back({done, begin, false});
  segments.push_back({begin, end, true});
  done = end;
}

Matcher match_regex(Regex regex) {
  return [regex](std::string_view text, std::vector<Segment>& segments) {
    size_t done = 0;
    Regex::Match match{};
    for (Regex::Walk walk(regex, text); walk.next(match);) add_segment(segments, done, match.begin, match.end);
    if (done < text.size()) segments.push_back({done, text.size(), false});
  };
}

// Every character of which `is` holds is a match.
Matcher match_characters(std::function<bool(uint32_t)> is) {
  return [is](std::string_view text, std::vector<Segment>& segments) {
    size_t done = 0;
    for (size_t at = 0; at < text.size();) {
      const unicode::CodePoint c = unicode::code_point_at(text, at);
      if (c.value != unicode::kBroken && is(c.value)) add_segment(segments, done, at, at + c.length);
      at += c.length;
    }
    if (done < text.size()) segments.push_back({done, text.size(), false});
  };
}

// Joins segments as the behavior says; those that remain are pieces.
void join(std::vector<Segment>& segments, Behavior behavior) {
  std::vector<Segment> out;
  const size_t n = segments.size();
  bool previous = false;
  for (size_t i = 0; i < n; ++i) {
    const Segment& segment = segments[behavior == Behavior::kMergedWithNext ? n - 1 - i : i];
    const bool joins = !out.empty() && (behavior == Behavior::kContiguous ? segment.is_match == previous : segment.is_match && !previous);
    previous = segment.is_match;
    if (behavior == Behavior::kRemoved && segment.is_match) continue;
    if (behavior == Behavior::kRemoved || behavior == Behavior::kIsolated || !joins) {
      out.push_back(segment);
    } else if (behavior == Behavior::kMergedWithNext) {
      out.back().begin = segment.begin;
    } else {
      out.back().end = segment.end;
    }
  }
  if (behavior == Behavior::kMergedWithNext) std::reverse(out.begin(), out.end());
  segments = std::move(out);
}

void for_each_piece(Pieces& pieces, const std::function<void(const Piece&, std::vector<Piece>&)>& cut) {
  std::vector<Piece> out;
  for (const Piece& piece : pieces.list) cut(piece, out);
  pieces.list = std::move(out);
}

void split(Pieces& pieces, const Matcher& matcher, Behavior behavior, bool invert) {
  std::vector<Segment> segments;
  for_each_piece(pieces, [&](const Piece& piece, std::vector<Piece>& out) {
    segments.clear();
    matcher(piece.text, segments);
    for (Segment& segment : segments) segment.is_match = segment.is_match != invert;
    join(segments, behavior);
    for (const Segment& s : segments) {
      if (s.begin < s.end) out.push_back(piece.part(s.begin, s.end));
    }
  });
}

bool is_in(uint32_t c, int classes) { return (unicode::classes_of(c) & classes) != 0; }

bool is_punctuation(uint32_t c) {
  if (c < 0x80) return (c >= 33 && c <= 47) || (c >= 58 && c <= 64) || (c >= 91 && c <= 96) || (c >= 123 && c <= 126);
  return unicode::is_punctuation_of_unicode_8(c);
}

// \w+|[^\w\s]+
void match_words(std::string_view text, std::vector<Segment>& segments) {
  const auto kind = [&](size_t at) {
    const unicode::Symbol s = unicode::symbol_at(text, at);
    return s.is(unicode::kSpace) ? 0 : s.is(unicode::kWord) ? 1 : 2;
  };
  for (size_t at = 0; at < text.size();) {
    const int first = kind(at);
    const size_t begin = at;
    while (at < text.size() && kind(at) == first) at += unicode::symbol_at(text, at).length;
    segments.push_back({begin, at, first != 0});
  }
}

// Puts `prefix` before a piece whose text is owned by others; it stems from what the piece's first character stems from.
void prepend(Pieces& pieces, Piece& piece, std::string_view prefix) {
  if (piece.first > 0) piece.first += prefix.size();
  piece.text = pieces.made.emplace_back(prefix).append(piece.text);
}

// Changes a piece byte by byte.
void change_bytes(Pieces& pieces, Piece& piece, const std::function<std::string(std::string_view)>& change) {
  piece.first = change(piece.text.substr(0, piece.first)).size();
  piece.text = pieces.made.emplace_back(change(piece.text));
}

// Spaces become the visible replacement, one is put before, and words begin with it.
Status add_metaspace(const Json& node, std::vector<std::function<void(Pieces&)>>& steps) {
  const std::string replacement = text_or(node, "replacement", "\xe2\x96\x81");
  if (replacement.empty() || unicode::code_point_at(replacement, 0).length != replacement.size()) {
    return corrupt("Metaspace's replacement must be one character, not '{}'", replacement);
  }
  const bool old_prefix = flag(node, "add_prefix_space", true);
  const std::string scheme = text_or(node, "prepend_scheme", old_prefix ? "always" : "never");
  if (scheme != "always" && scheme != "never" && scheme != "first") return unsupported_stage("prepend_scheme of Metaspace", scheme);
  const auto respell = [replacement](std::string_view given) {
    std::string text;
    for (const char c : given) c == ' ' ? static_cast<void>(text += replacement) : text.push_back(c);
    return text;
  };
  steps.push_back([=](Pieces& pieces) {
    for (Piece& piece : pieces.list) {
      change_bytes(pieces, piece, respell);
      const bool prefixed = scheme == "always" || (scheme == "first" && piece.first > 0);
      if (prefixed && !piece.text.starts_with(replacement)) prepend(pieces, piece, replacement);
    }
  });
  if (!flag(node, "split", true)) return {};
  OWLET_ASSIGN(Regex regex, Regex::literal(replacement));
  steps.push_back([matcher = match_regex(std::move(regex))](Pieces& pieces) { split(pieces, matcher, Behavior::kMergedWithNext, false); });
  return {};
}

void flatten(const Json& node, std::vector<const Json*>& leaves, int depth) {
  const Json& list = member(node, "pretokenizers");
  if (type_of(node) != "Sequence" || !list.is_array() || depth >= kMaxStageDepth) return leaves.push_back(&node);
  for (const Json& step : list) flatten(step, leaves, depth + 1);
}

}  // namespace

void PreTokenizer::add_splitter(PieceEnd piece_end) {
  splitters_.push_back(piece_end);
  steps_.push_back([piece_end](Pieces& pieces) {
    for_each_piece(pieces, [&](const Piece& piece, std::vector<Piece>& out) {
      for (size_t at = 0; at < piece.text.size();) {
        const size_t end = piece_end(piece.text, at);
        out.push_back(piece.part(at, end));
        at = end;
      }
    });
  });
}

void PreTokenizer::add_byte_level(const Json& node, bool last) {
  if (flag(node, "add_prefix_space", true)) {
    prefix_space_ = steps_.empty();
    steps_.push_back([](Pieces& pieces) {
      for (Piece& piece : pieces.list) {
        if (!piece.text.starts_with(' ')) prepend(pieces, piece, " ");
      }
    });
  }
  if (flag(node, "use_regex", true)) add_splitter(find_pre_tokenizer("gpt2").value());
  spells_bytes_ = last;
  if (last) return;
  steps_.push_back([](Pieces& pieces) {
    for (Piece& piece : pieces.list) change_bytes(pieces, piece, to_printable);
  });
}

Status PreTokenizer::add_split(const Json& node) {
  OWLET_ASSIGN(const Behavior behavior, read_behavior(node, "Isolated"));
  const bool invert = flag(node, "invert", false);
  const std::string pattern = text_or(member(node, "pattern"), "Regex", "");
  const std::string_view name = pattern == kGpt2Pattern ? "gpt2" : pre_tokenizer_of_pattern(pattern);
  // Our splitters leave nothing between their matches.
  if (!name.empty() && (behavior == Behavior::kRemoved) == invert && (behavior == Behavior::kRemoved || behavior == Behavior::kIsolated)) {
    OWLET_ASSIGN(const PieceEnd piece_end, find_pre_tokenizer(name));
    add_splitter(piece_end);
    return {};
  }
  OWLET_ASSIGN(Regex regex, read_pattern(member(node, "pattern")));
  steps_.push_back([matcher = match_regex(std::move(regex)), behavior, invert](Pieces& pieces) { split(pieces, matcher, behavior, invert); });
  return {};
}

Status PreTokenizer::add(const Json& node, bool last) {
  const std::string type = type_of(node);
  const auto add_step = [&](Matcher matcher, Behavior behavior, bool invert = false) {
    steps_.push_back([=](Pieces& pieces) { split(pieces, matcher, behavior, invert); });
    return Status();
  };
  const auto is_space = [](uint32_t c) { return is_in(c, unicode::kSpace); };
  if (type == "none") return {};
  if (type == "ByteLevel") return add_byte_level(node, last), Status();
  if (type == "Split") return add_split(node);
  if (type == "Metaspace") return add_metaspace(node, steps_);
  if (type == "Digits") {
    const bool single = flag(node, "individual_digits", false);
    return add_step(match_characters([](uint32_t c) { return is_in(c, unicode::kDigit); }), single ? Behavior::kIsolated : Behavior::kContiguous);
  }
  if (type == "Whitespace") return add_step(match_words, Behavior::kRemoved, true);
  if (type == "WhitespaceSplit") return add_step(match_characters(is_space), Behavior::kRemoved);
  if (type == "Punctuation") {
    OWLET_ASSIGN(const Behavior behavior, read_behavior(node, "Isolated"));
    return add_step(match_characters(is_punctuation), behavior);
  }
  if (type == "BertPreTokenizer") {
    OWLET_TRY(add_step(match_characters(is_space), Behavior::kRemoved));
    return add_step(match_characters(is_punctuation), Behavior::kIsolated);
  }
  if (type == "CharDelimiterSplit") {
    const std::string delimiter = text_or(node, "delimiter", "");
    if (delimiter.empty()) return corrupt("CharDelimiterSplit needs a delimiter");
    const uint32_t wanted = unicode::code_point_at(delimiter, 0).value;
    return add_step(match_characters([wanted](uint32_t c) { return c == wanted; }), Behavior::kRemoved);
  }
  if (type == "FixedLength") {
    OWLET_ASSIGN(const int64_t length, get_int(node, "length"));
    if (length < 1) return corrupt("FixedLength with a length of {}", length);
    return add_step([length](std::string_view text, std::vector<Segment>& segments) {
      for (size_t at = 0; at < text.size();) {
        const size_t begin = at;
        for (int64_t i = 0; i < length && at < text.size(); ++i) at += unicode::code_point_at(text, at).length;
        segments.push_back({begin, at, true});
      }
    }, Behavior::kIsolated);
  }
  return unsupported_stage("pre-tokenizer", type);
}

Result<PreTokenizer> PreTokenizer::read(const Json& node) {
  std::vector<const Json*> leaves;
  flatten(node, leaves, 0);
  PreTokenizer result;
  // Digits one by one before ByteLevel's own pattern is a splitter that we have whole.
  if (leaves.size() == 2 && type_of(*leaves[0]) == "Digits" && flag(*leaves[0], "individual_digits", false) &&
      *leaves[1] == byte_level_pre_tokenizer("gpt2", false)) {
    result.add_splitter(find_pre_tokenizer("smollm").value());
    result.spells_bytes_ = true;
  } else {
    for (size_t i = 0; i < leaves.size(); ++i) OWLET_TRY(result.add(*leaves[i], i + 1 == leaves.size()));
  }
  if (result.splitters_.size() == 1 && result.steps_.size() == (result.prefix_space_ ? 2 : 1)) result.sole_splitter_ = result.splitters_[0];
  return result;
}

void PreTokenizer::cut(Pieces& pieces) const {
  for (const Step& step : steps_) step(pieces);
}

Json byte_level_pre_tokenizer(std::string_view splitter, bool add_prefix_space) {
  const auto byte_level = [&](bool use_regex) {
    return Json{{"type", "ByteLevel"}, {"add_prefix_space", add_prefix_space}, {"trim_offsets", true}, {"use_regex", use_regex}};
  };
  const std::string_view pattern = pattern_of_pre_tokenizer(splitter);
  if (splitter == "gpt2") return byte_level(true);
  Json first = {{"type", "Digits"}, {"individual_digits", true}};
  if (!pattern.empty()) first = {{"type", "Split"}, {"pattern", {{"Regex", pattern}}}, {"behavior", "Isolated"}, {"invert", false}};
  return {{"type", "Sequence"}, {"pretokenizers", {std::move(first), byte_level(pattern.empty())}}};
}

}  // namespace owlet

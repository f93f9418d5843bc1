#include "tokenizer/decoders.h"

#include "tokenizer/byte_alphabet.h"
#include "tokenizer/normalizers.h"
#include "tokenizer/regex.h"
#include "tokenizer/stage_json.h"
#include "tokenizer/unicode.h"

namespace owlet {
namespace {

void replace_text(std::string& text, std::string_view from, std::string_view to) {
  for (size_t at = 0; !from.empty() && (at = text.find(from, at)) != std::string::npos; at += to.size()) text.replace(at, from.size(), to);
}

void trim_left(std::string& text, const TokenDecoder::Trim& trim) {
  for (size_t i = 0; i < trim.at_most && !trim.character.empty() && text.starts_with(trim.character); ++i) text.erase(0, trim.character.size());
}

void trim_right(std::string& text, const TokenDecoder::Trim& trim) {
  for (size_t i = 0; i < trim.at_most && !trim.character.empty() && text.ends_with(trim.character); ++i) {
    text.resize(text.size() - trim.character.size());
  }
}

// "<0x0A>" is the byte 10.
void byte_fallback(std::string& token) {
  if (token.size() != 6 || !token.starts_with("<0x") || token[5] != '>') return;
  constexpr std::string_view kHex = "0123456789ABCDEF";
  const auto digit = [&](char c) { return kHex.find(c >= 'a' && c <= 'f' ? static_cast<char>(c - 32) : c); };
  const size_t high = digit(token[3]), low = digit(token[4]);
  if (high != std::string_view::npos && low != std::string_view::npos) token.assign(1, static_cast<char>(high * 16 + low));
}

// The spaces that BERT's words have between them and English has not.
void clean_up(std::string& text) {
  constexpr std::pair<std::string_view, std::string_view> kJoined[] = {
      {" .", "."}, {" ?", "?"}, {" !", "!"}, {" ,", ","}, {" ' ", "'"}, {" n't", "n't"}, {" 'm", "'m"},
      {" do not", " don't"}, {" 's", "'s"}, {" 've", "'ve"}, {" 're", "'re"}};
  for (const auto& [from, to] : kJoined) replace_text(text, from, to);
}

}  // namespace

void TokenDecoder::add_byte_level() {
  steps_.push_back([](std::string& token, Context context) {
    auto bytes = from_printable(token);
    if (bytes && (!context.added || unicode::replace_broken(*bytes) == *bytes)) token = std::move(*bytes);
  });
}

Status TokenDecoder::add_strip(const Json& node) {
  OWLET_ASSIGN(const std::string content, get_string(node, "content"));
  OWLET_ASSIGN(const int64_t start, get_int(node, "start"));
  OWLET_ASSIGN(const int64_t stop, get_int(node, "stop"));
  if (start < 0 || stop < 0) return corrupt("Strip with {} and {} characters", start, stop);
  const Trim left{content, static_cast<size_t>(start)}, right{content, static_cast<size_t>(stop)};
  if (fused_) {
    left_ = left;
    right_ = right;
    return {};
  }
  steps_.push_back([left, right](std::string& token, Context) {
    trim_left(token, left);
    trim_right(token, right);
  });
  return {};
}

Status TokenDecoder::add_metaspace(const Json& node) {
  const std::string replacement = text_or(node, "replacement", "\xe2\x96\x81");
  if (replacement.empty()) return corrupt("Metaspace without a replacement");
  const std::string scheme = text_or(node, "prepend_scheme", flag(node, "add_prefix_space", true) ? "always" : "never");
  steps_.push_back([replacement, prefixed = scheme != "never"](std::string& token, Context context) {
    replace_text(token, replacement, context.first && prefixed ? "" : " ");
  });
  return {};
}

Status TokenDecoder::add_word_piece(const Json& node) {
  const std::string prefix = text_or(node, "prefix", "##");
  steps_.push_back([prefix, clean = flag(node, "cleanup", true)](std::string& token, Context context) {
    if (!context.first) {
      if (token.starts_with(prefix)) {
        token.erase(0, prefix.size());
      } else {
        token.insert(0, " ");
      }
    }
    if (clean) clean_up(token);
  });
  return {};
}

Status TokenDecoder::add(const Json& node, int depth) {
  const std::string type = type_of(node);
  if (type == "Sequence" && member(node, "decoders").is_array() && depth < kMaxStageDepth) {
    for (const Json& step : member(node, "decoders")) OWLET_TRY(add(step, depth + 1));
    return {};
  }
  if (type == "ByteLevel") return add_byte_level(), Status();
  if (type == "Strip") return add_strip(node);
  if (type == "Metaspace") return add_metaspace(node);
  if (type == "WordPiece") return add_word_piece(node);
  if (type == "Fuse") {
    fused_ = true;
    return {};
  }
  if (type == "ByteFallback") {
    steps_.push_back([](std::string& token, Context) { byte_fallback(token); });
    return {};
  }
  if (type == "Replace") {
    OWLET_ASSIGN(const Regex regex, read_pattern(member(node, "pattern")));
    OWLET_ASSIGN(const std::string content, get_string(node, "content"));
    steps_.push_back([regex, content](std::string& token, Context) { token = replace_all(regex, token, content); });
    return {};
  }
  if (type == "BPEDecoder") {
    steps_.push_back([suffix = text_or(node, "suffix", "</w>")](std::string& token, Context context) {
      replace_text(token, suffix, context.last ? "" : " ");
    });
    minds_last_ = true;
    return {};
  }
  return unsupported_stage("decoder", type);
}

Result<TokenDecoder> TokenDecoder::read(const Json& node, bool spells_bytes) {
  TokenDecoder decoder;
  if (!node.is_null()) {
    OWLET_TRY(decoder.add(node, 0));
  } else if (spells_bytes) {
    decoder.add_byte_level();
  } else {
    decoder.steps_.push_back([](std::string& token, Context context) {
      if (!context.first) token.insert(0, " ");
    });
  }
  return decoder;
}

std::string TokenDecoder::decode(std::string_view token, Context context) const {
  std::string text(token);
  for (const Step& step : steps_) step(text, context);
  return text;
}

}  // namespace owlet

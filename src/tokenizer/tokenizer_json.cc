#include "tokenizer/tokenizer_json.h"

#include <algorithm>
#include <unordered_set>

#include "tokenizer/byte_alphabet.h"
#include "tokenizer/model_json.h"
#include "tokenizer/stage_json.h"

namespace owlet {
namespace {

// The tokens that are neither a byte nor made by a merge.
std::vector<std::string> unmade_tokens(const BpeSpec& spec) {
  std::unordered_set<std::string> made;
  for (const auto& [left, right] : spec.merges) made.insert(left + right);
  std::vector<std::string> unmade;
  for (const std::string& token : spec.vocab) {
    const auto bytes = from_printable(token);
    if (!token.empty() && !(bytes && bytes->size() == 1) && !made.count(token)) unmade.push_back(token);
  }
  return unmade;
}

TokenId find_token(const TokenizerSpec& spec, const std::string& token) {
  const auto it = std::find(spec.vocab.begin(), spec.vocab.end(), token);
  return it == spec.vocab.end() || token.empty() ? -1 : static_cast<TokenId>(it - spec.vocab.begin());
}

}  // namespace

Result<TokenizerSpec> read_tokenizer_json(std::string_view text) {
  OWLET_ASSIGN(TokenizerDocument document, parse_tokenizer_json(text));
  const Json& root = document.rest;
  if (!root.is_object()) return corrupt("a tokenizer must be a JSON object");
  TokenizerSpec spec;
  const Json& added = member(root, "added_tokens");
  OWLET_TRY(read_model(member(root, "model"), std::move(document.lists), added.size(), spec));
  OWLET_TRY(read_added_tokens(added, spec));
  spec.normalizer = dump_json(member(root, "normalizer"));
  spec.pre_tokenizer = dump_json(member(root, "pre_tokenizer"));
  spec.post_processor = dump_json(member(root, "post_processor"));
  spec.decoder = dump_json(member(root, "decoder"));
  return spec;
}

std::string write_tokenizer_json(const TokenizerSpec& spec) {
  return fmt::format(
      R"({{
  "version": "1.0",
  "truncation": null,
  "padding": null,
  "added_tokens": [{}
  ],
  "normalizer": {},
  "pre_tokenizer": {},
  "post_processor": {},
  "decoder": {},
  "model": {}
}}
)",
      write_added_tokens(spec), spec.normalizer, spec.pre_tokenizer, spec.post_processor, spec.decoder, write_model(spec));
}

Result<BpeSpec> read_vocab_merges(std::string_view vocab_json, std::string_view merges_txt,
                                  const std::vector<std::string>* added) {
  BpeSpec spec;
  OWLET_ASSIGN(const Json vocab, parse_json(vocab_json));
  OWLET_TRY(read_vocab(vocab, spec.vocab));
  while (!merges_txt.empty()) {
    const size_t newline = std::min(merges_txt.find('\n'), merges_txt.size());
    std::string_view line = merges_txt.substr(0, newline);
    merges_txt.remove_prefix(std::min(newline + 1, merges_txt.size()));
    if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    if (line.empty() || line.substr(0, 8) == "#version") continue;
    OWLET_ASSIGN(auto merge, read_merge(line, spec.merges.size()));
    spec.merges.push_back(std::move(merge));
  }
  for (const std::string& token : added ? *added : unmade_tokens(spec)) {
    const auto it = std::find(spec.vocab.begin(), spec.vocab.end(), token);
    if (it == spec.vocab.end() || token.empty()) {
      return make_error(ErrorCode::kInvalidArgument, "the added token '{}' is not in the vocabulary", token);
    }
    spec.added.push_back({.id = static_cast<TokenId>(it - spec.vocab.begin()), .text = token});
  }
  return spec;
}

std::string write_vocab_json(const TokenizerSpec& spec) { return write_vocab(spec.vocab, spec.vocab.size()); }

std::string write_merges_txt(const TokenizerSpec& spec) {
  std::string out = "#version: 0.2\n";
  for (const auto& [left, right] : spec.merges) out += fmt::format("{} {}\n", left, right);
  return out;
}

Status read_tokenizer_config(std::string_view text, TokenizerSpec& spec) {
  OWLET_ASSIGN(const Json root, parse_json(text));
  const auto id_of = [&](const char* key, TokenId otherwise) {
    const Json& node = member(root, key);
    const Json& name = node.is_object() ? member(node, "content") : node;
    const TokenId id = name.is_string() ? find_token(spec, name.get_ref<const std::string&>()) : -1;
    return id < 0 ? otherwise : id;
  };
  spec.bos = id_of("bos_token", spec.bos);
  spec.eos = id_of("eos_token", spec.eos);
  return {};
}

}  // namespace owlet

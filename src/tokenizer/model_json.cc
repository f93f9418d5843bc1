#include "tokenizer/model_json.h"

#include <algorithm>
#include <unordered_map>
#include <unordered_set>

#include "tokenizer/stage_json.h"

namespace owlet {
namespace {

constexpr int64_t kMaxHoles = 65536;  // ids without a token beside as many tokens

std::string json_string(std::string_view text) { return dump_json(Json(std::string(text))); }

Status set_token(int64_t id, const std::string& token, size_t n_tokens, std::vector<std::string>& vocab) {
  if (id < 0 || id >= 2 * static_cast<int64_t>(n_tokens) + kMaxHoles) {
    return corrupt("the token '{}' has the id {}, among {} tokens", token, id, n_tokens);
  }
  const auto index = static_cast<size_t>(id);
  if (index >= vocab.size()) vocab.resize(index + 1);
  if (token.empty()) return corrupt("the token with id {} has no text", id);
  if (!vocab[index].empty() && vocab[index] != token) {
    return corrupt("the id {} belongs to both '{}' and '{}'", id, vocab[index], token);
  }
  vocab[index] = token;
  return {};
}

Status read_ids(const Json& model, TokenLists& lists, size_t n_added, TokenizerSpec& spec) {
  if (!member(model, "vocab").is_object()) return corrupt("the vocabulary must be an object of tokens and ids");
  for (const auto& [token, id] : lists.ids) OWLET_TRY(set_token(id, token, lists.ids.size() + n_added, spec.vocab));
  lists.ids = {};
  return {};
}

// The unknown token by its name.
Status read_unk_token(const Json& model, TokenizerSpec& spec) {
  const Json& name = member(model, "unk_token");
  if (!name.is_string()) return {};
  const auto it = std::find(spec.vocab.begin(), spec.vocab.end(), name.get_ref<const std::string&>());
  if (it != spec.vocab.end() && !it->empty()) spec.unk = static_cast<TokenId>(it - spec.vocab.begin());
  return {};
}

Status read_bpe(const Json& model, TokenLists& lists, size_t n_added, TokenizerSpec& spec) {
  if (const Json& dropout = member(model, "dropout"); dropout.is_number() && dropout.get<double>() != 0) {
    return unsupported_stage("tokenizer model", "BPE with dropout");
  }
  spec.ignore_merges = flag(model, "ignore_merges", false);
  spec.byte_fallback = flag(model, "byte_fallback", false);
  spec.fuse_unk = flag(model, "fuse_unk", false);
  spec.continuing_prefix = text_or(model, "continuing_subword_prefix", "");
  spec.word_suffix = text_or(model, "end_of_word_suffix", "");
  OWLET_TRY(read_ids(model, lists, n_added, spec));
  OWLET_TRY(read_unk_token(model, spec));
  if (!member(model, "merges").is_array()) return corrupt("'merges' must be a list");
  spec.merges = std::move(lists.merges);
  return {};
}

// The ids are the places in the list.
Status read_unigram(const Json& model, TokenLists& lists, TokenizerSpec& spec) {
  if (!member(model, "vocab").is_array()) return corrupt("a Unigram vocabulary must be a list");
  for (auto& [token, score] : lists.scores) {
    spec.vocab.push_back(std::move(token));
    spec.scores.push_back(score);
  }
  spec.byte_fallback = flag(model, "byte_fallback", false);
  const Json& unk = member(model, "unk_id");
  if (unk.is_null()) return {};
  if (!unk.is_number_integer() || unk.get<int64_t>() < 0 || unk.get<uint64_t>() >= spec.vocab.size()) {
    return corrupt("'unk_id' {} is not in the vocabulary of {}", dump_json(unk), spec.vocab.size());
  }
  spec.unk = unk.get<TokenId>();
  return {};
}

Status read_words(const Json& model, TokenLists& lists, size_t n_added, TokenizerSpec& spec) {
  OWLET_TRY(read_ids(model, lists, n_added, spec));
  if (spec.kind == TokenModelKind::kWordPiece) {
    spec.continuing_prefix = text_or(model, "continuing_subword_prefix", "##");
    if (model.contains("max_input_chars_per_word")) {
      OWLET_ASSIGN(spec.max_word_chars, get_int(model, "max_input_chars_per_word"));
    }
  }
  return read_unk_token(model, spec);
}

// Older files do not say it.
std::string kind_of(const Json& model) {
  if (!model.is_object() || model.contains("type")) return type_of(model);
  if (model.contains("merges")) return "BPE";
  if (member(model, "vocab").is_array()) return "Unigram";
  return model.contains("continuing_subword_prefix") ? "WordPiece" : "WordLevel";
}

// Where it is not said: added tokens at the end stand beside the model, those before and those that merges make inside.
size_t model_size(const TokenizerSpec& spec) {
  if (spec.model_size > 0) return std::min(spec.model_size, spec.vocab.size());
  std::unordered_set<TokenId> added;
  for (const AddedToken& token : spec.added) added.insert(token.id);
  std::unordered_set<std::string> made;
  for (const auto& [left, right] : spec.merges) made.insert(left + right);
  size_t n = spec.vocab.size();
  while (n > 0 && added.count(static_cast<TokenId>(n - 1)) && !made.count(spec.vocab[n - 1])) --n;
  return n;
}

// SentencePiece's pairs in the order of their scores.
std::vector<std::pair<std::string, std::string>> merges_of_scores(const TokenizerSpec& spec) {
  std::unordered_set<std::string_view> tokens(spec.vocab.begin(), spec.vocab.end());
  std::vector<size_t> order(spec.vocab.size());
  for (size_t id = 0; id < order.size(); ++id) order[id] = id;
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return std::pair(-spec.scores[a], a) < std::pair(-spec.scores[b], b); });
  std::vector<std::pair<std::string, std::string>> merges;
  for (const size_t id : order) {
    const std::string_view token = spec.vocab[id];
    for (size_t at = 1; at < token.size(); ++at) {
      if ((token[at] & 0xc0) == 0x80) continue;
      const std::string_view left = token.substr(0, at), right = token.substr(at);
      if (tokens.count(left) && tokens.count(right)) merges.emplace_back(left, right);
    }
  }
  return merges;
}

std::string write_scored_vocab(const TokenizerSpec& spec, size_t n) {
  std::string out;
  for (size_t id = 0; id < n; ++id) {
    out += fmt::format("{}[{},{}]", out.empty() ? "" : ",", json_string(spec.vocab[id]), Json(id < spec.scores.size() ? spec.scores[id] : 0.0).dump());
  }
  return "[" + out + "]";
}

std::string write_bpe(const TokenizerSpec& spec, const std::string& unk) {
  const bool scored = spec.merges.empty() && spec.scores.size() == spec.vocab.size();
  std::string merges;
  for (const auto& [left, right] : scored ? merges_of_scores(spec) : spec.merges) {
    merges += fmt::format("{}[{},{}]", merges.empty() ? "" : ",", json_string(left), json_string(right));
  }
  const auto affix = [](const std::string& text) { return text.empty() ? "null" : json_string(text); };
  return fmt::format(R"({{
    "type": "BPE",
    "dropout": null,
    "unk_token": {},
    "continuing_subword_prefix": {},
    "end_of_word_suffix": {},
    "fuse_unk": {},
    "byte_fallback": {},
    "ignore_merges": {},
    "vocab": {},
    "merges": [{}]
  }})",
                     unk, affix(spec.continuing_prefix), affix(spec.word_suffix), spec.fuse_unk, spec.byte_fallback, spec.ignore_merges,
                     write_vocab(spec.vocab, model_size(spec)), merges);
}

}  // namespace

Status read_vocab(const Json& vocab, std::vector<std::string>& out) {
  if (!vocab.is_object()) return corrupt("the vocabulary must be an object of tokens and ids");
  for (const auto& [token, id] : vocab.items()) {
    if (!id.is_number_integer()) return corrupt("the id of the token '{}' is not an integer", token);
    OWLET_TRY(set_token(id.get<int64_t>(), token, vocab.size(), out));
  }
  return {};
}

std::string write_vocab(const std::vector<std::string>& vocab, size_t n) {
  std::string out = "{";
  for (size_t id = 0; id < n; ++id) {
    if (!vocab[id].empty()) out += fmt::format("{}{}:{}", out.size() > 1 ? "," : "", json_string(vocab[id]), id);
  }
  return out + "}";
}

Status read_model(const Json& model, TokenLists lists, size_t n_added, TokenizerSpec& spec) {
  const std::string type = kind_of(model);
  if (type == "BPE") {
    OWLET_TRY(read_bpe(model, lists, n_added, spec));
  } else if (type == "Unigram") {
    spec.kind = TokenModelKind::kUnigram;
    OWLET_TRY(read_unigram(model, lists, spec));
  } else if (type == "WordPiece" || type == "WordLevel") {
    spec.kind = type == "WordPiece" ? TokenModelKind::kWordPiece : TokenModelKind::kWordLevel;
    OWLET_TRY(read_words(model, lists, n_added, spec));
  } else {
    return unsupported_stage("tokenizer model", type);
  }
  spec.model_size = spec.vocab.size();
  return {};
}

std::string write_model(const TokenizerSpec& spec) {
  const std::string unk = spec.unk < 0 ? "null" : json_string(spec.vocab[static_cast<size_t>(spec.unk)]);
  switch (spec.kind) {
    case TokenModelKind::kBpe:
      return write_bpe(spec, unk);
    case TokenModelKind::kUnigram:
      return fmt::format(R"({{"type": "Unigram", "unk_id": {}, "vocab": {}, "byte_fallback": {}}})",
                         spec.unk < 0 ? "null" : std::to_string(spec.unk), write_scored_vocab(spec, model_size(spec)), spec.byte_fallback);
    case TokenModelKind::kWordPiece:
      return fmt::format(R"({{"type": "WordPiece", "unk_token": {}, "continuing_subword_prefix": {}, "max_input_chars_per_word": {}, "vocab": {}}})",
                         unk, json_string(spec.continuing_prefix), spec.max_word_chars, write_vocab(spec.vocab, model_size(spec)));
    case TokenModelKind::kWordLevel:
      break;
  }
  return fmt::format(R"({{"type": "WordLevel", "unk_token": {}, "vocab": {}}})", unk, write_vocab(spec.vocab, model_size(spec)));
}

Status read_added_tokens(const Json& list, TokenizerSpec& spec) {
  if (list.is_null()) return {};
  if (!list.is_array()) return corrupt("'added_tokens' must be a list");
  std::unordered_map<std::string, size_t> ids;
  for (size_t id = 0; id < spec.vocab.size(); ++id) ids.emplace(spec.vocab[id], id);
  for (const Json& entry : list) {
    OWLET_ASSIGN(const int64_t id, get_int(entry, "id"));
    OWLET_ASSIGN(const std::string text, get_string(entry, "content"));
    if (const auto it = ids.find(text); it != ids.end() && id >= 0 && it->second != static_cast<uint64_t>(id)) {
      return corrupt("the token '{}' stands twice in the vocabulary, as {} and {}", text, it->second, id);
    }
    OWLET_TRY(set_token(id, text, spec.vocab.size() + list.size(), spec.vocab));
    ids.emplace(text, static_cast<size_t>(id));
    spec.added.push_back({.id = static_cast<TokenId>(id),
                          .text = text,
                          .special = flag(entry, "special", false),
                          .single_word = flag(entry, "single_word", false),
                          .lstrip = flag(entry, "lstrip", false),
                          .rstrip = flag(entry, "rstrip", false),
                          .normalized = flag(entry, "normalized", false)});
  }
  return {};
}

std::string write_added_tokens(const TokenizerSpec& spec) {
  std::vector<AddedToken> sorted = spec.added;
  std::sort(sorted.begin(), sorted.end(), [](const AddedToken& a, const AddedToken& b) { return a.id < b.id; });
  std::string out;
  for (const AddedToken& token : sorted) {
    out += fmt::format(
        "{}\n    {{\"id\": {}, \"content\": {}, \"single_word\": {}, \"lstrip\": {}, \"rstrip\": {}, \"normalized\": {}, "
        "\"special\": {}}}",
        out.empty() ? "" : ",", token.id, json_string(token.text), token.single_word, token.lstrip, token.rstrip, token.normalized,
        token.special);
  }
  return out;
}

}  // namespace owlet

#include "tokenizer/tokenizer_json.h"

#include <algorithm>
#include <unordered_set>

#include "core/json.h"
#include "tokenizer/byte_alphabet.h"
#include "tokenizer/pre_tokenizer.h"

namespace owlet {
namespace {

constexpr int64_t kMaxHoles = 65536;  // ids without a token beside as many tokens

const Json& member(const Json& object, const char* key) {
  static const Json null;
  if (!object.is_object()) return null;
  const auto it = object.find(key);
  return it == object.end() ? null : *it;
}

bool flag(const Json& object, const char* key, bool otherwise) {
  const Json& value = member(object, key);
  return value.is_boolean() ? value.get<bool>() : otherwise;
}

std::string type_of(const Json& object) {
  const Json& type = member(object, "type");
  return type.is_string() ? type.get<std::string>() : object.is_null() ? "none" : "?";
}

Error unsupported(std::string_view part, std::string_view what) {
  return Error{ErrorCode::kUnsupported, fmt::format("the {} '{}' is not one that Owlet reads", part, what),
               "byte-level BPE tokenizers are supported"};
}

Status set_token(BpeSpec& spec, int64_t id, const std::string& token, size_t n_tokens) {
  if (id < 0 || id >= 2 * static_cast<int64_t>(n_tokens) + kMaxHoles) {
    return make_error(ErrorCode::kCorrupt, "the token '{}' has the id {}, among {} tokens", token, id, n_tokens);
  }
  const auto index = static_cast<size_t>(id);
  if (index >= spec.vocab.size()) spec.vocab.resize(index + 1);
  if (token.empty()) return make_error(ErrorCode::kCorrupt, "the token with id {} has no text", id);
  if (!spec.vocab[index].empty() && spec.vocab[index] != token) {
    return make_error(ErrorCode::kCorrupt, "the id {} belongs to both '{}' and '{}'", id, spec.vocab[index], token);
  }
  spec.vocab[index] = token;
  return {};
}

Status read_vocab(const Json& vocab, size_t n_added, BpeSpec& spec) {
  if (!vocab.is_object()) return make_error(ErrorCode::kCorrupt, "the vocabulary must be an object of tokens and ids");
  for (const auto& [token, id] : vocab.items()) {
    if (!id.is_number_integer()) return make_error(ErrorCode::kCorrupt, "the id of the token '{}' is not an integer", token);
    OWLET_TRY(set_token(spec, id.get<int64_t>(), token, vocab.size() + n_added));
  }
  return {};
}

Status read_merge(std::string_view line, BpeSpec& spec) {
  const size_t space = line.find(' ');
  if (space == 0 || space == std::string_view::npos || space + 1 == line.size() ||
      line.find(' ', space + 1) != std::string_view::npos) {
    return make_error(ErrorCode::kCorrupt, "merge {} must be two tokens with one space between: '{}'",
                      spec.merges.size(), line);
  }
  spec.merges.emplace_back(line.substr(0, space), line.substr(space + 1));
  return {};
}

Status read_merges(const Json& merges, BpeSpec& spec) {
  if (!merges.is_array()) return make_error(ErrorCode::kCorrupt, "'merges' must be a list");
  for (const Json& merge : merges) {
    if (merge.is_string()) {
      OWLET_TRY(read_merge(merge.get_ref<const std::string&>(), spec));
    } else if (merge.is_array() && merge.size() == 2 && merge[0].is_string() && merge[1].is_string()) {
      spec.merges.emplace_back(merge[0].get<std::string>(), merge[1].get<std::string>());
    } else {
      return make_error(ErrorCode::kCorrupt, "merge {} must be \"a b\" or [\"a\", \"b\"]", spec.merges.size());
    }
  }
  return {};
}

Status read_model(const Json& model, size_t n_added, BpeSpec& spec) {
  const std::string type = model.is_object() && !model.contains("type") && model.contains("merges") ? "BPE" : type_of(model);
  if (type != "BPE") return unsupported("tokenizer model", type);
  if (flag(model, "byte_fallback", false)) return unsupported("tokenizer model", "BPE with byte_fallback");
  for (const char* key : {"continuing_subword_prefix", "end_of_word_suffix"}) {
    const Json& value = member(model, key);
    if (value.is_string() && !value.get_ref<const std::string&>().empty()) return unsupported("tokenizer model", fmt::format("BPE with {}", key));
  }
  if (const Json& dropout = member(model, "dropout"); dropout.is_number() && dropout.get<double>() != 0) {
    return unsupported("tokenizer model", "BPE with dropout");
  }
  spec.ignore_merges = flag(model, "ignore_merges", false);
  OWLET_TRY(read_vocab(member(model, "vocab"), n_added, spec));
  return read_merges(member(model, "merges"), spec);
}

Status read_added(const Json& added, BpeSpec& spec) {
  for (const Json& entry : added) {
    OWLET_ASSIGN(const int64_t id, get_int(entry, "id"));
    OWLET_ASSIGN(const std::string text, get_string(entry, "content"));
    OWLET_TRY(set_token(spec, id, text, spec.vocab.size() + added.size()));
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

// A ByteLevel alone, or after a Split whose pattern we know, or after Digits.
Status read_pre_tokenizer(const Json& node, BpeSpec& spec) {
  std::vector<Json> steps;
  if (type_of(node) == "Sequence" && member(node, "pretokenizers").is_array()) {
    steps = member(node, "pretokenizers").get<std::vector<Json>>();
  } else {
    steps.push_back(node);
  }
  if (steps.empty() || steps.size() > 2) return unsupported("pre-tokenizer", dump_json(node).substr(0, 300));
  const Json& last = steps.back();
  if (type_of(last) != "ByteLevel") return unsupported("pre-tokenizer", type_of(last));
  spec.add_prefix_space = flag(last, "add_prefix_space", true);
  const bool use_regex = flag(last, "use_regex", true);
  if (steps.size() == 1) {
    if (!use_regex) return unsupported("pre-tokenizer", "ByteLevel without use_regex");
    spec.pre_tokenizer = "gpt2";
    return {};
  }
  const Json& first = steps.front();
  const std::string type = type_of(first);
  if (type == "Digits" && flag(first, "individual_digits", false) && use_regex && !spec.add_prefix_space) {
    spec.pre_tokenizer = "smollm";
    return {};
  }
  const Json& pattern = member(member(first, "pattern"), "Regex");
  if (type == "Split" && pattern.is_string() && !use_regex && !spec.add_prefix_space &&
      member(first, "behavior") == "Isolated" && !flag(first, "invert", false)) {
    spec.pre_tokenizer = pre_tokenizer_of_pattern(pattern.get_ref<const std::string&>());
    if (!spec.pre_tokenizer.empty()) return {};
    return unsupported("pre-tokenizer's pattern", pattern.get_ref<const std::string&>());
  }
  return unsupported("pre-tokenizer", dump_json(node).substr(0, 300));
}

// bos before the text is what we know of templates.
Status read_post_processor(const Json& node, BpeSpec& spec) {
  const std::string type = type_of(node);
  if (type == "none" || type == "ByteLevel") return {};
  if (type == "Sequence" && member(node, "processors").is_array()) {
    for (const Json& step : member(node, "processors")) {
      if (type_of(step) == "Sequence") return unsupported("post-processor", "Sequence within a Sequence");
      OWLET_TRY(read_post_processor(step, spec));
    }
    return {};
  }
  if (type != "TemplateProcessing") return unsupported("post-processor", type);
  const Json& single = member(node, "single");
  if (!single.is_array() || single.empty() || single.size() > 2 || !single.back().is_object() || !single.back().contains("Sequence")) {
    return unsupported("post-processor's template", dump_json(single).substr(0, 300));
  }
  if (single.size() == 1) return {};
  OWLET_ASSIGN(const std::string name, get_string(member(single[0], "SpecialToken"), "id"));
  const Json& ids = member(member(member(node, "special_tokens"), name.c_str()), "ids");
  if (!ids.is_array() || ids.size() != 1 || !ids[0].is_number_integer() || ids[0].get<int64_t>() < 0 ||
      ids[0].get<int64_t>() >= static_cast<int64_t>(spec.vocab.size())) {
    return make_error(ErrorCode::kCorrupt, "the post-processor's special token '{}' needs one id of the vocabulary", name);
  }
  spec.add_bos = true;
  spec.bos = ids[0].get<TokenId>();
  return {};
}

std::string json_string(std::string_view text) { return dump_json(Json(std::string(text))); }

// Added tokens at the end of the vocabulary stand beside it, those before inside: as Hugging Face numbers them.
size_t size_without_added_tail(const BpeSpec& spec) {
  std::unordered_set<TokenId> added;
  for (const AddedToken& token : spec.added) added.insert(token.id);
  size_t n = spec.vocab.size();
  while (n > 0 && added.count(static_cast<TokenId>(n - 1))) --n;
  return n;
}

std::string vocab_object(const BpeSpec& spec, size_t n) {
  std::string out = "{";
  for (size_t id = 0; id < n; ++id) {
    if (spec.vocab[id].empty()) continue;
    out += fmt::format("{}{}:{}", out.size() > 1 ? "," : "", json_string(spec.vocab[id]), id);
  }
  return out + "}";
}

Json byte_level(bool add_prefix_space, bool use_regex) {
  return {{"type", "ByteLevel"}, {"add_prefix_space", add_prefix_space}, {"trim_offsets", true}, {"use_regex", use_regex}};
}

Json pre_tokenizer_json(const BpeSpec& spec) {
  const std::string_view pattern = pattern_of_pre_tokenizer(spec.pre_tokenizer);
  if (spec.pre_tokenizer == "gpt2") return byte_level(spec.add_prefix_space, true);
  Json first = {{"type", "Digits"}, {"individual_digits", true}};
  if (!pattern.empty()) {
    first = {{"type", "Split"}, {"pattern", {{"Regex", pattern}}}, {"behavior", "Isolated"}, {"invert", false}};
  }
  return {{"type", "Sequence"},
          {"pretokenizers", {std::move(first), byte_level(spec.add_prefix_space, pattern.empty())}}};
}

Json post_processor_json(const BpeSpec& spec) {
  if (!spec.add_bos) return byte_level(true, true);
  const std::string& bos = spec.vocab[static_cast<size_t>(spec.bos)];
  const Json token = {{"SpecialToken", {{"id", bos}, {"type_id", 0}}}};
  const auto sequence = [](const char* id, int type) { return Json{{"Sequence", {{"id", id}, {"type_id", type}}}}; };
  Json special;
  special[bos] = {{"id", bos}, {"ids", {spec.bos}}, {"tokens", {bos}}};
  return {{"type", "TemplateProcessing"},
          {"single", Json::array({token, sequence("A", 0)})},
          {"pair", Json::array({token, sequence("A", 0), sequence("B", 1)})},
          {"special_tokens", std::move(special)}};
}

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

}  // namespace

Result<BpeSpec> read_tokenizer_json(std::string_view text) {
  OWLET_ASSIGN(const Json root, parse_json(text));
  if (!root.is_object()) return make_error(ErrorCode::kCorrupt, "a tokenizer must be a JSON object");
  BpeSpec spec;
  const Json& added = member(root, "added_tokens");
  if (!added.is_null() && !added.is_array()) return make_error(ErrorCode::kCorrupt, "'added_tokens' must be a list");
  OWLET_TRY(read_model(member(root, "model"), added.size(), spec));
  OWLET_TRY(read_added(added, spec));
  if (const Json& normalizer = member(root, "normalizer"); !normalizer.is_null()) {
    return unsupported("normalizer", type_of(normalizer));
  }
  OWLET_TRY(read_pre_tokenizer(member(root, "pre_tokenizer"), spec));
  if (const std::string type = type_of(member(root, "decoder")); type != "ByteLevel" && type != "none") {
    return unsupported("decoder", type);
  }
  OWLET_TRY(read_post_processor(member(root, "post_processor"), spec));
  return spec;
}

std::string write_tokenizer_json(const BpeSpec& spec) {
  std::string added, merges;
  std::vector<AddedToken> sorted = spec.added;
  std::sort(sorted.begin(), sorted.end(), [](const AddedToken& a, const AddedToken& b) { return a.id < b.id; });
  for (const AddedToken& token : sorted) {
    added += fmt::format(
        "{}\n    {{\"id\": {}, \"content\": {}, \"single_word\": {}, \"lstrip\": {}, \"rstrip\": {}, \"normalized\": {}, "
        "\"special\": {}}}",
        added.empty() ? "" : ",", token.id, json_string(token.text), token.single_word, token.lstrip, token.rstrip,
        token.normalized, token.special);
  }
  for (const auto& [left, right] : spec.merges) {
    merges += fmt::format("{}[{},{}]", merges.empty() ? "" : ",", json_string(left), json_string(right));
  }
  return fmt::format(
      R"({{
  "version": "1.0",
  "truncation": null,
  "padding": null,
  "added_tokens": [{}
  ],
  "normalizer": null,
  "pre_tokenizer": {},
  "post_processor": {},
  "decoder": {},
  "model": {{
    "type": "BPE",
    "dropout": null,
    "unk_token": null,
    "continuing_subword_prefix": null,
    "end_of_word_suffix": null,
    "fuse_unk": false,
    "byte_fallback": false,
    "ignore_merges": {},
    "vocab": {},
    "merges": [{}]
  }}
}}
)",
      added, dump_json(pre_tokenizer_json(spec)), dump_json(post_processor_json(spec)),
      dump_json(byte_level(true, true)), spec.ignore_merges, vocab_object(spec, size_without_added_tail(spec)), merges);
}

Result<BpeSpec> read_vocab_merges(std::string_view vocab_json, std::string_view merges_txt,
                                  const std::vector<std::string>* added) {
  BpeSpec spec;
  OWLET_ASSIGN(const Json vocab, parse_json(vocab_json));
  OWLET_TRY(read_vocab(vocab, 0, spec));
  while (!merges_txt.empty()) {
    const size_t newline = std::min(merges_txt.find('\n'), merges_txt.size());
    std::string_view line = merges_txt.substr(0, newline);
    merges_txt.remove_prefix(std::min(newline + 1, merges_txt.size()));
    if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    if (line.empty() || line.substr(0, 8) == "#version") continue;
    OWLET_TRY(read_merge(line, spec));
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

std::string write_vocab_json(const BpeSpec& spec) { return vocab_object(spec, spec.vocab.size()); }

std::string write_merges_txt(const BpeSpec& spec) {
  std::string out = "#version: 0.2\n";
  for (const auto& [left, right] : spec.merges) out += fmt::format("{} {}\n", left, right);
  return out;
}

Status read_tokenizer_config(std::string_view text, BpeSpec& spec) {
  OWLET_ASSIGN(const Json root, parse_json(text));
  const auto id_of = [&](const char* key, TokenId otherwise) {
    const Json& node = member(root, key);
    const Json& name = node.is_object() ? member(node, "content") : node;
    if (!name.is_string()) return otherwise;
    const auto it = std::find(spec.vocab.begin(), spec.vocab.end(), name.get_ref<const std::string&>());
    return it == spec.vocab.end() ? otherwise : static_cast<TokenId>(it - spec.vocab.begin());
  };
  if (!spec.add_bos) spec.bos = id_of("bos_token", spec.bos);
  spec.eos = id_of("eos_token", spec.eos);
  return {};
}

}  // namespace owlet

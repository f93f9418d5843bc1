#include "apps/gguf_tokenizer.h"

#include <algorithm>
#include <cmath>

#include "apps/gguf_pre_tokenizers.h"
#include "core/json.h"
#include "tokenizer/charsmap.h"
#include "tokenizer/post_processor.h"

namespace owlet {
namespace {

// tokenizer.ggml.token_type
constexpr int kNormalToken = 1;
constexpr int kUnknownToken = 2;
constexpr int kControlToken = 3;
constexpr int kUserToken = 4;
constexpr int kUnusedToken = 5;
constexpr int kByteToken = 6;

constexpr std::string_view kBertPrefix = "##";
constexpr char kBertNormalizer[] = R"({"type":"BertNormalizer","clean_text":true,"handle_chinese_chars":true,"strip_accents":true,"lowercase":true})";
constexpr char kBertPreTokenizer[] = R"({"type":"BertPreTokenizer"})";

constexpr char kVisibleSpace[] = "\xe2\x96\x81";  // U+2581: SentencePiece's space

Json replace(const char* from, const char* to) { return {{"type", "Replace"}, {"pattern", {{"String", from}}}, {"content", to}}; }
Json merged_spaces() { return {{"type", "Replace"}, {"pattern", {{"Regex", " {2,}"}}}, {"content", " "}}; }
Json metaspace() { return {{"type", "Metaspace"}, {"replacement", kVisibleSpace}, {"prepend_scheme", "always"}, {"split", true}}; }

Status read_tokens(const GgufFile& file, TokenizerSpec& spec) {
  OWLET_ASSIGN(spec.vocab, file.get_strings("tokenizer.ggml.tokens"));
  OWLET_ASSIGN(const auto types, file.ints_or_empty("tokenizer.ggml.token_type"));
  for (size_t i = 0; i < std::min(types.size(), spec.vocab.size()); ++i) {
    const bool control = types[i] == kControlToken || types[i] == kUnknownToken;
    if (!spec.vocab[i].empty() && (control || types[i] == kUserToken)) spec.added.push_back({static_cast<TokenId>(i), spec.vocab[i], control});
  }
  return {};
}

Status read_scores(const GgufFile& file, TokenizerSpec& spec) {
  OWLET_ASSIGN(spec.scores, file.floats_or_empty("tokenizer.ggml.scores"));
  if (spec.scores.size() == spec.vocab.size() && std::all_of(spec.scores.begin(), spec.scores.end(), [](double s) { return std::isfinite(s); })) return {};
  return corrupt("tokenizer.ggml.scores: {} numbers for {} tokens", spec.scores.size(), spec.vocab.size());
}

// An id with a role, `otherwise` where the file does not say.
Result<TokenId> read_id(const GgufFile& file, const char* key, TokenId otherwise, size_t vocab_size) {
  OWLET_ASSIGN(const int64_t id, file.int_or(key, otherwise));
  if (id < -1 || id >= static_cast<int64_t>(vocab_size)) return otherwise < static_cast<int64_t>(vocab_size) ? otherwise : -1;
  return static_cast<TokenId>(id);
}

struct Defaults {
  bool add_bos = false, add_eos = false;
  TokenId bos = -1, eos = -1, unk = -1;
};

Status read_roles(const GgufFile& file, const Defaults& defaults, TokenizerSpec& spec) {
  const size_t n = spec.vocab.size();
  OWLET_ASSIGN(spec.bos, read_id(file, "tokenizer.ggml.bos_token_id", defaults.bos, n));
  OWLET_ASSIGN(spec.eos, read_id(file, "tokenizer.ggml.eos_token_id", defaults.eos, n));
  OWLET_ASSIGN(spec.unk, read_id(file, "tokenizer.ggml.unknown_token_id", defaults.unk, n));
  OWLET_ASSIGN(const bool add_bos, file.bool_or("tokenizer.ggml.add_bos_token", defaults.add_bos));
  OWLET_ASSIGN(const bool add_eos, file.bool_or("tokenizer.ggml.add_eos_token", defaults.add_eos));
  TokensAround around;
  if (add_bos && spec.bos >= 0) around.before.push_back(spec.bos);
  if (add_eos && spec.eos >= 0) around.after.push_back(spec.eos);
  spec.post_processor = dump_json(template_processing(around, spec.vocab));
  return {};
}

// Byte-level BPE.
Status read_gpt2(const GgufFile& file, TokenizerSpec& spec) {
  OWLET_ASSIGN(const auto merges, file.get_strings("tokenizer.ggml.merges"));
  for (const std::string& merge : merges) {
    const size_t space = merge.find(' ', 1);
    if (space == std::string::npos) return corrupt("the merge '{}' is not two tokens", merge);
    spec.merges.emplace_back(merge.substr(0, space), merge.substr(space + 1));
  }
  OWLET_ASSIGN(const std::string name, file.string_or("tokenizer.ggml.pre", "default"));
  OWLET_ASSIGN(GgufPreTokenizer pre, gguf_pre_tokenizer(name));
  OWLET_ASSIGN(const bool add_prefix_space, file.bool_or("tokenizer.ggml.add_space_prefix", false));
  if (add_prefix_space && name == "gpt-2") pre.pre_tokenizer = R"({"type":"ByteLevel","add_prefix_space":true,"trim_offsets":true,"use_regex":true})";
  spec.pre_tokenizer = std::move(pre.pre_tokenizer);
  spec.ignore_merges = pre.ignore_merges;
  spec.decoder = R"({"type":"ByteLevel","add_prefix_space":true,"trim_offsets":true,"use_regex":true})";
  OWLET_TRY(read_roles(file, {.add_bos = pre.add_bos}, spec));
  spec.unk = -1;  // every byte is a token
  return {};
}

// SentencePiece's BPE.
Status read_llama(const GgufFile& file, TokenizerSpec& spec) {
  OWLET_TRY(read_scores(file, spec));
  OWLET_TRY(read_roles(file, {.add_bos = true, .bos = 1, .eos = 2, .unk = 0}, spec));
  OWLET_ASSIGN(const bool prefix, file.bool_or("tokenizer.ggml.add_space_prefix", true));
  spec.byte_fallback = spec.fuse_unk = true;
  const Json spaces = replace(" ", kVisibleSpace), prepend = {{"type", "Prepend"}, {"prepend", kVisibleSpace}};
  Json decoders = Json::array({replace(kVisibleSpace, " "), Json{{"type", "ByteFallback"}}, Json{{"type", "Fuse"}}});
  if (prefix) decoders.push_back({{"type", "Strip"}, {"content", " "}, {"start", 1}, {"stop", 0}});
  spec.normalizer = dump_json(prefix ? Json{{"type", "Sequence"}, {"normalizers", Json::array({prepend, spaces})}} : spaces);
  spec.decoder = dump_json(Json{{"type", "Sequence"}, {"decoders", std::move(decoders)}});
  return {};
}

// SentencePiece's Unigram.
Status read_t5(const GgufFile& file, TokenizerSpec& spec) {
  spec.kind = TokenModelKind::kUnigram;
  OWLET_TRY(read_scores(file, spec));
  OWLET_TRY(read_roles(file, {.add_eos = true, .eos = 1, .unk = 2}, spec));
  Json steps = Json::array();
  OWLET_ASSIGN(const auto map, file.ints_or_empty("tokenizer.ggml.precompiled_charsmap"));
  if (!map.empty()) {
    std::string bytes;
    for (const int64_t byte : map) bytes.push_back(static_cast<char>(byte));
    steps.push_back({{"type", "Precompiled"}, {"precompiled_charsmap", encode_base64(bytes)}});
  }
  OWLET_ASSIGN(const bool merge_spaces, file.bool_or("tokenizer.ggml.remove_extra_whitespaces", false));
  if (merge_spaces) {
    steps.push_back({{"type", "Strip"}, {"strip_left", true}, {"strip_right", true}});
    steps.push_back(merged_spaces());
  }
  spec.normalizer = dump_json(Json{{"type", "Sequence"}, {"normalizers", std::move(steps)}});
  spec.pre_tokenizer = spec.decoder = dump_json(metaspace());
  return {};
}

// WordPiece. Here tokens that begin a word have a visible space before them, there tokens that do not have "##".
Status read_bert(const GgufFile& file, TokenizerSpec& spec) {
  spec.kind = TokenModelKind::kWordPiece;
  spec.continuing_prefix = kBertPrefix;
  OWLET_ASSIGN(const auto types, file.ints_or_empty("tokenizer.ggml.token_type"));
  for (size_t id = 0; id < spec.vocab.size(); ++id) {
    std::string& token = spec.vocab[id];
    if (token.empty() || (id < types.size() && types[id] != kNormalToken)) continue;
    token = token.starts_with(kVisibleSpace) ? token.substr(sizeof kVisibleSpace - 1) : spec.continuing_prefix + token;
  }
  OWLET_TRY(read_roles(file, {.add_bos = true, .bos = 101, .eos = -1, .unk = 100}, spec));
  OWLET_ASSIGN(const TokenId separator, read_id(file, "tokenizer.ggml.seperator_token_id", 102, spec.vocab.size()));
  if (spec.bos < 0) {
    OWLET_ASSIGN(spec.bos, read_id(file, "tokenizer.ggml.cls_token_id", 101, spec.vocab.size()));
  }
  TokensAround around;
  if (spec.bos >= 0) around.before.push_back(spec.bos);
  if (separator >= 0) around.after.push_back(separator);
  spec.post_processor = dump_json(template_processing(around, spec.vocab));
  spec.normalizer = kBertNormalizer;
  spec.pre_tokenizer = kBertPreTokenizer;
  spec.decoder = R"({"type":"WordPiece","prefix":"##","cleanup":true})";
  return {};
}

struct Kind {
  const char* name;
  Status (*read)(const GgufFile& file, TokenizerSpec& spec);
};
constexpr Kind kKinds[] = {{"gpt2", read_gpt2}, {"llama", read_llama}, {"t5", read_t5}, {"bert", read_bert}};

constexpr float kNeverMerged = -1e9f;

// A score for each token such that the pairs that merges name first are joined first.
std::vector<float> scores_of_merges(const TokenizerSpec& spec, const Tokenizer& tokenizer) {
  std::vector<float> scores(spec.vocab.size(), kNeverMerged);
  for (size_t rank = spec.merges.size(); rank-- > 0;) {
    const auto& [left, right] = spec.merges[rank];
    if (const TokenId id = tokenizer.id_of(left + right); id >= 0) scores[static_cast<size_t>(id)] = -static_cast<float>(rank);
  }
  return scores;
}

Error not_in_gguf(std::string_view what, std::string_view stage) {
  return Error{ErrorCode::kUnsupported, fmt::format("GGUF cannot hold this tokenizer's {}: {}", what, stage.substr(0, 300)),
               "keep the model in a Hugging Face folder"};
}

bool mentions(const std::string& stage, std::string_view what) { return stage.find(what) != std::string::npos; }

Status write_llama(const Tokenizer& tokenizer, size_t n_rows, GgufWriter& writer) {
  const TokenizerSpec& spec = tokenizer.spec();
  const bool in_normalizer = mentions(spec.normalizer, kVisibleSpace), in_pre_tokenizer = mentions(spec.pre_tokenizer, "\"Metaspace\"");
  if (!in_normalizer && !in_pre_tokenizer) return not_in_gguf("normalizer", spec.normalizer);
  const bool prefix = in_normalizer ? mentions(spec.normalizer, "\"Prepend\"") : !mentions(spec.pre_tokenizer, "\"never\"");
  writer.set_string("tokenizer.ggml.model", "llama");
  writer.set_string("tokenizer.ggml.pre", "default");
  std::vector<float> scores = spec.scores.empty() ? scores_of_merges(spec, tokenizer) : std::vector<float>(spec.scores.begin(), spec.scores.end());
  scores.resize(n_rows, kNeverMerged);
  writer.set_f32s("tokenizer.ggml.scores", scores);
  writer.set_bool("tokenizer.ggml.add_space_prefix", prefix);
  return {};
}

// The stages of a normalizer in order, those of sequences by themselves.
std::vector<Json> steps_of(const Json& node) {
  if (node.is_null()) return {};
  if (!node.is_object() || !node.contains("normalizers")) return {node};
  std::vector<Json> steps;
  for (const Json& step : node["normalizers"]) {
    for (Json& inner : steps_of(step)) steps.push_back(std::move(inner));
  }
  return steps;
}

Status write_t5(const Tokenizer& tokenizer, size_t n_tokens, GgufWriter& writer) {
  const TokenizerSpec& spec = tokenizer.spec();
  if (spec.pre_tokenizer != dump_json(metaspace())) return not_in_gguf("pre-tokenizer", spec.pre_tokenizer);
  OWLET_ASSIGN(const Json normalizer, parse_json(spec.normalizer));
  const Json strip = {{"type", "Strip"}, {"strip_left", true}, {"strip_right", true}};
  bool strips = false, merges = false;
  for (const Json& step : steps_of(normalizer)) {
    if (step.value("type", "") == "Precompiled") {
      OWLET_ASSIGN(const std::string text, get_string(step, "precompiled_charsmap"));
      OWLET_ASSIGN(const std::string map, decode_base64(text));
      writer.set_bytes("tokenizer.ggml.precompiled_charsmap", map);
    } else if (step == strip) {
      strips = true;
    } else if (step == merged_spaces()) {
      merges = true;
    } else {
      return not_in_gguf("normalizer", spec.normalizer);
    }
  }
  if (strips != merges) return not_in_gguf("normalizer", spec.normalizer);
  writer.set_string("tokenizer.ggml.model", "t5");
  writer.set_string("tokenizer.ggml.pre", "default");
  std::vector<float> scores(spec.scores.begin(), spec.scores.end());
  scores.resize(n_tokens);
  writer.set_f32s("tokenizer.ggml.scores", scores);
  writer.set_bool("tokenizer.ggml.add_space_prefix", true);
  writer.set_bool("tokenizer.ggml.remove_extra_whitespaces", merges);
  return {};
}

Status write_bert(const Tokenizer& tokenizer, GgufWriter& writer) {
  const TokenizerSpec& spec = tokenizer.spec();
  if (spec.continuing_prefix != kBertPrefix) return not_in_gguf("prefix inside words", spec.continuing_prefix);
  OWLET_ASSIGN(Json normalizer, parse_json(spec.normalizer));
  if (normalizer.is_object() && normalizer.value("strip_accents", Json()).is_null()) normalizer["strip_accents"] = normalizer.value("lowercase", true);
  if (dump_json(normalizer) != dump_json(parse_json(kBertNormalizer).value())) return not_in_gguf("normalizer", spec.normalizer);
  if (spec.pre_tokenizer != kBertPreTokenizer) return not_in_gguf("pre-tokenizer", spec.pre_tokenizer);
  const auto& before = tokenizer.before_text();
  const auto& after = tokenizer.after_text();
  if (before.size() != 1 || after.size() != 1) return not_in_gguf("post-processor", spec.post_processor);
  writer.set_string("tokenizer.ggml.model", "bert");
  writer.set_string("tokenizer.ggml.pre", "default");
  writer.set_u32("tokenizer.ggml.cls_token_id", static_cast<uint32_t>(before[0]));
  writer.set_u32("tokenizer.ggml.seperator_token_id", static_cast<uint32_t>(after[0]));
  return {};
}

// Tokens as GGUF spells them: in WordPiece, what begins a word has a visible space before it, and what does not has no prefix.
std::vector<std::string> spelled_tokens(const TokenizerSpec& spec, const std::vector<int32_t>& types) {
  std::vector<std::string> tokens = spec.vocab;
  for (size_t id = 0; id < tokens.size() && spec.kind == TokenModelKind::kWordPiece; ++id) {
    if (tokens[id].empty() || types[id] != kNormalToken) continue;
    tokens[id] = tokens[id].starts_with(kBertPrefix) ? tokens[id].substr(kBertPrefix.size()) : kVisibleSpace + tokens[id];
  }
  return tokens;
}

Status write_gpt2(const Tokenizer& tokenizer, GgufWriter& writer) {
  const TokenizerSpec& spec = tokenizer.spec();
  if (mentions(spec.pre_tokenizer, "\"add_prefix_space\":true")) return not_in_gguf("space before a text", spec.pre_tokenizer);
  if (spec.normalizer != "null" && spec.normalizer != R"({"type":"NFC"})") return not_in_gguf("normalizer", spec.normalizer);
  OWLET_ASSIGN(const std::string pre, gguf_name_of_pre_tokenizer(spec.pre_tokenizer, spec.ignore_merges));
  std::vector<std::string> merges;
  for (const auto& [left, right] : spec.merges) merges.push_back(left + " " + right);
  writer.set_string("tokenizer.ggml.model", "gpt2");
  writer.set_string("tokenizer.ggml.pre", pre);
  writer.set_strings("tokenizer.ggml.merges", merges);
  writer.set_bool("tokenizer.ggml.add_space_prefix", false);
  return {};
}

Status write_model(const Tokenizer& tokenizer, size_t n_tokens, GgufWriter& writer) {
  const TokenizerSpec& spec = tokenizer.spec();
  if (spec.kind == TokenModelKind::kUnigram) return write_t5(tokenizer, n_tokens, writer);
  if (spec.kind == TokenModelKind::kWordPiece) return write_bert(tokenizer, writer);
  return spec.byte_fallback ? write_llama(tokenizer, n_tokens, writer) : write_gpt2(tokenizer, writer);
}

}  // namespace

Result<Tokenizer> read_gguf_tokenizer(const GgufFile& file) {
  OWLET_ASSIGN(const std::string model, file.get_string("tokenizer.ggml.model"));
  TokenizerSpec spec;
  for (const Kind& kind : kKinds) {
    if (model != kind.name) continue;
    OWLET_TRY(read_tokens(file, spec));
    OWLET_TRY(kind.read(file, spec));
    return Tokenizer::from_spec(std::move(spec));
  }
  return make_error(ErrorCode::kUnsupported, "tokenizers of type '{}' are not supported", model);
}

Status write_gguf_tokenizer(const Tokenizer& tokenizer, const GgufTokenIds& ids, int64_t n_rows, GgufWriter& writer) {
  const TokenizerSpec& spec = tokenizer.spec();
  if (spec.kind == TokenModelKind::kWordLevel) return not_in_gguf("model", "a list of whole words");
  std::vector<int32_t> types(spec.vocab.size(), kNormalToken);
  for (const AddedToken& token : spec.added) types[static_cast<size_t>(token.id)] = token.special ? kControlToken : kUserToken;
  for (int byte = 0; byte < 256 && spec.byte_fallback; ++byte) {
    if (const TokenId id = tokenizer.id_of(fmt::format("<0x{:02X}>", byte)); id >= 0) types[static_cast<size_t>(id)] = kByteToken;
  }
  const bool has_unknown = spec.byte_fallback || spec.kind != TokenModelKind::kBpe;
  if (spec.unk >= 0 && has_unknown) types[static_cast<size_t>(spec.unk)] = kUnknownToken;
  std::vector<std::string> tokens = spelled_tokens(spec, types);
  while (static_cast<int64_t>(tokens.size()) < n_rows) tokens.push_back(fmt::format("[PAD{}]", tokens.size()));
  types.resize(tokens.size(), kUnusedToken);
  OWLET_TRY(write_model(tokenizer, tokens.size(), writer));
  writer.set_strings("tokenizer.ggml.tokens", tokens);
  writer.set_i32s("tokenizer.ggml.token_type", types);
  const auto& before = tokenizer.before_text();
  const TokenId bos = before.size() == 1 ? before[0] : ids.bos;
  writer.set_bool("tokenizer.ggml.add_bos_token", before.size() == 1);
  writer.set_bool("tokenizer.ggml.add_eos_token", tokenizer.after_text().size() == 1 && tokenizer.after_text()[0] == ids.eos);
  if (bos >= 0) writer.set_u32("tokenizer.ggml.bos_token_id", static_cast<uint32_t>(bos));
  if (ids.eos >= 0) writer.set_u32("tokenizer.ggml.eos_token_id", static_cast<uint32_t>(ids.eos));
  if (ids.pad >= 0) writer.set_u32("tokenizer.ggml.padding_token_id", static_cast<uint32_t>(ids.pad));
  if (spec.unk >= 0) writer.set_u32("tokenizer.ggml.unknown_token_id", static_cast<uint32_t>(spec.unk));
  return {};
}

}  // namespace owlet

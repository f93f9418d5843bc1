// Tokenizers on disk: Hugging Face's tokenizer.json, and GPT-2's vocab.json + merges.txt.
#include <algorithm>

#include "core/file.h"
#include "core/json.h"
#include "tokenizer/tokenizer.h"

namespace owlet {
namespace fs = std::filesystem;
namespace {

constexpr uint64_t kMaxFileBytes = uint64_t{256} << 20;
constexpr int kMaxDepth = 16;

Error unsupported(std::string_view what, const Json& value) {
  return make_error(ErrorCode::kUnsupported, "{} {} is not supported", what, dump_json(value).substr(0, 120));
}

std::string type_of(const Json& object) {
  return object.is_object() && object.contains("type") && object["type"].is_string() ? object["type"].get<std::string>() : "";
}

// {"token": id, …} with every id from 0 to n − 1 once; ids up to `extra` beyond may be filled by added tokens.
Result<std::vector<std::string>> read_vocab(const Json& vocab, size_t extra) {
  if (!vocab.is_object()) return make_error(ErrorCode::kCorrupt, "'vocab' must map tokens to ids");
  std::vector<std::string> tokens(vocab.size() + extra);
  std::vector<bool> seen(tokens.size());
  for (const auto& [token, id] : vocab.items()) {
    if (!id.is_number_unsigned() || id.get<uint64_t>() >= tokens.size() || seen[id.get<size_t>()]) {
      return make_error(ErrorCode::kCorrupt, "token '{}' has the id {}, which is out of range or taken", token, dump_json(id));
    }
    tokens[id.get<size_t>()] = token;
    seen[id.get<size_t>()] = true;
  }
  return tokens;
}

Result<std::pair<std::string, std::string>> read_merge(const Json& merge) {
  if (merge.is_array() && merge.size() == 2 && merge[0].is_string() && merge[1].is_string()) {
    return std::pair(merge[0].get<std::string>(), merge[1].get<std::string>());
  }
  if (merge.is_string()) {
    const auto text = merge.get<std::string>();
    const size_t space = text.find(' ');
    if (space != std::string::npos && space > 0) return std::pair(text.substr(0, space), text.substr(space + 1));
  }
  return make_error(ErrorCode::kCorrupt, "a merge is {}; expected two tokens", dump_json(merge).substr(0, 80));
}

// ByteLevel, alone or as the only member of a sequence.
Status read_pre_tokenizer(const Json& json, BpeSpec& spec) {
  if (type_of(json) == "Sequence" && json.contains("pretokenizers") && json["pretokenizers"].is_array() &&
      json["pretokenizers"].size() == 1) {
    return read_pre_tokenizer(json["pretokenizers"][0], spec);
  }
  if (type_of(json) != "ByteLevel" || json.value("use_regex", Json(true)) != Json(true)) {
    return unsupported("the pre-tokenizer", json);
  }
  spec.add_prefix_space = json.value("add_prefix_space", Json(false)) == Json(true);
  return {};
}

Status read_added(const Json& json, BpeSpec& spec) {
  if (!json.is_array()) return make_error(ErrorCode::kCorrupt, "'added_tokens' must be a list");
  for (const Json& token : json) {
    OWLET_ASSIGN(const int64_t id, get_int(token, "id"));
    OWLET_ASSIGN(const std::string text, get_string(token, "content"));
    if (id < 0 || id >= static_cast<int64_t>(spec.vocab.size())) {
      return make_error(ErrorCode::kCorrupt, "added token '{}' has the id {}, out of range", text, id);
    }
    std::string& slot = spec.vocab[static_cast<size_t>(id)];
    if (!slot.empty() && slot != text) return make_error(ErrorCode::kCorrupt, "added token '{}' takes the id of '{}'", text, slot);
    slot = text;
    for (const char* flag : {"single_word", "lstrip", "rstrip"}) {
      if (token.value(flag, Json(false)) == Json(true)) return unsupported(fmt::format("added token with '{}':", flag), token);
    }
    spec.added.push_back({static_cast<TokenId>(id), text, token.value("special", Json(false)) == Json(true)});
  }
  return {};
}

Result<BpeSpec> read_tokenizer_json(const Json& json) {
  const Json none;
  const auto part = [&](const char* key) -> const Json& { return json.is_object() && json.contains(key) ? json[key] : none; };
  const Json& model = part("model");
  if (!model.is_object() || (model.contains("type") && type_of(model) != "BPE")) return unsupported("the model", model.is_object() ? model.value("type", none) : model);
  if (model.value("byte_fallback", none) == Json(true)) return unsupported("a model with", Json("byte_fallback"));
  if (!part("normalizer").is_null()) return unsupported("the normalizer", part("normalizer"));
  const Json& added = part("added_tokens");
  // Added tokens may continue the vocabulary or stand in it already.
  size_t extra = 0;
  if (added.is_array() && model.contains("vocab") && model["vocab"].is_object()) {
    for (const Json& token : added) {
      if (token.is_object() && token.contains("content") && token["content"].is_string()) extra += !model["vocab"].contains(token["content"].get<std::string>());
    }
  }
  BpeSpec spec;
  OWLET_ASSIGN(spec.vocab, read_vocab(model.contains("vocab") ? model["vocab"] : none, extra));
  if (!model.contains("merges") || !model["merges"].is_array()) return make_error(ErrorCode::kCorrupt, "'merges' must be a list");
  for (const Json& merge : model["merges"]) {
    OWLET_ASSIGN(auto pair, read_merge(merge));
    spec.merges.push_back(std::move(pair));
  }
  OWLET_TRY(read_pre_tokenizer(part("pre_tokenizer"), spec));
  if (!added.is_null()) OWLET_TRY(read_added(added, spec));
  const std::string post = type_of(part("post_processor"));
  if (!post.empty() && post != "ByteLevel") return unsupported("the post-processor", part("post_processor"));
  return spec;
}

Result<Tokenizer> load_json(const fs::path& file) {
  OWLET_ASSIGN(const std::string text, read_file(file, kMaxFileBytes));
  OWLET_ASSIGN(const Json json, parse_json(text, kMaxDepth));
  OWLET_ASSIGN(BpeSpec spec, read_tokenizer_json(json));
  return Tokenizer::from_spec(std::move(spec));
}

}  // namespace

Result<Tokenizer> load_vocab_merges(const fs::path& vocab, const fs::path& merges, const std::vector<std::string>& added) {
  OWLET_ASSIGN(const std::string vocab_text, read_file(vocab, kMaxFileBytes));
  auto json = parse_json(vocab_text, kMaxDepth);
  if (!json.ok()) return std::move(json).error().in(vocab.string());
  BpeSpec spec;
  OWLET_ASSIGN(spec.vocab, read_vocab(*json, 0));
  OWLET_ASSIGN(LineReader lines, LineReader::open(merges));
  std::string line;
  for (bool first = true;; first = false) {
    OWLET_ASSIGN(const bool more, lines.next(line));
    if (!more) break;
    if (line.empty() || (first && line.starts_with("#version"))) continue;
    OWLET_ASSIGN(auto pair, read_merge(Json(line)));
    spec.merges.push_back(std::move(pair));
  }
  for (const std::string& text : added) {
    const auto it = std::find(spec.vocab.begin(), spec.vocab.end(), text);
    if (it == spec.vocab.end()) return make_error(ErrorCode::kNotFound, "{} has no token '{}'", vocab.string(), text);
    spec.added.push_back({static_cast<TokenId>(it - spec.vocab.begin()), text, true});
  }
  return Tokenizer::from_spec(std::move(spec));
}

Result<Tokenizer> Tokenizer::load(const fs::path& path) {
  std::error_code code;
  fs::path file = path;
  if (fs::is_directory(path, code)) {
    file = path / "tokenizer.json";
    if (!fs::exists(file, code) && fs::exists(path / "vocab.json", code)) {
      return load_vocab_merges(path / "vocab.json", path / "merges.txt", {});
    }
  }
  auto tokenizer = load_json(file);
  if (!tokenizer.ok()) return std::move(tokenizer).error().in(file.string());
  return tokenizer;
}

Status Tokenizer::save(const fs::path& folder) const {
  const BpeSpec& s = spec();
  nlohmann::ordered_json vocab = nlohmann::ordered_json::object();
  for (size_t i = 0; i < s.vocab.size(); ++i) vocab[s.vocab[i]] = i;
  nlohmann::ordered_json merges = nlohmann::ordered_json::array(), added = nlohmann::ordered_json::array();
  std::string merges_text = "#version: 0.2\n";
  for (const auto& [left, right] : s.merges) {
    merges.push_back({left, right});
    merges_text += left + " " + right + "\n";
  }
  for (const AddedToken& token : s.added) {
    added.push_back({{"id", token.id}, {"content", token.text}, {"single_word", false}, {"lstrip", false}, {"rstrip", false},
                     {"normalized", false}, {"special", token.special}});
  }
  const nlohmann::ordered_json byte_level = {{"type", "ByteLevel"}, {"add_prefix_space", s.add_prefix_space},
                                             {"trim_offsets", true}, {"use_regex", true}};
  const nlohmann::ordered_json json = {
      {"version", "1.0"}, {"truncation", nullptr}, {"padding", nullptr}, {"added_tokens", added}, {"normalizer", nullptr},
      {"pre_tokenizer", byte_level}, {"post_processor", nullptr}, {"decoder", byte_level},
      {"model", {{"type", "BPE"}, {"dropout", nullptr}, {"unk_token", nullptr}, {"continuing_subword_prefix", nullptr},
                 {"end_of_word_suffix", nullptr}, {"fuse_unk", false}, {"byte_fallback", false}, {"ignore_merges", false},
                 {"vocab", vocab}, {"merges", merges}}}};
  std::error_code code;
  fs::create_directories(folder, code);
  if (code) return make_error(ErrorCode::kIo, "cannot create {}: {}", folder.string(), code.message());
  OWLET_TRY(write_file(folder / "tokenizer.json", json.dump(1) + "\n"));
  OWLET_TRY(write_file(folder / "vocab.json", vocab.dump() + "\n"));
  return write_file(folder / "merges.txt", merges_text);
}

}  // namespace owlet

#include "apps/gguf_tokenizer.h"

#include <algorithm>

namespace owlet {
namespace {

// tokenizer.ggml.token_type
constexpr int kNormalToken = 1;
constexpr int kControlToken = 3;
constexpr int kUserToken = 4;

}  // namespace

Result<Tokenizer> read_gguf_tokenizer(const GgufFile& file) {
  OWLET_ASSIGN(const std::string model, file.get_string("tokenizer.ggml.model"));
  if (model != "gpt2") return make_error(ErrorCode::kUnsupported, "tokenizers of type '{}' are not supported", model);
  BpeSpec spec;
  OWLET_ASSIGN(spec.vocab, file.get_strings("tokenizer.ggml.tokens"));
  OWLET_ASSIGN(const auto merges, file.get_strings("tokenizer.ggml.merges"));
  for (const std::string& merge : merges) {
    const size_t space = merge.find(' ', 1);
    if (space == std::string::npos) return make_error(ErrorCode::kCorrupt, "the merge '{}' is not two tokens", merge);
    spec.merges.emplace_back(merge.substr(0, space), merge.substr(space + 1));
  }
  OWLET_ASSIGN(const auto types, file.ints_or_empty("tokenizer.ggml.token_type"));
  for (size_t i = 0; i < std::min(types.size(), spec.vocab.size()); ++i) {
    if (types[i] == kControlToken || types[i] == kUserToken) {
      spec.added.push_back({static_cast<TokenId>(i), spec.vocab[i], types[i] == kControlToken});
    }
  }
  if (file.has("tokenizer.ggml.pre")) {
    OWLET_ASSIGN(const std::string pre, file.get_string("tokenizer.ggml.pre"));
    spec.pre_tokenizer = pre == "gpt-2" || pre == "default" ? "gpt2" : pre;
  }
  OWLET_ASSIGN(const int64_t bos, file.int_or("tokenizer.ggml.bos_token_id", -1));
  OWLET_ASSIGN(const int64_t eos, file.int_or("tokenizer.ggml.eos_token_id", -1));
  spec.bos = static_cast<TokenId>(bos);
  spec.eos = static_cast<TokenId>(eos);
  OWLET_ASSIGN(spec.add_bos, file.bool_or("tokenizer.ggml.add_bos_token", false));
  return Tokenizer::from_spec(std::move(spec));
}

Status write_gguf_tokenizer(const Tokenizer& tokenizer, const GgufTokenIds& ids, GgufWriter& writer) {
  const BpeSpec& spec = tokenizer.spec();
  std::vector<std::string> merges;
  for (const auto& [left, right] : spec.merges) merges.push_back(left + " " + right);
  std::vector<int32_t> types(spec.vocab.size(), kNormalToken);
  for (const AddedToken& token : spec.added) types[static_cast<size_t>(token.id)] = token.special ? kControlToken : kUserToken;
  writer.set_string("tokenizer.ggml.model", "gpt2");
  writer.set_string("tokenizer.ggml.pre", "gpt-2");
  writer.set_strings("tokenizer.ggml.tokens", spec.vocab);
  writer.set_i32s("tokenizer.ggml.token_type", types);
  writer.set_strings("tokenizer.ggml.merges", merges);
  writer.set_bool("tokenizer.ggml.add_bos_token", spec.add_bos);
  writer.set_bool("tokenizer.ggml.add_space_prefix", spec.add_prefix_space);
  if (ids.bos >= 0) writer.set_u32("tokenizer.ggml.bos_token_id", static_cast<uint32_t>(ids.bos));
  if (ids.eos >= 0) writer.set_u32("tokenizer.ggml.eos_token_id", static_cast<uint32_t>(ids.eos));
  if (ids.pad >= 0) writer.set_u32("tokenizer.ggml.padding_token_id", static_cast<uint32_t>(ids.pad));
  return {};
}

}  // namespace owlet

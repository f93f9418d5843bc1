#include "tokenizer/post_processor.h"

#include "tokenizer/stage_json.h"

namespace owlet {
namespace {

constexpr size_t kMaxAround = 1024;

Status add_id(const Json& id, size_t vocab_size, std::vector<TokenId>& out) {
  if (!id.is_number_integer() || id.get<int64_t>() < 0 || id.get<uint64_t>() >= vocab_size) {
    return corrupt("the post-processor names the token id {}, of a vocabulary of {}", dump_json(id), vocab_size);
  }
  if (out.size() >= kMaxAround) return make_error(ErrorCode::kTooLarge, "the post-processor adds more than {} tokens", kMaxAround);
  out.push_back(id.get<TokenId>());
  return {};
}

Status read_template(const Json& node, size_t vocab_size, TokensAround& around) {
  const Json& single = member(node, "single");
  if (!single.is_array()) return unsupported_stage("post-processor's template", dump_json(single));
  bool text_seen = false;
  for (const Json& part : single) {
    if (member(part, "Sequence").is_object()) {
      if (text_seen || text_or(member(part, "Sequence"), "id", "A") != "A") return unsupported_stage("post-processor's template", dump_json(single));
      text_seen = true;
      continue;
    }
    OWLET_ASSIGN(const std::string name, get_string(member(part, "SpecialToken"), "id"));
    const Json& ids = member(member(member(node, "special_tokens"), name), "ids");
    if (!ids.is_array()) return corrupt("the post-processor's special token '{}' has no ids", name);
    for (const Json& id : ids) OWLET_TRY(add_id(id, vocab_size, text_seen ? around.after : around.before));
  }
  return text_seen ? Status() : unsupported_stage("post-processor's template", dump_json(single));
}

// "cls": ["[CLS]", 101]
Status read_pair(const Json& node, const char* key, size_t vocab_size, std::vector<TokenId>& out) {
  const Json& pair = member(node, key);
  if (!pair.is_array() || pair.size() != 2) return corrupt("the post-processor's '{}' must be a token and its id", key);
  return add_id(pair[1], vocab_size, out);
}

Status add(const Json& node, size_t vocab_size, int depth, TokensAround& around) {
  const std::string type = type_of(node);
  if (type == "none" || type == "ByteLevel") return {};
  if (type == "Sequence" && member(node, "processors").is_array() && depth < kMaxStageDepth) {
    for (const Json& step : member(node, "processors")) OWLET_TRY(add(step, vocab_size, depth + 1, around));
    return {};
  }
  TokensAround own;
  if (type == "TemplateProcessing") {
    OWLET_TRY(read_template(node, vocab_size, own));
  } else if (type == "BertProcessing" || type == "RobertaProcessing") {
    OWLET_TRY(read_pair(node, "cls", vocab_size, own.before));
    OWLET_TRY(read_pair(node, "sep", vocab_size, own.after));
  } else {
    return unsupported_stage("post-processor", type);
  }
  around.before.insert(around.before.begin(), own.before.begin(), own.before.end());
  around.after.insert(around.after.end(), own.after.begin(), own.after.end());
  return {};
}

}  // namespace

Result<TokensAround> read_post_processor(const Json& node, size_t vocab_size) {
  TokensAround around;
  OWLET_TRY(add(node, vocab_size, 0, around));
  return around;
}

Json template_processing(const TokensAround& around, const std::vector<std::string>& vocab) {
  if (around.before.empty() && around.after.empty()) return nullptr;
  Json special = Json::object();
  const auto token = [&](TokenId id, int type) {
    const std::string& text = vocab[static_cast<size_t>(id)];
    special[text] = {{"id", text}, {"ids", {id}}, {"tokens", {text}}};
    return Json{{"SpecialToken", {{"id", text}, {"type_id", type}}}};
  };
  const auto form = [&](bool pair) {
    Json parts = Json::array();
    for (const TokenId id : around.before) parts.push_back(token(id, 0));
    parts.push_back({{"Sequence", {{"id", "A"}, {"type_id", 0}}}});
    if (pair) parts.push_back({{"Sequence", {{"id", "B"}, {"type_id", 1}}}});
    for (const TokenId id : around.after) parts.push_back(token(id, 0));
    return parts;
  };
  Json single = form(false), both = form(true);
  return {{"type", "TemplateProcessing"}, {"single", std::move(single)}, {"pair", std::move(both)}, {"special_tokens", std::move(special)}};
}

}  // namespace owlet

// How Owlet reads and writes texts, for the checks in this folder to hold against others: interop_text MODEL IN OUT
//   IN is JSON: {"texts": ["…"], "chats": [[{"role": "user", "content": "…"}, …], …]}
//   OUT becomes {"ids": [[id, …], …], "decoded": ["…"], "rendered": ["…"], "stop_ids": [id, …], "temperature", "top_p", "top_k"}:
//   each text with the control tokens around it, its ids back to text, each chat by the model's template up to the next answer.
#include <fmt/format.h>

#include "apps/load_chat_model.h"
#include "core/file.h"
#include "core/json.h"

namespace owlet {
namespace {

Status run(const std::vector<std::string>& arguments) {
  if (arguments.size() != 3) return make_error(ErrorCode::kInvalidArgument, "interop_text MODEL IN OUT");
  OWLET_ASSIGN(const ChatModel chat, load_chat_model(arguments[0]));
  OWLET_ASSIGN(const std::string source, read_file(arguments[1]));
  OWLET_ASSIGN(const Json in, parse_json(source));
  Json out = {{"ids", Json::array()}, {"decoded", Json::array()}, {"rendered", Json::array()}, {"stop_ids", chat.stop_ids},
              {"temperature", chat.defaults.temperature}, {"top_p", chat.defaults.top_p}, {"top_k", chat.defaults.top_k}};
  for (const Json& text : in.at("texts")) {
    const auto ids = chat.tokenizer->encode(text.get<std::string>());
    out["ids"].push_back(ids);
    out["decoded"].push_back(chat.tokenizer->decode(ids, true));
  }
  for (const Json& messages : in.at("chats")) {
    if (!chat.chat_template) return make_error(ErrorCode::kNotFound, "{} has no chat template", arguments[0]);
    std::vector<ChatMessage> said;
    for (const Json& m : messages) said.push_back({m.at("role").get<std::string>(), m.at("content").get<std::string>(), {}});
    OWLET_ASSIGN(const std::string text, chat.chat_template->render(said, true));
    out["rendered"].push_back(text);
  }
  return write_file(arguments[2], dump_json(out));
}

}  // namespace
}  // namespace owlet

int main(int argc, char** argv) {
  const owlet::Status status = owlet::run({argv + 1, argv + argc});
  if (!status.ok()) fmt::print(stderr, "{}\n", status.error().to_string());
  return status.ok() ? 0 : 1;
}

#include "apps/chat_model.h"

#include <algorithm>

#include "apps/gguf_tokenizer.h"
#include "model/load.h"

namespace owlet {

Result<std::unique_ptr<Machine>> make_machine(int threads) {
  auto machine = std::make_unique<Machine>(threads);
  OWLET_ASSIGN(machine->ops, make_cpu_ops(machine->pool));
  return machine;
}

// The ids that end an answer: the model's own, and the homemade family's by name.
std::vector<int32_t> find_stop_ids(const Model& model, const Tokenizer& tokenizer) {
  std::vector<int32_t> ids = model.config.eos;
  for (const char* name : {"<a_end>", "<text_end>"}) {
    const int32_t id = tokenizer.id_of(name);
    if (id >= 0 && std::find(ids.begin(), ids.end(), id) == ids.end()) ids.push_back(id);
  }
  return ids;
}

Status read_gguf_chat(const GgufFile& file, ChatModel& chat) {
  auto tokenizer = read_gguf_tokenizer(file);
  if (!tokenizer.ok()) return std::move(tokenizer).error().in(chat.path.string());
  chat.tokenizer = std::make_unique<Tokenizer>(std::move(tokenizer).value());
  OWLET_ASSIGN(chat.defaults.temperature, file.float_or("general.sampling.temp", kUsualTemperature));
  OWLET_ASSIGN(chat.defaults.top_p, file.float_or("general.sampling.top_p", 1.0));
  OWLET_ASSIGN(const int64_t top_k, file.int_or("general.sampling.top_k", 0));
  chat.defaults.top_k = static_cast<int>(top_k);
  if (file.has("general.description")) {
    OWLET_ASSIGN(chat.description, file.get_string("general.description"));
  }
  if (file.has("tokenizer.chat_template")) {
    OWLET_ASSIGN(std::string source, file.get_string("tokenizer.chat_template"));
    OWLET_ASSIGN(chat.chat_template, ChatTemplate::parse(std::move(source)));
  }
  return {};
}

Status complete(ChatModel& chat) {
  if (chat.tokenizer->vocab_size() > chat.model->config.vocab_size) {
    return corrupt("{}: the tokenizer has {} tokens, the model {}", chat.path.string(),
                      chat.tokenizer->vocab_size(), chat.model->config.vocab_size);
  }
  chat.stop_ids = find_stop_ids(*chat.model, *chat.tokenizer);
  return {};
}

Result<ChatModel> read_chat_model(const GgufFile& file, const std::string& name) {
  ChatModel chat;
  chat.path = name;
  chat.id = chat.path.stem().string();
  OWLET_ASSIGN(Model model, load_model(file, name));
  chat.model = std::make_unique<Model>(std::move(model));
  OWLET_TRY(read_gguf_chat(file, chat));
  OWLET_TRY(complete(chat));
  return chat;
}

}  // namespace owlet

#include "apps/load_chat_model.h"

#include <algorithm>
#include <cstdlib>

#include "apps/gguf_tokenizer.h"
#include "apps/progress.h"
#include "core/file.h"
#include "core/json.h"
#include "model/homemade.h"
#include "model/load.h"

namespace owlet {
namespace fs = std::filesystem;
namespace {

constexpr uint64_t kMaxJsonBytes = 16 << 20;

// The ids that end an answer: the model's own, and the homemade family's by name.
std::vector<int32_t> find_stop_ids(const Model& model, const Tokenizer& tokenizer) {
  std::vector<int32_t> ids = model.config.eos;
  for (const char* name : {"<a_end>", "<text_end>"}) {
    const int32_t id = tokenizer.id_of(name);
    if (id >= 0 && std::find(ids.begin(), ids.end(), id) == ids.end()) ids.push_back(id);
  }
  return ids;
}

// chat_template.jinja, or the field of tokenizer_config.json; the homemade form where only the tokens say so.
Result<std::optional<ChatTemplate>> find_template(const fs::path& folder, const Tokenizer& tokenizer) {
  std::error_code code;
  std::string source;
  if (fs::exists(folder / "chat_template.jinja", code)) {
    OWLET_ASSIGN(source, read_file(folder / "chat_template.jinja", kMaxJsonBytes));
  } else if (fs::exists(folder / "tokenizer_config.json", code)) {
    OWLET_ASSIGN(const std::string text, read_file(folder / "tokenizer_config.json", kMaxJsonBytes));
    OWLET_ASSIGN(const Json json, parse_json(text));
    if (json.contains("chat_template") && json["chat_template"].is_string()) source = json["chat_template"].get<std::string>();
  }
  if (source.empty() && tokenizer.id_of("<q_end>") >= 0) source = kHomemadeTemplate;
  if (source.empty()) return std::optional<ChatTemplate>();
  OWLET_ASSIGN(ChatTemplate parsed, ChatTemplate::parse(std::move(source)));
  return std::optional<ChatTemplate>(std::move(parsed));
}

constexpr double kUsualTemperature = 0.7;

// generation_config.json, as transformers reads it.
Status read_generation_config(const fs::path& file, SamplingParams& defaults) {
  std::error_code code;
  if (!fs::exists(file, code)) return {};
  OWLET_ASSIGN(const std::string text, read_file(file, kMaxJsonBytes));
  auto json = parse_json(text);
  if (!json.ok()) return std::move(json).error().in(file.string());
  if (json->contains("temperature") && (*json)["temperature"].is_number()) defaults.temperature = (*json)["temperature"].get<double>();
  if (json->contains("top_p") && (*json)["top_p"].is_number()) defaults.top_p = (*json)["top_p"].get<double>();
  if (json->contains("top_k") && (*json)["top_k"].is_number_integer()) defaults.top_k = (*json)["top_k"].get<int>();
  return {};
}

Status load_from_gguf(const fs::path& path, ChatModel& chat) {
  OWLET_ASSIGN(const GgufFile file, GgufFile::open(path));
  auto tokenizer = read_gguf_tokenizer(file);
  if (!tokenizer.ok()) return std::move(tokenizer).error().in(path.string());
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

// Beside a checkpoint lie tokenizer.json, or vocab.json and merges.txt, bare or with "tokenizer-" or the checkpoint's name before them.
Result<Tokenizer> find_tokenizer(const fs::path& checkpoint) {
  const fs::path folder = fs::absolute(checkpoint).parent_path();
  std::error_code code;
  for (const std::string& prefix : {std::string("tokenizer-"), checkpoint.stem().string() + "-"}) {
    const fs::path vocab = folder / (prefix + "vocab.json"), merges = folder / (prefix + "merges.txt");
    if (fs::exists(vocab, code) && fs::exists(merges, code)) return Tokenizer::load_vocab_merges(vocab, merges);
  }
  return Tokenizer::load(folder);
}

// The checkpoint names no control token: those that end answers and fill rows are the vocabulary's.
Status load_from_checkpoint(const fs::path& checkpoint, ChatModel& chat) {
  OWLET_ASSIGN(Tokenizer tokenizer, find_tokenizer(checkpoint));
  chat.tokenizer = std::make_unique<Tokenizer>(std::move(tokenizer));
  OWLET_ASSIGN(chat.chat_template, find_template(fs::absolute(checkpoint).parent_path(), *chat.tokenizer));
  chat.defaults.temperature = kUsualTemperature;
  chat.model->config.eos = find_stop_ids(*chat.model, *chat.tokenizer);
  chat.model->config.pad = chat.tokenizer->id_of("<pad>");
  return {};
}

Status load_from_folder(const fs::path& folder, ChatModel& chat) {
  OWLET_ASSIGN(Tokenizer tokenizer, Tokenizer::load(folder));
  chat.tokenizer = std::make_unique<Tokenizer>(std::move(tokenizer));
  OWLET_ASSIGN(chat.chat_template, find_template(folder, *chat.tokenizer));
  chat.defaults.temperature = kUsualTemperature;
  return read_generation_config(folder / "generation_config.json", chat.defaults);
}

}  // namespace

Result<std::unique_ptr<Machine>> make_machine(int threads) {
  auto machine = std::make_unique<Machine>(threads);
  OWLET_ASSIGN(machine->ops, make_cpu_ops(machine->pool));
  return machine;
}

Result<fs::path> share_file(const std::string& name) {
  std::error_code code;
  const fs::path program = fs::read_symlink("/proc/self/exe", code);
  for (const fs::path& root : {fs::path(OWLET_SOURCE_DIR), program.parent_path() / "../share/owlet"}) {
    if (fs::exists(root / name, code)) return root / name;
  }
  return Error{ErrorCode::kNotFound, fmt::format("{} did not come with this program", name),
               "install the program whole, or name a model with -m"};
}

Result<fs::path> bundled_model_path() {
  if (const char* named = std::getenv("OWLET_MODEL")) return fs::path(named);
  OWLET_ASSIGN(const fs::path share, share_file("models/owlet.gguf"));
  return share;
}

Result<ChatModel> load_chat_model(const fs::path& given) {
  ChatModel chat;
  chat.path = given;
  if (given.empty()) {
    OWLET_ASSIGN(chat.path, bundled_model_path());
  }
  std::error_code code;
  if (!fs::exists(chat.path, code)) {
    return Error{ErrorCode::kNotFound, fmt::format("there is no model at {}", chat.path.string()),
                 "-m takes a GGUF file, a Hugging Face folder or a PyTorch checkpoint"};
  }
  OWLET_ASSIGN(Model model, load_model(chat.path));
  chat.model = std::make_unique<Model>(std::move(model));
  const bool is_folder = fs::is_directory(chat.path, code);
  chat.id = is_folder ? fs::canonical(chat.path, code).filename().string() : chat.path.stem().string();
  if (const fs::path checkpoint = find_checkpoint(chat.path); !checkpoint.empty()) {
    OWLET_TRY(load_from_checkpoint(checkpoint, chat));
  } else {
    OWLET_TRY(is_folder ? load_from_folder(chat.path, chat) : load_from_gguf(chat.path, chat));
  }
  if (chat.tokenizer->vocab_size() > chat.model->config.vocab_size) {
    return make_error(ErrorCode::kCorrupt, "{}: the tokenizer has {} tokens, the model {}", chat.path.string(),
                      chat.tokenizer->vocab_size(), chat.model->config.vocab_size);
  }
  chat.stop_ids = find_stop_ids(*chat.model, *chat.tokenizer);
  return chat;
}

Status save_tokenizer_files(const Tokenizer& tokenizer, const std::optional<ChatTemplate>& chat_template, const fs::path& folder) {
  OWLET_TRY(tokenizer.save(folder));
  Json config = {{"tokenizer_class", "PreTrainedTokenizerFast"}, {"clean_up_tokenization_spaces", false}};
  if (const int32_t id = tokenizer.id_of("<a_end>"); id >= 0) config["eos_token"] = "<a_end>";
  if (const int32_t id = tokenizer.id_of("<pad>"); id >= 0) config["pad_token"] = "<pad>";
  if (chat_template) config["chat_template"] = chat_template->source();
  return write_file(folder / "tokenizer_config.json", dump_json(config, 2) + "\n");
}

Status save_chat_model(const ChatModel& chat, const fs::path& to, const Mix& mix, const Importance* importance, ThreadPool& pool) {
  if (to.extension() != ".gguf") {
    OWLET_TRY(save_hf(*chat.model, to, mix.most));
    return save_tokenizer_files(*chat.tokenizer, chat.chat_template, to);
  }
  GgufWriter writer;
  OWLET_TRY(add_to_gguf(*chat.model, mix, writer, importance));
  writer.set_string("general.name", chat.id);
  if (!chat.description.empty()) writer.set_string("general.description", chat.description);
  writer.set_f32("general.sampling.temp", static_cast<float>(chat.defaults.temperature));
  writer.set_f32("general.sampling.top_p", static_cast<float>(chat.defaults.top_p));
  writer.set_u32("general.sampling.top_k", static_cast<uint32_t>(std::max(0, chat.defaults.top_k)));
  const ModelConfig& c = chat.model->config;
  OWLET_TRY(write_gguf_tokenizer(*chat.tokenizer, {c.bos, chat.stop_ids.empty() ? -1 : chat.stop_ids.front(), c.pad}, writer));
  if (chat.chat_template) writer.set_string("tokenizer.chat_template", chat.chat_template->source());
  Progress progress;
  const std::string text = fmt::format("{}  {}", to.filename().string(), mix.name);
  const Status written = writer.write(to, &pool, [&](double share) { progress.update(text, share); });
  progress.finish();
  return written;
}

Status quantize_in_memory(const std::string& type, ChatModel& chat, ThreadPool& pool) {
  if (type.empty()) return {};
  OWLET_ASSIGN(const Mix mix, find_mix(type));
  Progress progress;
  Status done = quantize_weights(*chat.model, mix, pool, [&](double share) { progress.update(fmt::format("{}  {}", chat.id, type), share); });
  progress.finish();
  if (!done.ok()) return std::move(done).error().in(chat.path.string());
  return {};
}

}  // namespace owlet

#include "apps/load_chat_model.h"

#include <algorithm>
#include <cstdlib>

#include "apps/gguf_tokenizer.h"
#include "apps/progress.h"
#include "apps/store.h"
#include "core/file.h"
#include "core/json.h"
#include "model/homemade.h"
#include "model/load.h"

namespace owlet {
namespace fs = std::filesystem;
namespace {

constexpr uint64_t kMaxJsonBytes = 16 << 20;

// chat_template.jinja, or the field of tokenizer_config.json; the homemade form where only the tokens say so: thoughts are opened for models
// whose training gave them that.
Result<std::optional<ChatTemplate>> find_template(const fs::path& folder, const Tokenizer& tokenizer, bool opens_thoughts) {
  std::error_code code;
  std::string source;
  if (fs::exists(folder / "chat_template.jinja", code)) {
    OWLET_ASSIGN(source, read_file(folder / "chat_template.jinja", kMaxJsonBytes));
  } else if (fs::exists(folder / "tokenizer_config.json", code)) {
    OWLET_ASSIGN(const std::string text, read_file(folder / "tokenizer_config.json", kMaxJsonBytes));
    OWLET_ASSIGN(const Json json, parse_json(text));
    if (json.contains("chat_template") && json["chat_template"].is_string()) source = json["chat_template"].get<std::string>();
  }
  if (source.empty() && tokenizer.id_of("<q_end>") >= 0) source = homemade_template(opens_thoughts);
  if (source.empty()) return std::optional<ChatTemplate>();
  OWLET_ASSIGN(ChatTemplate parsed, ChatTemplate::parse(std::move(source)));
  return std::optional<ChatTemplate>(std::move(parsed));
}

// generation_config.json, as transformers reads it: what it says of the ids that end an answer goes before config.json.
Status read_generation_config(const fs::path& file, SamplingParams& defaults, ModelConfig& config) {
  std::error_code code;
  if (!fs::exists(file, code)) return {};
  OWLET_ASSIGN(const std::string text, read_file(file, kMaxJsonBytes));
  auto json = parse_json(text);
  if (!json.ok()) return std::move(json).error().in(file.string());
  if (json->contains("temperature") && (*json)["temperature"].is_number()) defaults.temperature = (*json)["temperature"].get<double>();
  if (json->contains("top_p") && (*json)["top_p"].is_number()) defaults.top_p = (*json)["top_p"].get<double>();
  if (json->contains("top_k") && (*json)["top_k"].is_number_integer()) defaults.top_k = (*json)["top_k"].get<int>();
  if (!json->contains("eos_token_id") || (*json)["eos_token_id"].is_null()) return {};
  const Json& eos = (*json)["eos_token_id"];
  std::vector<int32_t> ids;
  for (const Json& id : eos.is_array() ? eos : Json::array({eos})) {
    if (!id.is_number_integer() || id.get<int64_t>() < 0 || id.get<int64_t>() >= config.vocab_size) {
      return make_error(ErrorCode::kInvalidArgument, "{}: 'eos_token_id' holds {}; the model has {} tokens", file.string(), dump_json(id), config.vocab_size);
    }
    ids.push_back(id.get<int32_t>());
  }
  config.eos = std::move(ids);
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
  OWLET_ASSIGN(chat.chat_template, find_template(fs::absolute(checkpoint).parent_path(), *chat.tokenizer, true));
  chat.defaults.temperature = kUsualTemperature;
  chat.model->config.eos = find_stop_ids(*chat.model, *chat.tokenizer);
  chat.model->config.pad = chat.tokenizer->id_of("<pad>");
  return {};
}

Status load_from_folder(const fs::path& folder, ChatModel& chat) {
  OWLET_ASSIGN(Tokenizer tokenizer, Tokenizer::load(folder));
  chat.tokenizer = std::make_unique<Tokenizer>(std::move(tokenizer));
  OWLET_ASSIGN(chat.chat_template, find_template(folder, *chat.tokenizer, false));
  chat.defaults.temperature = kUsualTemperature;
  return read_generation_config(folder / "generation_config.json", chat.defaults, chat.model->config);
}

}  // namespace

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

Result<fs::path> find_model(const fs::path& given) {
  fs::path path = given;
  if (path.empty()) {
    OWLET_ASSIGN(path, bundled_model_path());
  }
  std::error_code code;
  if (fs::exists(path, code)) return path;
  auto kept = Store::open().find(path.string());
  if (kept.ok() || kept.error().code != ErrorCode::kNotFound) return kept;
  return Error{ErrorCode::kNotFound, fmt::format("there is no model at {}", path.string()),
               "-m takes a GGUF file, a Hugging Face folder, a PyTorch checkpoint, or a name that `owlet list` shows;\n"
               "  `owlet pull ORG/NAME` fetches one"};
}

std::string model_name(const fs::path& path) {
  std::error_code code;
  return fs::is_directory(path, code) ? fs::canonical(path, code).filename().string() : path.stem().string();
}

std::string homemade_template(bool opens_thoughts) {
  const std::string usual = opens_thoughts ? "{%- set enable_thinking = enable_thinking | default(true) -%}\n" : "";
  return usual + kHomemadeTemplate;
}

Result<ChatModel> load_chat_model(const fs::path& given) {
  ChatModel chat;
  OWLET_ASSIGN(chat.path, find_model(given));
  std::error_code code;
  OWLET_ASSIGN(Model model, load_model(chat.path));
  chat.model = std::make_unique<Model>(std::move(model));
  const bool is_folder = fs::is_directory(chat.path, code);
  chat.id = model_name(chat.path);
  if (const fs::path checkpoint = find_checkpoint(chat.path); !checkpoint.empty()) {
    OWLET_TRY(load_from_checkpoint(checkpoint, chat));
  } else if (is_folder) {
    OWLET_TRY(load_from_folder(chat.path, chat));
  } else {
    OWLET_ASSIGN(const GgufFile file, GgufFile::open(chat.path));
    OWLET_TRY(read_gguf_chat(file, chat));
  }
  OWLET_TRY(complete(chat));
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

Status save_generation_config(const ModelConfig& config, const SamplingParams& defaults, const std::vector<int32_t>& stop_ids, const fs::path& folder) {
  Json json = {{"do_sample", defaults.temperature > 0}};
  if (defaults.temperature > 0) json.update({{"temperature", defaults.temperature}, {"top_p", defaults.top_p}, {"top_k", defaults.top_k}});
  if (config.bos >= 0) json["bos_token_id"] = config.bos;
  if (config.pad >= 0) json["pad_token_id"] = config.pad;
  if (!stop_ids.empty()) json["eos_token_id"] = stop_ids;
  return write_file(folder / "generation_config.json", dump_json(json, 2) + "\n");
}

Status save_chat_model(const ChatModel& chat, const fs::path& to, const Mix& mix, const Importance* importance, ThreadPool& pool) {
  if (to.extension() != ".gguf") {
    OWLET_TRY(save_hf(*chat.model, to, mix.most));
    OWLET_TRY(save_generation_config(chat.model->config, chat.defaults, chat.stop_ids, to));
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
  OWLET_TRY(write_gguf_tokenizer(*chat.tokenizer, {c.bos, chat.stop_ids.empty() ? -1 : chat.stop_ids.front(), c.pad}, c.vocab_size, writer));
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

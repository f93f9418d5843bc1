// show: what a model is and what it will take, from the headers of its files.
#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "apps/command.h"
#include "apps/load_chat_model.h"
#include "apps/memory_report.h"
#include "apps/progress.h"
#include "apps/talker.h"
#include "core/json.h"
#include "core/memory.h"
#include "core/printable.h"
#include "model/rope.h"

namespace owlet {
namespace {

constexpr size_t kWidth = 78;
constexpr size_t kTemplateRows = 6;

std::string bytes(int64_t n) { return format_bytes(static_cast<double>(n)); }
void heading(const char* text) { fmt::print("\n{}\n", text); }
void line(const char* label, const std::string& text) { fmt::print("  {:<16}{}\n", label, text); }

void show_architecture(const ModelConfig& c) {
  heading("Architecture");
  line(c.architecture.c_str(), fmt::format("{} parameters · {} layers · dim {} · ffn {}", format_short(static_cast<double>(c.n_params())),
                                           c.n_layers, format_count(c.dim), format_count(c.ffn_dim)));
  line("attention", fmt::format("{} heads · {} key/value heads · head dim {}", c.n_heads, c.n_kv_heads, c.head_dim));
  const auto windowed = std::count_if(c.layers.begin(), c.layers.end(), [](const LayerConfig& l) { return l.window > 0; });
  if (windowed > 0) {
    const auto first = std::find_if(c.layers.begin(), c.layers.end(), [](const LayerConfig& l) { return l.window > 0; });
    line("", fmt::format("{} layers see {} tokens back", windowed, format_count(first->window)));
  }
  line("rotation", fmt::format("theta {}{}", format_count(static_cast<int64_t>(c.rope.theta)),
                               c.rope.scaling == RopeScaling::kNone ? "" : fmt::format(" · {}", to_string(c.rope.scaling))));
  line("context", format_count(c.max_positions) + " tokens");
}

// A token's text on a line of its own making: "<|im_end|> 2".
std::string in_words(const Tokenizer& tokenizer, int32_t id) {
  const auto& vocab = tokenizer.spec().vocab;
  const std::string text = id >= 0 && static_cast<size_t>(id) < vocab.size() ? printable_line(vocab[static_cast<size_t>(id)], 32) : "?";
  return fmt::format("{} {}", text, id);
}

// Words apart by " · ", broken into lines.
void wrapped(const char* label, const std::vector<std::string>& words) {
  std::string row;
  for (const std::string& word : words) {
    if (!row.empty() && 18 + row.size() + word.size() > kWidth) {
      line(label, row);
      label = "";
      row.clear();
    }
    row += (row.empty() ? "" : " · ") + word;
  }
  if (!row.empty()) line(label, row);
}

std::string kind_of(const TokenizerSpec& spec) {
  switch (spec.kind) {
    case TokenModelKind::kBpe: return spec.merges.empty() ? "SentencePiece BPE" : "BPE";
    case TokenModelKind::kUnigram: return "Unigram";
    case TokenModelKind::kWordPiece: return "WordPiece";
    case TokenModelKind::kWordLevel: return "words";
  }
  return {};
}

void show_tokens(const ChatModel& chat) {
  const Tokenizer& tokenizer = *chat.tokenizer;
  constexpr size_t kMost = 8;
  heading("Tokens");
  line("vocabulary", fmt::format("{} · {}", format_count(tokenizer.vocab_size()), kind_of(tokenizer.spec())));
  std::vector<std::string> special, ends;
  size_t n_special = 0;
  for (const AddedToken& token : tokenizer.spec().added) {
    if (token.special && n_special++ < kMost) special.push_back(in_words(tokenizer, token.id));
  }
  if (n_special > kMost) special.push_back(fmt::format("and {} more", format_count(static_cast<int64_t>(n_special - kMost))));
  for (const int32_t id : chat.stop_ids) ends.push_back(in_words(tokenizer, id));
  wrapped("special", special);
  if (!tokenizer.before_text().empty()) line("before a text", in_words(tokenizer, tokenizer.before_text().front()));
  wrapped("end an answer", ends);
}

void show_template(const std::optional<ChatTemplate>& chat_template) {
  heading("Chat template");
  if (!chat_template) {
    fmt::print("  none: it completes text\n");
    return;
  }
  const std::string text = printable(chat_template->source());
  size_t at = 0;
  for (size_t row = 0; row < kTemplateRows && at < text.size(); ++row) {
    const size_t end = std::min(text.find('\n', at), text.size());
    const std::string piece = printable_line(std::string_view(text).substr(at, end - at), kWidth - 2);
    fmt::print("  {}\n", piece);
    at += std::max<size_t>(1, piece.size());
    if (at == end) ++at;
  }
  if (at < text.size()) fmt::print("  … {} more characters\n", format_count(static_cast<int64_t>(text.size() - at)));
}

struct OfType {
  int64_t tensors = 0;
  int64_t bytes = 0;
};

std::vector<std::pair<DType, OfType>> types_of(const Model& model) {
  std::map<DType, OfType> types;
  model.weights.for_each([&](const std::string&, const Tensor& tensor) {
    OfType& type = types[tensor.dtype()];
    ++type.tensors;
    type.bytes += tensor.bytes();
  });
  std::vector<std::pair<DType, OfType>> sorted(types.begin(), types.end());
  std::sort(sorted.begin(), sorted.end(), [](const auto& a, const auto& b) { return a.second.bytes > b.second.bytes; });
  return sorted;
}

void show_types(const Model& model) {
  heading("Types");
  for (const auto& [dtype, of_type] : types_of(model)) {
    fmt::print("  {:<16}{:>10}  {} tensors\n", to_string(dtype), bytes(of_type.bytes), format_count(of_type.tensors));
  }
}

void show_memory(const ChatModel& chat) {
  const RunSize size = run_size(engine_options(chat.model->config, {.context = 0, .sequences = 1}));
  const MemoryPlan plan = plan_memory(*chat.model, size);
  const MachineMemory memory = machine_memory();
  heading("Memory");
  line("weights", fmt::format("{:>10}  mapped from the file", bytes(plan.weights)));
  line("keys, values", fmt::format("{:>10}  for a thousand tokens", bytes(1000 * plan.kv_per_token)));
  line("activations", fmt::format("{:>10}", bytes(plan.activations)));
  line("peak", fmt::format("{:>10}  for one answer in {} tokens of context", bytes(plan.peak()), format_count(size.context)));
  line("this machine", fmt::format("{:>10}  free of {}", bytes(memory.available), bytes(memory.total)));
  const Status fits = check_memory(chat.id, *chat.model, size, memory.available);
  if (!fits.ok()) fmt::print("\n  It does not fit: {}\n", fits.error().hint);
}

Json to_json(const ChatModel& chat) {
  const ModelConfig& c = chat.model->config;
  const RunSize size = run_size(engine_options(c, {.context = 0, .sequences = 1}));
  const MemoryPlan plan = plan_memory(*chat.model, size);
  Json types = Json::object();
  for (const auto& [dtype, of_type] : types_of(*chat.model)) {
    types[std::string(to_string(dtype))] = {{"tensors", of_type.tensors}, {"bytes", of_type.bytes}};
  }
  return {{"id", chat.id}, {"path", chat.path.string()}, {"architecture", c.architecture}, {"parameters", c.n_params()},
          {"layers", c.n_layers}, {"dim", c.dim}, {"heads", c.n_heads}, {"kv_heads", c.n_kv_heads}, {"context", c.max_positions},
          {"vocabulary", chat.tokenizer->vocab_size()}, {"stop_ids", chat.stop_ids},
          {"chat_template", chat.chat_template ? Json(chat.chat_template->source()) : Json()}, {"types", types},
          {"memory", {{"weights", plan.weights}, {"kv_per_token", plan.kv_per_token}, {"activations", plan.activations},
                      {"peak", plan.peak()}, {"context", size.context}, {"available", machine_memory().available}}}};
}

Status run(const CommonOptions& options) {
  OWLET_ASSIGN(const ChatModel chat, load_chat_model(options.model));
  if (options.json) {
    fmt::print("{}\n", dump_json(to_json(chat), 1));
    return {};
  }
  fmt::print("{}\n{}\n", printable_line(chat.id, 200), chat.path.string());
  show_architecture(chat.model->config);
  show_tokens(chat);
  show_template(chat.chat_template);
  show_types(*chat.model);
  show_memory(chat);
  return {};
}

}  // namespace

Command show_command() {
  return {"show", "what a model is, and the memory that it will take",
          "  owlet show                                                  the bundled model\n"
          "  owlet show bartowski/SmolLM2-135M-Instruct-GGUF:Q4_K_M\n"
          "  owlet show my-model/ --json",
          [](CLI::App& app) -> std::function<Status()> {
            auto options = std::make_shared<CommonOptions>();
            app.add_option("model", options->model, "a name that `owlet list` shows, a GGUF file, a folder or a checkpoint; default: the bundled model");
            options->add_json(app);
            return [options] { return run(*options); };
          }};
}

}  // namespace owlet

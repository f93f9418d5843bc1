// quantize and convert: the same model in another form.
#include <fmt/format.h>

#include "apps/command.h"
#include "apps/load_chat_model.h"
#include "apps/peft.h"
#include "apps/progress.h"
#include "model/group_heads.h"

namespace owlet {
namespace {
namespace fs = std::filesystem;

struct ConvertOptions {
  std::string from;
  std::string to;
  std::string type = "f16";
  std::string importance;  // a file; empty: all columns count alike
  int threads = 0;
  int64_t kv_heads = 0;  // 0: as many as it has
  std::string rope_scaling;
  std::vector<std::string> adapters;  // merged
};

int64_t size_on_disk(const fs::path& path) {
  std::error_code code;
  if (!fs::is_directory(path, code)) return static_cast<int64_t>(fs::file_size(path, code));
  int64_t total = 0;
  for (const auto& entry : fs::recursive_directory_iterator(path, code)) {
    if (entry.is_regular_file(code)) total += static_cast<int64_t>(entry.file_size(code));
  }
  return total;
}

Status convert(const ConvertOptions& options) {
  OWLET_ASSIGN(const Mix mix, find_mix(options.type));
  const bool gguf = fs::path(options.to).extension() == ".gguf";
  if (!gguf && is_quantized(mix.most)) {
    return Error{ErrorCode::kInvalidArgument, fmt::format("a Hugging Face folder cannot hold {}", options.type),
                 "name a file that ends in .gguf, or choose f32, f16 or bf16"};
  }
  OWLET_ASSIGN(ChatModel chat, load_chat_model(options.from));
  OWLET_TRY(use_adapters(options.adapters, true, *chat.model));
  if (!options.rope_scaling.empty()) OWLET_TRY(stretch_context(chat.model->config, options.rope_scaling));
  if (options.kv_heads > 0) {
    OWLET_ASSIGN(*chat.model, group_heads(*chat.model, options.kv_heads));
  }
  std::optional<Importance> importance;
  if (!options.importance.empty()) {
    OWLET_ASSIGN(importance, Importance::load(options.importance));
    OWLET_TRY(importance->check(*chat.model));
  }
  ThreadPool pool(options.threads);
  OWLET_TRY(save_chat_model(chat, options.to, mix, importance ? &*importance : nullptr, pool));
  fmt::print("{}  {} parameters in {}, {}\n", options.to, format_short(static_cast<double>(chat.model->config.n_params())),
             options.type, format_bytes(static_cast<double>(size_on_disk(options.to))));
  return {};
}

std::function<Status()> declare(CLI::App& app, std::shared_ptr<ConvertOptions> options, const char* types) {
  app.add_option("from", options->from, "a Hugging Face folder, a GGUF file or a PyTorch checkpoint")->required();
  app.add_option("to", options->to, "a file that ends in .gguf, or a folder")->required();
  app.add_option("--type", options->type, types)->capture_default_str();
  app.add_option("--threads", options->threads, "threads to encode with; 0: one per core")->check(CLI::Range(0, 1024));
  return [options] { return convert(*options); };
}

}  // namespace

Command quantize_command() {
  return {"quantize", "make a model smaller: a GGUF with 8 to 4 bits a weight",
          "  owlet quantize my-model/ my-model-q8_0.gguf\n"
          "  owlet quantize my-model/ my-model-q4_k_m.gguf --type q4_k_m\n"
          "  owlet quantize model-f16.gguf model-q4_0.gguf --type q4_0 --imatrix imatrix.gguf",
          [](CLI::App& app) {
            auto options = std::make_shared<ConvertOptions>();
            options->type = "q8_0";
            app.add_option("--imatrix", options->importance, "an importance matrix: columns that see large numbers keep smaller errors");
            return declare(app, std::move(options), "q8_0, q6_k, q5_k_m, q5_1, q5_0, q4_k_m, q4_1, q4_0, iq4_nl, bf16, f16 or f32");
          }};
}

Command convert_command() {
  return {"convert", "between Hugging Face folders, GGUF files and PyTorch checkpoints",
          "  owlet convert my-model/ my-model.gguf              folder to GGUF, f16\n"
          "  owlet convert my-model.gguf my-model/ --type f32   and back\n"
          "  owlet convert checkpoint.pt my-model/ --type bf16  a homemade checkpoint, vocab.json and merges.txt beside it\n"
          "  owlet convert a/ b/ --kv-heads 4                   fewer key/value heads, each the mean of several: a start for tuning\n"
          "  owlet convert a/ b/ --adapter my-lora              with an adapter merged into the weights\n"
          "  owlet convert a/ b/ --rope-scaling yarn:4          a context four times as long",
          [](CLI::App& app) {
            auto options = std::make_shared<ConvertOptions>();
            app.add_option("--kv-heads", options->kv_heads, "key/value heads of the result; must divide the model's")->check(CLI::PositiveNumber);
            app.add_option("--adapter", options->adapters, "a PEFT folder to merge; folder:0.5 for half of it; may be repeated");
            app.add_option("--rope-scaling", options->rope_scaling, "stretch the context: yarn:4, linear:2, dynamic:2");
            return declare(app, std::move(options), "type of the matrices: f32, f16, bf16; in a GGUF also what owlet quantize knows");
          }};
}

}  // namespace owlet

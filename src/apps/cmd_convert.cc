// quantize and convert: the same model in another form.
#include <fmt/format.h>

#include "apps/command.h"
#include "apps/load_chat_model.h"
#include "apps/onnx_folder.h"
#include "apps/peft.h"
#include "apps/progress.h"
#include "io/onnx.h"
#include "model/group_heads.h"

namespace owlet {
namespace {
namespace fs = std::filesystem;

struct ConvertOptions {
  std::string from;
  std::string to;
  std::string type = "f16";
  bool type_is_default = true;
  std::string default_onnx_type = "f32";
  bool onnx = false;     // the folder is for ONNX runtimes
  std::string importance;  // a file; empty: all columns count alike
  int threads = 0;
  int64_t kv_heads = 0;  // 0: as many as it has
  std::string rope_scaling;
  std::vector<std::string> adapters;  // merged
  std::vector<std::string> unmerged;  // taken out before
};

int64_t size_on_disk(const fs::path& path) {
  std::error_code code;
  if (!fs::is_directory(path, code)) {
    const fs::path data = onnx_data_path(path);
    return static_cast<int64_t>(fs::file_size(path, code) + (fs::exists(data, code) ? fs::file_size(data, code) : 0));
  }
  int64_t total = 0;
  for (const auto& entry : fs::recursive_directory_iterator(path, code)) {
    if (entry.is_regular_file(code)) total += static_cast<int64_t>(entry.file_size(code));
  }
  return total;
}

Result<ChatModel> load_and_change(const ConvertOptions& options) {
  OWLET_ASSIGN(ChatModel chat, load_chat_model(options.from));
  OWLET_TRY(use_adapters(options.unmerged, AdapterUse::kUnmerge, *chat.model));
  OWLET_TRY(use_adapters(options.adapters, AdapterUse::kMerge, *chat.model));
  if (!options.rope_scaling.empty()) OWLET_TRY(stretch_context(chat.model->config, options.rope_scaling));
  if (options.kv_heads > 0) {
    OWLET_ASSIGN(*chat.model, group_heads(*chat.model, options.kv_heads));
  }
  return chat;
}

void print_result(const ConvertOptions& options, const Model& model, const std::string& type) {
  fmt::print("{}  {} parameters in {}, {}\n", options.to, format_short(static_cast<double>(model.config.n_params())), type,
             format_bytes(static_cast<double>(size_on_disk(options.to))));
}

Status convert_to_onnx(const ConvertOptions& options) {
  if (fs::path(options.to).extension() == ".gguf") {
    return Error{ErrorCode::kInvalidArgument, fmt::format("{} would be a GGUF file", options.to), "--onnx wants a folder"};
  }
  const std::string type = options.type_is_default ? options.default_onnx_type : options.type;
  OWLET_ASSIGN(const ChatModel chat, load_and_change(options));
  OWLET_TRY(save_onnx_model(chat, options.to, type));
  print_result(options, *chat.model, type);
  return {};
}

Status convert(const ConvertOptions& options) {
  if (options.onnx || fs::path(options.to).extension() == ".onnx") return convert_to_onnx(options);
  OWLET_ASSIGN(const Mix mix, find_mix(options.type));
  const bool gguf = fs::path(options.to).extension() == ".gguf";
  if (!gguf && is_quantized(mix.most)) {
    return Error{ErrorCode::kInvalidArgument, fmt::format("a Hugging Face folder cannot hold {}", options.type),
                 "name a file that ends in .gguf, or choose f32, f16 or bf16"};
  }
  OWLET_ASSIGN(const ChatModel chat, load_and_change(options));
  std::optional<Importance> importance;
  if (!options.importance.empty()) {
    OWLET_ASSIGN(importance, Importance::load(options.importance));
    OWLET_TRY(importance->check(*chat.model));
  }
  ThreadPool pool(options.threads);
  OWLET_TRY(save_chat_model(chat, options.to, mix, importance ? &*importance : nullptr, pool));
  print_result(options, *chat.model, options.type);
  return {};
}

std::function<Status()> declare(CLI::App& app, std::shared_ptr<ConvertOptions> options, const char* types) {
  app.add_option("from", options->from, "a Hugging Face folder, a GGUF file or a PyTorch checkpoint")->required();
  app.add_option("to", options->to, "a file that ends in .gguf or .onnx, or a folder")->required();
  const CLI::Option* type = app.add_option("--type", options->type, types)->capture_default_str();
  app.add_option("--threads", options->threads, "threads to encode with; 0: one per core")->check(CLI::Range(0, 1024));
  return [options, type] {
    options->type_is_default = type->count() == 0;
    return convert(*options);
  };
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
            options->default_onnx_type = "int8";
            app.add_option("--imatrix", options->importance, "an importance matrix: columns that see large numbers keep smaller errors");
            return declare(app, std::move(options), "q8_0, q6_k, q5_k_m, q5_1, q5_0, q4_k_m, q4_1, q4_0, iq4_nl, bf16, f16 or f32");
          }};
}

Command convert_command() {
  return {"convert", "between Hugging Face folders, GGUF files and PyTorch checkpoints, and to ONNX",
          "  owlet convert my-model/ my-model.gguf              folder to GGUF, f16\n"
          "  owlet convert my-model.gguf my-model/ --type f32   and back\n"
          "  owlet convert checkpoint.pt my-model/ --type bf16  a homemade checkpoint, vocab.json and merges.txt beside it\n"
          "  owlet convert a/ b/ --kv-heads 4                   fewer key/value heads, each the mean of several: a start for tuning\n"
          "  owlet convert a/ b/ --adapter my-lora              with an adapter merged into the weights\n"
          "  owlet convert b/ c/ --unmerge my-lora              and taken out of them again\n"
          "  owlet convert a/ b/ --rope-scaling yarn:4          a context four times as long\n"
          "  owlet convert my-model/ my-model.onnx              a graph with a cache for ONNX runtimes, f32\n"
          "  owlet convert my-model/ web/ --onnx --type int8    onnx/model_quantized.onnx and what transformers.js wants beside it",
          [](CLI::App& app) {
            auto options = std::make_shared<ConvertOptions>();
            app.add_option("--kv-heads", options->kv_heads, "key/value heads of the result; must divide the model's")->check(CLI::PositiveNumber);
            app.add_option("--adapter", options->adapters, "a PEFT folder to merge; folder:0.5 for half of it; may be repeated");
            app.add_option("--unmerge", options->unmerged, "a PEFT folder that was merged into the model, to be taken out again; may be repeated");
            app.add_option("--rope-scaling", options->rope_scaling, "stretch the context: yarn:4, linear:2, dynamic:2");
            app.add_flag("--onnx", options->onnx, "lay the folder out for ONNX runtimes: config.json, tokenizer.json, onnx/model.onnx");
            return declare(app, std::move(options), "type of the matrices: f32, f16, bf16; in a GGUF also what owlet quantize knows; in ONNX f32 or int8");
          }};
}

}  // namespace owlet

// Text and tensors together: a model with its tokenizer and its chat template, from one path.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "core/thread_pool.h"
#include "generate/engine.h"
#include "kernels/backend.h"
#include "model/importance.h"
#include "model/mix.h"
#include "model/model.h"
#include "tokenizer/chat.h"
#include "tokenizer/tokenizer.h"

namespace owlet {

// The processor as a place to compute: threads and the kernels on them.
struct Machine {
  explicit Machine(int threads) : pool(threads) {}
  ThreadPool pool;
  std::unique_ptr<Ops> ops;
  Context context(Precision precision = Precision::kF32) { return {*ops, precision}; }
};
Result<std::unique_ptr<Machine>> make_machine(int threads);

struct ChatModel {
  std::filesystem::path path;
  std::string id;                             // what people call it: the file's or folder's name
  std::string description;
  std::unique_ptr<Model> model;
  std::unique_ptr<Tokenizer> tokenizer;
  std::optional<ChatTemplate> chat_template;  // none: a model for plain completion
  std::vector<int32_t> stop_ids;
  SamplingParams defaults;                    // the model's own advice, where its files give any
};

// A file that comes with the program: in the source tree it was built from, else under share/owlet beside an installed program.
Result<std::filesystem::path> share_file(const std::string& name);

// The bundled model: $OWLET_MODEL, else beside the program or in its source tree. Says what to do where there is none.
Result<std::filesystem::path> bundled_model_path();

// A GGUF file, a Hugging Face folder or a PyTorch checkpoint with its tokenizer beside it; empty: the bundled model.
Result<ChatModel> load_chat_model(const std::filesystem::path& path);

// Writes model, tokenizer and template where `to` says: a GGUF file (by its ending) or a Hugging Face folder, whose matrices are
// floats. `importance` may be null.
Status save_chat_model(const ChatModel& chat, const std::filesystem::path& to, const Mix& mix, const Importance* importance, ThreadPool& pool);

// What --quantize asks for: a float model's weights as blocks, in memory alone. Nothing where `type` is empty.
Status quantize_in_memory(const std::string& type, ChatModel& chat, ThreadPool& pool);

// Tokenizer and template files of a Hugging Face folder, added to one that holds a model.
Status save_tokenizer_files(const Tokenizer& tokenizer, const std::optional<ChatTemplate>& chat_template,
                            const std::filesystem::path& folder);

}  // namespace owlet
